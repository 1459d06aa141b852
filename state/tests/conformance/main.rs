//! What every store promises, on every store.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod rekey;
#[path = "../support/mod.rs"]
mod support;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use support::entries::{begin, made, object, outputs, spec, succeeded};
use support::{House, OVER, holder, stack};
use trueup_state::codec::VaultError;
use trueup_state::vault::Vault;
use trueup_state::{Address, Lease, Secret, Stack, State, Store, StoreError, Value, Verb};

macro_rules! on_every_store {
    ($($promise:ident,)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$promise(super::House::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$promise(super::House::sqlite()).await; })*
        }
    };
}
use on_every_store;

on_every_store! {
    a_stack_that_was_never_leased_has_no_state,
    the_first_lease_makes_a_lineage_that_stays,
    a_held_stack_is_not_leased_again,
    a_lease_past_its_deadline_is_free,
    a_renewed_lease_lasts_on,
    a_lease_whose_process_is_gone_is_free_at_once,
    a_released_lease_is_free_and_over,
    a_late_release_leaves_the_successor_alone,
    only_the_lease_that_was_seen_is_broken,
    a_broken_lease_is_fenced,
    an_append_after_the_deadline_is_fenced,
    an_append_after_a_successor_is_fenced,
    a_late_renewal_is_fenced,
    entries_come_back_in_order_from_any_serial,
    nothing_appended_changes_nothing,
    an_append_is_all_or_none,
    a_refused_append_is_in_no_checkpoint,
    an_illegal_append_leaves_the_next_one_alone,
    appends_at_once_make_one_chain,
    refused_appends_do_not_harm_those_beside_them,
    an_append_that_is_given_up_does_not_stop_the_next,
    another_process_sees_the_same_state,
    many_checkpoints_later_the_state_is_the_same,
    a_successor_goes_on_where_the_last_run_stopped,
    a_note_is_written_once_per_version,
    a_note_needs_no_lease_and_makes_no_state,
    a_renamed_blueprint_is_refused,
    a_moved_file_is_followed,
    a_secret_is_nowhere_in_clear,
    without_the_key_a_secret_stays_locked,
    another_key_is_refused,
    a_locked_secret_is_passed_on,
    two_stacks_are_apart,
}

async fn leased(house: &House) -> (Arc<dyn Store>, Lease) {
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    (store, lease)
}

async fn state(store: &Arc<dyn Store>) -> State {
    store.snapshot(&stack()).await.unwrap().state.unwrap()
}

/// Serial and addresses: what there is to see of the state.
async fn seen(house: &House) -> (u64, Vec<String>) {
    let state = state(&house.open()).await;
    (state.serial, state.records.keys().map(ToString::to_string).collect())
}

async fn a_stack_that_was_never_leased_has_no_state(house: House) {
    let store = house.open();
    assert_eq!(store.snapshot(&stack()).await.unwrap().state, None);
    assert_eq!(store.history(&stack(), 0).await.unwrap(), []);
    assert_eq!(store.holder(&stack()).await.unwrap(), None);
    assert_eq!(store.read_note(&stack(), "drift").await.unwrap(), None);
    assert_eq!(store.break_lease(&stack(), &holder(1)).await, Ok(()));
    assert_eq!(house.bytes(), b"");
}

async fn the_first_lease_makes_a_lineage_that_stays(house: House) {
    let (store, lease) = leased(&house).await;
    let first = state(&store).await;
    assert_eq!(first.lineage.len(), 16);
    assert!(first.lineage.chars().all(|c| c.is_ascii_hexdigit()), "{}", first.lineage);
    assert_eq!(first, State::new(first.lineage.clone()));
    store.release(lease).await.unwrap();
    let again = house.open();
    again.lease(&stack(), &holder(2)).await.unwrap();
    assert_eq!(state(&again).await.lineage, first.lineage);
}

async fn a_held_stack_is_not_leased_again(house: House) {
    let (store, lease) = leased(&house).await;
    for other in [store.clone(), house.open()] {
        let refused = other.lease(&stack(), &holder(2)).await.unwrap_err();
        assert_eq!(refused, StoreError::Held(Box::new(holder(1))));
    }
    assert_eq!(house.open().holder(&stack()).await.unwrap(), Some(holder(1)));
    assert_eq!(lease.remaining(&*house.clock), OVER);
}

async fn a_lease_past_its_deadline_is_free(house: House) {
    let (_store, first) = leased(&house).await;
    house.clock.pass(OVER.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(house.open().lease(&stack(), &holder(2)).await.is_err());
    house.clock.pass(Duration::from_millis(1));
    assert_eq!(house.open().holder(&stack()).await.unwrap(), None);
    let second = house.open().lease(&stack(), &holder(2)).await.unwrap();
    assert!(second.fencing > first.fencing);
    assert_eq!(house.open().holder(&stack()).await.unwrap(), Some(holder(2)));
}

async fn a_renewed_lease_lasts_on(house: House) {
    let (store, mut lease) = leased(&house).await;
    for _ in 0..8 {
        house.clock.pass(lease.renewal());
        store.renew(&mut lease).await.unwrap();
        assert_eq!(lease.remaining(&*house.clock), OVER);
    }
    assert!(house.open().lease(&stack(), &holder(2)).await.is_err());
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Ok(2));
}

async fn a_lease_whose_process_is_gone_is_free_at_once(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("before", spec("eu"))).await.unwrap();
    house.processes.end(&holder(1));
    assert_eq!(house.open().holder(&stack()).await.unwrap(), None);
    house.open().lease(&stack(), &holder(2)).await.unwrap();
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Err(StoreError::Fenced));
}

async fn a_released_lease_is_free_and_over(house: House) {
    let (store, lease) = leased(&house).await;
    store.release(lease.clone()).await.unwrap();
    assert_eq!(store.holder(&stack()).await.unwrap(), None);
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Err(StoreError::Fenced));
    assert_eq!(store.renew(&mut lease.clone()).await, Err(StoreError::Fenced));
    assert!(store.lease(&stack(), &holder(2)).await.unwrap().fencing > lease.fencing);
}

async fn a_late_release_leaves_the_successor_alone(house: House) {
    let (store, late) = leased(&house).await;
    house.clock.pass(OVER);
    let successor = house.open();
    let lease = successor.lease(&stack(), &holder(2)).await.unwrap();
    store.release(late).await.unwrap();
    assert_eq!(store.holder(&stack()).await.unwrap(), Some(holder(2)));
    assert_eq!(successor.append(&lease, &made("a", spec("eu"))).await, Ok(2));
}

async fn only_the_lease_that_was_seen_is_broken(house: House) {
    let (store, _lease) = leased(&house).await;
    let refused = store.break_lease(&stack(), &holder(2)).await.unwrap_err();
    assert_eq!(refused, StoreError::Held(Box::new(holder(1))));
    assert_eq!(store.holder(&stack()).await.unwrap(), Some(holder(1)));
}

async fn a_broken_lease_is_fenced(house: House) {
    let (store, mut lease) = leased(&house).await;
    store.append(&lease, &made("before", spec("eu"))).await.unwrap();
    let person = house.open();
    person.break_lease(&stack(), &holder(1)).await.unwrap();
    assert_eq!(person.holder(&stack()).await.unwrap(), None);
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Err(StoreError::Fenced));
    assert_eq!(store.renew(&mut lease).await, Err(StoreError::Fenced));
    assert_eq!(person.break_lease(&stack(), &holder(1)).await, Ok(()), "done already");
    person.lease(&stack(), &holder(2)).await.unwrap();
    assert_eq!(seen(&house).await, (2, vec!["before".to_owned()]));
}

async fn an_append_after_the_deadline_is_fenced(house: House) {
    let (store, lease) = leased(&house).await;
    house.clock.pass(OVER);
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Err(StoreError::Fenced));
    assert_eq!(seen(&house).await, (0, vec![]));
}

async fn an_append_after_a_successor_is_fenced(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    house.clock.pass(OVER);
    let successor = house.open();
    let second = successor.lease(&stack(), &holder(1)).await.unwrap();
    assert_eq!(store.append(&lease, &made("b", spec("eu"))).await, Err(StoreError::Fenced), "the same holder again");
    assert_eq!(successor.append(&second, &made("c", spec("eu"))).await, Ok(4));
    assert_eq!(seen(&house).await, (4, vec!["a".to_owned(), "c".to_owned()]));
}

async fn a_late_renewal_is_fenced(house: House) {
    let (store, mut lease) = leased(&house).await;
    house.clock.pass(OVER);
    assert_eq!(store.renew(&mut lease).await, Err(StoreError::Fenced));
    house.open().lease(&stack(), &holder(2)).await.unwrap();
    assert_eq!(store.renew(&mut lease).await, Err(StoreError::Fenced));
    assert!(lease.remaining(&*house.clock).is_zero());
}

async fn entries_come_back_in_order_from_any_serial(house: House) {
    let (store, lease) = leased(&house).await;
    let all: Vec<_> = ["a", "b", "c"].iter().flat_map(|name| made(name, spec("eu"))).collect();
    for (number, entry) in (1..).zip(&all) {
        assert_eq!(store.append(&lease, std::slice::from_ref(entry)).await, Ok(number));
    }
    for from in 0..=all.len() {
        let history = house.open().history(&stack(), u64::try_from(from).unwrap()).await.unwrap();
        assert_eq!(history, all[from..]);
    }
    assert_eq!(house.open().history(&stack(), 99).await.unwrap(), []);
}

async fn nothing_appended_changes_nothing(house: House) {
    let (store, lease) = leased(&house).await;
    assert_eq!(store.append(&lease, &[]).await, Ok(0));
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    assert_eq!(store.append(&lease, &[]).await, Ok(2));
    assert_eq!(seen(&house).await, (2, vec!["a".to_owned()]));
}

async fn an_append_is_all_or_none(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    let [first, second] = made("b", spec("eu"));
    let moved = support::entries::moved(&Address::root("a"), &Address::root("c"));
    let ends = outputs("uri", "s3://b".into());
    // The last one ends an operation that has ended.
    let refused = store.append(&lease, &[first.clone(), second.clone(), moved, ends, second]).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Illegal(illegal) if illegal.serial == 7), "{refused:?}");
    assert_eq!(seen(&house).await, (2, vec!["a".to_owned()]));
    assert_eq!(state(&store).await.outputs.len(), 0);
    assert_eq!(store.append(&lease, &made("b", spec("eu"))).await, Ok(4), "as if nothing had been asked");
    assert_eq!(seen(&house).await, (4, vec!["a".to_owned(), "b".to_owned()]));
}

async fn a_refused_append_is_in_no_checkpoint(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    let moved = support::entries::moved(&Address::root("a"), &Address::root("b"));
    let [begins, ends] = made("c", spec("eu"));
    let refused = [outputs("uri", "s3://a".into()), moved, begins, ends.clone(), ends];
    assert!(matches!(store.append(&lease, &refused).await, Err(StoreError::Illegal(_))));
    let filling = Value::from("x".repeat(300_000));
    store.append(&lease, &made("large", filling.clone())).await.unwrap();
    store.append(&lease, &made("last", filling)).await.unwrap();
    let state = state(&house.open()).await;
    assert_eq!(state.outputs.len() + state.open.len(), 0);
    assert_eq!(seen(&house).await.1, ["a", "large", "last"]);
}

async fn an_illegal_append_leaves_the_next_one_alone(house: House) {
    let (store, lease) = leased(&house).await;
    let [first, last] = made("a", spec("eu"));
    assert!(matches!(store.append(&lease, std::slice::from_ref(&last)).await, Err(StoreError::Illegal(_))));
    assert_eq!(store.append(&lease, &[first]).await, Ok(1));
    let unfit = succeeded(&Address::root("a"), "make-a", None);
    assert!(matches!(store.append(&lease, &[unfit]).await, Err(StoreError::Illegal(_))));
    assert_eq!(store.append(&lease, &[last]).await, Ok(2), "the operation is still open");
}

async fn appends_at_once_make_one_chain(house: House) {
    const TASKS: usize = 64;
    const STEPS: usize = 8;
    let (store, lease) = leased(&house).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (store, lease) = (store.clone(), lease.clone());
        tasks.spawn(async move {
            let mut serials = Vec::new();
            for step in 0..STEPS {
                for entry in made(&format!("r{task}-{step}"), spec("eu")) {
                    serials.push(store.append(&lease, &[entry]).await.unwrap());
                }
            }
            serials
        });
    }
    let mut all = Vec::new();
    for serials in tasks.join_all().await {
        assert!(serials.is_sorted(), "a task's entries keep their order");
        all.extend(serials);
    }
    all.sort_unstable();
    let expected: Vec<u64> = (1..).take(TASKS * STEPS * 2).collect();
    assert_eq!(all, expected);
    assert_eq!(house.open().history(&stack(), 0).await.unwrap().len(), all.len());
    assert_eq!(state(&house.open()).await.records.len(), TASKS * STEPS);
}

async fn refused_appends_do_not_harm_those_beside_them(house: House) {
    let (store, lease) = leased(&house).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let (store, lease) = (store.clone(), lease.clone());
        tasks.spawn(async move {
            let entries = made(&format!("r{task}"), spec("eu"));
            let (entries, fit) = if task % 2 == 0 { (&entries[..], true) } else { (&entries[1..], false) };
            (store.append(&lease, entries).await, fit)
        });
    }
    for (outcome, fit) in tasks.join_all().await {
        assert_eq!(outcome.is_ok(), fit, "{outcome:?}");
    }
    let (serial, addresses) = seen(&house).await;
    assert_eq!((serial, addresses.len()), (32, 16));
}

async fn an_append_that_is_given_up_does_not_stop_the_next(house: House) {
    let (store, lease) = leased(&house).await;
    for round in 0..16 {
        let entries = made(&format!("given-up-{round}"), spec("eu"));
        let mut append = store.append(&lease, &entries);
        let _ = poll_once(&mut append).await;
        drop(append);
    }
    store.append(&lease, &made("last", spec("eu"))).await.unwrap();
    let (serial, addresses) = seen(&house).await;
    assert_eq!(usize::try_from(serial).unwrap(), addresses.len() * 2);
    assert!(addresses.contains(&"last".to_owned()));
}

/// Polls once.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

async fn another_process_sees_the_same_state(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    store.append(&lease, &[begin(Verb::Delete, &Address::root("a"), 0, "t", spec("eu"))]).await.unwrap();
    store.append(&lease, &[outputs("price", serde_json::json!([0.1, -0.0, 1e300, u64::MAX]).into())]).await.unwrap();
    let before = state(&house.open()).await;
    drop(store);
    assert_eq!(state(&house.open()).await, before);
    assert_eq!(before.open.len(), 1);
    assert_eq!(before.outputs["price"], serde_json::json!([0.1, -0.0, 1e300, u64::MAX]).into());
}

async fn many_checkpoints_later_the_state_is_the_same(house: House) {
    let (store, lease) = leased(&house).await;
    let mut expected = state(&store).await;
    for round in 0..1200 {
        let name = format!("r{}", round % 10);
        let (address, token) = (Address::root(&name), format!("t{round}"));
        let verb = if expected.records.contains_key(&address) { Verb::Update } else { Verb::Create };
        let spec = spec(&format!("region-{round}"));
        let made = object(&address, 0, &token, spec.clone());
        let step = [begin(verb, &address, 0, &token, spec), succeeded(&address, &token, Some(made))];
        for entry in &step {
            expected.apply(entry).unwrap();
        }
        store.append(&lease, &step).await.unwrap();
    }
    assert_eq!(state(&house.open()).await, expected);
    let mut replayed = State::new(expected.lineage.clone());
    for entry in house.open().history(&stack(), 0).await.unwrap() {
        replayed.apply(&entry).unwrap();
    }
    assert_eq!(replayed, expected, "no entry is ever gone");
}

async fn a_successor_goes_on_where_the_last_run_stopped(house: House) {
    for run in 1..=4 {
        let store = house.open();
        let lease = store.lease(&stack(), &holder(run)).await.unwrap();
        let serial = store.append(&lease, &made(&format!("r{run}"), spec("eu"))).await.unwrap();
        assert_eq!(serial, u64::from(run) * 2);
        if run % 2 == 0 {
            store.release(lease).await.unwrap();
        } else {
            house.processes.end(&holder(run));
        }
    }
    assert_eq!(seen(&house).await.1, ["r1", "r2", "r3", "r4"]);
}

async fn a_note_is_written_once_per_version(house: House) {
    let (store, _lease) = leased(&house).await;
    let other = house.open();
    assert_eq!(store.note(&stack(), "drift", None, b"one").await, Ok(1));
    assert_eq!(other.note(&stack(), "drift", None, b"two").await, Err(StoreError::Conflict { found: Some(1) }));
    assert_eq!(other.note(&stack(), "drift", Some(1), b"two").await, Ok(2));
    assert_eq!(store.note(&stack(), "drift", Some(1), b"three").await, Err(StoreError::Conflict { found: Some(2) }));
    assert_eq!(store.note(&stack(), "cost", Some(1), b"").await, Err(StoreError::Conflict { found: None }));
    assert_eq!(house.open().read_note(&stack(), "drift").await.unwrap(), Some((2, b"two".to_vec())));
    assert_eq!(house.open().read_note(&stack(), "cost").await.unwrap(), None);
}

async fn a_note_needs_no_lease_and_makes_no_state(house: House) {
    house.open().note(&stack(), "drift", None, b"clean").await.unwrap();
    assert_eq!(house.open().read_note(&stack(), "drift").await.unwrap(), Some((1, b"clean".to_vec())));
    assert_eq!(house.open().snapshot(&stack()).await.unwrap().state, None);
    assert_eq!(house.open().history(&stack(), 0).await.unwrap(), []);
    let (store, lease) = leased(&house).await;
    assert_eq!(store.append(&lease, &made("a", spec("eu"))).await, Ok(2));
    assert_eq!(store.read_note(&stack(), "drift").await.unwrap(), Some((1, b"clean".to_vec())));
}

async fn a_renamed_blueprint_is_refused(house: House) {
    let (store, lease) = leased(&house).await;
    store.release(lease).await.unwrap();
    let renamed = Stack { blueprint: "llm".to_owned(), environment: "dev".to_owned(), ..stack() };
    let refused = StoreError::Renamed {
        file: "blueprint.yaml".to_owned(),
        known: "llm-serving".to_owned(),
        asked: "llm".to_owned(),
    };
    assert_eq!(house.open().snapshot(&renamed).await.unwrap_err(), refused);
    assert_eq!(house.open().lease(&renamed, &holder(1)).await.unwrap_err(), refused);
    let other_file = Stack { file: "other.yaml".into(), ..renamed };
    assert_eq!(house.open().snapshot(&other_file).await.unwrap().state, None);
}

async fn a_moved_file_is_followed(house: House) {
    let dev = Stack { environment: "dev".to_owned(), ..stack() };
    let moved = Stack { file: "infra/blueprint.yaml".into(), ..stack() };
    let store = house.open();
    for (stack, pid) in [(&stack(), 1), (&dev, 1), (&moved, 2)] {
        let lease = store.lease(stack, &holder(pid)).await.unwrap();
        store.append(&lease, &made(&format!("r{pid}"), spec("eu"))).await.unwrap();
        store.release(lease).await.unwrap();
    }
    let new = Stack { blueprint: "new".to_owned(), ..stack() };
    store.lease(&new, &holder(1)).await.unwrap();
    let moved = house.open().snapshot(&moved).await.unwrap().state.unwrap();
    assert_eq!(moved.records.len(), 2);
}

/// A resource with a canary in every place that takes a value.
fn secretive() -> Vec<trueup_state::Entry> {
    let secret = Value::secret("canary-5d41402abc".into());
    let mut spec = spec("eu");
    spec.put(&trueup_state::FieldPath::parse("auth.token"), secret.clone());
    let mut entries = made("a", spec).to_vec();
    entries.push(outputs("token", Value::List(vec![secret])));
    entries
}

async fn a_secret_is_nowhere_in_clear(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    let bytes = house.bytes();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    let text = format!("{:?} {store:?}", state(&house.open()).await);
    assert!(!text.contains("canary"));
    assert_eq!(
        state(&house.open()).await.outputs["token"],
        Value::List(vec![Value::secret("canary-5d41402abc".into())])
    );
    assert_eq!(house.open().history(&stack(), 0).await.unwrap(), secretive());
}

async fn without_the_key_a_secret_stays_locked(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    let keyless = house.open_with(Arc::new(Vault::existing(house.directory.path().join("no-key"))));
    let state = state(&keyless).await;
    let token = &state.outputs["token"].as_list().unwrap()[0];
    assert!(matches!(token, Value::Secret(Secret::Locked(_))), "{token:?}");
    assert_eq!(state.records[&Address::root("a")].address, Address::root("a"));
}

async fn another_key_is_refused(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    store.release(lease).await.unwrap();
    let key = house.directory.path().join("key");
    for vault in [Vault::ephemeral(), Vault::at(&key)] {
        let other = house.open_with(Arc::new(vault));
        let lease = other.lease(&stack(), &holder(2)).await.unwrap();
        let again = made("b", Value::secret("canary".into()));
        let refused = other.append(&lease, &again).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Vault(VaultError::OtherKey { sealed_for, .. })
                if Some(sealed_for) == house.vault.recipient().unwrap().as_ref()),
            "{refused:?}"
        );
        assert_eq!(other.append(&lease, &[]).await, Ok(3), "nothing was written");
        other.release(lease).await.unwrap();
    }
    assert!(!key.exists(), "no second key is made");
}

async fn a_locked_secret_is_passed_on(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    store.release(lease).await.unwrap();
    let keyless = house.open_with(Arc::new(Vault::existing(house.directory.path().join("no-key"))));
    let lease = keyless.lease(&stack(), &holder(2)).await.unwrap();
    let locked = state(&keyless).await.outputs["token"].clone();
    keyless.append(&lease, &[outputs("copy", locked)]).await.unwrap();
    assert_eq!(
        state(&house.open()).await.outputs["copy"],
        Value::List(vec![Value::secret("canary-5d41402abc".into())])
    );
}

async fn two_stacks_are_apart(house: House) {
    let store = house.open();
    let other = Stack { environment: "dev".to_owned(), ..stack() };
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    let second = store.lease(&other, &holder(1)).await.unwrap();
    for round in 0..3 {
        store.append(&lease, &made(&format!("a{round}"), spec("eu"))).await.unwrap();
        store.append(&second, &made(&format!("b{round}"), spec("us"))).await.unwrap();
    }
    store.note(&other, "drift", None, b"dev").await.unwrap();
    store.release(second).await.unwrap();
    assert_eq!(store.append(&lease, &made("last", spec("eu"))).await, Ok(8));
    assert_eq!(seen(&house).await.1, ["a0", "a1", "a2", "last"]);
    let dev = house.open().snapshot(&other).await.unwrap().state.unwrap();
    assert_eq!(dev.records.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b0", "b1", "b2"]);
    assert_ne!(dev.lineage, state(&store).await.lineage);
    assert_eq!(house.open().history(&other, 0).await.unwrap().len(), 6);
    assert_eq!(store.read_note(&stack(), "drift").await.unwrap(), None);
    assert_eq!(store.holder(&other).await.unwrap(), None);
    assert_eq!(store.holder(&stack()).await.unwrap(), Some(holder(1)));
}
