//! Puts a damaged state in order, as far as what is left of it tells what it was.
//!
//! What a state was is known where the chain of entries is whole from the first one on, or from a checkpoint on. An entry that can't be
//! read makes room for one that says so ([`Event::Lost`]); those after it stay, to be read by people, and one more says what the state
//! is ([`Event::Restored`]). So every serial stays what it was, and the state moves on by one: what was planned before is planned again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::clock::Timestamp;
use crate::codec::{SealedValue, VaultError};
use crate::entry::{Entry, Event, Serial};
use crate::journal::{Head, Live, Row, damaged};
use crate::state::State;
use crate::store::StoreError;

/// A head this far ahead of the last entry that is there, and of the checkpoint, is no number of entries that were lost, but damaged
/// itself. Where it was none, serials may come twice: the journal goes on after what is there.
const FAR: Serial = 100_000;

/// What a repair did, or would have to be allowed to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The last entry that is in.
    pub serial: Serial,
    /// How many resources are recorded.
    pub resources: usize,
    /// What was done; nothing where nothing was damaged, or something is left.
    pub done: Vec<Mended>,
    /// What was not done, and so nothing was.
    pub left: Option<LostTail>,
    /// What was done to the other stacks of the same storage, where what is lost may be theirs.
    pub others: Vec<Other>,
    /// The directory with a copy of what was there before.
    pub copy: Option<PathBuf>,
}

/// What was done to another stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Other {
    /// Its blueprint's name.
    pub blueprint: String,
    /// Its environment.
    pub environment: String,
    /// The last entry that is in.
    pub serial: Serial,
    /// How many resources are recorded.
    pub resources: usize,
    /// What was done.
    pub done: Vec<Mended>,
}

/// One thing that was put in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mended", rename_all = "snake_case")]
pub enum Mended {
    /// The checkpoint was written anew, from the entries.
    Checkpoint {
        /// What was wrong with it.
        reason: String,
    },
    /// The head names the last entry again.
    Head {
        /// What it named.
        found: Serial,
    },
    /// Hashes of entries that are whole were written anew.
    Hashes {
        /// Of which entries.
        serials: Vec<Serial>,
    },
    /// What these entries said is lost. The state is not: it is known from a checkpoint after them.
    Entries {
        /// Which ones.
        serials: Vec<Serial>,
    },
    /// The state is what it was at an earlier entry.
    Tail(LostTail),
}

/// What was done after some entry is lost, or can't be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LostTail {
    /// The last entry up to which the state is known; none where that can be told only once the end is dropped.
    pub kept: Option<Serial>,
    /// The last entry that there was; none where that can't be told.
    pub last: Option<Serial>,
}

impl Repaired {
    /// Whether something was changed.
    pub fn is_change(&self) -> bool {
        !self.done.is_empty()
    }
}

/// What is left of a stack's journal.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) lineage: String,
    /// None where it can't be read.
    pub(crate) head: Option<Head>,
    /// The reason where it can't be read.
    pub(crate) checkpoint: Option<Result<Checkpoint, String>>,
    pub(crate) rows: BTreeMap<Serial, Row>,
    /// Whether commits are known to be lost, whatever the entries say.
    pub(crate) is_cut: bool,
}

/// What puts it in order.
#[derive(Debug)]
pub(crate) struct Remedy {
    pub(crate) report: Repaired,
    /// None where nothing is to be done, or may be.
    pub(crate) change: Option<Change>,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Change {
    /// The entries that take the place of all from this one on.
    pub(crate) from: Serial,
    pub(crate) rows: Vec<Row>,
    pub(crate) head: Head,
    /// The checkpoint that takes the place of the one that is there; that stays where there is none.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The state then.
    pub(crate) state: State<SealedValue>,
}

/// The state at one entry, and how it is known.
#[derive(Clone, Debug)]
struct Known {
    state: State<SealedValue>,
    at: Head,
    /// Where it was followed from: the start, or a checkpoint.
    since: Head,
    /// The entries whose own hash is not what their neighbours say.
    rehashed: Vec<Serial>,
}

impl Known {
    fn at(state: State<SealedValue>, at: Head) -> Self {
        Self { state, at, since: at, rehashed: Vec::new() }
    }
}

/// Finds what is to be done. `drop_tail`: the state may become an earlier one.
pub(crate) fn examine(remains: &Remains, drop_tail: bool, now: Timestamp) -> Result<Remedy, StoreError> {
    let origin = Known::at(State::new(remains.lineage.as_str()), Head::origin(&remains.lineage));
    let (chained, checkpointed, flaw) = remains.follow(origin);
    let first_unknown = chained.at.serial + 1;
    let known = checkpointed.as_ref().unwrap_or(&chained);
    let lost = remains.lost_after(known.at.serial);
    let mut report = Repaired { serial: known.at.serial, resources: known.state.records.len(), ..Repaired::default() };
    if let Some(lost) = lost.filter(|_| !drop_tail) {
        report.left = Some(lost);
        return Ok(Remedy { report, change: None });
    }
    report.done.extend(flaw.map(|reason| Mended::Checkpoint { reason }));
    let serials: Vec<Serial> = [&chained.rehashed[..], &known.rehashed].concat();
    let serials: Vec<Serial> = serials.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let from = serials.first().copied().unwrap_or(first_unknown).min(first_unknown);
    if !serials.is_empty() {
        report.done.push(Mended::Hashes { serials });
    }
    let is_rewritten = checkpointed.is_some() || lost.is_some();
    let rows = if is_rewritten {
        remains.rewrite(&chained, known, lost, now, &mut report)?
    } else {
        if let Some(head) = remains.head.filter(|head| *head != known.at) {
            report.done.push(Mended::Head { found: head.serial });
        }
        remains.rechained(known.at.serial, &BTreeSet::new(), now)?
    };
    let (head, state) = remains.check(&rows, known)?;
    report.serial = head.serial;
    let is_stale = is_rewritten || report.done.iter().any(|done| matches!(done, Mended::Checkpoint { .. }));
    let checkpoint = if is_stale { Some(Checkpoint::of(&state, head.hash)?) } else { None };
    let rows = rows.into_iter().filter(|row| row.serial >= from).collect();
    let change = report.is_change().then_some(Change { from, rows, head, checkpoint, state });
    Ok(Remedy { report, change })
}

impl Remains {
    /// How far the entries can be added up from the first one on; how far from a checkpoint, where that leads further; what is wrong
    /// with the checkpoint.
    fn follow(&self, origin: Known) -> (Known, Option<Known>, Option<String>) {
        let kept = match &self.checkpoint {
            None => return (self.walk(origin, Serial::MAX), None, None),
            Some(Err(reason)) => return (self.walk(origin, Serial::MAX), None, Some(reason.clone())),
            Some(Ok(kept)) => kept,
        };
        let there = Head { serial: kept.serial, hash: kept.hash };
        let chained = self.walk(origin, kept.serial);
        let state = match kept.state(&Ok) {
            Err(error) => return (self.walk(chained, Serial::MAX), None, Some(error.to_string())),
            Ok(state) => state,
        };
        if chained.at.serial == kept.serial {
            let differs = chained.at != there || chained.state != state;
            let flaw = differs.then(|| "it says something else than the entries before it".to_owned());
            return (self.walk(chained, Serial::MAX), None, flaw);
        }
        let after = self.walk(Known::at(state, there), Serial::MAX);
        let is_linked = after.at.serial > kept.serial
            || self.head == Some(there)
            || self.rows.get(&kept.serial).is_some_and(|row| row.hash == kept.hash);
        if is_linked {
            (chained, Some(after), None)
        } else {
            (chained, None, Some("it is of no entry that is there".to_owned()))
        }
    }

    /// Goes on from what is known, as far as entries follow, and no further than to `until`: to the last of them at which nothing is
    /// lost. What follows a lost entry says nothing before one says what the state is.
    fn walk(&self, mut known: Known, until: Serial) -> Known {
        let mut whole = None;
        while known.at.serial < until
            && let Some(row) = self.rows.get(&(known.at.serial + 1))
        {
            let next = known.at.next(&row.body);
            let is_own = row.hash == next.hash;
            if !is_own && !self.is_confirmed(next) {
                break;
            }
            let Ok(entry) = serde_json::from_slice::<Entry<SealedValue>>(&row.body) else { break };
            if matches!(entry.event, Event::Lost) && !known.state.is_broken {
                whole = Some(known.clone());
            }
            if known.state.apply(&entry).is_err() {
                break;
            }
            if !is_own {
                known.rehashed.push(next.serial);
            }
            known.at = next;
        }
        whole.filter(|_| known.state.is_broken).unwrap_or(known)
    }

    /// Whether what comes after an entry says that its hash is this.
    fn is_confirmed(&self, at: Head) -> bool {
        let follows = |row: &Row| row.hash == at.next(&row.body).hash;
        self.rows.get(&(at.serial + 1)).is_some_and(follows) || self.head == Some(at)
    }

    /// What is lost, if the state is known up to an entry.
    fn lost_after(&self, kept: Serial) -> Option<LostTail> {
        let there = self.rows.last_key_value().map_or(kept, |(serial, _)| kept.max(*serial));
        let near = |serial: &Serial| *serial <= there.max(self.checkpointed()) + FAR;
        let named = self.head.map(|head| head.serial).filter(near);
        let last = named.map(|named| named.max(there)).filter(|_| !self.is_cut);
        let is_lost = self.is_cut || last.is_none_or(|last| last > kept);
        is_lost.then_some(LostTail { kept: Some(kept), last })
    }

    /// The entry that the checkpoint is of, where that is whole.
    fn checkpointed(&self) -> Serial {
        let kept = self.checkpoint.as_ref().and_then(|kept| kept.as_ref().ok());
        kept.filter(|kept| kept.state(&Ok).is_ok()).map_or(0, |kept| kept.serial)
    }

    /// All entries anew: those that can't be read make room for what says so, and the last one says what the state is.
    fn rewrite(
        &self,
        chained: &Known,
        known: &Known,
        lost: Option<LostTail>,
        now: Timestamp,
        report: &mut Repaired,
    ) -> Result<Vec<Row>, StoreError> {
        let there = self.rows.last_key_value().map_or(0, |(serial, _)| *serial);
        // What is cut off without a number counts as one.
        let end = |tail: LostTail| tail.last.unwrap_or(there.max(known.at.serial) + 1);
        let until = lost.map_or(known.at.serial, end);
        let unread = self.unread(chained.at, known, until);
        let before: Vec<Serial> = unread.iter().copied().filter(|serial| *serial <= known.at.serial).collect();
        if !before.is_empty() {
            report.done.push(Mended::Entries { serials: before });
        }
        report.done.extend(lost.map(Mended::Tail));
        let mut rows = self.rechained(until, &unread, now)?;
        let state = Box::new(known.state.clone());
        rows.push(row(
            after(&rows, &self.lineage),
            &Entry { at: now, address: None, event: Event::Restored { state } },
        )?);
        Ok(rows)
    }

    /// The entries up to one, each chained to the last, with others in place of those that can't be read.
    fn rechained(&self, last: Serial, unread: &BTreeSet<Serial>, now: Timestamp) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for serial in 1..=last {
            let at = after(&rows, &self.lineage);
            rows.push(match self.rows.get(&serial).filter(|_| !unread.contains(&serial)) {
                Some(kept) => Row { serial, hash: at.next(&kept.body).hash, body: kept.body.clone() },
                None => row(at, &Entry { at: now, address: None, event: Event::Lost })?,
            });
        }
        Ok(rows)
    }

    /// Which entries after one can't be read. An entry is what was written if it was followed, or if it follows from the one before it as
    /// its own hash, the next entry or the checkpoint says.
    fn unread(&self, from: Head, known: &Known, until: Serial) -> BTreeSet<Serial> {
        let mut unread = BTreeSet::new();
        let mut before = Some(from);
        for serial in from.serial + 1..=until {
            let said = self.rows.get(&(serial - 1)).map(|row| Head { serial: serial - 1, hash: row.hash });
            let read = self.rows.get(&serial).and_then(|row| self.read(row, [before, said], known));
            if read.is_none() {
                unread.insert(serial);
            }
            before = [known.since, known.at].into_iter().find(|at| at.serial == serial).or(read);
        }
        unread
    }

    /// Where the chain is after an entry that is what was written, if it is that.
    fn read(&self, row: &Row, before: [Option<Head>; 2], known: &Known) -> Option<Head> {
        serde_json::from_slice::<Entry<SealedValue>>(&row.body).ok()?;
        let mut found = before.into_iter().flatten().map(|before| before.next(&row.body));
        let is_followed = known.since.serial < row.serial && row.serial <= known.at.serial;
        let is_said = |at: &Head| at.hash == row.hash || *at == known.since || self.is_confirmed(*at);
        if is_followed { Some(Head { serial: row.serial, hash: row.hash }) } else { found.find(is_said) }
    }

    /// Where the entries lead now: to what is known, or nothing is written.
    fn check(&self, rows: &[Row], known: &Known) -> Result<(Head, State<SealedValue>), StoreError> {
        let head = after(rows, &self.lineage);
        let live = Live::replay(&self.lineage, head, None, rows, &Ok)?;
        let expected = State { serial: head.serial, ..known.state.clone() };
        if live.state != expected {
            return Err(damaged(None, "what is left does not add up to what is known of it"));
        }
        Ok((head, live.state))
    }
}

/// Where entries end.
fn after(rows: &[Row], lineage: &str) -> Head {
    rows.last().map_or_else(|| Head::origin(lineage), |row| Head { serial: row.serial, hash: row.hash })
}

/// An entry as it is kept after others.
fn row(at: Head, entry: &Entry<SealedValue>) -> Result<Row, StoreError> {
    let body = serde_json::to_vec(entry).map_err(|error| VaultError::Malformed(error.to_string()))?;
    let next = at.next(&body);
    Ok(Row { serial: next.serial, hash: next.hash, body })
}
