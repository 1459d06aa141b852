//! What the store in a SQLite file promises besides: what it makes, what it refuses, and what it survives.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use support::entries::{made, spec};
use support::files::{beside, forge_checkpoint, sql};
use support::{House, holder, stack};
use trueup_state::soundness::{Severity, verify};
use trueup_state::vault::Vault;
use trueup_state::{State, Store, StoreError};

/// A house whose state holds a few resources and rests: one file, and no process has it open.
async fn settled() -> (House, State) {
    let house = House::sqlite();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    for number in 0..4 {
        store.append(&lease, &made(&format!("r{number}"), spec("eu"))).await.unwrap();
    }
    store.note(&stack(), "drift", None, b"clean").await.unwrap();
    store.release(lease).await.unwrap();
    let state = store.snapshot(&stack()).await.unwrap().state.unwrap();
    (house, state)
}

/// A state large enough to have a checkpoint.
async fn with_checkpoint() -> (House, State) {
    let house = House::sqlite();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    for number in 0..300 {
        store.append(&lease, &made(&format!("r{number}"), spec("eu"))).await.unwrap();
    }
    store.release(lease).await.unwrap();
    let state = store.snapshot(&stack()).await.unwrap().state.unwrap();
    (house, state)
}

async fn snapshot(house: &House) -> Result<Option<State>, StoreError> {
    house.open().snapshot(&stack()).await.map(|snapshot| snapshot.state)
}

async fn lease(house: &House) -> Result<(), StoreError> {
    house.open().lease(&stack(), &holder(9)).await.map(|_| ())
}

/// Name, length and time of change of everything there.
fn listing(directory: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut listing = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        listing.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
        if metadata.is_dir() {
            listing.extend(self::listing(&entry.path()));
        }
    }
    listing.sort();
    listing
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn read_everything(house: &House) {
    let store = house.open();
    store.snapshot(&stack()).await.unwrap();
    store.history(&stack(), 0).await.unwrap();
    store.holder(&stack()).await.unwrap();
    store.read_note(&stack(), "drift").await.unwrap();
}

#[tokio::test]
async fn reading_creates_nothing_where_nothing_is() {
    let house = House::sqlite();
    read_everything(&house).await;
    assert_eq!(listing(house.directory.path()), []);
}

#[tokio::test]
async fn reading_changes_nothing_where_a_state_rests() {
    let (house, _) = settled().await;
    let before = listing(house.directory.path());
    assert_eq!(before.len(), 3, "a directory, its .gitignore and one file: {before:?}");
    read_everything(&house).await;
    assert_eq!(listing(house.directory.path()), before);
}

#[tokio::test]
async fn reading_adds_no_file_while_another_writes() {
    let (house, state) = settled().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(2)).await.unwrap();
    store.append(&lease, &made("last", spec("eu"))).await.unwrap();
    let names = || listing(house.directory.path()).into_iter().map(|entry| entry.0).collect::<Vec<_>>();
    let before = names();
    read_everything(&house).await;
    assert_eq!(names(), before);
    assert_eq!(snapshot(&house).await.unwrap().unwrap().serial, state.serial + 2, "what is only in the log is seen");
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let house = House::sqlite();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.append(&lease, &made("a", spec("eu"))).await.unwrap();
    let file = house.file();
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&file, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(fs::read_to_string(file.with_file_name(".gitignore")).unwrap(), "*\n");
    store.release(lease).await.unwrap();
    assert!(!beside(&file, "-wal").exists(), "a state that rests is one file");
}

#[tokio::test]
async fn a_directory_of_someone_elses_gets_no_gitignore() {
    let house = House::sqlite();
    let store = house.sqlite_at(house.directory.path().join("state.db"), house.vault.clone());
    store.lease(&stack(), &holder(1)).await.unwrap();
    assert!(store.path().exists());
    assert!(!house.directory.path().join(".gitignore").exists());
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    let (house, _) = settled().await;
    sql(&house.file(), "PRAGMA user_version = 7").await;
    let newer = StoreError::Newer { found: 7, known: 1 };
    assert_eq!(snapshot(&house).await, Err(newer.clone()));
    assert_eq!(lease(&house).await, Err(newer));
}

#[tokio::test]
async fn others_files_are_left_alone() {
    let house = House::sqlite();
    let file = house.file();
    fs::create_dir(file.parent().unwrap()).unwrap();
    let foreign =
        |outcome: Result<(), StoreError>| assert!(matches!(outcome, Err(StoreError::Foreign { .. })), "{outcome:?}");
    fs::write(&file, "{\"version\": 4}").unwrap();
    foreign(snapshot(&house).await.map(|_| ()));
    foreign(lease(&house).await);
    assert_eq!(fs::read(&file).unwrap(), b"{\"version\": 4}");
    fs::remove_file(&file).unwrap();
    sql(&file, "PRAGMA journal_mode = WAL; CREATE TABLE bookmarks (url TEXT)").await;
    let before = fs::read(&file).unwrap();
    foreign(snapshot(&house).await.map(|_| ()));
    foreign(lease(&house).await);
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    foreign(snapshot(&house).await.map(|_| ()));
}

#[tokio::test]
async fn a_file_cut_short_is_damaged() {
    let (house, _) = with_checkpoint().await;
    let whole = fs::read(house.file()).unwrap();
    for length in [0, 1, 16, 99, 100, 1000, 2048, 4096, 20_480, whole.len() / 2, whole.len() - 2048, whole.len() - 1] {
        fs::write(house.file(), &whole[..length]).unwrap();
        let outcome = snapshot(&house).await;
        assert!(
            matches!(outcome, Err(StoreError::Damaged { .. })),
            "{length}: {:?}",
            outcome.map(|state| state.is_some())
        );
        assert!(lease_and_append(&house).await.is_err(), "{length}");
    }
}

async fn lease_and_append(house: &House) -> Result<u64, StoreError> {
    let store = house.open();
    let lease = store.lease(&stack(), &holder(9)).await?;
    let outcome = store.append(&lease, &made("more", spec("eu"))).await;
    store.release(lease).await?;
    outcome
}

#[tokio::test]
async fn what_was_changed_behind_its_back_is_damaged() {
    let (house, _) = with_checkpoint().await;
    let whole = fs::read(house.file()).unwrap();
    for (what, statement) in [
        (
            "an entry",
            "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'eu', 'us') AS BLOB) WHERE rowid = (SELECT max(rowid) FROM entries)",
        ),
        ("the last entry gone", "DELETE FROM entries WHERE rowid = (SELECT max(rowid) FROM entries)"),
        ("a late entry gone", "DELETE FROM entries WHERE rowid = (SELECT max(rowid) - 1 FROM entries)"),
        ("an entry's hash", "UPDATE entries SET hash = zeroblob(32) WHERE rowid = (SELECT max(rowid) FROM entries)"),
        ("the head's serial", "UPDATE heads SET serial = serial - 1"),
        ("the head's serial ahead", "UPDATE heads SET serial = serial + 1"),
        ("the head's hash", "UPDATE heads SET hash = zeroblob(32)"),
        ("the head gone", "DELETE FROM heads"),
        ("the lease", "UPDATE leases SET body = replace(body, '1', '2')"),
        ("the stack's name", "UPDATE stacks SET body = replace(body, 'prod', 'test')"),
        (
            "the checkpoint's body",
            "UPDATE checkpoint_parts SET body = CAST(replace(CAST(body AS TEXT), 'eu', 'us') AS BLOB)",
        ),
        ("the checkpoint's parts", "DELETE FROM checkpoint_parts"),
        ("the checkpoint's serial", "UPDATE checkpoints SET serial = serial - 1"),
        ("the checkpoint's hash", "UPDATE checkpoints SET hash = zeroblob(32)"),
        ("a table gone", "DROP TABLE leases"),
    ] {
        fs::write(house.file(), &whole).unwrap();
        sql(&house.file(), statement).await;
        let outcome = snapshot(&house).await;
        assert!(
            matches!(outcome, Err(StoreError::Damaged { .. })),
            "{what}: {:?}",
            outcome.map(|state| state.is_some())
        );
        let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
        assert!(!verified.is_sound() && !verified.findings.is_empty(), "{what}: {verified:?}");
        assert!(matches!(lease_and_append(&house).await, Err(StoreError::Damaged { .. })), "{what}");
    }
}

#[tokio::test]
async fn damage_behind_a_checkpoint_is_found_by_who_looks_for_it() {
    let (house, state) = with_checkpoint().await;
    let early = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'eu', 'us') AS BLOB) WHERE rowid = (SELECT min(rowid) + 6 FROM entries)";
    sql(&house.file(), early).await;
    assert_eq!(snapshot(&house).await, Ok(Some(state)), "what is read begins at the checkpoint");
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    let [finding] = &verified.findings[..] else { panic!("{verified:?}") };
    assert_eq!((finding.severity, finding.serial), (Severity::Damage, Some(7)));
    assert_eq!(finding.message, "its hash does not follow from it and those before it");
    assert_eq!((verified.resources, verified.entries), (300, 0));
}

#[tokio::test]
async fn a_forged_checkpoint_is_not_what_the_journal_adds_up_to() {
    let (house, state) = with_checkpoint().await;
    forge_checkpoint(&house.file(), "id-of-r1\"", "id-of-another\"").await;
    assert_ne!(snapshot(&house).await.unwrap(), Some(state), "nobody else sees it");
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    let [finding] = &verified.findings[..] else { panic!("{verified:?}") };
    assert_eq!(finding.severity, Severity::Damage);
    assert_eq!(finding.message, "the checkpoint says something else of r1 than the journal adds up to");
}

#[tokio::test]
async fn what_keeps_from_looking_is_an_error_and_no_finding() {
    let (house, _) = settled().await;
    sql(&house.file(), "PRAGMA user_version = 4000").await;
    assert!(matches!(verify(&*house.open(), &stack()).await, Err(StoreError::Newer { .. })));
}

#[tokio::test]
async fn history_names_the_damaged_entry() {
    let (house, _) = settled().await;
    sql(
        &house.file(),
        "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'eu', 'us') AS BLOB) WHERE rowid = (SELECT max(rowid) - 3 FROM entries)",
    )
    .await;
    let damaged = house.open().history(&stack(), 0).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { serial: Some(5), .. }), "{damaged}");
    assert_eq!(house.open().history(&stack(), 6).await.unwrap().len(), 2, "what follows is whole");
}

#[tokio::test]
async fn a_changed_note_is_damaged() {
    let (house, _) = settled().await;
    sql(&house.file(), "UPDATE notes SET value = x'00'").await;
    assert!(matches!(house.open().read_note(&stack(), "drift").await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_written_on() {
    let (house, _) = settled().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(2)).await.unwrap();
    fs::remove_dir_all(house.file().parent().unwrap()).unwrap();
    let outcome = store.append(&lease, &made("lost", spec("eu"))).await;
    assert!(matches!(outcome, Err(StoreError::Backend { .. })), "{outcome:?}");
    assert!(!house.file().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_who_come_at_once_gets_the_lease() {
    let house = House::sqlite();
    let mut tasks = tokio::task::JoinSet::new();
    for pid in 1..=8 {
        let store = house.open();
        tasks.spawn(async move { store.lease(&stack(), &holder(pid)).await.map(|_| store) });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(refused, StoreError::Held(_)), "{refused:?}");
    }
    let left: Vec<_> = listing(house.file().parent().unwrap()).into_iter().map(|entry| entry.0).collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(".state-")), "drafts are gone: {left:?}");
}

#[tokio::test]
async fn a_path_below_a_file_is_read_only() {
    let house = House::sqlite();
    fs::write(house.directory.path().join(".trueup"), "").unwrap();
    assert_eq!(snapshot(&house).await, Ok(None));
    let outcome = lease(&house).await;
    assert!(matches!(outcome, Err(StoreError::ReadOnly { .. })), "{outcome:?}");
}

/// Runs one of the tests below in a process of its own, told so by an environment variable.
fn child(test: &str, house: &House) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("TRUEUP_TEST_STATE", house.file());
    command
}

/// The state that a parent test gave to this process.
fn given() -> Option<PathBuf> {
    std::env::var_os("TRUEUP_TEST_STATE").map(PathBuf::from)
}

fn passed(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// Root may write anywhere, so the state is another user's to read only.
#[tokio::test]
async fn a_directory_that_may_only_be_read_can_be_read() {
    let open = |path: PathBuf| House::sqlite().sqlite_at(path, Arc::new(Vault::ephemeral()));
    if let Some(path) = given() {
        let store = open(path);
        assert_eq!(store.snapshot(&stack()).await.unwrap().serial(), 8);
        let outcome = store.lease(&stack(), &holder(9)).await;
        assert!(matches!(outcome, Err(StoreError::ReadOnly { .. })), "{outcome:?}");
        return;
    }
    let (house, _) = settled().await;
    let (file, directory) = (house.file(), house.file().parent().unwrap().to_owned());
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&directory, 0o555);
    set(house.directory.path(), 0o555);
    // Neither a file that can't be written to, nor one that SQLite can put none of its own beside.
    for file_mode in [0o444, 0o666] {
        set(&file, file_mode);
        let mut command = child("a_directory_that_may_only_be_read_can_be_read", &house);
        if !rustix::process::geteuid().is_root() {
            passed(command);
            continue;
        }
        // The program itself may lie where only root can go.
        let program = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let copy = program.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let mut dropped = Command::new(&copy);
        dropped.args(command.get_args()).env("TRUEUP_TEST_STATE", &file).current_dir("/").uid(65_534).gid(65_534);
        command = dropped;
        passed(command);
    }
    set(house.directory.path(), 0o755);
    set(&directory, 0o755);
}

/// The limit on a file's size stands in for a full disk: both make a write fail half way.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    if let Some(path) = given() {
        let store = House::sqlite().sqlite_at(path, Arc::new(Vault::ephemeral()));
        let lease = store.lease(&stack(), &holder(9)).await.unwrap();
        // Starting over finds some room in what the last log took, until the file itself can't grow.
        let (mut last, mut refused) = (0, 0);
        while refused < 3 {
            match store.append(&lease, &made(&format!("more-{last}"), spec("eu"))).await {
                Ok(serial) => (last, refused) = (serial, 0),
                Err(StoreError::Full { .. }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
            assert_eq!(store.snapshot(&stack()).await.unwrap().serial(), last.max(8), "what was acknowledged is there");
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
        let room = rustix::process::Rlimit { current: limit.maximum, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, room).unwrap();
        assert_eq!(store.append(&lease, &made("room-again", spec("eu"))).await, Ok(last + 2));
        store.release(lease).await.unwrap();
        return;
    }
    let (house, state) = settled().await;
    let inner = child("a_full_disk_loses_nothing_and_passes", &house);
    let mut command = Command::new("sh");
    // A process is ended by the signal of this limit unless it was told before not to be.
    command.args(["-c", "trap '' XFSZ; ulimit -S -f 400; exec \"$0\" \"$@\""]).arg(inner.get_program());
    command.args(inner.get_args()).env("TRUEUP_TEST_STATE", house.file());
    passed(command);
    let after = snapshot(&house).await.unwrap().unwrap();
    assert!(after.serial > state.serial + 10);
    assert_eq!(house.open().history(&stack(), 0).await.unwrap().len(), usize::try_from(after.serial).unwrap());
    assert!(after.records.keys().any(|address| address.name() == "room-again"));
}

/// A process that closes a file loses its locks on it: whoever reads it beside its own connection must not.
#[tokio::test]
async fn who_comes_by_does_not_take_itself_for_the_only_one() {
    if let Some(path) = given() {
        let mut house = House::sqlite();
        house.vault = Arc::new(Vault::ephemeral());
        let store = house.sqlite_at(path, house.vault.clone());
        assert!(matches!(store.lease(&stack(), &holder(9)).await, Err(StoreError::Held(_))));
        assert!(store.snapshot(&stack()).await.unwrap().serial() >= 10);
        return;
    }
    let (house, state) = settled().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(2)).await.unwrap();
    for round in 0..4_u64 {
        store.append(&lease, &made(&format!("more-{round}"), spec("eu"))).await.unwrap();
        assert_eq!(snapshot(&house).await.unwrap().unwrap().serial, state.serial + 2 * (round + 1));
        passed(child("who_comes_by_does_not_take_itself_for_the_only_one", &house));
        assert!(beside(&house.file(), "-wal").exists(), "its log is still there");
    }
    store.release(lease).await.unwrap();
    assert_eq!(snapshot(&house).await.unwrap().unwrap().serial, state.serial + 8);
}

/// Who reads beside a log needs room for its index.
#[tokio::test]
async fn a_reader_without_room_says_so() {
    if let Some(path) = given() {
        let store = House::sqlite().sqlite_at(path, Arc::new(Vault::ephemeral()));
        let outcome = store.snapshot(&stack()).await.map(|_| ());
        assert!(matches!(outcome, Err(StoreError::Full { .. })), "{outcome:?}");
        return;
    }
    let (house, _) = settled().await;
    let store = house.open();
    let lease = store.lease(&stack(), &holder(2)).await.unwrap();
    store.append(&lease, &made("late", spec("eu"))).await.unwrap();
    let copy = House::sqlite();
    fs::create_dir(copy.file().parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&house.file(), suffix), beside(&copy.file(), suffix)).unwrap();
    }
    let inner = child("a_reader_without_room_says_so", &copy);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" \"$@\""]).arg(inner.get_program());
    command.args(inner.get_args()).env("TRUEUP_TEST_STATE", copy.file());
    passed(command);
    assert_eq!(snapshot(&copy).await.unwrap().unwrap().serial, 10, "with room all of it is there");
}

/// A process that is killed leaves its log behind; the next one reads it, and takes over.
#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there() {
    if let Some(path) = given() {
        let store = House::sqlite().sqlite_at(path, Arc::new(Vault::ephemeral()));
        let lease = store.lease(&stack(), &holder(9)).await.unwrap();
        for number in 0..20 {
            store.append(&lease, &made(&format!("more-{number}"), spec("eu"))).await.unwrap();
        }
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
    }
    let (house, state) = settled().await;
    assert!(!child("what_a_killed_process_acknowledged_is_there", &house).output().unwrap().status.success());
    assert!(beside(&house.file(), "-wal").exists());
    let before = listing(house.directory.path()).into_iter().map(|entry| entry.0).collect::<Vec<_>>();
    assert_eq!(snapshot(&house).await.unwrap().unwrap().serial, state.serial + 40);
    let after = listing(house.directory.path()).into_iter().map(|entry| entry.0).collect::<Vec<_>>();
    assert_eq!(after, before);
    house.processes.end(&holder(9));
    assert_eq!(lease_and_append(&house).await, Ok(state.serial + 42));
    assert!(!beside(&house.file(), "-wal").exists());
}
