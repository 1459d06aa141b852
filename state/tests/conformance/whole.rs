//! A state as a whole: what leaves a store and enters one, and whether it is sound.

use std::sync::Arc;

use trueup_state::codec::{self, VaultError};
use trueup_state::document::Document;
use trueup_state::soundness::{Verified, verify};
use trueup_state::vault::Vault;
use trueup_state::{Address, State, Store, StoreError, Value, Verb};

use crate::support::entries::{annotated, begin, made, moved, outputs, parked, restored, spec};
use crate::support::{House, holder, stack};
use crate::{leased, on_every_store, secretive, state};

on_every_store! {
    what_is_sealed_stays_as_it_is,
    an_exported_state_comes_back_as_it_was,
    a_restored_state_keeps_its_lineage_and_its_key,
    what_can_not_be_restored_leaves_everything_as_it_was,
    a_refused_move_leaves_no_trace,
    a_sound_state_is_found_so,
    what_a_person_should_know_is_no_damage,
}

/// The sealed state of the stack.
async fn sealed(store: &Arc<dyn Store>) -> State<codec::SealedValue> {
    store.sealed(&stack()).await.unwrap().unwrap()
}

async fn what_is_sealed_stays_as_it_is(house: House) {
    assert_eq!(house.open().sealed(&stack()).await, Ok(None));
    assert_eq!(house.bytes(), b"", "and nothing is made");
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    let keyless = house.open_with(Arc::new(Vault::existing(house.directory.path().join("no-key"))));
    let first = sealed(&store).await;
    assert_eq!(sealed(&keyless).await, first, "no key is needed, and nothing is sealed anew");
    assert!(!serde_json::to_string(&first).unwrap().contains("canary"));
    let opened = first.try_map(&mut |json| codec::open(&json, &*house.vault)).unwrap();
    assert_eq!(opened, state(&store).await);
}

/// What an export of the stack's state has, read again.
async fn exported(house: &House) -> Document {
    let document = Document::new(&stack(), sealed(&house.open()).await);
    Document::read(&serde_json::to_vec(&document).unwrap()).unwrap()
}

async fn an_exported_state_comes_back_as_it_was(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    store.append(&lease, &[begin(Verb::Delete, &Address::root("a"), 0, "t", spec("eu"))]).await.unwrap();
    let (document, before) = (exported(&house).await, state(&store).await);
    let other = if house.is_memory() { House::memory() } else { House::sqlite() };
    let target = other.open_with(house.vault.clone());
    let lease = target.lease(&stack(), &holder(1)).await.unwrap();
    let taken = document.state_for(&stack(), &*house.vault).unwrap();
    assert_eq!(target.append(&lease, &[restored(&taken)]).await, Ok(1));
    assert_eq!(state(&target).await, State { serial: 1, ..before });
    assert_eq!(sealed(&target).await, State { serial: 1, ..document.state }, "sealed as it came");
    assert_eq!(target.append(&lease, &made("b", spec("eu"))).await, Ok(3), "and it goes on");
    assert!(verify(&*target, &stack()).await.unwrap().unwrap().is_sound());
}

async fn a_restored_state_keeps_its_lineage_and_its_key(house: House) {
    let (store, lease) = leased(&house).await;
    let mut whole = State::new("fedcba9876543210");
    for entry in secretive() {
        whole.apply(&entry).unwrap();
    }
    // As large as calls for a checkpoint.
    whole.outputs.insert("large".to_owned(), Value::from("x".repeat(600_000)));
    let sealed = whole.try_map(&mut |value| codec::seal(&value, &*house.vault)).unwrap();
    let locked = sealed.try_map(&mut |json| codec::open(&json, &codec::NoKey)).unwrap();
    store.append(&lease, &[restored(&locked)]).await.unwrap();
    store.append(&lease, &made("b", spec("eu"))).await.unwrap();
    store.release(lease).await.unwrap();
    assert_eq!(state(&house.open()).await.lineage, "fedcba9876543210");
    let other = house.open_with(Arc::new(Vault::ephemeral()));
    let lease = other.lease(&stack(), &holder(2)).await.unwrap();
    let refused = other.append(&lease, &made("c", Value::secret("canary".into()))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Vault(VaultError::OtherKey { .. })), "{refused:?}");
}

async fn what_can_not_be_restored_leaves_everything_as_it_was(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &[outputs("uri", "s3://a".into())]).await.unwrap();
    let before = state(&store).await;
    let mut whole = State::new("fedcba9876543210");
    for entry in made("a", spec("eu")) {
        whole.apply(&entry).unwrap();
    }
    whole.apply(&moved(&Address::root("a"), &Address::root("b"))).unwrap();
    whole.apply(&begin(Verb::Delete, &Address::root("b"), 0, "t", spec("eu"))).unwrap();
    let entry = restored(&whole);
    let refused = store.append(&lease, &[entry.clone(), entry.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    // What is in memory between appends is as it was, too: a checkpoint is written of that.
    let large = outputs("uri", Value::from("x".repeat(300_000)));
    assert_eq!(store.append(&lease, std::slice::from_ref(&large)).await, Ok(2));
    let mut after = before;
    after.apply(&large).unwrap();
    assert_eq!(state(&house.open()).await, after);
    assert_eq!(store.append(&lease, &[entry]).await, Ok(3));
}

async fn a_refused_move_leaves_no_trace(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    let away = moved(&Address::root("a"), &Address::root("b"));
    let refused = store.append(&lease, &[away.clone(), away]).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    // A checkpoint is written of what is in memory.
    for number in 0..3 {
        let filling = Value::from("x".repeat(300_000));
        store.append(&lease, &made(&format!("large{number}"), filling)).await.unwrap();
    }
    assert_eq!(state(&house.open()).await.former.len(), 0);
    assert!(verify(&*store, &stack()).await.unwrap().unwrap().is_sound());
}

async fn a_sound_state_is_found_so(house: House) {
    assert_eq!(verify(&*house.open(), &stack()).await, Ok(None));
    assert_eq!(house.bytes(), b"", "and nothing is made");
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    for number in 0..3 {
        store.append(&lease, &made(&format!("large{number}"), Value::from("x".repeat(300_000)))).await.unwrap();
    }
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    assert_eq!(verified, Verified { serial: 9, entries: 9, resources: 4, findings: Vec::new() });
}

async fn what_a_person_should_know_is_no_damage(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &secretive()).await.unwrap();
    let b = Address::root("b");
    let needs = ["a", "gone"].map(Address::root).into();
    store.append(&lease, &made("b", spec("eu"))).await.unwrap();
    let declared = trueup_state::Declared { dependencies: needs, ..Default::default() };
    store.append(&lease, &[annotated(&b, declared, None)]).await.unwrap();
    store.append(&lease, &[begin(Verb::Create, &b, 1, "t", spec("us")), parked(&b, "t")]).await.unwrap();
    store.append(&lease, &[begin(Verb::Delete, &b, 0, "d", spec("eu"))]).await.unwrap();
    let keyless = house.open_with(Arc::new(Vault::existing(house.directory.path().join("no-key"))));
    let verified = verify(&*keyless, &stack()).await.unwrap().unwrap();
    assert!(verified.is_sound(), "{verified:#?}");
    let said: Vec<&str> = verified.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "a delete of it has not ended; the next apply settles it",
            "a create of it has an outcome that is not known; `trueup state resolve` settles it",
            "it has secrets that are sealed for a key that is not here",
            "it depends on gone, of which there is no record: that is only read, or was forgotten",
        ]
    );
}
