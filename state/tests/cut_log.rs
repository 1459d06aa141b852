//! A log that has lost its end: what was committed there may be of any stack in the file, and only who says so goes on without it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::entries::{made, spec};
use support::files::{FILES, beside, sql};
use support::repairs::{but_serial, changed, is_sound, repair, state_of, with_checkpoint};
use support::{House, holder, stack};
use trueup_state::repair::{LostTail, Mended, Other};
use trueup_state::soundness::verify;
use trueup_state::{Event, Stack, State, Store, StoreError};

const DROPPED: fn(u64) -> Mended = |kept| Mended::Tail(LostTail { kept: Some(kept), last: None });

fn dev() -> Stack {
    Stack { environment: "dev".to_owned(), ..stack() }
}

async fn read(house: &House, stack: &Stack) -> Result<State, StoreError> {
    house.open().snapshot(stack).await.map(|snapshot| snapshot.state.unwrap())
}

/// What a machine left that lost power after an append to `dev`, whose last byte is lost; and both stacks before that append. Besides,
/// statements were carried out before it.
async fn cut(statements: &str) -> (House, [State; 2]) {
    let (house, _) = with_checkpoint().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.release(lease).await.unwrap();
    let lease = store.lease(&dev(), &holder(1)).await.unwrap();
    store.append(&lease, &made("theirs", spec("eu"))).await.unwrap();
    let states = [read(&house, &stack()).await.unwrap(), read(&house, &dev()).await.unwrap()];
    sql(&house.file(), statements).await;
    if statements.is_empty() {
        store.append(&lease, &made("late", spec("eu"))).await.unwrap();
    } else {
        sql(&house.file(), "CREATE TABLE late (x)").await;
    }
    let crashed = house.after_a_crash();
    shorten(&beside(&crashed.file(), "-wal"), 1);
    (crashed, states)
}

fn shorten(path: &Path, by: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - by).unwrap();
}

/// Everything beside the file, and in it.
fn files(house: &House) -> BTreeMap<PathBuf, Vec<u8>> {
    let there = fs::read_dir(house.file().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    there.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn all_stacks_of_the_file_go_back_to_what_is_whole() {
    let (house, [ours, theirs]) = cut("").await;
    house.processes.end(&holder(1));
    let before = files(&house);
    let asked = repair(&house, false).await;
    assert_eq!((asked.left, asked.done), (Some(LostTail { kept: None, last: None }), vec![]));
    assert!(files(&house) == before, "it is named still");
    let repaired = repair(&house, true).await;
    assert_eq!(repaired.done, [DROPPED(11)]);
    let (blueprint, environment) = ("llm-serving".to_owned(), "dev".to_owned());
    let other = Other { blueprint, environment, serial: 4, resources: 1, done: vec![DROPPED(2)] };
    assert_eq!(repaired.others, [other]);
    for (of, state) in [(stack(), ours), (dev(), theirs)] {
        let serial = usize::try_from(state.serial).unwrap();
        assert_eq!(but_serial(read(&house, &of).await.unwrap()), but_serial(state));
        let history = house.open().history(&of, 0).await.unwrap();
        assert_eq!((history.len(), &history[serial].event), (serial + 2, &Event::Lost), "each says what may be lost");
        assert!(verify(&*house.open(), &of).await.unwrap().unwrap().is_sound());
    }
    assert!(!repair(&house, true).await.is_change(), "once is enough");
    is_sound(&house).await;
}

#[tokio::test]
async fn what_is_kept_brings_back_all_that_was_there() {
    let (house, _) = cut("").await;
    house.processes.end(&holder(1));
    let before = files(&house);
    let kept = repair(&house, true).await.copy.unwrap();
    assert_eq!(kept, house.file().with_file_name("before-repair-1"));
    assert_eq!(mode(&kept), 0o700);
    let there: Vec<PathBuf> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there.len(), 3);
    for path in there {
        assert_eq!(mode(&path), 0o600);
        assert!(before[&house.file().with_file_name(path.file_name().unwrap())] == fs::read(&path).unwrap());
    }
    let is_draft = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(".repair");
    assert!(!files(&house).keys().any(is_draft), "no draft is left");
    let put_back = || {
        for suffix in FILES {
            fs::copy(beside(&kept.join("state.db"), suffix), beside(&house.file(), suffix)).unwrap();
        }
    };
    put_back();
    assert!(matches!(read(&house, &stack()).await, Err(StoreError::Damaged { .. })), "and the trace of what is lost");
    assert_eq!(repair(&house, true).await.copy.unwrap(), house.file().with_file_name("before-repair-2"));
    is_sound(&house).await;
}

#[tokio::test]
async fn nothing_is_changed_where_it_can_not_be_done() {
    let no_stack = Stack { environment: "test".to_owned(), ..stack() };
    let (house, _) = cut("").await;
    let before = files(&house);
    // Whoever has the lease of the other stack may be at work.
    let held = house.open().repair(&stack(), &holder(9), true).await;
    assert!(matches!(held, Err(StoreError::Held(_))), "{held:?}");
    assert!(files(&house) == before);
    house.processes.end(&holder(1));
    assert_eq!(house.open().repair(&no_stack, &holder(9), true).await, Ok(None));
    assert!(files(&house) == before);
    let renamed = Stack { blueprint: "another".to_owned(), ..stack() };
    let refused = house.open().repair(&renamed, &holder(9), true).await;
    assert!(matches!(refused, Err(StoreError::Renamed { .. })), "{refused:?}");
    assert!(files(&house) == before);
    fs::write(house.file(), &before[&house.file()][..4096]).unwrap();
    let before = files(&house);
    let refused = house.open().repair(&stack(), &holder(9), true).await;
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
    assert!(files(&house) == before);
    for statement in
        ["UPDATE stacks SET body = replace(body, 'dev', 'test')", "DELETE FROM leases", "DROP TABLE entries"]
    {
        let (house, _) = cut(statement).await;
        house.processes.end(&holder(1));
        let before = files(&house);
        let refused = house.open().repair(&stack(), &holder(9), true).await;
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{statement}: {refused:?}");
        assert!(files(&house) == before, "{statement}");
    }
}

#[tokio::test]
async fn what_is_damaged_besides_is_put_in_order_too() {
    let (house, [_, theirs]) = cut(&format!("{} AND id >> 40 = 1", changed(9))).await;
    house.processes.end(&holder(1));
    assert_eq!(repair(&house, true).await.done, [DROPPED(8)]);
    assert_eq!(but_serial(read(&house, &dev()).await.unwrap()), but_serial(theirs));
    is_sound(&house).await;
}

/// The log may be gone, or begin with what is none; and a run may die before the former log's index is removed.
#[tokio::test]
async fn any_log_is_gone_on_without_and_at_any_moment_it_is_cut_still_or_whole() {
    // More than the repair writes.
    let large = format!("CREATE TABLE early (x); {}", "INSERT INTO early VALUES (zeroblob(300000));".repeat(3));
    for statement in ["", large.as_str()] {
        for damage in [
            |log: &Path| fs::remove_file(log).unwrap(),
            |log: &Path| fs::write(log, "no log").unwrap(),
            |log: &Path| fs::write(log, "").unwrap(),
            |log: &Path| shorten(log, fs::metadata(log).unwrap().len() / 2),
            |log: &Path| fs::OpenOptions::new().write(true).open(log).unwrap().write_all_at(b"no frame", 5000).unwrap(),
            |_: &Path| {},
        ] {
            let (house, _) = cut(statement).await;
            house.processes.end(&holder(1));
            damage(&beside(&house.file(), "-wal"));
            let index = fs::read(beside(&house.file(), "-shm")).unwrap();
            let before = files(&house);
            let kept = repair(&house, true).await.copy.unwrap();
            for (path, bytes) in before {
                assert!(
                    path.ends_with(".gitignore") || fs::read(kept.join(path.file_name().unwrap())).unwrap() == bytes
                );
            }
            let state = state_of(&house).await;
            fs::write(beside(&house.file(), "-shm"), index).unwrap();
            if house.open().snapshot(&stack()).await.is_err() {
                repair(&house, true).await;
            }
            assert_eq!(but_serial(state_of(&house).await), but_serial(state));
            is_sound(&house).await;
        }
    }
}

/// As one that is stopped: it knows the log that it has open, and would write to that whatever stands there by then.
#[tokio::test]
async fn a_file_that_another_process_has_open_is_left_to_it() {
    if let Some(path) = std::env::var_os("TRUEUP_TEST_STATE") {
        let house = House::sqlite();
        let store = house.sqlite_at(path.into(), house.vault.clone());
        let lease = store.lease(&stack(), &holder(1)).await.unwrap();
        store.append(&lease, &made("at-work", spec("eu"))).await.unwrap();
        std::io::Write::write_all(&mut std::io::stdout(), b"it is open\n").unwrap();
        // Until the other end is closed, or is gone.
        std::io::read_to_string(std::io::stdin()).unwrap();
        std::process::abort();
    }
    let (house, _) = with_checkpoint().await;
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "a_file_that_another_process_has_open_is_left_to_it", "--nocapture"]);
    let mut other =
        other.env("TRUEUP_TEST_STATE", house.file()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = std::io::BufReader::new(other.stdout.take().unwrap());
    assert!(std::io::BufRead::lines(said).any(|line| line.unwrap().contains("it is open")));
    shorten(&beside(&house.file(), "-wal"), 1);
    house.processes.end(&holder(1));
    let before = files(&house);
    let refused = house.open().repair(&stack(), &holder(9), true).await;
    assert!(
        matches!(&refused, Err(StoreError::Backend { reason, .. }) if reason.contains("another process")),
        "{refused:?}"
    );
    assert!(files(&house) == before);
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(repair(&house, true).await.is_change());
    is_sound(&house).await;
}
