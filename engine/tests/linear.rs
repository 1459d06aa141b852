//! What a stack costs grows with its size and no faster: nodes and edges that are looked at, calls, and bytes, in every phase.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "these are tests, and their counts are small")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use support::cloud::Manners;
use support::{House, on_paused_time, stack};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use trueup_engine::plan::Mode;
use trueup_state::{Store, codec};

/// How many resources there are of each of two blocks: some more than 1,000 and 10,000 in all.
const SMALL: usize = 500;
const LARGE: usize = 5_000;

/// How many times as much the larger may cost: ten, and a little for what is there once.
const MOST: f64 = 10.5;

/// What was counted, by what it is of.
type Counts = BTreeMap<String, u64>;

/// Adds up what the passes over graphs tell of themselves.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Told {
    pass: Option<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "pass" {
            self.pass = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.counts.insert(field.name(), value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let Some(pass) = told.pass else { return };
        for (what, count) in told.counts {
            *self.0.lock().unwrap().entry(format!("{pass}: {what}")).or_default() += count;
        }
    }
}

impl Counter {
    /// What was counted since the last time, with the name of what was done.
    fn take(&self, of: &str) -> Counts {
        let counts = std::mem::take(&mut *self.0.lock().unwrap());
        counts.into_iter().map(|(what, count)| (format!("{of}, {what}"), count)).collect()
    }
}

/// Two blocks of so many, the second of which depends on the first as a whole; each of the first reads one more, and one reads them all.
fn text(size: usize) -> String {
    format!(
        "blueprint: toy\n\
         providers: {{ toy: {{}} }}\n\
         resources:\n  \
           base: {{ kind: box }}\n  \
           first: {{ kind: box, for_each: \"{{{{ range({size}) }}}}\", host: \"{{{{ base.id }}}}\" }}\n  \
           second: {{ kind: box, for_each: \"{{{{ range({size}) }}}}\", depends_on: [first] }}\n  \
           all: {{ kind: box, depends_on: [first, second] }}\n"
    )
}

/// The bytes of a stack's journal, and of its state.
async fn bytes(house: &House) -> (u64, u64) {
    let vault = house.vault.as_ref();
    let mut journal = 0;
    for entry in house.store.history(&stack(), 0).await.unwrap() {
        let sealed = entry.try_map(&mut |value| codec::seal(&value, vault)).unwrap();
        journal += serde_json::to_vec(&sealed).unwrap().len() as u64;
    }
    let state = house.store.sealed(&stack()).await.unwrap().unwrap();
    (journal, serde_json::to_vec(&state).unwrap().len() as u64)
}

/// Everything that is done to a stack, and what each part of it came to.
fn counted(size: usize) -> Counts {
    let counter = Counter::default();
    let mut all = Counts::new();
    let subscriber = tracing_subscriber::registry().with(counter.clone());
    tracing::subscriber::with_default(subscriber, || {
        on_paused_time(async {
            let mut house = House::new();
            house.parallelism = 32;
            house.cloud.set_manners(Manners::default());
            let text = text(size);
            house.load(&text);
            all.extend(counter.take("load"));
            assert!(house.run(&text).await.is_complete());
            all.extend(counter.take("apply"));
            all.insert("apply, calls".to_owned(), house.cloud.take_calls().len() as u64);
            let (journal, state) = bytes(&house).await;
            all.insert("apply, bytes of the journal".to_owned(), journal);
            all.insert("apply, bytes of the state".to_owned(), state);
            house.settled(&text).await;
            all.extend(counter.take("plan"));
            all.insert("plan, calls".to_owned(), house.cloud.take_calls().len() as u64 + 1);
            assert!(house.run_for(&text, Mode::Destroy).await.is_complete());
            all.extend(counter.take("destroy"));
            all.insert("destroy, calls".to_owned(), house.cloud.take_calls().len() as u64);
            let (after, _) = bytes(&house).await;
            all.insert("destroy, bytes of the journal".to_owned(), after - journal);
        });
    });
    all
}

#[test]
fn what_a_stack_costs_grows_with_its_size_and_no_faster() {
    let (small, large) = (counted(SMALL), counted(LARGE));
    assert_eq!(small.keys().collect::<Vec<_>>(), large.keys().collect::<Vec<_>>());
    for phase in ["load", "apply", "plan", "destroy"] {
        assert!(small.keys().any(|what| what.starts_with(phase)), "{phase} tells what it looks at: {small:#?}");
    }
    for (what, few) in &small {
        let ratio = large[what] as f64 / (*few).max(1) as f64;
        assert!(ratio <= MOST, "{what}: {few} of {SMALL}, {} of {LARGE}, {ratio:.1} times as many", large[what]);
    }
    // What is looked at of a graph is a few times its size, whatever waits for whatever as a whole.
    for what in large.keys().filter(|what| what.contains("nodes") || what.contains("edges")) {
        let each = large[what] as f64 / (2 * LARGE) as f64;
        assert!(each <= 20.0, "{what}: {each:.1} for each resource");
    }
}
