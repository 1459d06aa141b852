//! The log beside the file: whether all that was committed to it is still there.
//!
//! SQLite reads its write-ahead log up to the first frame that is not whole, and takes that for the end: what a dying machine did
//! not get to write, it never promised. But so a log that was cut or damaged later would silently give an older state. How far the log
//! went, the index beside it says (`-shm`, which SQLite throws away when the first process opens the file again): it is updated only
//! once a commit is durable, so a log that ends before is damaged. Where the index is gone, the log alone may still tell: a commit that
//! others followed was durable, too. The last commit in a log without an index can be lost unseen.
//!
//! The formats: <https://sqlite.org/walformat.html>.

use std::path::Path;

use super::beside::open;
use super::file::{backend, index, wal};
use crate::journal::damaged;
use crate::store::StoreError;

/// How often an index that changes meanwhile is read again: then another process writes, and all is well with the log.
const TRIES: usize = 3;

/// The length of a page where the log does not say it.
const PAGE: usize = super::file::PAGE_SIZE as usize;

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The length of one of the two copies of the index's header.
const INDEX_HEADER: usize = 48;

/// What log and index have as their version.
const VERSION: u32 = 3_007_000;

/// What the index says of the log.
#[derive(Debug, PartialEq, Eq)]
struct Index {
    /// The last frame of the last commit, counted from 1.
    frames: u32,
    /// How many of them are in the file by now.
    copied: u32,
    salt: [u8; 8],
}

/// Refuses a log that has lost something that was committed, and one that is without its file.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let before = Index::read(path)?;
        let lost = match read(&wal(path))? {
            Some(log) => lost(&log, before.as_ref()),
            None => before.as_ref().filter(|index| index.copied < index.frames).map(|_| "the state's log is gone"),
        };
        match lost {
            None => return Ok(()),
            Some(reason) if Index::read(path)? == before => return Err(damaged(None, reason)),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Refuses to take a file for one that was never there whose log is.
pub(super) fn check_gone(path: &Path) -> Result<(), StoreError> {
    let log = wal(path);
    // Another process may have made both by now.
    if log.exists() && !path.exists() {
        return Err(damaged(
            None,
            format!(
                "{} is gone, and its log is still there: put the file back, or move the log away as well",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// A file's log up to its last commit that is whole: what SQLite reads of it. Empty where there is none.
pub(super) fn committed(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut log = read(&wal(path))?.unwrap_or_default();
    let end = Walk::of(&log).map_or(0, |walk| LOG_HEADER + walk.committed as usize * (FRAME_HEADER + walk.page));
    log.truncate(end);
    Ok(log)
}

/// What of it is lost, if something is.
fn lost(log: &[u8], index: Option<&Index>) -> Option<&'static str> {
    const LOST: &str = "the end of the state's log is lost, and what was committed there";
    let walk = Walk::of(log);
    // An index of another time than the log says nothing of it.
    let index = index.filter(|index| walk.is_none_or(|walk| walk.salt == index.salt));
    if let Some(index) = index {
        let committed = walk.map_or(0, |walk| walk.committed);
        // A log that is not read at all takes nothing away from a file that has all of it.
        let is_whole = committed >= index.frames || (committed == 0 && index.copied == index.frames);
        return (!is_whole).then_some(LOST);
    }
    let later = walk.map_or_else(|| commits(log, LOG_HEADER, PAGE, None), |walk| walk.later_commits);
    (later > 1).then_some("the state's log is damaged")
}

/// What a log holds.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// The length of a page.
    page: usize,
    salt: [u8; 8],
    /// The last frame of the last commit that is whole with all before it, counted from 1.
    committed: u32,
    /// How many commits follow the first frame that is not whole.
    later_commits: usize,
}

impl Walk {
    /// Follows the checksums; none where not even the header is whole.
    fn of(log: &[u8]) -> Option<Self> {
        let header = log.get(..LOG_HEADER)?;
        let big = match number(header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let page = usize::try_from(number(header, 8)).ok().filter(|page| (512..=65_536).contains(page))?;
        let mut sum = checksum([0, 0], &header[..24], big);
        if number(header, 4) != VERSION || sum != [number(header, 24), number(header, 28)] {
            return None;
        }
        let salt: [u8; 8] = header[16..24].try_into().ok()?;
        let mut walk = Self { page, salt, committed: 0, later_commits: 0 };
        for (count, frame) in (1..).zip(log[LOG_HEADER..].chunks_exact(FRAME_HEADER + page)) {
            sum = checksum(checksum(sum, &frame[..8], big), &frame[FRAME_HEADER..], big);
            if frame[8..16] != salt || sum != [number(frame, 16), number(frame, 20)] {
                let from = LOG_HEADER + (count as usize - 1) * (FRAME_HEADER + page);
                walk.later_commits = commits(log, from, page, Some(salt));
                break;
            }
            if number(frame, 4) != 0 {
                walk.committed = count;
            }
        }
        Some(walk)
    }
}

/// How many frames end a commit, of those that bear a salt; the first frame's where none is given.
fn commits(log: &[u8], from: usize, page: usize, salt: Option<[u8; 8]>) -> usize {
    let frames = || log.get(from..).unwrap_or_default().chunks_exact(FRAME_HEADER + page);
    let first = || frames().next().and_then(|frame| frame[8..16].try_into().ok());
    let Some(salt) = salt.or_else(first) else { return 0 };
    frames().filter(|frame| frame[8..16] == salt && number(frame, 4) != 0).count()
}

impl Index {
    /// None where there is none, or none that can be relied on.
    fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        Ok(read(&index(path))?.as_deref().and_then(Self::of))
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (header, copy) = (bytes.get(..INDEX_HEADER)?, bytes.get(INDEX_HEADER..2 * INDEX_HEADER)?);
        // It is this machine's own, in its order of bytes.
        let native = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let sum = checksum([0, 0], &header[..40], cfg!(target_endian = "big"));
        let whole = header == copy && native(0)? == VERSION && header[12] == 1;
        (whole && sum == [native(40)?, native(44)?]).then_some(())?;
        Some(Self { frames: native(16)?, copied: native(2 * INDEX_HEADER)?, salt: header[32..40].try_into().ok()? })
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let read = open(path).and_then(|file| file.map(|file| super::beside::read(&file, usize::MAX)).transpose());
    read.map_err(|error| backend(path, &error))
}

/// A big-endian number.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// SQLite's checksum, gone on with: of pairs of numbers, `big`-endian or little.
fn checksum([mut one, mut two]: [u32; 2], bytes: &[u8], big: bool) -> [u32; 2] {
    for pair in bytes.chunks_exact(8) {
        let read = |at: usize| {
            let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        one = one.wrapping_add(read(0)).wrapping_add(two);
        two = two.wrapping_add(read(4)).wrapping_add(one);
    }
    [one, two]
}
