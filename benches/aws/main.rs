//! What the provider `aws` takes beside other tools, against emulators on this machine: `cargo bench --features aws --bench aws`. 200 buckets
//! are made by `trueup apply`, beside boto3 with 32 threads doing the same calls, both through the same proxy before moto; and an artifact of
//! 5 GiB goes to the S3 server of `benches/s3`, beside rclone. `-- buckets` or `-- artifact` measures one of them alone, `-- artifact 1` one of
//! 1 GiB.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]
#![allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]
#![allow(clippy::unwrap_used, dead_code, clippy::duplicate_mod, reason = "what is shared with the tests does")]

mod artifact;
#[path = "../../tests/support/aws/mod.rs"]
mod aws;
mod buckets;
#[path = "../../tests/support/python.rs"]
mod python;
#[path = "../../tests/support/script.rs"]
mod script;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_asked = |what: &str| arguments.first().is_none_or(|only| only == what);
    println!("| what | figure |");
    println!("| --- | --- |");
    if is_asked("buckets") {
        buckets::measure();
        buckets::measure_drift();
    }
    if is_asked("artifact") {
        artifact::measure(arguments.get(1).map_or(5, |gib| gib.parse().expect("how many GiB")));
    }
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
