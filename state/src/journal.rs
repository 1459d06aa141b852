//! How entries become bytes and a chain, and how those become state again: what every backend shares.
//!
//! An entry's body is compact JSON with its secrets sealed. Each entry's hash covers the one before it, its serial and its
//! body; the first covers the lineage. Entries are never deleted. A checkpoint is the whole state at one serial, and only
//! spares the reading of what led to it: it names the chain's hash there, so that no other can stand in for it.

use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoint;
use crate::clock::Entropy;
use crate::codec::{self, Seal, SealedValue, VaultError};
use crate::entry::{Entry, Event, Serial};
use crate::record::Object;
use crate::state::{IllegalEntry, State};
use crate::store::StoreError;
use crate::value::Value;
use crate::vault::Vault;

/// The journal's tail may always grow to this many bytes before a checkpoint is worth its writing.
const FLOOR: u64 = 256 * 1024;

/// What is wrong with a journal that ends after a lost entry.
pub(crate) const LOST_END: &str = "it follows an entry that is lost, and none says what the state is since";

/// A link of the chain.
pub(crate) type Hash = [u8; 32];

/// Where a stack's journal ends, kept apart from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) serial: Serial,
    pub(crate) hash: Hash,
}

/// One entry as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) serial: Serial,
    pub(crate) hash: Hash,
    pub(crate) body: Vec<u8>,
}

/// The entries of one append, sealed and ready to be chained.
#[derive(Debug)]
pub(crate) struct Batch {
    entries: Vec<(Entry<SealedValue>, Vec<u8>)>,
    /// Whom its secrets are sealed for; none where it has none.
    pub(crate) recipient: Option<String>,
    /// Whether the state is sealed for them from now on, whoever it was sealed for.
    rekeys: bool,
}

impl Batch {
    /// Refuses what is sealed for another key than the state is. Whom that is sealed for once this is in.
    pub(crate) fn check_recipient(&self, known: Option<&str>) -> Result<Option<String>, VaultError> {
        match (known, &self.recipient) {
            (Some(known), Some(found)) if !self.rekeys => check_recipient(known, Some(found))?,
            _ => {}
        }
        let known = known.map(str::to_owned);
        Ok(if self.rekeys { self.recipient.clone().or(known) } else { known.or_else(|| self.recipient.clone()) })
    }
}

impl Head {
    /// Before the first entry.
    pub(crate) fn origin(lineage: &str) -> Self {
        let hash = Sha256::new().chain_update(b"trueup journal\0").chain_update(lineage).finalize().into();
        Self { serial: 0, hash }
    }

    /// After one entry more.
    pub(crate) fn next(&self, body: &[u8]) -> Self {
        let serial = self.serial + 1;
        let hash = Sha256::new().chain_update(self.hash).chain_update(serial.to_be_bytes()).chain_update(body);
        Self { serial, hash: hash.finalize().into() }
    }
}

/// A new lineage: 16 hex digits.
pub(crate) fn lineage(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

/// Seals the entries of one append. Nothing is sealed, and no key made, where the state is sealed for another (`known`).
pub(crate) fn seal(entries: &[Entry], vault: &Vault, known: Option<&str>) -> Result<Batch, StoreError> {
    let secret = entries.iter().any(has_secret);
    let rekeys = entries.iter().any(|entry| matches!(entry.event, Event::Rekeyed { .. }));
    let stays = |entry: &Entry| matches!(&entry.event, Event::Rekeyed { state } if state.has_locked());
    if entries.iter().any(stays) {
        return Err(VaultError::Damaged("it is to be sealed anew".to_owned()).into());
    }
    if secret
        && !rekeys
        && let Some(known) = known
    {
        check_recipient(known, vault.recipient()?.as_deref())?;
    }
    let sealed = entries
        .iter()
        .map(|entry| {
            let entry = entry.clone().try_map(&mut |value| codec::seal(&value, vault))?;
            let body = serde_json::to_vec(&entry).map_err(|error| VaultError::Malformed(error.to_string()))?;
            Ok((entry, body))
        })
        .collect::<Result<_, VaultError>>()?;
    let recipient = if secret || rekeys { vault.recipient()? } else { None };
    Ok(Batch { entries: sealed, recipient, rekeys })
}

/// Refuses a key that the state is not sealed for.
pub(crate) fn check_recipient(known: &str, found: Option<&str>) -> Result<(), VaultError> {
    if found == Some(known) {
        return Ok(());
    }
    Err(VaultError::OtherKey { sealed_for: known.to_owned(), found: found.unwrap_or("not there").to_owned() })
}

/// What a sealed value is read as: itself, or with its secrets opened as far as there is a key to them.
pub(crate) type Open<'a, V> = &'a (dyn Fn(SealedValue) -> Result<V, VaultError> + Sync);

/// Whether a journal is being added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// More entries come.
    Comes,
    /// The lease is given back.
    Rests,
}

/// What a journal adds up to so far. Who writes has its values sealed: a step costs no key, and neither does a checkpoint.
#[derive(Debug)]
pub(crate) struct Live<V = SealedValue> {
    pub(crate) state: State<V>,
    hash: Hash,
    /// Bytes of the entries since the last checkpoint, and of that.
    tail: u64,
    checkpoint: u64,
}

impl<V: Clone + Send> Live<V> {
    /// Replays what is kept: a checkpoint, where there is one, and the entries after it, up to the head.
    pub(crate) fn replay(
        lineage: &str,
        head: Head,
        checkpoint: Option<&Checkpoint>,
        rows: &[Row],
        open: Open<'_, V>,
    ) -> Result<Self, StoreError> {
        let mut live = match checkpoint {
            None => {
                let origin = Head::origin(lineage);
                Self { state: State::new(lineage), hash: origin.hash, tail: 0, checkpoint: 0 }
            }
            Some(kept) => {
                let state = kept.state(open)?;
                Self { state, hash: kept.hash, tail: 0, checkpoint: size(&kept.body) }
            }
        };
        let mut chain = Chain { at: live.head() };
        for row in rows {
            let entry = chain.entry(row)?.try_map(&mut |value| open(value))?;
            live.state.apply(&entry).map_err(|illegal| damaged(Some(row.serial), illegal.reason))?;
            live.tail += size(&row.body);
        }
        live.hash = chain.at.hash;
        chain.ends_at(head)?;
        if live.state.is_broken {
            return Err(damaged(Some(head.serial), LOST_END));
        }
        Ok(live)
    }
}

impl<V> Live<V> {
    /// Where it ends.
    pub(crate) fn head(&self) -> Head {
        Head { serial: self.state.serial, hash: self.hash }
    }
}

impl Live {
    /// Adds the entries of one append, all or none, and puts what is to be kept of them at the end of `rows`.
    pub(crate) fn add(&mut self, batch: &Batch, rows: &mut Vec<Row>) -> Result<Serial, IllegalEntry> {
        let mut undone = Vec::new();
        let (mut head, first) = (self.head(), rows.len());
        let several = batch.entries.len() > 1;
        for (entry, body) in &batch.entries {
            if several {
                undone.push(self.state.remember(entry));
            }
            if let Err(illegal) = self.state.append(entry) {
                undone.into_iter().rev().for_each(|undo| self.state.restore(undo));
                rows.truncate(first);
                return Err(illegal);
            }
            head = head.next(body);
            rows.push(Row { serial: head.serial, hash: head.hash, body: body.clone() });
        }
        self.hash = head.hash;
        self.tail += rows[first..].iter().map(|row| size(&row.body)).sum::<u64>();
        Ok(head.serial)
    }

    /// A checkpoint, once the tail has outgrown the last one twice over, or by a quarter where nothing more comes for now: what
    /// checkpoints cost stays in proportion to what was appended, and what a reader reads to what there is.
    pub(crate) fn checkpoint_due(&self, more: More) -> Result<Option<Checkpoint>, StoreError> {
        let outgrown = match more {
            More::Comes => 2 * self.checkpoint,
            More::Rests => self.checkpoint / 4,
        };
        if self.tail <= FLOOR.max(outgrown) {
            return Ok(None);
        }
        Checkpoint::of(&self.state, self.hash).map(Some)
    }

    /// Counts from a checkpoint of so many bytes: one that was kept, or one there was no room for, which is not tried again at once.
    pub(crate) fn checkpointed(&mut self, checkpoint: &Checkpoint) {
        self.tail = 0;
        self.checkpoint = size(&checkpoint.body);
    }
}

/// Walks a chain, link by link.
#[derive(Debug)]
pub(crate) struct Chain {
    at: Head,
}

impl Chain {
    /// From after the entry that `head` names.
    pub(crate) fn after(head: Head) -> Self {
        Self { at: head }
    }

    /// The entry of the next row.
    pub(crate) fn entry(&mut self, row: &Row) -> Result<Entry<SealedValue>, StoreError> {
        let next = self.at.next(&row.body);
        if row.serial != next.serial {
            return Err(damaged(Some(next.serial), "it is missing"));
        }
        if row.hash != next.hash {
            return Err(damaged(Some(row.serial), "its hash does not follow from it and those before it"));
        }
        self.at = next;
        serde_json::from_slice(&row.body).map_err(|error| damaged(Some(row.serial), error.to_string()))
    }

    /// Checks that it ends where the head says.
    pub(crate) fn ends_at(&self, head: Head) -> Result<(), StoreError> {
        if self.at.serial != head.serial {
            let reason = format!("it is the last one, and the journal's head names entry {}", head.serial);
            return Err(damaged(Some(self.at.serial), reason));
        }
        if self.at.hash != head.hash {
            return Err(damaged(Some(head.serial), "the journal's head has another hash"));
        }
        Ok(())
    }
}

/// The entries of rows, oldest first, their chain checked from `from` to the head, their secrets opened.
pub(crate) fn history(from: Head, head: Head, rows: &[Row], vault: &dyn Seal) -> Result<Vec<Entry>, StoreError> {
    let mut chain = Chain::after(from);
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        entries.push(chain.entry(row)?.try_map(&mut |value| codec::open(&value, vault)).map_err(
            |error| match error {
                VaultError::Damaged(_) | VaultError::Malformed(_) => damaged(Some(row.serial), error.to_string()),
                other => other.into(),
            },
        )?);
    }
    chain.ends_at(head)?;
    Ok(entries)
}

/// What is kept contradicts itself.
pub(crate) fn damaged(serial: Option<Serial>, reason: impl Into<String>) -> StoreError {
    StoreError::Damaged { serial, reason: reason.into() }
}

fn size(body: &[u8]) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

/// Whether an entry has a secret that is sealed for the key at hand: now, or before it was restored.
fn has_secret(entry: &Entry) -> bool {
    let object = |object: &Object| [&object.sent, &object.seen, &object.attributes].into_iter().any(Value::has_open);
    match &entry.event {
        Event::Begin { request, .. } => request.values().any(Value::has_open),
        Event::Succeeded { object: made, .. } | Event::Annotated { object: made, .. } => {
            made.as_deref().is_some_and(object)
        }
        Event::Failed { applied: crate::entry::Applied::Partly(made), .. } | Event::Adopted { object: made, .. } => {
            object(made)
        }
        Event::Outputs { outputs } => outputs.values().any(Value::has_open),
        Event::Rekeyed { state } => state.any(Value::has_open),
        Event::Restored { state } => state.any(|value| value.has_locked() || value.has_open()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_earlier_where_nothing_more_does() {
        let live = |tail, checkpoint| Live { state: State::<SealedValue>::new("0"), hash: [0; 32], tail, checkpoint };
        let due = |tail, checkpoint, more| live(tail, checkpoint).checkpoint_due(more).unwrap().is_some();
        let large = 100 * FLOOR;
        for (tail, comes, rests) in
            [(large / 4, false, false), (large / 4 + 1, false, true), (2 * large + 1, true, true)]
        {
            assert_eq!((due(tail, large, More::Comes), due(tail, large, More::Rests)), (comes, rests), "{tail}");
        }
        assert!(!due(FLOOR, 0, More::Rests), "a small tail is read soon enough");
    }
}
