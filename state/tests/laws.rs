//! Laws that hold for any journal and any value.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use proptest::prelude::*;
use support::entries::{
    adopted, annotated, begin, failed, forgotten, moved, object, outputs, parked, resolved, submitted, succeeded,
};
use support::{House, holder, stack};
use trueup_state::codec::{open, redact, seal};
use trueup_state::entry::{Applied, Resolution};
use trueup_state::vault::Vault;
use trueup_state::{Address, Declared, Entry, Secret, State, Value, Verb};

const CANARY: &str = "canary-7c9e6679";

/// Any value, with secrets and unknowns at any depth, and maps whose keys look like marks.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::Unknown),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(|number| Value::Number(number.into())),
        any::<f64>().prop_filter_map("JSON has no such number", |number| {
            serde_json::Number::from_f64(number).map(Value::Number)
        }),
        ".{0,12}".prop_map(Value::from),
        Just(Value::secret(CANARY.into())),
        "[a-z]{4}".prop_map(|sealed| Value::Secret(Secret::Locked(format!("not age {sealed}").into()))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof!["[a-z]{1,4}", r"\$(sealed|unknown|literal|[a-z]{0,3})"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(name, inner.clone(), 0..4)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
            inner.prop_map(Value::secret),
        ]
    })
}

/// Whether a locked secret is inside: its text is what a keyless machine passes on, here none that a key opens.
fn has_locked(value: &Value) -> bool {
    match value.revealed() {
        Value::Secret(_) => true,
        Value::List(items) => items.iter().any(has_locked),
        Value::Map(map) => map.values().any(has_locked),
        _ => false,
    }
}

/// One thing that may happen: which, to which of a few resources, and with how large a spec.
type Happening = (u8, u8, u8, u16);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec((0..17_u8, 0..4_u8, 0..4_u8, 0..200_u16), 1..80)
}

/// The entry of a happening; legal or not is for the state to say.
fn entry(state: &State, number: usize, (what, which, other, size): Happening) -> Entry {
    let (address, to) = (Address::root(format!("r{which}")), Address::root(format!("r{other}")));
    // Large enough that some journals have several checkpoints.
    let spec: Value = serde_json::json!({ "number": number, "filling": "x".repeat(usize::from(size) * 256) }).into();
    let generation = state.records.get(&address).map_or(0, |record| record.generation);
    let fresh = format!("t{number}");
    let open = state.open.values().find(|open| open.request.address == address);
    let token = open.map_or("none", |open| open.request.token.as_str());
    let about = open.map_or(generation, |open| open.request.generation);
    let ended = object(&address, about, token, spec.clone());
    match what {
        0 | 1 => begin(Verb::Create, &address, generation, &fresh, spec),
        2 => begin(Verb::Create, &address, generation + 1, &fresh, spec),
        3 => begin(Verb::Update, &address, generation, &fresh, spec),
        4 => begin(Verb::Delete, &address, generation, &fresh, spec),
        5 => begin(Verb::Check, &address, generation, &fresh, spec),
        6 => submitted(&address, token),
        7 | 8 => succeeded(&address, token, Some(ended)),
        9 => succeeded(&address, token, None),
        10 => failed(&address, token, Applied::Partly(Box::new(ended))),
        11 => failed(&address, token, if size % 2 == 0 { Applied::No } else { Applied::Unknown }),
        12 if size % 2 == 0 => parked(&address, token),
        12 => resolved(&address, token, Resolution::Id("found".to_owned())),
        13 => moved(&address, &to),
        14 if size % 2 == 0 => forgotten(&address, generation),
        15 => adopted(&address, Declared::default(), object(&address, generation, &fresh, Value::secret(spec))),
        14 => outputs(&format!("o{other}"), Value::secret(spec)),
        _ => {
            let declared = Declared { dependencies: [to].into(), protect: size % 2 == 0, ..Declared::default() };
            annotated(&address, declared, None)
        }
    }
}

/// The legal ones of what happens, and the state that they add up to. An illegal one leaves no trace.
fn journal(lineage: &str, happenings: &[Happening]) -> Result<(Vec<Entry>, State), TestCaseError> {
    let (mut entries, mut state) = (Vec::new(), State::new(lineage));
    for (number, happening) in happenings.iter().enumerate() {
        let entry = entry(&state, number, *happening);
        let before = state.clone();
        if state.apply(&entry).is_ok() {
            prop_assert_eq!(state.serial, before.serial + 1);
            entries.push(entry);
        } else {
            prop_assert_eq!(&state, &before);
        }
    }
    Ok((entries, state))
}

async fn kept_and_read(house: &House, happenings: &[Happening], calls: usize) -> Result<(), TestCaseError> {
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    let lineage = store.snapshot(&stack()).await.unwrap().state.unwrap().lineage;
    let (entries, state) = journal(&lineage, happenings)?;
    for call in entries.chunks(calls) {
        store.append(&lease, call).await.unwrap();
    }
    let reopened = house.open();
    let read = reopened.snapshot(&stack()).await.unwrap().state.unwrap();
    prop_assert_eq!(&read, &state);
    let mut replayed = State::new(lineage);
    for entry in reopened.history(&stack(), 0).await.unwrap() {
        replayed.apply(&entry).unwrap();
    }
    prop_assert_eq!(replayed, state);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_in_memory_adds_up_to_the_live_state(happenings in happenings(), calls in 1..6_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(kept_and_read(&House::memory(), &happenings, calls))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_in_a_file_adds_up_to_the_live_state(happenings in happenings(), calls in 1..6_usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(kept_and_read(&House::sqlite(), &happenings, calls))?;
    }
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_was_sealed(value in value().prop_filter("opened by no key", |value| !has_locked(value))) {
        let vault = Vault::ephemeral();
        let text = serde_json::to_string(&seal(&value, &vault).unwrap()).unwrap();
        prop_assert!(!text.contains(CANARY), "{}", text);
        let read = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(open(&read, &vault).unwrap(), value);
    }

    #[test]
    fn no_form_that_leaves_shows_a_secret(value in value()) {
        let sealed = seal(&value, &Vault::ephemeral()).unwrap();
        prop_assert!(!serde_json::to_string(&sealed).unwrap().contains(CANARY));
        for redaction in [trueup_state::codec::Redaction::Words, trueup_state::codec::Redaction::Null] {
            prop_assert!(!redact(&value, redaction).to_string().contains(CANARY));
        }
        let shown = format!("{value:?}");
        prop_assert!(!shown.contains(CANARY));
    }

    #[test]
    fn a_machine_without_the_key_passes_a_value_on(value in value().prop_filter("opened by no key", |value| !has_locked(value))) {
        let (vault, keyless) = (Vault::ephemeral(), Vault::existing("/nowhere/trueup.key"));
        let sealed = seal(&value, &vault).unwrap();
        let passed = seal(&open(&sealed, &keyless).unwrap(), &keyless).unwrap();
        prop_assert_eq!(&passed, &sealed);
        prop_assert_eq!(open(&passed, &vault).unwrap(), value);
    }
}
