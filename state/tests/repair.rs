//! What a repair puts in order, what it asks for before it does, and what it can't.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use support::entries::{AT, made, spec};
use support::files::{forge_checkpoint, sql};
use support::repairs::{at, but_serial, changed, is_sound, lost, repair, state_of, sum_of, with_checkpoint};
use support::{House, holder, stack};
use trueup_state::repair::{LostTail, Mended, Repaired};
use trueup_state::soundness::verify;
use trueup_state::vault::Vault;
use trueup_state::{Address, Entry, Event, FieldPath, Stack, StoreError, Value};

fn bytes(house: &House) -> Vec<u8> {
    fs::read(house.file()).unwrap()
}

#[tokio::test]
async fn a_sound_state_is_left_as_it_is() {
    let house = House::sqlite();
    assert_eq!(house.open().repair(&stack(), &holder(9), true).await, Ok(None));
    assert!(!house.file().exists(), "and none is made");
    let (house, state) = with_checkpoint().await;
    let before = bytes(&house);
    for drop_tail in [false, true] {
        let repaired = repair(&house, drop_tail).await;
        let nothing = Repaired { serial: 11, resources: state.records.len(), ..Repaired::default() };
        assert_eq!(repaired, nothing);
        assert!(bytes(&house) == before);
    }
    assert_eq!(fs::read_dir(house.file().parent().unwrap()).unwrap().count(), 2, "no copy is made");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether it is what was to be mended.
type Expected<'a> = &'a dyn Fn(&Mended) -> bool;

#[tokio::test]
async fn what_only_spares_reading_is_written_anew() {
    let checkpoint = |done: &Mended| matches!(done, Mended::Checkpoint { .. });
    let head = |done: &Mended| matches!(done, Mended::Head { .. });
    let hashes = |done: &Mended| *done == Mended::Hashes { serials: vec![4] };
    let last_hash = |done: &Mended| *done == Mended::Hashes { serials: vec![11] };
    let cases: [(&str, Expected<'_>); 9] = [
        ("UPDATE checkpoint_parts SET body = CAST(replace(CAST(body AS TEXT), 'eu', 'us') AS BLOB)", &checkpoint),
        ("DELETE FROM checkpoint_parts", &checkpoint),
        ("UPDATE checkpoints SET hash = zeroblob(32)", &checkpoint),
        ("UPDATE checkpoints SET digest = zeroblob(3)", &checkpoint),
        ("UPDATE checkpoints SET serial = 900", &checkpoint),
        ("UPDATE heads SET (serial, hash) = (SELECT 9, hash FROM entries WHERE id & 255 = 9)", &head),
        ("UPDATE heads SET hash = zeroblob(32)", &head),
        ("UPDATE entries SET hash = zeroblob(32) WHERE id & 255 = 4", &hashes),
        ("UPDATE entries SET hash = zeroblob(32) WHERE id & 255 = 11", &last_hash),
    ];
    let (house, state) = with_checkpoint().await;
    let (whole, entries) = (bytes(&house), house.open().history(&stack(), 0).await.unwrap());
    for (statement, mended) in cases {
        fs::write(house.file(), &whole).unwrap();
        sql(&house.file(), statement).await;
        let damaged = bytes(&house);
        let repaired = repair(&house, false).await;
        assert!(repaired.done.len() == 1 && mended(&repaired.done[0]), "{statement}: {repaired:?}");
        let copy = repaired.copy.unwrap();
        assert!(fs::read(copy.join("state.db")).unwrap() == damaged, "{statement}: what was there is kept");
        assert_eq!(fs::read_dir(&copy).unwrap().count(), 1, "{statement}: and there was nothing beside it");
        assert_eq!((mode(&copy), mode(&copy.join("state.db"))), (0o700, 0o600));
        assert_eq!(state_of(&house).await, state, "{statement}");
        assert_eq!(house.open().history(&stack(), 0).await.unwrap(), entries, "{statement}");
        assert!(!repair(&house, true).await.is_change(), "{statement}: once is enough");
        is_sound(&house).await;
    }
}

/// As a checkpoint that says of a resource what no entry does.
#[tokio::test]
async fn a_checkpoint_that_was_forged_is_written_anew() {
    let (house, state) = with_checkpoint().await;
    forge_checkpoint(&house.file(), "id-of-a", "id-of-z").await;
    assert_ne!(state_of(&house).await, state, "no reader sees it");
    let repaired = repair(&house, false).await;
    let reason = "it says something else than the entries before it".to_owned();
    assert_eq!(repaired.done, [Mended::Checkpoint { reason }]);
    assert_eq!(state_of(&house).await, state);
    is_sound(&house).await;
}

#[tokio::test]
async fn what_a_checkpoint_has_is_kept_and_what_can_not_be_read_before_it_is_said() {
    let (house, state) = with_checkpoint().await;
    let (whole, entries) = (bytes(&house), house.open().history(&stack(), 0).await.unwrap());
    let gone = "DELETE FROM entries WHERE id & 255 IN (2, 3)".to_owned();
    // What stands after a missing one may be anything: nothing says what it follows.
    for (statement, lost) in
        [(changed(3), vec![3]), (changed(1), vec![1]), (changed(6), vec![6]), (gone, vec![2, 3, 4])]
    {
        fs::write(house.file(), &whole).unwrap();
        sql(&house.file(), &statement).await;
        let repaired = repair(&house, false).await;
        assert_eq!(repaired.done, [Mended::Entries { serials: lost.clone() }], "{statement}");
        assert_eq!((repaired.serial, repaired.left), (12, None));
        let after = state_of(&house).await;
        assert_eq!(after.serial, 12);
        assert_eq!(but_serial(after), but_serial(state.clone()), "{statement}");
        let history = house.open().history(&stack(), 0).await.unwrap();
        for (serial, (found, entry)) in (1..).zip(history.iter().zip(&entries)) {
            assert_eq!(matches!(found.event, Event::Lost), lost.contains(&serial), "{serial}");
            assert!(lost.contains(&serial) || found == entry, "{serial} is as it was");
        }
        assert!(matches!(history[11].event, Event::Restored { .. }));
        assert!(!repair(&house, true).await.is_change(), "{statement}: once is enough");
        is_sound(&house).await;
    }
}

#[tokio::test]
async fn an_end_that_is_lost_is_dropped_by_who_says_so() {
    let (house, _) = with_checkpoint().await;
    let (whole, entries) = (bytes(&house), house.open().history(&stack(), 0).await.unwrap());
    let no_checkpoint = format!("DELETE FROM checkpoints; DELETE FROM checkpoint_parts; {}", changed(3));
    for (statement, kept, last) in [
        (format!("DELETE FROM entries WHERE {}", at(11)), 10, Some(11)),
        (changed(8), 7, Some(11)),
        ("DELETE FROM entries WHERE id & 255 > 8".to_owned(), 8, Some(11)),
        ("UPDATE heads SET serial = 14".to_owned(), 11, Some(14)),
        ("UPDATE heads SET serial = 1 << 40".to_owned(), 11, None),
        ("DELETE FROM heads".to_owned(), 11, None),
        (no_checkpoint, 2, Some(11)),
        ("DELETE FROM entries; DELETE FROM checkpoints".to_owned(), 0, Some(11)),
    ] {
        fs::write(house.file(), &whole).unwrap();
        let known = sum_of(&house, kept).await;
        sql(&house.file(), &statement).await;
        let damaged = bytes(&house);
        let tail = LostTail { kept: Some(u64::try_from(kept).unwrap()), last };
        let asked = repair(&house, false).await;
        assert_eq!((asked.left, asked.done, asked.copy), (Some(tail), vec![], None), "{statement}");
        assert!(bytes(&house) == damaged, "{statement}: nothing was changed");
        let repaired = repair(&house, true).await;
        assert_eq!((repaired.left, repaired.done.last()), (None, Some(&Mended::Tail(tail))), "{statement}");
        let after = state_of(&house).await;
        assert_eq!(after.serial, last.unwrap_or(12) + 1, "{statement}: no serial comes twice");
        assert_eq!(but_serial(after), but_serial(known), "{statement}");
        let history = house.open().history(&stack(), 0).await.unwrap();
        assert_eq!(history[..kept.min(2)], entries[..kept.min(2)], "{statement}");
        if statement == changed(8) {
            assert_eq!(
                (&history[6], &history[10]),
                (&entries[6], &entries[10]),
                "what can be read of the end is there"
            );
        }
        assert!(!repair(&house, true).await.is_change(), "{statement}: once is enough");
        is_sound(&house).await;
    }
}

/// Whatever one entry suffers: the state is sound afterwards, and what the entries up to the first that is lost add up to; no other
/// entry is lost, but for the one after it where nothing says what that follows.
#[tokio::test]
async fn one_damaged_entry_costs_no_more_than_it_must() {
    let (house, state) = with_checkpoint().await;
    let whole = bytes(&house);
    for serial in 1..=11_u64 {
        // The checkpoint says what the 7th follows, and there is no 12th.
        let with_next = if matches!(serial, 6 | 11) { vec![serial] } else { vec![serial, serial + 1] };
        for (statement, is_lost, said) in [
            (changed(serial), serial > 6, vec![serial]),
            (format!("DELETE FROM entries WHERE {}", at(serial)), serial > 6, with_next),
            (format!("UPDATE entries SET hash = zeroblob(32) WHERE {}", at(serial)), false, vec![]),
        ] {
            fs::write(house.file(), &whole).unwrap();
            let known =
                if is_lost { sum_of(&house, usize::try_from(serial).unwrap() - 1).await } else { state.clone() };
            sql(&house.file(), &statement).await;
            assert_eq!(repair(&house, false).await.left.is_some(), is_lost, "{statement}");
            repair(&house, true).await;
            assert_eq!(lost(&house).await, said, "{statement}");
            assert_eq!(but_serial(state_of(&house).await), but_serial(known), "{statement}");
            is_sound(&house).await;
        }
    }
}

#[tokio::test]
async fn an_entry_of_which_anything_says_that_it_is_whole_is_not_lost() {
    let (house, state) = with_checkpoint().await;
    let (whole, entries) = (bytes(&house), house.open().history(&stack(), 0).await.unwrap());
    let no_hash = |serial| format!("UPDATE entries SET hash = zeroblob(32) WHERE {}", at(serial));
    let gone = |serial| format!("DELETE FROM entries WHERE {}", at(serial));
    for (statements, said) in [
        ([changed(3), no_hash(6)], vec![3]),
        ([changed(3), no_hash(4)], vec![3]),
        ([changed(3), no_hash(7)], vec![3]),
        ([changed(3), gone(6)], vec![3, 6]),
        ([changed(6), no_hash(6)], vec![6]),
        ([gone(3), no_hash(5)], vec![3, 4]),
    ] {
        fs::write(house.file(), &whole).unwrap();
        sql(&house.file(), &statements.join(";")).await;
        let repaired = repair(&house, false).await;
        assert_eq!(repaired.left, None, "{statements:?}");
        assert_eq!(lost(&house).await, said, "{statements:?}");
        assert_eq!(but_serial(state_of(&house).await), but_serial(state.clone()), "{statements:?}");
        let history = house.open().history(&stack(), 0).await.unwrap();
        for (serial, (found, entry)) in (1..).zip(history.iter().zip(&entries)) {
            assert!(said.contains(&serial) || found == entry, "{statements:?}: {serial} is as it was");
        }
        is_sound(&house).await;
    }
}

/// What a repair wrote may be damaged in its turn: the state is never one to which nothing can be added.
#[tokio::test]
async fn what_was_repaired_is_repaired_again() {
    let last_of = |house: &House| {
        let house = house.open();
        async move { house.snapshot(&stack()).await.unwrap().state.unwrap().serial }
    };
    let no_checkpoint = "DELETE FROM checkpoints; DELETE FROM checkpoint_parts";
    for (first, second, kept) in [
        ("DELETE FROM entries".to_owned(), String::new(), 0),
        (changed(8), String::new(), 7),
        (changed(8), format!("; {}", changed(3)), 2),
        (changed(8), "; DELETE FROM heads".to_owned(), 7),
    ] {
        let (house, _) = with_checkpoint().await;
        let known = sum_of(&house, kept).await;
        sql(&house.file(), &format!("{no_checkpoint}; {first}")).await;
        assert!(repair(&house, true).await.is_change());
        let restored = last_of(&house).await;
        sql(&house.file(), &format!("{no_checkpoint}; DELETE FROM entries WHERE {}{second}", at(restored))).await;
        let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
        assert!(!verified.is_sound(), "{first}{second}: {verified:?}");
        let kept = Some(u64::try_from(kept).unwrap());
        let asked = repair(&house, false).await;
        assert_eq!((asked.left.unwrap().kept, asked.done), (kept, vec![]), "{first}{second}");
        let repaired = repair(&house, true).await;
        assert!(matches!(repaired.done.last(), Some(Mended::Tail(tail)) if tail.kept == kept), "{repaired:?}");
        assert_eq!(but_serial(state_of(&house).await), but_serial(known), "{first}{second}");
        assert!(last_of(&house).await > restored, "{first}{second}: no serial comes twice");
        is_sound(&house).await;
        assert!(state_of(&house).await.records.contains_key(&Address::root("more")), "what is added is there");
    }
}

/// As by who rewrites hashes: the chain is whole, and ends in nothing that says what the state is.
#[tokio::test]
async fn a_journal_that_ends_after_a_lost_entry_is_damaged() {
    let (house, _) = with_checkpoint().await;
    sql(&house.file(), &format!("DELETE FROM checkpoints; DELETE FROM checkpoint_parts; {}", changed(11))).await;
    repair(&house, true).await;
    let known = sum_of(&house, 10).await;
    let head = "(SELECT 11, hash FROM entries WHERE id & 255 = 11)";
    let cut = format!("DELETE FROM entries WHERE {}; UPDATE heads SET (serial, hash) = {head}", at(12));
    sql(&house.file(), &format!("DELETE FROM checkpoints; DELETE FROM checkpoint_parts; {cut}")).await;
    let read = house.open().snapshot(&stack()).await;
    assert!(matches!(read, Err(StoreError::Damaged { serial: Some(11), .. })), "{read:?}");
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    assert!(!verified.is_sound(), "{verified:?}");
    assert_eq!(repair(&house, false).await.left, Some(LostTail { kept: Some(10), last: Some(11) }));
    repair(&house, true).await;
    assert_eq!(but_serial(state_of(&house).await), but_serial(known));
    is_sound(&house).await;
}

#[tokio::test]
async fn what_can_not_be_repaired_is_left_as_it_is() {
    let (house, _) = with_checkpoint().await;
    let whole = bytes(&house);
    let outcome = |house: House| async move { (house.open().repair(&stack(), &holder(9), true).await, house) };
    fs::write(house.file(), &whole[..whole.len() / 2]).unwrap();
    let (cut, house) = outcome(house).await;
    assert!(matches!(cut, Err(StoreError::Damaged { .. })), "{cut:?}");
    assert_eq!(bytes(&house), &whole[..whole.len() / 2]);
    for statement in
        ["UPDATE stacks SET body = replace(body, 'prod', 'test')", "DELETE FROM leases", "DROP TABLE entries"]
    {
        fs::write(house.file(), &whole).unwrap();
        sql(&house.file(), statement).await;
        let damaged = bytes(&house);
        let refused = house.open().repair(&stack(), &holder(9), true).await;
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{statement}: {refused:?}");
        assert!(bytes(&house) == damaged, "{statement}");
    }
}

#[tokio::test]
async fn a_run_at_work_and_another_stack_are_left_alone() {
    let (house, _) = with_checkpoint().await;
    let other = Stack { environment: "dev".to_owned(), ..stack() };
    let store = house.open();
    let lease = store.lease(&other, &holder(1)).await.unwrap();
    store.append(&lease, &made("theirs", spec("eu"))).await.unwrap();
    store.release(lease).await.unwrap();
    let theirs = house.open().snapshot(&other).await.unwrap().state;
    sql(&house.file(), &format!("{} AND id >> 40 = 1", changed(3))).await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    let held = house.open().repair(&stack(), &holder(9), true).await;
    assert!(matches!(held, Err(StoreError::Held(_))), "{held:?}");
    // It is gone, as far as anyone can tell; it only slept.
    house.processes.end(&holder(1));
    assert!(repair(&house, false).await.is_change());
    assert_eq!(store.append(&lease, &made("late", spec("eu"))).await, Err(StoreError::Fenced));
    assert_eq!(house.open().snapshot(&other).await.unwrap().state, theirs);
    assert!(verify(&*house.open(), &other).await.unwrap().unwrap().is_sound());
    is_sound(&house).await;
}

#[tokio::test]
async fn only_a_repair_says_that_something_is_lost() {
    let (house, state) = with_checkpoint().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    let lost = Entry { at: AT, address: None, event: Event::Lost };
    assert!(matches!(store.append(&lease, &[lost]).await, Err(StoreError::Illegal(_))));
    assert_eq!(state_of(&house).await, state);
}

/// As a rekey that is dropped: what is kept is sealed for the former key, and is gone on with by who has that.
#[tokio::test]
async fn what_is_gone_back_to_is_gone_on_with_by_the_key_that_opens_it() {
    let secret = |name: &str| {
        let mut spec = spec("eu");
        spec.put(&FieldPath::parse("auth.token"), Value::secret("canary-5d41402abc".into()));
        made(name, spec)
    };
    let append = async |house: &House, vault: &Arc<Vault>, name: &str| {
        let store = house.open_with(vault.clone());
        let lease = store.lease(&stack(), &holder(1)).await.unwrap();
        let appended = store.append(&lease, &secret(name)).await;
        store.release(lease).await.unwrap();
        appended
    };
    // Another key than that of what is kept can't tell whose it is.
    for (by_former, is_told) in [(true, true), (false, false)] {
        let house = House::sqlite();
        let (former, new) = (house.vault.clone(), Arc::new(Vault::ephemeral()));
        append(&house, &former, "a").await.unwrap();
        let part = Box::new(state_of(&house).await.secret_part());
        let store = house.open_with(new.clone());
        let lease = store.lease(&stack(), &holder(1)).await.unwrap();
        let rekeyed = Entry { at: AT, address: None, event: Event::Rekeyed { state: part } };
        store.append(&lease, &[rekeyed]).await.unwrap();
        store.release(lease).await.unwrap();
        assert!(append(&house, &former, "b").await.is_err());
        sql(&house.file(), &format!("DELETE FROM entries WHERE {}", at(3))).await;
        let by = if by_former { &former } else { &new };
        house.open_with(by.clone()).repair(&stack(), &holder(9), true).await.unwrap().unwrap();
        assert!(!state_of(&house).await.has_locked());
        assert_eq!(append(&house, &new, "c").await.is_err(), is_told);
        if is_told {
            append(&house, &former, "d").await.unwrap();
            assert!(!state_of(&house).await.has_locked(), "one key opens all of it");
        }
    }
}

/// A state of many entries, all of which are gone, goes on after the last one that anything names.
#[tokio::test]
async fn a_long_journal_that_is_gone_goes_on_after_its_checkpoint() {
    let (house, _) = with_checkpoint().await;
    sql(&house.file(), "DELETE FROM entries; UPDATE heads SET serial = 100005").await;
    let tail = LostTail { kept: Some(0), last: Some(100_005) };
    assert_eq!(repair(&house, false).await.left, Some(tail));
    assert_eq!(repair(&house, true).await.serial, 100_006);
    is_sound(&house).await;
}
