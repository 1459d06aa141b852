//! What each entry makes of a state, and which entries it refuses.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use support::entries::{
    adopted, annotated, begin, failed, forgotten, made, moved, object, outputs, parked, refuted, resolved, restored,
    spec, submitted, succeeded,
};
use trueup_state::entry::{Applied, Resolution};
use trueup_state::{Address, Declared, Entry, Event, State, Status, Verb};

fn address() -> Address {
    Address::root("a")
}

/// A state after entries, each of them legal.
fn after(entries: &[Entry]) -> State {
    let mut state = State::new("0123456789abcdef");
    for entry in entries {
        state.apply(entry).unwrap();
    }
    state
}

fn after_a() -> State {
    after(&made("a", spec("eu")))
}

/// Applies an entry that can't follow; the state must stay as it was.
fn refused(state: &State, entry: &Entry) -> String {
    let mut tried = state.clone();
    let illegal = tried.apply(entry).unwrap_err();
    assert_eq!(&tried, state, "{}", illegal.reason);
    assert_eq!(illegal.serial, state.serial + 1);
    illegal.reason
}

fn verified(mut entry: Entry) -> Entry {
    if let Event::Begin { declared, .. } = &mut entry.event {
        declared.verify = true;
    }
    entry
}

#[test]
fn a_create_is_open_and_then_a_record() {
    let [first, last] = made("a", spec("eu"));
    let open = after(std::slice::from_ref(&first));
    assert!(open.records.is_empty());
    assert_eq!(open.open.len(), 1);
    let done = after(&[first, last]);
    assert!(done.open.is_empty());
    assert_eq!(done.records[&address()].status, Status::Ready);
    assert_eq!(done.records[&address()].current, Some(object(&address(), 0, "make-a", spec("eu"))));
    assert_eq!(done.serial, 2);
}

#[test]
fn a_submitted_operation_keeps_what_to_poll() {
    let state = after(&[begin(Verb::Create, &address(), 0, "t", spec("eu")), submitted(&address(), "t")]);
    let open = state.open.values().next().unwrap();
    assert_eq!(open.id.as_deref(), Some("early"));
    assert!(open.handle.is_some());
}

#[test]
fn an_update_puts_a_new_object_in_place() {
    let mut state = after_a();
    state.apply(&begin(Verb::Update, &address(), 0, "u", spec("us"))).unwrap();
    state.apply(&succeeded(&address(), "u", Some(object(&address(), 0, "make-a", spec("us"))))).unwrap();
    assert_eq!(state.records[&address()].current.as_ref().unwrap().sent, spec("us"));
    assert!(state.records[&address()].deposed.is_empty());
}

#[test]
fn a_replacement_deposes_and_the_delete_of_the_old_one_leaves_the_new() {
    let mut state = after_a();
    state.apply(&begin(Verb::Create, &address(), 1, "r", spec("us"))).unwrap();
    state.apply(&succeeded(&address(), "r", Some(object(&address(), 1, "r", spec("us"))))).unwrap();
    let record = &state.records[&address()];
    assert_eq!((record.generation, record.deposed.len()), (1, 1));
    state.apply(&begin(Verb::Delete, &address(), 0, "d", spec("eu"))).unwrap();
    state.apply(&succeeded(&address(), "d", None)).unwrap();
    let record = &state.records[&address()];
    assert_eq!((record.current.as_ref().unwrap().generation, record.deposed.len()), (1, 0));
}

#[test]
fn the_delete_of_the_last_object_ends_the_record() {
    let mut state = after_a();
    state.apply(&begin(Verb::Delete, &address(), 0, "d", spec("eu"))).unwrap();
    state.apply(&succeeded(&address(), "d", None)).unwrap();
    assert!(state.records.is_empty());
}

#[test]
fn a_check_decides_whether_dependants_can_rely_on_it() {
    let [first, last] = made("a", spec("eu"));
    let mut state = after(&[verified(first), last]);
    assert_eq!(state.records[&address()].status, Status::Unverified);
    state.apply(&begin(Verb::Check, &address(), 0, "c", spec("eu"))).unwrap();
    let mut failing = state.clone();
    state.apply(&succeeded(&address(), "c", None)).unwrap();
    assert_eq!(state.records[&address()].status, Status::Ready);
    let mut broken = failing.clone();
    failing.apply(&refuted(&address(), "c")).unwrap();
    assert_eq!(failing.records[&address()].status, Status::Tainted);
    broken.apply(&failed(&address(), "c", Applied::No)).unwrap();
    assert_eq!(broken.records[&address()].status, Status::Unverified, "it could not be checked: that is no verdict");
    state.apply(&begin(Verb::Check, &address(), 0, "again", spec("eu"))).unwrap();
    assert_eq!(state.records[&address()].status, Status::Unverified);
}

#[test]
fn a_failure_leaves_what_it_left_behind() {
    let start = [begin(Verb::Create, &address(), 0, "t", spec("eu"))];
    let mut nothing = after(&start);
    nothing.apply(&failed(&address(), "t", Applied::No)).unwrap();
    assert!(nothing.records.is_empty() && nothing.open.is_empty());
    let mut part = after(&start);
    part.apply(&failed(&address(), "t", Applied::Partly(Box::new(object(&address(), 0, "t", spec("eu")))))).unwrap();
    assert_eq!(part.records[&address()].status, Status::Tainted);
    let mut update = after_a();
    update.apply(&begin(Verb::Update, &address(), 0, "u", spec("us"))).unwrap();
    update.apply(&failed(&address(), "u", Applied::Partly(Box::new(object(&address(), 0, "u", spec("us")))))).unwrap();
    assert_eq!(update.records[&address()].current.as_ref().unwrap().sent, spec("us"));
}

#[test]
fn a_person_settles_what_is_parked() {
    let mut state = after_a();
    state.apply(&begin(Verb::Create, &address(), 1, "t", spec("us"))).unwrap();
    state.apply(&parked(&address(), "t")).unwrap();
    assert_eq!(state.records[&address()].status, Status::Parked);
    assert_eq!(state.open.values().next().unwrap().parked.as_deref(), Some("can't be told"));
    let mut there = state.clone();
    there.apply(&resolved(&address(), "t", Resolution::Id("i-1".to_owned()))).unwrap();
    assert_eq!(there.records[&address()].current.as_ref().unwrap().id.as_deref(), Some("i-1"));
    assert_eq!(there.records[&address()].status, Status::Ready, "nothing replaces what a person has named");
    state.apply(&resolved(&address(), "t", Resolution::Absent)).unwrap();
    assert_eq!(state.records[&address()].status, Status::Ready);
    assert_eq!(state.records[&address()].generation, 0);
}

#[test]
fn what_a_person_names_is_checked_where_a_check_is_asked_for() {
    let mut state = after(&[verified(begin(Verb::Create, &address(), 0, "t", spec("eu"))), parked(&address(), "t")]);
    state.apply(&resolved(&address(), "t", Resolution::Id("i-1".to_owned()))).unwrap();
    assert_eq!(state.records[&address()].status, Status::Unverified);
}

#[test]
fn an_exported_state_is_restored_where_nothing_is() {
    let mut whole = after_a();
    whole.apply(&begin(Verb::Update, &address(), 0, "u", spec("us"))).unwrap();
    whole.apply(&outputs("uri", "s3://a".into())).unwrap();
    let mut state = State::new("fedcba9876543210");
    state.apply(&outputs("old", "s3://b".into())).unwrap();
    state.apply(&restored(&whole)).unwrap();
    assert_eq!(state, State { serial: 2, ..whole.clone() });
    assert_eq!(refused(&state, &restored(&whole)), "there is something recorded already");
    let open = after(&[begin(Verb::Create, &address(), 0, "t", spec("eu"))]);
    assert_eq!(refused(&open, &restored(&whole)), "there is something recorded already");
}

#[test]
fn a_state_that_contradicts_itself_is_not_restored() {
    let empty = State::new("fedcba9876543210");
    let b = Address::root("b");
    let change = |change: &dyn Fn(&mut State)| {
        let mut state = after_a();
        state.apply(&begin(Verb::Update, &address(), 0, "u", spec("us"))).unwrap();
        change(&mut state);
        refused(&empty, &restored(&state))
    };
    let record = |state: &mut State| state.records.remove(&address()).unwrap();
    let elsewhere = change(&|state| {
        let kept = record(state);
        state.records.insert(b.clone(), kept);
    });
    assert_eq!(elsewhere, "b is kept with the record of a");
    let of = |change_record: &dyn Fn(&mut trueup_state::Record)| {
        change(&|state| change_record(state.records.get_mut(&address()).unwrap()))
    };
    assert_eq!(of(&|record| record.current = None), "a has a record without an object");
    assert_eq!(of(&|record| record.deposed.extend(record.current.clone())), "a has two objects of generation 0");
    let late = of(&|record| record.current.as_mut().unwrap().generation = 3);
    assert_eq!(late, "a has an object of generation 3, and is at generation 0");
    let astray = change(&|state| {
        let (_, open) = state.open.pop_first().unwrap();
        state.open.insert("other".into(), open);
    });
    assert_eq!(astray, "a has an operation u that is kept as other");
}

#[test]
fn a_move_takes_those_who_depend_on_it_along() {
    let mut state = after_a();
    let declared = Declared { dependencies: [address()].into(), ..Declared::default() };
    for entry in made("b", spec("eu")) {
        state.apply(&entry).unwrap();
    }
    state.apply(&annotated(&Address::root("b"), declared, None)).unwrap();
    state.apply(&moved(&address(), &Address::root("c"))).unwrap();
    assert_eq!(state.records[&Address::root("c")].address, Address::root("c"));
    assert_eq!(state.records[&Address::root("b")].declared.dependencies, [Address::root("c")].into());
    assert!(!state.records.contains_key(&address()));
}

#[test]
fn what_is_forgotten_or_annotated_calls_no_provider() {
    let mut state = after_a();
    let protect = Declared { protect: true, ..Declared::default() };
    state.apply(&annotated(&address(), protect, Some(object(&address(), 0, "make-a", spec("us"))))).unwrap();
    assert!(state.records[&address()].declared.protect);
    assert_eq!(state.records[&address()].current.as_ref().unwrap().seen, spec("us"));
    state.apply(&forgotten(&address(), 0)).unwrap();
    assert!(state.records.is_empty());
    state.apply(&outputs("uri", "s3://a".into())).unwrap();
    assert_eq!(state.outputs["uri"], "s3://a".into());
}

#[test]
fn what_was_there_already_is_a_record_from_now_on() {
    let found = object(&address(), 3, "t", spec("eu"));
    let state = after(&[adopted(&address(), Declared { protect: true, ..Declared::default() }, found.clone())]);
    let record = &state.records[&address()];
    assert_eq!((record.generation, record.status, record.declared.protect), (3, Status::Ready, true));
    assert_eq!(record.current, Some(found.clone()));
    assert!(state.flaws().is_empty());
    let checked = Declared { verify: true, ..Declared::default() };
    let state = after(&[adopted(&address(), checked, found.clone())]);
    assert_eq!(state.records[&address()].status, Status::Unverified);
    let begun = after(&[begin(Verb::Create, &address(), 0, "c", spec("eu"))]);
    let reason = refused(&begun, &adopted(&address(), Declared::default(), found));
    assert_eq!(reason, "an operation of a has not ended");
}

#[test]
fn what_can_not_follow_is_refused_and_changes_nothing() {
    let b = Address::root("b");
    let nameless = |mut entry: Entry| {
        entry.address = None;
        entry
    };
    let state = after_a();
    for (entry, reason) in [
        (begin(Verb::Create, &address(), 0, "t", spec("eu")), "a has an object of generation 0"),
        (begin(Verb::Update, &b, 0, "t", spec("eu")), "b has no object of generation 0"),
        (begin(Verb::Delete, &address(), 1, "t", spec("eu")), "a has no object of generation 1"),
        (begin(Verb::Check, &b, 0, "t", spec("eu")), "b has no object of generation 0"),
        (submitted(&address(), "t"), "no operation t is open"),
        (succeeded(&address(), "make-a", None), "no operation make-a is open"),
        (failed(&address(), "t", Applied::No), "no operation t is open"),
        (parked(&address(), "t"), "no operation t is open"),
        (resolved(&address(), "t", Resolution::Absent), "no operation t is open"),
        (moved(&b, &Address::root("c")), "b has no record"),
        (moved(&address(), &address()), "a has a record already"),
        (nameless(moved(&address(), &b)), "it names no resource"),
        (forgotten(&b, 0), "b has no object of generation 0"),
        (forgotten(&address(), 1), "a has no object of generation 1"),
        (annotated(&b, Declared::default(), None), "b has no record"),
        (nameless(adopted(&b, Declared::default(), object(&b, 0, "t", spec("eu")))), "it names no resource"),
        (adopted(&address(), Declared::default(), object(&address(), 1, "t", spec("eu"))), "a has a record already"),
    ] {
        assert_eq!(refused(&state, &entry), reason);
    }
}

#[test]
fn an_open_operation_refuses_what_would_lose_it() {
    let mut state = after_a();
    state.apply(&begin(Verb::Check, &address(), 0, "c", spec("eu"))).unwrap();
    let b = Address::root("b");
    for (entry, reason) in [
        (begin(Verb::Delete, &address(), 0, "t", spec("eu")), "check of a has not ended"),
        (begin(Verb::Create, &b, 0, "c", spec("eu")), "token c is used already"),
        (
            succeeded(&address(), "c", Some(object(&address(), 0, "c", spec("eu")))),
            "the end of a check does not fit it",
        ),
        (moved(&address(), &b), "an operation of a or b has not ended"),
        (failed(&address(), "c", Applied::Unknown), "what a failure left behind must be known before it is the end"),
    ] {
        assert_eq!(refused(&state, &entry), reason);
    }
    let mut state = after_a();
    state.apply(&begin(Verb::Update, &address(), 0, "u", spec("us"))).unwrap();
    assert_eq!(refused(&state, &succeeded(&address(), "u", None)), "the end of a update does not fit it");
    state.apply(&forgotten(&address(), 0)).unwrap();
    let late = succeeded(&address(), "u", Some(object(&address(), 0, "u", spec("us"))));
    assert_eq!(refused(&state, &late), "a has no record");
    let mut state = after_a();
    state.apply(&begin(Verb::Delete, &address(), 0, "d", spec("eu"))).unwrap();
    state.apply(&forgotten(&address(), 0)).unwrap();
    assert_eq!(refused(&state, &succeeded(&address(), "d", None)), "a has no object of generation 0");
}

#[test]
fn what_is_made_or_changed_is_of_its_operations_generation_and_the_last() {
    let (a, state) = (address(), after_a());
    let of = |generation| object(&a, generation, "t", spec("eu"));
    let begun = |verb, generation| {
        let mut state = state.clone();
        state.apply(&begin(verb, &a, generation, "t", spec("eu"))).unwrap();
        state
    };
    for (verb, generation) in [(Verb::Create, 1), (Verb::Update, 0)] {
        let state = begun(verb, generation);
        for wrong in [generation + 1, 7] {
            refused(&state, &succeeded(&a, "t", Some(of(wrong))));
            refused(&state, &failed(&a, "t", Applied::Partly(Box::new(of(wrong)))));
        }
        let mut done = state;
        done.apply(&succeeded(&a, "t", Some(of(generation)))).unwrap();
        assert_eq!(done.flaws(), []);
    }
    // Of two that are made at once, the older one comes too late.
    let mut both = begun(Verb::Create, 1);
    both.apply(&begin(Verb::Create, &a, 2, "later", spec("eu"))).unwrap();
    both.apply(&succeeded(&a, "later", Some(of(2)))).unwrap();
    assert!(refused(&both, &succeeded(&a, "t", Some(of(1)))).contains("has an object of generation 2"));
    refused(&both, &resolved(&a, "t", Resolution::Id("found".to_owned())));
    assert!(refused(&state, &annotated(&a, Declared::default(), Some(of(3)))).contains("no current object"));
    assert_eq!(both.flaws(), []);
}
