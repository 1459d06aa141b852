//! How long `trueup graph` takes as a whole process on 1,000 resources: `cargo bench --bench graph`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How many runs are counted.
const RUNS: usize = 10;

/// How many resources there are.
const RESOURCES: usize = 1000;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("blueprint.yaml"), blueprint()).expect("the blueprint is written");
    std::fs::create_dir(directory.path().join("model")).expect("a directory for the artifacts");
    for format in ["text", "dot", "svg"] {
        let mut times: Vec<Duration> = (0..=RUNS).map(|_| timed(directory.path(), format)).skip(1).collect();
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "graph, {RESOURCES} resources, blueprint alone, {format}: median {:.0} ms, most {:.0} ms of {RUNS} runs",
            milliseconds(times[RUNS / 2]),
            milliseconds(times[RUNS - 1]),
        );
    }
}

fn timed(directory: &Path, format: &str) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(["graph", "--no-plan", "--format", format]).current_dir(directory);
    command.env("XDG_STATE_HOME", directory.join("state"));
    let since = Instant::now();
    let output = command.output().expect("the program runs");
    let took = since.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("endpoint_0"));
    took
}

/// Buckets, artifacts in them, registries, and endpoints that read artifacts and depend on registries and on each other: a tangle in
/// which nothing is alike. One of a fixed row of numbers says what each depends on.
fn blueprint() -> String {
    let mut text = String::from("blueprint: bench\nproviders:\n  local: {}\nresources:\n");
    let (buckets, artifacts, registries) = (RESOURCES / 10, RESOURCES * 4 / 10, RESOURCES / 20);
    let mut seed = 7_usize;
    let mut any = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for at in 0..buckets {
        let _ = writeln!(text, "  bucket_{at}: {{ kind: bucket }}");
    }
    for at in 0..registries {
        let _ = writeln!(text, "  registry_{at}: {{ kind: registry }}");
    }
    for at in 0..artifacts {
        let bucket = any(buckets);
        let _ = writeln!(
            text,
            "  model_{at}: {{ kind: artifact, bucket: \"{{{{ bucket_{bucket} }}}}\", source: ./model }}"
        );
    }
    for at in 0..RESOURCES - buckets - artifacts - registries {
        let mut depends_on = Vec::new();
        if any(10) < 3 {
            depends_on.push(format!("registry_{}", any(registries)));
        }
        if at > 0 && any(10) < 4 {
            depends_on.push(format!("endpoint_{}", any(at)));
        }
        let (model, depends_on) = (any(artifacts), depends_on.join(", "));
        let _ = writeln!(
            text,
            "  endpoint_{at}: {{ kind: endpoint, command: [x], model: \"{{{{ model_{model}.uri }}}}\", depends_on: [{depends_on}] }}"
        );
    }
    text
}
