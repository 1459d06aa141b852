//! How long `trueup plan` takes as a whole process on ten resources with nothing to do: `cargo bench --bench plan`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How many runs are counted.
const RUNS: usize = 50;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("blueprint.yaml"), blueprint()).expect("the blueprint is written");
    let applied = trueup(directory.path(), &["apply", "--yes"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    for (name, arguments) in [("no refresh", &["plan", "--no-refresh"][..]), ("refresh", &["plan"][..])] {
        let mut times: Vec<Duration> = (0..=RUNS).map(|_| timed(directory.path(), arguments)).skip(1).collect();
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "plan, 10 resources, nothing to do, {name}: median {:.1} ms, least {:.1} ms, most {:.1} ms of {RUNS} runs",
            milliseconds(times[RUNS / 2]),
            milliseconds(times[0]),
            milliseconds(times[RUNS - 1]),
        );
    }
    let destroyed = trueup(directory.path(), &["destroy", "--yes"]);
    assert!(destroyed.status.success(), "{}", String::from_utf8_lossy(&destroyed.stderr));
}

fn timed(directory: &Path, arguments: &[&str]) -> Duration {
    let since = Instant::now();
    let output = trueup(directory, arguments);
    let took = since.elapsed();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    took
}

fn trueup(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(arguments).current_dir(directory).env("XDG_STATE_HOME", directory.join("state"));
    command.output().expect("the program runs")
}

/// Four buckets and six registries, with a variable, tags and an output.
fn blueprint() -> String {
    let mut text = String::from("blueprint: bench\nvariables:\n  team: { type: string, default: search }\n");
    text.push_str("tags: { team: \"{{ var.team }}\" }\nproviders:\n  local: {}\nresources:\n");
    for number in 0..4 {
        let _ = writeln!(text, "  bucket_{number}:\n    kind: bucket\n    versioning: true");
    }
    for number in 0..6 {
        let depends_on = number % 4;
        let _ = writeln!(text, "  registry_{number}:\n    kind: registry\n    depends_on: [bucket_{depends_on}]");
    }
    text.push_str("outputs:\n  uri: \"{{ bucket_0.uri }}\"\n");
    text
}
