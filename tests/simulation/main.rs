//! Simulated runs, one for each seed: a blueprint, a cloud, and all that may befall both. Nothing may be lost, doubled or orphaned.
//!
//! `cargo test --test simulation -- --seeds 100000` runs as many; `-- --seed 17 --tell` replays one, step by step;
//! `-- --rules` shows of each rule what goes wrong without it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod dice;
#[path = "../../engine/tests/files/mod.rs"]
mod files;
mod laws;
mod model;
mod needed;
mod run;
mod script;
mod seed;
mod shrink;
mod storage;
mod tally;
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use trueup_state::Clock;
use trueup_state::clock::SystemClock;
use trueup_state::rules::Rule;

use seed::{How, Outcome};
use tally::Tally;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = tally::ENOUGH)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// This one alone
    #[arg(long)]
    seed: Option<u64>,
    /// Leave these parts of its script out
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Switch this rule off
    #[arg(long, value_parser = rule)]
    off: Option<Rule>,
    /// Tell what happens
    #[arg(long)]
    tell: bool,
    /// Only show of each rule that it is needed
    #[arg(long)]
    rules: bool,
    /// What else the test command is given: names of tests, and how to show them
    #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
    names: Vec<String>,
}

impl Arguments {
    /// Whether nothing in particular is asked for.
    fn is_test(&self) -> bool {
        self.off.is_none() && self.first == 0 && self.seeds == tally::ENOUGH
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    let found = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == text);
    found.ok_or_else(|| format!("it is one of {:?}", Rule::ALL))
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Another test was asked for by its name.
    if arguments.names.iter().any(|name| !name.starts_with('-') && !"simulation".contains(name.as_str())) {
        return ExitCode::SUCCESS;
    }
    let how = How { without: arguments.without.iter().copied().collect(), off: arguments.off, tells: arguments.tell };
    let is_good = match arguments.seed {
        Some(seed) => replay(seed, &how),
        None if arguments.rules => needed::all(),
        None => many(arguments.first, arguments.seeds, &how) && (!arguments.is_test() || needed::all()),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, how: &How) -> bool {
    let outcome = seed::run(seed, how);
    outcome.wrongs.iter().for_each(|wrong| say(wrong));
    let mut tally = Tally::default();
    let is_good = outcome.wrongs.is_empty();
    tally.add(outcome);
    say(&tally.to_string());
    is_good
}

/// As many seeds as there are, on all processors.
fn many(first: u64, count: u64, how: &How) -> bool {
    let since = SystemClock.uptime();
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let outcome = seed::run(seed, how);
                    if !outcome.wrongs.is_empty() {
                        report(seed, &outcome, how);
                    }
                    tally.lock().unwrap().add(outcome);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    let a_second =
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / SystemClock.uptime().saturating_sub(since).as_secs_f64();
    say(&format!("{tally}\n{count} seeds, {} of them with a violation; {a_second:.1} seeds a second", tally.failed));
    tally.failed == 0 && (how.off.is_some() || count < tally::ENOUGH || tally.is_broad())
}

/// What went wrong with a seed, made as small as it gets, and the command that replays it.
fn report(seed: u64, outcome: &Outcome, how: &How) {
    let (without, wrongs) = shrink::smallest(seed, outcome, how);
    let parts: Vec<String> = without.iter().map(ToString::to_string).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" --without {}", parts.join(",")) };
    let off = how.off.map(|rule| format!(" --off {rule:?}")).unwrap_or_default();
    say(&format!(
        "seed {seed}: {}\n  replay: cargo test --test simulation -- --tell --seed {seed}{parts}{off}",
        wrongs.first().map_or("", String::as_str)
    ));
}
