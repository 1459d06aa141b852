//! Simulated runs, one for each seed: a blueprint, a cloud, and all that may befall both. Nothing may be lost, doubled or orphaned.
//!
//! `cargo test --test simulation -- --seeds 100000` runs as many; `-- --seed 17 --tell` replays one, step by step.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod dice;
#[path = "../../engine/tests/files/mod.rs"]
mod files;
mod laws;
mod model;
mod run;
mod script;
mod seed;
mod storage;
mod wire;
mod world;

use std::collections::BTreeSet;

use clap::Parser;

use seed::How;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// This one alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Without these parts of its script.
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Tells what happens.
    #[arg(long)]
    tell: bool,
    #[arg(hide = true)]
    filter: Vec<String>,
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

fn main() {
    let arguments = Arguments::parse();
    let how =
        How { without: arguments.without.iter().copied().collect::<BTreeSet<_>>(), off: None, tells: arguments.tell };
    let seeds = arguments.seed.map_or(arguments.first..arguments.first + arguments.seeds, |seed| seed..seed + 1);
    let mut failed = 0;
    for seed in seeds {
        let outcome = seed::run(seed, &how);
        if arguments.seed.is_some() {
            say(&format!("{outcome:#?}"));
        }
        if !outcome.wrongs.is_empty() {
            failed += 1;
            say(&format!("seed {seed}: {}", outcome.wrongs[0]));
        }
    }
    say(&format!("{failed} failed"));
    if failed > 0 {
        std::process::exit(1);
    }
}
