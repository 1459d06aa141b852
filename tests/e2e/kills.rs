//! The program is killed at any moment, put to sleep past its lease, and started twice: one apply then does the rest. Told from the
//! cloud's own books.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use trueup_provider_sim::{Inspector, Seen, SimProvider};
use trueup_state::clock::{SeededEntropy, SystemClock, SystemEntropy};
use trueup_state::holder::ThisHost;
use trueup_state::vault::Vault;
use trueup_state::{Clock, Entropy, SqliteStore, Stack, State, Store, codec};

use crate::support::{Place, eventually};

/// How many kills each series has: eight series, 200 kills.
const KILLS: u64 = 25;

/// A cloud that takes a little time over everything, so that there is something to be killed in.
const CLOUD: &str = "blueprint: demo
providers:
  sim:
    latency: { from: 1ms, to: 12ms }
    pending: { gpu_instance: 40ms, 'Sim::Thing': 15ms }
    named_by_caller: [registry]
    faults: [FAULTS]
resources:
";

/// What goes wrong in a run that is killed, and in none after it.
const FAULTS: &str = "{ fault: lost, rate: 0.05 }, { fault: transient, rate: 0.03 }";

/// A cloud whose books can be looked into while the program is at work.
struct Books {
    runtime: tokio::runtime::Runtime,
    inspector: Inspector,
    store: SqliteStore,
}

impl Books {
    fn of(place: &Place) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let home = place.path(".trueup");
        let provider = SimProvider::in_file(home.join("sim.db"), clock.clone(), entropy.clone());
        let inspector = runtime.block_on(provider.inspect()).unwrap();
        let vault = Arc::new(Vault::existing(home.join("key")));
        let store = SqliteStore::new(home.join("state.db"), vault, clock, entropy, Arc::new(ThisHost));
        Self { runtime, inspector, store }
    }

    fn objects(&self) -> Vec<Seen> {
        self.runtime.block_on(self.inspector.objects()).unwrap()
    }

    fn calls(&self) -> Vec<trueup_provider_sim::Call> {
        self.runtime.block_on(self.inspector.calls(0)).unwrap()
    }

    fn state(&self) -> Option<State> {
        let file = Path::new("blueprint.yaml").to_owned();
        let stack = Stack { blueprint: "demo".to_owned(), environment: "default".to_owned(), file };
        self.runtime.block_on(self.store.snapshot(&stack)).unwrap().state
    }

    /// Nothing is lost, doubled or orphaned, what is recorded is what is there, and nothing is left to be done.
    #[track_caller]
    fn are_level(&self, what: &str) {
        let (objects, state) = (self.objects(), self.state());
        for object in state.iter().flat_map(|state| state.records.values()).filter_map(|record| record.current.as_ref())
        {
            let there = objects.iter().find(|seen| object.id.as_ref() == Some(&seen.id));
            let seen = codec::reveal(&object.seen).unwrap();
            assert!(there.is_none_or(|there| there.spec == seen), "{what}: {seen} is recorded of {there:?}");
        }
        let records = state.iter().flat_map(|state| state.records.values());
        let mut owned: Vec<String> =
            records.flat_map(|record| record.objects().filter_map(|object| object.id.clone())).collect();
        let there: Vec<String> = objects.iter().map(|object| object.id.clone()).collect();
        owned.sort();
        assert_eq!(owned, there, "{what}: recorded, and there");
        assert!(state.iter().all(|state| state.open.is_empty()), "{what}: nothing is open");
        let deposed = state.iter().flat_map(|state| state.records.values()).filter(|record| !record.deposed.is_empty());
        assert_eq!(deposed.count(), 0, "{what}: nothing deposed is left");
        let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for call in self.calls().into_iter().filter(|call| call.call == "create") {
            if let (Some(token), Some(object)) = (call.token, call.object) {
                made.entry(token).or_default().insert(object);
            }
        }
        let twice: Vec<_> = made.into_iter().filter(|(_, objects)| objects.len() > 1).collect();
        assert!(twice.is_empty(), "{what}: made twice by one operation: {twice:?}");
    }
}

impl Books {
    /// Of the calls after one, none deleted a machine before another was in its place. `since`: how many calls there were before.
    #[track_caller]
    fn kept_machines(&self, since: usize, what: &str) {
        let mut there: BTreeSet<String> = BTreeSet::new();
        for (number, call) in self.calls().into_iter().enumerate().filter(|(_, call)| call.kind == "gpu_instance") {
            let Some(object) = call.object else { continue };
            match call.call.as_str() {
                "create" => drop(there.insert(object)),
                "delete" if there.remove(&object) && number >= since => {
                    assert!(!there.is_empty(), "{what}: {object} was deleted, and nothing was in its place");
                }
                _ => {}
            }
        }
    }
}

/// A place that is killed again and again.
struct Victim {
    place: Place,
    dice: SeededEntropy,
    /// How long a run takes that nobody kills.
    usual: Duration,
}

impl Victim {
    fn new(seed: u64) -> Self {
        Self { place: Place::new(), dice: SeededEntropy::new(seed), usual: Duration::from_millis(400) }
    }

    fn below(&self, end: u64) -> u64 {
        self.dice.number() % end
    }

    /// Applies a blueprint, is killed on the way, and applies it again: true if the kill came in time.
    fn killed_in(&mut self, resources: &str, books: &mut Option<Books>) -> bool {
        self.place.write("blueprint.yaml", &format!("{}{resources}", CLOUD.replace("FAULTS", FAULTS)));
        let since_call = books.as_ref().map_or(0, |books| books.calls().len());
        let running = self.place.start(&["apply", "--yes", "--json"]);
        let after = self.usual.mul_f64(1.1 * self.dice.share());
        std::thread::sleep(after);
        running.signal_if_there(Signal::KILL);
        let is_killed = running.wait().code == -1;
        self.place.write("blueprint.yaml", &format!("{}{resources}", CLOUD.replace("FAULTS", "")));
        // The cloud hears of it from a plan.
        self.place.run(&["plan"]);
        let since = SystemClock.uptime();
        let what = format!("killed after {after:?} with\n{resources}");
        self.place.run(&["apply", "--yes"]).exits(0);
        self.usual = (self.usual * 3 + SystemClock.uptime().saturating_sub(since)) / 4;
        let books = books.get_or_insert_with(|| Books::of(&self.place));
        books.are_level(&what);
        if resources.contains("gpu_instance") {
            books.kept_machines(since_call, &what);
        }
        is_killed
    }

    /// So many kills, of what each next blueprint brings about.
    fn survives(&mut self, next: impl Fn(&Self, u64) -> String) {
        let mut books = None;
        let (mut kills, mut turn) = (0, 0);
        while kills < KILLS {
            turn += 1;
            let resources = next(self, turn);
            kills += u64::from(self.killed_in(&resources, &mut books));
            assert!(turn < KILLS * 8, "it is hardly ever killed in time");
        }
        self.place.run(&["plan"]).exits(0).says("Nothing to do.");
        let verified = self.place.run(&["state", "verify"]).exits(0);
        assert!(!verified.out.contains("damage"), "{}", verified.out);
    }
}

/// Six things that depend on each other, of all sorts.
fn chain(shape: u64, size: u64, keys: &str) -> String {
    format!(
        "  a: {{ kind: 'Sim::Thing', for_each: [{keys}], properties: {{ shape: s{shape}, size: {size} }} }}
  b: {{ kind: registry, for_each: [{keys}], tags: {{ size: s{size}, a: \"{{{{ a[each.key].name }}}}\" }} }}
  c: {{ kind: bucket, tags: {{ size: s{size}, b: \"{{{{ b | values | map(attribute='uri') | join(' ') }}}}\" }} }}
  d: {{ kind: gpu_instance, gpu: {{ model: L4 }}, machine_type: m{shape}, env: {{ C: \"{{{{ c.uri }}}}\" }} }}
  e: {{ kind: endpoint, image: 'registry.example/e:{size}', env: {{ D: \"{{{{ d.hostname }}}}\" }} }}
"
    )
}

const NONE: &str = "  kept: { kind: bucket }\n";

#[test]
fn creates() {
    // Destroyed in between without being killed, so that all of it is made each time.
    Victim::new(1).survives(|victim, turn| {
        if turn > 1 {
            victim.place.run(&["destroy", "--yes"]).exits(0);
        }
        chain(turn, 1, "x, y")
    });
}

#[test]
fn updates() {
    Victim::new(2).survives(|_, turn| chain(1, turn, "x, y"));
}

#[test]
fn replaces() {
    Victim::new(3).survives(|_, turn| chain(turn, 1, "x, y"));
}

#[test]
fn deletes_and_creates() {
    Victim::new(4).survives(|_, turn| if turn % 2 == 0 { NONE.to_owned() } else { chain(1, 1, "x, y") });
}

#[test]
fn instances_that_come_and_go() {
    let keys = ["x", "x, y, z", "z", "v, w, x", "w, y"];
    Victim::new(5).survives(|victim, _| chain(1, 1, keys[usize::try_from(victim.below(5)).unwrap()]));
}

#[test]
fn all_of_it_at_once() {
    for seed in [6, 7, 8] {
        Victim::new(seed).survives(|victim, _| {
            let keys = ["x", "x, y", "y, z"][usize::try_from(victim.below(3)).unwrap()];
            if victim.below(7) == 0 { NONE.to_owned() } else { chain(victim.below(4), victim.below(4), keys) }
        });
    }
}

#[test]
fn a_run_that_slept_past_its_lease_sends_nothing_more() {
    let cloud = "blueprint: demo
providers: { sim: { pending: { 'Sim::Thing': 3s } } }
resources:
  a: { kind: 'Sim::Thing' }
  b: { kind: bucket, tags: { a: \"{{ a.name }}\" } }
";
    let place = Place::with(cloud);
    let running = place.start(&["apply", "--yes", "--lease", "2s"]);
    eventually("the cloud has its book", || place.path(".trueup/sim.db").exists());
    let books = Books::of(&place);
    let is_pending = |state: State| state.open.values().any(|open| open.handle.is_some());
    eventually("it is pending", || books.state().is_some_and(is_pending));
    running.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(2600));
    let before = books.calls().len();
    place.run(&["unlock"]).exits(0).says("Nobody holds");
    running.signal(Signal::CONT);
    running.wait().exits(3).says("the lease is no longer ours");
    let sent: Vec<_> = books.calls().split_off(before);
    assert!(sent.is_empty(), "{sent:?}");
    place.run(&["apply", "--yes"]).exits(0).says("settling the create of an earlier run");
    books.are_level("after the sleep");
}

#[test]
fn of_a_sleeper_and_its_successor_one_works() {
    let cloud = "blueprint: demo
providers: { sim: { pending: { 'Sim::Thing': 3s } } }
resources:
  a: { kind: 'Sim::Thing', for_each: [x, y, z] }
  b: { kind: bucket, tags: { a: \"{{ a['x'].name }}\" } }
";
    let place = Place::with(cloud);
    let running = place.start(&["apply", "--yes", "--lease", "2s"]);
    eventually("the cloud has its book", || place.path(".trueup/sim.db").exists());
    let books = Books::of(&place);
    // All that it has to write is written: one that sleeps in the midst of a write keeps the file to itself.
    let are_pending = |state: State| state.open.values().filter(|open| open.handle.is_some()).count() == 3;
    eventually("all are pending", || books.state().is_some_and(are_pending));
    running.signal(Signal::STOP);
    place.run(&["apply", "--yes"]).exits(4).complains("held by `trueup apply`");
    place.run(&["apply", "--yes", "--wait"]).exits(0);
    running.signal(Signal::CONT);
    running.wait().exits(3).says("the lease is no longer ours");
    books.are_level("after both");
    assert_eq!(books.objects().len(), 4);
}
