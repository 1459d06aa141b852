//! Damage to a small state, at every byte and at every length: it is named, or nothing differs.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use support::entries::{begin, made, object, outputs, succeeded};
use support::files::{beside, checkpoint_digest, sql};
use support::{House, holder, stack};
use trueup_state::soundness::verify;
use trueup_state::{Address, Entry, Event, Scope, SqliteStore, State, Store, StoreError, Value, Verb};

/// No reading and no writing here comes near it.
const LONGEST: Duration = Duration::from_secs(30);

/// A spec as small as one can be: what every byte is tried of should be short.
fn spec(size: i64) -> Value {
    json!({ "size": size }).into()
}

/// A resource with a deposed object, and an output.
fn early() -> Vec<Entry> {
    let a = Address::root("a");
    let mut entries = made("a", spec(1)).to_vec();
    entries.push(begin(Verb::Create, &a, 1, "again", spec(2)));
    entries.push(succeeded(&a, "again", Some(object(&a, 1, "again", spec(2)))));
    entries.push(outputs("uri", "s3://a".into()));
    entries.into_iter().map(small).collect()
}

/// Another resource, and an operation that has not ended.
fn late() -> Vec<Entry> {
    let mut entries = made("b", spec(3)).to_vec();
    entries.push(begin(Verb::Delete, &Address::root("a"), 0, "open", spec(1)));
    entries.into_iter().map(small).collect()
}

/// The entry without what makes it long.
fn small(mut entry: Entry) -> Entry {
    let scope = || Scope::of("sim");
    match &mut entry.event {
        Event::Begin { request, .. } => {
            (request.scope, request.attributes, request.owner) = (scope(), Value::Null, BTreeMap::new());
        }
        Event::Succeeded { object: Some(object), .. } => (object.scope, object.attributes) = (scope(), Value::Null),
        _ => {}
    }
    entry
}

/// The files of a state as they lie there, by what their names end with: the log and its index are what a killed process leaves.
#[derive(Clone, PartialEq)]
struct Files(BTreeMap<&'static str, Vec<u8>>);

const STATE: &str = "";
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

impl Files {
    fn read(path: &Path) -> Self {
        let there = [STATE, LOG, INDEX].into_iter().filter(|suffix| beside(path, suffix).exists());
        Self(there.map(|suffix| (suffix, fs::read(beside(path, suffix)).unwrap())).collect())
    }

    fn write(&self, path: &Path) {
        for suffix in [STATE, LOG, INDEX] {
            match self.0.get(suffix) {
                Some(bytes) => fs::write(beside(path, suffix), bytes).unwrap(),
                None => {
                    let _ = fs::remove_file(beside(path, suffix));
                }
            }
        }
    }

    /// The same with one file changed.
    fn with(&self, suffix: &'static str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut files = self.clone();
        change(files.0.get_mut(suffix).unwrap());
        files
    }

    /// The same without one file.
    fn without(&self, suffix: &str) -> Self {
        let mut files = self.clone();
        files.0.remove(suffix).unwrap();
        files
    }

    fn length(&self, suffix: &str) -> usize {
        self.0[suffix].len()
    }
}

/// Everything that can be read of a state.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    state: State,
    entries: Vec<Entry>,
    note: Vec<u8>,
}

/// What can be asked of a state.
#[derive(Clone, Copy, Debug)]
enum Ask {
    State,
    Entries,
    Note,
}

impl Seen {
    /// All of an undamaged state.
    async fn of(store: &SqliteStore) -> Self {
        let state = store.snapshot(&stack()).await.unwrap().state.unwrap();
        let (_, note) = store.read_note(&stack(), "drift").await.unwrap().unwrap();
        Self { state, entries: store.history(&stack(), 0).await.unwrap(), note }
    }

    /// What is another now, if something is; what names the damage is an error.
    async fn differs(&self, store: &SqliteStore, ask: Ask) -> Result<Option<&'static str>, StoreError> {
        let (differs, what) = match ask {
            Ask::State => (store.snapshot(&stack()).await?.state.as_ref() != Some(&self.state), "the state"),
            Ask::Entries => (store.history(&stack(), 0).await? != self.entries, "the journal"),
            Ask::Note => {
                let note = store.read_note(&stack(), "drift").await?;
                (note.map(|(_, value)| value).as_ref() != Some(&self.note), "the note")
            }
        };
        Ok(differs.then_some(what))
    }
}

/// What lies there, and what is to be read of it.
type Laid = (Files, Seen);

/// A state that rests, with a checkpoint in the middle of its journal. It is as small as a checkpoint is never written for, so
/// that one is put there as the store would.
async fn resting(house: &House) -> Laid {
    let store = house.sqlite_at(house.file(), house.vault.clone());
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.append(&lease, &early()).await.unwrap();
    store.release(lease).await.unwrap();
    put_checkpoint(&store).await;
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.append(&lease, &late()).await.unwrap();
    store.note(&stack(), "drift", None, b"clean").await.unwrap();
    store.release(lease).await.unwrap();
    (Files::read(&house.file()), Seen::of(&store).await)
}

/// The same where the process was killed before it could rest: its last commits are in the log alone.
async fn killed(house: &House) -> Laid {
    let store = house.sqlite_at(house.file(), house.vault.clone());
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.append(&lease, &early()).await.unwrap();
    store.note(&stack(), "drift", None, b"clean").await.unwrap();
    store.release(lease).await.unwrap();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    for entry in late() {
        store.append(&lease, &[entry]).await.unwrap();
    }
    let seen = Seen::of(&store).await;
    (Files::read(&house.file()), seen)
}

async fn put_checkpoint(store: &SqliteStore) {
    let state = store.sealed(&stack()).await.unwrap().unwrap();
    let mut head = state.clone();
    head.records.clear();
    let mut body = serde_json::to_vec(&head).unwrap();
    for record in state.records.values() {
        body.push(b'\n');
        serde_json::to_writer(&mut body, record).unwrap();
    }
    let mut connection: SqliteConnection = SqliteConnectOptions::new().filename(store.path()).connect().await.unwrap();
    let hash: Vec<u8> = sqlx::query_scalar("SELECT hash FROM heads").fetch_one(&mut connection).await.unwrap();
    let digest = checkpoint_digest(state.serial, &hash, &body);
    let serial = i64::try_from(state.serial).unwrap();
    let query = sqlx::query("INSERT INTO checkpoints (stack, serial, hash, digest) VALUES (1, ?, ?, ?)");
    query.bind(serial).bind(hash).bind(digest).execute(&mut connection).await.unwrap();
    let query = sqlx::query("INSERT INTO checkpoint_parts (id, body) VALUES (1 << 40, ?)");
    query.bind(body).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Tries every case, some on each processor, each worker with a state of its own.
fn each(cases: usize, try_one: impl AsyncFn(usize, &House) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let house = House::sqlite();
                fs::create_dir(house.file().parent().unwrap()).unwrap();
                house.processes.end(&holder(1));
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        break;
                    }
                    let trying = async { tokio::time::timeout(LONGEST, try_one(case, &house)).await };
                    assert!(runtime.block_on(trying).is_ok(), "case {case} does not end");
                }
            });
        }
    });
}

/// What a house of its own has by then.
fn built(build: impl AsyncFnOnce(&House) -> Laid) -> Laid {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(build(&House::sqlite()))
}

/// What was silently lost or changed, in which cases.
#[derive(Default)]
struct Silent(Mutex<Vec<String>>);

impl Silent {
    fn note(&self, case: &str, what: Option<&str>) {
        if let Some(what) = what {
            self.0.lock().unwrap().push(format!("{what} {case}"));
        }
    }

    #[track_caller]
    fn is_none(&self) {
        let all = self.0.lock().unwrap();
        assert!(all.is_empty(), "{} cases: {:#?}", all.len(), &all[..all.len().min(40)]);
    }
}

impl Seen {
    /// Asks all of this of what lies there now; how often damage was named.
    async fn ask(&self, house: &House, asks: &[Ask], case: &str, silent: &Silent) -> usize {
        let store = house.sqlite_at(house.file(), house.vault.clone());
        let mut named = 0;
        for ask in asks {
            match self.differs(&store, *ask).await {
                Ok(differs) => silent.note(case, differs),
                Err(_) => named += 1,
            }
        }
        named
    }
}

const ALL: &[Ask] = &[Ask::State, Ask::Entries, Ask::Note];

/// Flips bytes of a file, one in each `step`: all of its bits, and then one. What is zero, as what no page uses is, is flipped once,
/// and asked less. How often that was named.
fn flip_each((files, seen): &Laid, suffix: &'static str, step: usize) -> usize {
    let (silent, named) = (Silent::default(), AtomicUsize::new(0));
    each(files.length(suffix).div_ceil(step), async |case, house| {
        let at = case * step;
        let flips: &[(u8, &[Ask])] = match files.0[suffix][at] {
            0 => &[(0xff, &[Ask::State])],
            _ if at.is_multiple_of(2) => &[(0xff, &[Ask::State, Ask::Note]), (0x01, &[Ask::Entries])],
            _ => &[(0xff, &[Ask::Entries, Ask::Note]), (0x01, &[Ask::State])],
        };
        for (flip, asks) in flips {
            files.with(suffix, |bytes| bytes[at] ^= flip).write(&house.file());
            let found = seen.ask(house, asks, &format!("flipped by {flip:#04x} at {at}"), &silent).await;
            named.fetch_add(found, Ordering::Relaxed);
        }
    });
    silent.is_none();
    named.into_inner()
}

#[test]
fn a_flipped_byte_is_named_or_changes_nothing() {
    let resting = built(resting);
    let named = flip_each(&resting, STATE, 1);
    assert!(named > resting.0.length(STATE) / 2, "much of it matters: {named}");
}

#[test]
fn a_file_below_its_log_is_named_or_changes_nothing() {
    flip_each(&built(killed), STATE, 11);
}

#[test]
fn a_file_cut_at_any_length_is_named_or_whole() {
    let (files, seen) = built(resting);
    let (silent, named) = (Silent::default(), AtomicUsize::new(0));
    each(files.length(STATE), async |length, house| {
        files.with(STATE, |bytes| bytes.truncate(length)).write(&house.file());
        let case = format!("cut to {length}");
        if seen.ask(house, &[Ask::State], &case, &silent).await == 1 && length % 8 > 0 {
            named.fetch_add(1, Ordering::Relaxed);
        } else {
            seen.ask(house, ALL, &case, &silent).await;
        }
    });
    silent.is_none();
    assert!(named.into_inner() > files.length(STATE) / 2, "to no state that there is none of");
}

/// Where both fail, both say so; where a reader finds nothing, neither does whoever looks for damage.
#[test]
fn who_looks_for_damage_finds_what_readers_name() {
    let (files, seen) = built(resting);
    let silent = Silent::default();
    each(files.length(STATE).div_ceil(13), async |case, house| {
        files.with(STATE, |bytes| bytes[case * 13] ^= 0x10).write(&house.file());
        let store = house.sqlite_at(house.file(), house.vault.clone());
        let state = seen.differs(&store, Ask::State).await.is_err();
        let entries = seen.differs(&store, Ask::Entries).await.is_err();
        let verified = verify(&store, &stack()).await;
        let found = !verified.is_ok_and(|verified| verified.is_some_and(|verified| verified.is_sound()));
        silent.note(&format!("at {}", case * 13), (found != (state || entries)).then_some("what verify says"));
    });
    silent.is_none();
}

/// Appends to what lies there, as one more run would.
async fn write(house: &House) -> Result<(), StoreError> {
    let store = house.sqlite_at(house.file(), house.vault.clone());
    let lease = store.lease(&stack(), &holder(9)).await?;
    let appended = store.append(&lease, &more()).await;
    store.release(lease).await?;
    appended.map(|_| ())
}

fn more() -> Vec<Entry> {
    made("more", spec(4)).into_iter().map(small).collect()
}

impl Seen {
    /// The same after [`more`].
    fn with_more(&self) -> Self {
        let mut seen = self.clone();
        more().iter().for_each(|entry| seen.state.apply(entry).unwrap());
        seen.entries.extend(more());
        seen
    }
}

/// Whoever writes to what is damaged hides nothing of it: what was named is named still, or is whole again, and nothing else is lost.
#[test]
fn a_writer_makes_no_damage_worse() {
    let (files, seen) = built(resting);
    let (silent, after) = (Silent::default(), seen.with_more());
    let refused = AtomicUsize::new(0);
    each(files.length(STATE).div_ceil(29), async |case, house| {
        let at = case * 29;
        for flip in [0xff, 0x01] {
            files.with(STATE, |bytes| bytes[at] ^= flip).write(&house.file());
            let store = house.sqlite_at(house.file(), house.vault.clone());
            let mut before = Vec::new();
            for ask in ALL {
                before.push(seen.differs(&store, *ask).await.is_err());
            }
            let written = write(house).await;
            let expected = if written.is_ok() { &after } else { &seen };
            let note = |what| silent.note(&format!("flipped by {flip:#04x} at {at}: {written:?}"), what);
            note((before[0] && written.is_ok()).then_some("an append to a damaged state"));
            refused.fetch_add(usize::from(written.is_err()), Ordering::Relaxed);
            for (ask, was_named) in ALL.iter().zip(before) {
                match expected.differs(&store, *ask).await {
                    Ok(differs) => note(differs),
                    Err(_) => note((!was_named).then_some("what was whole before")),
                }
            }
        }
    });
    silent.is_none();
    assert!(refused.into_inner() > 150, "much of it keeps from writing");
}

#[test]
fn a_writer_leaves_a_damaged_log_as_it_is() {
    let (files, seen) = built(killed);
    let whole = files.length(LOG);
    each(whole.div_ceil(41), async |case, house| {
        for damaged in
            [files.with(LOG, |bytes| bytes[case * 41] ^= 0x20), files.with(LOG, |bytes| bytes.truncate(case * 41))]
        {
            damaged.write(&house.file());
            let written = write(house).await;
            assert!(matches!(written, Err(StoreError::Damaged { .. })), "{case}: {written:?}");
            assert!(Files::read(&house.file()) == damaged, "{case}");
        }
    });
    each(1, async |_, house| {
        files.write(&house.file());
        assert_eq!(write(house).await, Ok(()), "whole, it is taken over");
        let silent = Silent::default();
        assert_eq!(seen.with_more().ask(house, ALL, "taken over", &silent).await, 0);
        silent.is_none();
    });
}

#[test]
fn damage_to_a_log_is_named_wherever_it_is() {
    let killed = built(killed);
    let length = killed.0.length(LOG);
    let (silent, named) = (Silent::default(), AtomicUsize::new(0));
    let (files, seen) = &killed;
    each(length, async |at, house| {
        for damaged in [
            files.with(LOG, |bytes| bytes[at] ^= 0x01),
            files.with(LOG, |bytes| bytes[at] ^= 0xff),
            files.with(LOG, |bytes| bytes.truncate(at)),
        ] {
            damaged.write(&house.file());
            named.fetch_add(seen.ask(house, ALL, &format!("at {at}"), &silent).await, Ordering::Relaxed);
        }
    });
    silent.is_none();
    assert_eq!(named.into_inner(), 3 * 3 * length, "each time, by each who reads");
}

/// The index is thrown away whenever the first process opens a state: nothing depends on it but the end of a damaged log.
#[test]
fn damage_to_a_logs_index_changes_nothing() {
    let (files, seen) = built(killed);
    let silent = Silent::default();
    each(files.length(INDEX).div_ceil(97), async |case, house| {
        for damaged in
            [files.with(INDEX, |bytes| bytes[case * 97] ^= 0xff), files.with(INDEX, |bytes| bytes.truncate(case * 97))]
        {
            damaged.write(&house.file());
            assert_eq!(seen.ask(house, ALL, &format!("at {case}"), &silent).await, 0, "{case}");
        }
    });
    silent.is_none();
}

/// Without its index a log ends where it ends: a cut gives the state of an earlier commit, and so does damage to the last one. What
/// other commits followed is missed.
#[test]
fn without_its_index_a_log_may_be_an_earlier_one() {
    let (files, seen) = built(killed);
    let files = files.without(INDEX);
    let earlier = AtomicUsize::new(0);
    each(files.length(LOG).div_ceil(19), async |case, house| {
        for (at, damaged) in [
            (usize::MAX, files.with(LOG, |bytes| bytes.truncate(case * 19))),
            (case * 19, files.with(LOG, |bytes| bytes[case * 19] ^= 0x08)),
        ] {
            damaged.write(&house.file());
            let store = house.sqlite_at(house.file(), house.vault.clone());
            match store.history(&stack(), 0).await {
                Err(StoreError::Damaged { .. }) => {}
                Err(other) => panic!("{other:?}"),
                Ok(entries) => {
                    assert!(seen.entries.starts_with(&entries) && entries.len() >= early().len(), "{case}");
                    assert!(at > files.length(LOG) / 2, "a commit that others followed: {at}");
                    earlier.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    assert!(earlier.into_inner() > 0);
}

/// Of a file that is gone with all beside it nothing tells that it was there.
#[test]
fn a_file_that_is_gone_is_missed_by_its_log_alone() {
    let (files, _) = built(killed);
    each(1, async |_, house| {
        files.without(STATE).write(&house.file());
        let store = house.sqlite_at(house.file(), house.vault.clone());
        for outcome in [store.snapshot(&stack()).await.map(|_| ()), write(house).await] {
            assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
        }
        assert!(!house.file().exists());
        files.without(LOG).write(&house.file());
        let outcome = store.snapshot(&stack()).await;
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
        Files(BTreeMap::new()).write(&house.file());
        assert!(store.snapshot(&stack()).await.unwrap().state.is_none());
    });
}

/// A head ahead of its chain, a chain ahead of its head, and an end that only a checkpoint has.
#[test]
fn a_head_and_its_chain_end_at_one_entry() {
    let (files, seen) = built(resting);
    each(1, async |_, house| {
        files.write(&house.file());
        let store = house.sqlite_at(house.file(), house.vault.clone());
        sql(store.path(), "DELETE FROM checkpoints; DELETE FROM checkpoint_parts").await;
        put_checkpoint(&store).await;
        let whole = Files::read(&house.file());
        let last = "(SELECT max(id) FROM entries)";
        let behind =
            format!("UPDATE heads SET (serial, hash) = (SELECT id & 255, hash FROM entries WHERE id = {last} - 1)");
        for (statement, state_is_named) in [(format!("DELETE FROM entries WHERE id = {last}"), false), (behind, true)] {
            whole.write(&house.file());
            sql(store.path(), &statement).await;
            assert_eq!(seen.differs(&store, Ask::State).await.is_err(), state_is_named, "{statement}");
            assert!(matches!(seen.differs(&store, Ask::Entries).await, Err(StoreError::Damaged { .. })), "{statement}");
            let written = write(house).await;
            assert!(matches!(written, Err(StoreError::Damaged { .. })), "{statement}: {written:?}");
        }
    });
}
