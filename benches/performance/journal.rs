//! What a step of an apply costs the journal: bytes, and steps a second. A step is one operation: `Begin`, then `Succeeded`, each
//! durable before the next. The file is made below the target folder, so that folder's disk is measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::holder::ThisHost;
use trueup_state::vault::Vault;
use trueup_state::{Address, Clock, Lease, SqliteStore, Stack, Store, Verb};

use crate::{entries, row};

/// Steps that run at once.
const PARALLEL: usize = 32;

/// What a step comes to.
struct Figures {
    /// Bytes of its entries' JSON.
    payload: u64,
    /// Bytes that were written for it, checkpoints counted in.
    written: u64,
    /// Steps a second.
    rate: u128,
}

pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal");
    let of = |resources, parallel| {
        let _ = std::fs::remove_dir_all(&directory);
        runtime.block_on(run_of(&directory, resources, parallel))
    };
    let one = of(1_000, 1);
    let several = [100, 1_000, 10_000, 100_000].map(|resources| of(resources, PARALLEL));
    let _ = std::fs::remove_dir_all(&directory);
    let all = |figure: fn(&Figures) -> String| several.iter().map(figure).collect::<Vec<_>>().join(" · ");
    let payload = all(|figures| figures.payload.to_string());
    row("journal: payload a step, at 100 · 1,000 · 10,000 · 100,000 resources", &format!("{payload} bytes"));
    let written = all(|figures| figures.written.to_string());
    let figure = format!("{written} bytes; 1 at a time, of 1,000: {}", one.written);
    row("journal: bytes written a step, 32 at once, checkpoints counted in", &figure);
    row("journal: steps a second, 32 at once", &all(|figures| figures.rate.to_string()));
    let cost = |figures: &Figures| format!("{}", 1_000_000 / figures.rate.max(1));
    row("journal: what a step adds, 32 at once", &format!("{} µs", all(cost)));
}

/// Makes that many resources, then updates each once; the updates are measured, and at least 5,000 of them.
async fn run_of(directory: &Path, resources: usize, parallel: usize) -> Figures {
    let path = directory.join("state.db");
    let clock = Arc::new(SystemClock);
    let vault = Arc::new(Vault::ephemeral());
    let store = Arc::new(SqliteStore::new(path, vault, clock.clone(), Arc::new(SystemEntropy), Arc::new(ThisHost)));
    let stack = Stack { blueprint: "bench".into(), environment: "default".into(), file: "blueprint.yaml".into() };
    let holder = ThisHost::holder("bench", clock.now());
    let mut lease = store.lease(&stack, &holder).await.expect("a lease");
    for first in (0..resources).step_by(10_000) {
        let part = first..resources.min(first + 10_000);
        run(&store, &lease, parallel.max(PARALLEL), part.map(|number| (Verb::Create, number, 0)).collect()).await;
        store.renew(&mut lease).await.expect("a renewal");
    }
    let rounds = 5_000_usize.div_ceil(resources).max(1);
    let before = (written(), payload(&store, &stack).await);
    let mut took = Duration::ZERO;
    let mut steps = 0;
    for round in 1..=rounds {
        for first in (0..resources).step_by(10_000) {
            let part: Vec<_> =
                (first..resources.min(first + 10_000)).map(|number| (Verb::Update, number, round)).collect();
            steps += part.len();
            took += run(&store, &lease, parallel, part).await;
            store.renew(&mut lease).await.expect("a renewal");
        }
    }
    let after = written();
    let payload = payload(&store, &stack).await.abs_diff(before.1);
    let each = |bytes: u64| bytes / u64::try_from(steps).expect("a number of steps");
    let rate = u128::try_from(steps).expect("a number of steps") * 1_000_000 / took.as_micros().max(1);
    let bytes = each(after - before.0);
    store.release(lease).await.expect("a release");
    Figures { payload: each(payload), written: bytes, rate }
}

/// Runs steps, so many at once, and says how long that took.
async fn run(store: &Arc<SqliteStore>, lease: &Lease, parallel: usize, steps: Vec<(Verb, usize, usize)>) -> Duration {
    let steps = Arc::new(steps);
    let start = SystemClock.uptime();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..parallel {
        let (store, lease, steps) = (Arc::clone(store), lease.clone(), Arc::clone(&steps));
        tasks.spawn(async move {
            for &(verb, number, round) in steps.iter().skip(task).step_by(parallel) {
                let [begin, end] = step(verb, number, round);
                store.append(&lease, &[begin]).await.expect("room and a lease");
                store.append(&lease, &[end]).await.expect("room and a lease");
            }
        });
    }
    tasks.join_all().await;
    SystemClock.uptime().saturating_sub(start)
}

/// Tokens and names of one length, so that what is compared is the journal's doing.
fn step(verb: Verb, number: usize, round: usize) -> [trueup_state::Entry; 2] {
    let address = Address::root(format!("resource-{number:06}"));
    let token = format!("8f14e45f-ceea-467a-{round:04x}-{number:012x}");
    let spec = entries::spec("us-east-1");
    let object = entries::object(&address, 0, &token, spec.clone());
    [entries::begin(verb, &address, 0, &token, spec), entries::succeeded(&address, &token, Some(object))]
}

/// Bytes of all entries, as their compact JSON.
async fn payload(store: &SqliteStore, stack: &Stack) -> u64 {
    let history = store.history(stack, 0).await.expect("a journal");
    let vault = Vault::ephemeral();
    let bytes = |entry: &trueup_state::Entry| {
        let sealed = entry.clone().try_map(&mut |value| trueup_state::codec::seal(&value, &vault)).expect("no secret");
        serde_json::to_vec(&sealed).expect("plain JSON").len()
    };
    history.iter().map(bytes).map(|bytes| u64::try_from(bytes).expect("a length")).sum()
}

/// Bytes that this process handed to `write`.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux counts what a process writes");
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).expect("a count")
}
