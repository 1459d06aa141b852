//! What a repair puts in order, what it asks for before it does, and what it can't.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use support::entries::{AT, begin, made, outputs, spec};
use support::{House, holder, stack};
use trueup_state::repair::{LostTail, Mended, Repaired};
use trueup_state::soundness::verify;
use trueup_state::{Address, Entry, Event, Stack, State, StoreError, Value, Verb};

/// A state with a checkpoint at its 6th entry, and 5 entries after it.
async fn with_checkpoint() -> (House, State) {
    let house = House::sqlite();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    for name in ["a", "b"] {
        store.append(&lease, &made(name, spec("eu"))).await.unwrap();
    }
    store.append(&lease, &made("large", Value::from("x".repeat(100_000)))).await.unwrap();
    store.append(&lease, &made("c", spec("eu"))).await.unwrap();
    store.append(&lease, &[outputs("uri", "s3://a".into())]).await.unwrap();
    store.append(&lease, &made("d", spec("eu"))[..1]).await.unwrap();
    store.append(&lease, &[begin(Verb::Delete, &Address::root("a"), 0, "delete-a", spec("eu"))]).await.unwrap();
    store.release(lease).await.unwrap();
    let state = state_of(&house).await;
    (house, state)
}

async fn state_of(house: &House) -> State {
    house.open().snapshot(&stack()).await.unwrap().state.unwrap()
}

async fn sql(house: &House, statements: &str) {
    let mut connection: SqliteConnection = SqliteConnectOptions::new().filename(house.file()).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn repair(house: &House, drop_tail: bool) -> Repaired {
    house.open().repair(&stack(), &holder(9), drop_tail).await.unwrap().unwrap()
}

/// What the state is, but for how many entries led to it.
fn but_serial(state: State) -> State {
    State { serial: 0, ..state }
}

async fn is_sound(house: &House) {
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    assert!(verified.is_sound(), "{verified:#?}");
    let lease = house.open().lease(&stack(), &holder(2)).await.unwrap();
    let store = house.open();
    store.append(&lease, &made("more", spec("eu"))).await.unwrap();
    store.release(lease).await.unwrap();
}

/// The entry's place in its table.
fn at(serial: u64) -> String {
    format!("id & 255 = {serial}")
}

fn changed(serial: u64) -> String {
    format!("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '0', '1') AS BLOB) WHERE {}", at(serial))
}

/// What the first entries of a journal add up to.
async fn sum_of(house: &House, first: usize) -> State {
    let mut state = State::new(state_of(house).await.lineage);
    for entry in house.open().history(&stack(), 0).await.unwrap().iter().take(first) {
        state.apply(entry).unwrap();
    }
    state
}

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
        sql(&house, statement).await;
        let damaged = bytes(&house);
        let repaired = repair(&house, false).await;
        assert!(repaired.done.len() == 1 && mended(&repaired.done[0]), "{statement}: {repaired:?}");
        let copy = repaired.copy.unwrap();
        assert!(fs::read(&copy).unwrap() == damaged, "{statement}: what was there is kept");
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
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
    let mut connection = SqliteConnectOptions::new().filename(house.file()).connect().await.unwrap();
    let (hash, body): (Vec<u8>, Vec<u8>) = sqlx::query_as("SELECT hash, body FROM checkpoints, checkpoint_parts")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let forged = String::from_utf8(body).unwrap().replacen("id-of-a", "id-of-z", 1);
    let digest = Sha256::new().chain_update(b"trueup checkpoint\0").chain_update(6_u64.to_be_bytes());
    let digest = digest.chain_update(hash).chain_update(&forged).finalize().to_vec();
    sqlx::query("UPDATE checkpoints SET digest = ?").bind(digest).execute(&mut connection).await.unwrap();
    let parts = sqlx::query("UPDATE checkpoint_parts SET body = ?").bind(forged.into_bytes());
    parts.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
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
        sql(&house, &statement).await;
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
        sql(&house, &statement).await;
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

/// The entries of which only that they are lost is known.
async fn lost(house: &House) -> Vec<u64> {
    let history = house.open().history(&stack(), 0).await.unwrap();
    (1..).zip(&history).filter(|(_, entry)| entry.event == Event::Lost).map(|(serial, _)| serial).collect()
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
            sql(&house, &statement).await;
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
        sql(&house, &statements.join(";")).await;
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
        sql(&house, &format!("{no_checkpoint}; {first}")).await;
        assert!(repair(&house, true).await.is_change());
        let restored = last_of(&house).await;
        sql(&house, &format!("{no_checkpoint}; DELETE FROM entries WHERE {}{second}", at(restored))).await;
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
    sql(&house, &format!("DELETE FROM checkpoints; DELETE FROM checkpoint_parts; {}", changed(11))).await;
    repair(&house, true).await;
    let known = sum_of(&house, 10).await;
    let head = "(SELECT 11, hash FROM entries WHERE id & 255 = 11)";
    let cut = format!("DELETE FROM entries WHERE {}; UPDATE heads SET (serial, hash) = {head}", at(12));
    sql(&house, &format!("DELETE FROM checkpoints; DELETE FROM checkpoint_parts; {cut}")).await;
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
async fn a_log_that_was_cut_is_opened_by_who_drops_its_end() {
    let (house, _) = with_checkpoint().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    let before = state_of(&house).await;
    store.append(&lease, &made("late", spec("eu"))).await.unwrap();
    let other = House::sqlite();
    fs::create_dir(other.file().parent().unwrap()).unwrap();
    let name = |house: &House, suffix: &str| format!("{}{suffix}", house.file().display());
    for suffix in ["", "-wal", "-shm"] {
        fs::copy(name(&house, suffix), name(&other, suffix)).unwrap();
    }
    let log = fs::read(name(&other, "-wal")).unwrap();
    fs::write(name(&other, "-wal"), &log[..log.len() - 1]).unwrap();
    other.processes.end(&holder(1));
    let asked = repair(&other, false).await;
    assert_eq!((asked.left, asked.done), (Some(LostTail { kept: None, last: None }), vec![]));
    assert!(other.open().snapshot(&stack()).await.is_err(), "it is named still");
    let repaired = repair(&other, true).await;
    assert_eq!(repaired.done, [Mended::Tail(LostTail { kept: Some(11), last: None })]);
    let copy = repaired.copy.unwrap();
    assert_eq!(fs::read(format!("{}-wal", copy.display())).unwrap(), &log[..log.len() - 1], "the log is kept, too");
    assert_eq!(but_serial(state_of(&other).await), but_serial(before));
    is_sound(&other).await;
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
        sql(&house, statement).await;
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
    sql(&house, &format!("{} AND id >> 40 = 1", changed(3))).await;
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
