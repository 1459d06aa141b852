//! Another key for the secrets of a state: from one entry on, and whole.

use std::sync::Arc;

use trueup_state::codec::VaultError;
use trueup_state::soundness::verify;
use trueup_state::vault::Vault;
use trueup_state::{Address, Entry, Event, FieldPath, Lease, State, Store, StoreError, Value, Verb};

use crate::support::entries::{AT, begin, made, object, spec, succeeded};
use crate::support::{House, holder, stack};
use crate::{leased, on_every_store, secretive, state};

on_every_store! {
    from_then_on_the_new_key_opens_everything,
    the_former_key_opens_nothing_and_writes_nothing,
    what_is_not_sealed_needs_a_key_from_then_on_too,
    a_checkpoint_does_not_bring_the_former_key_back,
    what_can_not_be_sealed_anew_changes_nothing,
    a_rekey_that_is_refused_half_way_leaves_no_trace,
}

fn secret_spec() -> Value {
    let mut spec = spec("eu");
    spec.put(&FieldPath::parse("auth.token"), Value::secret("canary-5d41402abc".into()));
    spec
}

/// Secrets in a current and a deposed object, an output and an operation that has not ended; and a resource without any.
fn everywhere() -> Vec<Entry> {
    let a = Address::root("a");
    let mut entries = secretive();
    entries.push(begin(Verb::Create, &a, 1, "again", secret_spec()));
    entries.push(succeeded(&a, "again", Some(object(&a, 1, "again", secret_spec()))));
    entries.push(begin(Verb::Delete, &a, 0, "open", secret_spec()));
    entries.extend(made("plain", spec("us")));
    entries
}

fn rekeyed(part: State) -> Entry {
    Entry { at: AT, address: None, event: Event::Rekeyed { state: Box::new(part) } }
}

/// Seals the state of the stack for another key, as a store with that key.
async fn rekey(house: &House, to: &Arc<Vault>) -> (Arc<dyn Store>, Lease) {
    let anew = house.open_with(to.clone());
    let lease = anew.lease(&stack(), &holder(1)).await.unwrap();
    let part = state(&house.open()).await.secret_part();
    anew.append(&lease, &[rekeyed(part)]).await.unwrap();
    (anew, lease)
}

/// What is seen of the state with the former key is what is seen with any other.
async fn opens_nothing(house: &House) {
    let stranger = house.open_with(Arc::new(Vault::ephemeral()));
    assert_eq!(state(&house.open()).await, state(&stranger).await);
}

async fn settled(house: &House) -> State {
    let (store, lease) = leased(house).await;
    store.append(&lease, &everywhere()).await.unwrap();
    store.release(lease).await.unwrap();
    state(&store).await
}

async fn from_then_on_the_new_key_opens_everything(house: House) {
    let before = settled(&house).await;
    assert_eq!(before.secret_part().records.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
    let to = Arc::new(Vault::ephemeral());
    let (anew, lease) = rekey(&house, &to).await;
    let after = state(&house.open_with(to.clone())).await;
    assert!(!after.has_locked());
    assert_eq!(after, State { serial: before.serial + 1, ..before });
    let more = made("more", secret_spec());
    anew.append(&lease, &more).await.unwrap();
    anew.release(lease).await.unwrap();
    assert!(!state(&house.open_with(to.clone())).await.has_locked());
    let history = house.open_with(to.clone()).history(&stack(), 0).await.unwrap();
    assert_eq!((history.len(), &history[9..]), (11, &more[..]), "what came before stays sealed for the former key");
    assert!(!house.bytes().windows(6).any(|window| window == b"canary"));
    for vault in [to, house.vault.clone(), Arc::new(Vault::ephemeral())] {
        assert!(verify(&*house.open_with(vault), &stack()).await.unwrap().unwrap().is_sound());
    }
}

async fn the_former_key_opens_nothing_and_writes_nothing(house: House) {
    settled(&house).await;
    let to = Arc::new(Vault::ephemeral());
    let (anew, lease) = rekey(&house, &to).await;
    anew.release(lease).await.unwrap();
    let former = house.open();
    let locked = state(&former).await;
    assert!(locked.has_locked());
    opens_nothing(&house).await;
    let lease = former.lease(&stack(), &holder(2)).await.unwrap();
    let refused = former.append(&lease, &made("more", secret_spec())).await;
    assert!(
        matches!(&refused, Err(StoreError::Vault(VaultError::OtherKey { sealed_for, .. }))
            if Some(sealed_for) == to.recipient().unwrap().as_ref()),
        "{refused:?}"
    );
    // What passes by without being opened goes on: so it can be rekeyed only by who can open it.
    let refused = former.append(&lease, &[rekeyed(locked.secret_part())]).await;
    assert!(matches!(refused, Err(StoreError::Vault(VaultError::Damaged(_)))), "{refused:?}");
    assert_eq!(state(&house.open_with(to)).await.serial, locked.serial);
}

async fn what_is_not_sealed_needs_a_key_from_then_on_too(house: House) {
    let (store, lease) = leased(&house).await;
    store.append(&lease, &made("plain", spec("eu"))).await.unwrap();
    store.release(lease).await.unwrap();
    let (anew, lease) = rekey(&house, &Arc::new(Vault::ephemeral())).await;
    anew.release(lease).await.unwrap();
    let former = house.open();
    let lease = former.lease(&stack(), &holder(2)).await.unwrap();
    assert!(former.append(&lease, &made("more", spec("eu"))).await.is_ok());
    let refused = former.append(&lease, &made("secret", secret_spec())).await;
    assert!(matches!(refused, Err(StoreError::Vault(VaultError::OtherKey { .. }))), "{refused:?}");
}

async fn a_checkpoint_does_not_bring_the_former_key_back(house: House) {
    settled(&house).await;
    let (store, lease) = leased(&house).await;
    let large = |name: &str| made(name, Value::from("x".repeat(300_000)));
    store.append(&lease, &large("before")).await.unwrap();
    store.release(lease).await.unwrap();
    let to = Arc::new(Vault::ephemeral());
    let before = state(&store).await;
    let (anew, lease) = rekey(&house, &to).await;
    assert_eq!(state(&house.open_with(to.clone())).await, State { serial: before.serial + 1, ..before });
    for name in ["one", "two", "three"] {
        anew.append(&lease, &large(name)).await.unwrap();
    }
    anew.release(lease).await.unwrap();
    assert!(!state(&house.open_with(to)).await.has_locked());
    opens_nothing(&house).await;
}

async fn what_can_not_be_sealed_anew_changes_nothing(house: House) {
    let before = settled(&house).await;
    let anew = house.open_with(Arc::new(Vault::ephemeral()));
    let lease = anew.lease(&stack(), &holder(1)).await.unwrap();
    let part = before.secret_part();
    let a = Address::root("a");
    let change = |change: &dyn Fn(&mut State)| {
        let mut part = part.clone();
        change(&mut part);
        rekeyed(part)
    };
    for other in [
        change(&|part| {
            part.records.clear();
            part.records.insert(Address::root("b"), before.records[&a].clone());
        }),
        change(&|part| {
            part.records.get_mut(&a).unwrap().deposed.clear();
        }),
        change(&|part| {
            part.open.insert("other".into(), before.open[&"open".into()].clone());
        }),
        change(&|part| {
            part.outputs.insert("other".to_owned(), Value::secret("canary".into()));
        }),
    ] {
        let refused = anew.append(&lease, &[other]).await;
        assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    }
    anew.release(lease).await.unwrap();
    assert_eq!(state(&house.open()).await, before);
    let former = house.open();
    let lease = former.lease(&stack(), &holder(2)).await.unwrap();
    assert!(former.append(&lease, &made("more", secret_spec())).await.is_ok(), "the key is what it was");
}

async fn a_rekey_that_is_refused_half_way_leaves_no_trace(house: House) {
    let before = settled(&house).await;
    let anew = house.open_with(Arc::new(Vault::ephemeral()));
    let lease = anew.lease(&stack(), &holder(1)).await.unwrap();
    let again = begin(Verb::Delete, &Address::root("a"), 0, "twice", spec("eu"));
    let refused = anew.append(&lease, &[rekeyed(before.secret_part()), again]).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    // What is in memory between appends is as it was, too: a checkpoint is written of that.
    let large = made("large", Value::from("x".repeat(300_000)));
    assert_eq!(anew.append(&lease, &large).await, Ok(before.serial + 2));
    let mut expected = before;
    large.iter().for_each(|entry| expected.apply(entry).unwrap());
    let after = state(&house.open()).await;
    assert!(!after.has_locked(), "all is sealed for the key that it was sealed for");
    assert_eq!(after, expected);
}
