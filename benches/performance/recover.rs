//! An apply of 1,000 that is killed half-way, and how long the next one takes until it makes what is new.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::entry::Event;
use trueup_state::holder::ThisHost;
use trueup_state::vault::Vault;
use trueup_state::{Clock, Entry, SqliteStore, Stack, Store};

use crate::process::median;
use crate::row;
use crate::scale::{AT_ONCE, Estate};

const RESOURCES: usize = 1000;

/// The time from the start of the process to the first entry of a new operation, all of its own: the cloud answers at once.
pub(crate) fn measure() {
    let mut times: Vec<Duration> = (0..5).map(|_| once()).collect();
    times.sort();
    let figure =
        format!("median {:.2} s of 5 runs, worst {:.2} s", median(&times).as_secs_f64(), times[4].as_secs_f64());
    row("an apply of 1,000 killed half-way: from the start of the next to its first new operation", &figure);
}

fn once() -> Duration {
    let estate = Estate::new(RESOURCES, AT_ONCE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(["apply", "--yes", "--parallelism", "32"]).current_dir(estate.path());
    command.env("XDG_STATE_HOME", estate.path().join("state")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().expect("the program runs");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    while runtime.block_on(entries(&estate)).iter().filter(|entry| is_begin(entry)).count() < RESOURCES / 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().expect("it is there");
    running.wait().expect("it is there");
    let since = SystemClock.now();
    estate.apply();
    let entries = runtime.block_on(entries(&estate));
    let first = entries.iter().find(|entry| is_begin(entry) && entry.at > since).expect("half of it was left");
    first.at.since(since)
}

fn is_begin(entry: &Entry) -> bool {
    matches!(entry.event, Event::Begin { .. })
}

async fn entries(estate: &Estate) -> Vec<Entry> {
    let home = estate.path().join(".trueup");
    let vault = Arc::new(Vault::existing(home.join("key")));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let store = SqliteStore::new(home.join("state.db"), vault, clock, entropy, Arc::new(ThisHost));
    let stack =
        Stack { blueprint: "bench".to_owned(), environment: "default".to_owned(), file: "blueprint.yaml".into() };
    store.history(&stack, 0).await.unwrap_or_default()
}
