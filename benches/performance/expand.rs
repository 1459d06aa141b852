//! How long a large blueprint takes to load, within one process, and how much memory that takes.

use std::time::{Duration, Instant};

use trueup_engine::blueprint::Program;

use crate::process::{median, milliseconds};
use crate::{reading, row, wide};

/// How many runs are counted.
const RUNS: usize = 7;

pub(crate) fn measure() {
    // The memory first: it only ever grows.
    for (what, text) in [
        ("a `for_each` of 10,000 with three expressions in each, loaded", wide::nodes(10_000)),
        ("the same of 100,000", wide::nodes(100_000)),
        ("two of 10,000, one reads the other", wide::wide(10_000)),
    ] {
        let before = peak_kib();
        let program = load(&text);
        let grown = peak_kib().saturating_sub(before) / 1024;
        let edges = program.graph.graph.edge_count();
        drop(program);
        let mut times: Vec<Duration> = (0..RUNS).map(|_| timed(&text)).collect();
        times.sort();
        let median = milliseconds(median(&times));
        row(what, &format!("median {median:.0} ms of {RUNS} runs, {edges} edges, {grown} MiB more"));
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
