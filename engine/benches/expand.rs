//! How long a `for_each` of 100,000 with three expressions in each takes to load, how much memory it takes, and how both grow:
//! `cargo bench -p trueup-engine --bench expand`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures and prints"
)]

#[path = "../tests/reading/mod.rs"]
mod reading;
#[path = "../tests/reading/wide.rs"]
mod wide;

use std::time::{Duration, Instant};

use trueup_engine::blueprint::Program;

fn main() {
    // The memory first: it only ever grows.
    for (name, text) in [
        ("a for_each of 10,000", wide::nodes(10_000)),
        ("a for_each of 100,000", wide::nodes(100_000)),
        ("two for_each of 10,000, one reads the other", wide::wide(10_000)),
        ("two for_each of 100,000, one reads the other", wide::wide(100_000)),
    ] {
        let before = peak_kib();
        let program = load(&text);
        let grown = peak_kib().saturating_sub(before) / 1024;
        let (resources, edges) = (program.resources.len(), program.graph.graph.edge_count());
        drop(program);
        let mut times: Vec<Duration> = (0..7).map(|_| timed(&text)).collect();
        times.sort();
        let [least, .., most] = times[..] else { return };
        let median = times[times.len() / 2];
        println!(
            "{name}: {resources} resources, {edges} edges, median {median:.3?} ({least:.3?} to {most:.3?}), peak grew by {grown} MiB"
        );
    }
}

fn timed(text: &str) -> Duration {
    let since = Instant::now();
    let program = load(text);
    let took = since.elapsed();
    drop(program);
    took
}

fn load(text: &str) -> Program {
    reading::load_text(text.as_bytes(), &reading::given(&[]))
        .unwrap_or_else(|errors| panic!("{}", reading::draw(&errors)))
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
