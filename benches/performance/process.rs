//! Runs of the program as a whole process, and what they took.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How often each run is repeated where its time is short; the first is not counted.
pub(crate) const RUNS: usize = 50;

/// A run that ended.
pub(crate) struct Run {
    pub(crate) took: Duration,
    pub(crate) output: Output,
}

/// Runs the program in a directory, which is its user's home too. It must end with one of these codes.
pub(crate) fn trueup(directory: &Path, arguments: &[&str], codes: &[i32]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(arguments).current_dir(directory).env("XDG_STATE_HOME", directory.join("state"));
    command.env("RUST_LOG", "trueup=debug,trueup_engine=debug").env("NO_COLOR", "1");
    let since = Instant::now();
    let output = command.output().expect("the program runs");
    let took = since.elapsed();
    let is_expected = output.status.code().is_some_and(|code| codes.contains(&code));
    assert!(is_expected, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Run { took, output }
}

/// How long several runs of it took, in order, the first apart.
pub(crate) fn times(runs: usize, run: impl Fn() -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..=runs).map(|_| run()).skip(1).collect();
    times.sort();
    times
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Run {
    fn logged(&self) -> impl Iterator<Item = String> {
        String::from_utf8_lossy(&self.output.stderr).lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    /// How long each phase took, in milliseconds.
    pub(crate) fn phases(&self) -> BTreeMap<String, f64> {
        let phase = |line: String| {
            let (_, rest) = line.split_once("phase=\"")?;
            let (name, rest) = rest.split_once('"')?;
            let millis = rest.split_once("millis=")?.1.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), millis))
        };
        self.logged().filter_map(phase).collect()
    }

    /// The most memory that it had, in MiB.
    pub(crate) fn peak(&self) -> u64 {
        let peak = |line: String| line.split_once("peak_mib=")?.1.split_whitespace().next()?.parse().ok();
        self.logged().find_map(peak).expect("the program logs its peak")
    }
}
