//! What the provider `aws` takes beside AWS's own tools, against emulators on this machine: `cargo bench --features aws --bench aws`. 200 buckets
//! are made by `trueup apply`, beside boto3 with 32 threads doing the same calls, both through the same proxy before moto.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]
#![allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]
#![allow(clippy::unwrap_used, dead_code, clippy::duplicate_mod, reason = "what is shared with the tests does")]

#[path = "../../tests/support/aws/mod.rs"]
mod aws;
mod buckets;
#[path = "../../tests/support/python.rs"]
mod python;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn main() {
    println!("| what | figure |");
    println!("| --- | --- |");
    buckets::measure();
}

/// The program, in a directory, with nothing in its environment but this.
fn trueup(directory: &Path, environment: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(arguments).current_dir(directory).env_clear().env("HOME", directory);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// How long a command takes that succeeds.
fn timed(command: &mut Command) -> (Duration, Output) {
    let start = Instant::now();
    let output = command.output().unwrap();
    let taken = start.elapsed();
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}", said());
    (taken, output)
}

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
