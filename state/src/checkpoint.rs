//! The whole state at one serial, as it is kept: it spares the reading of what led to it.
//!
//! Its first line is the state without its records; each line after that is one record, so that several threads can read them.

use std::collections::BTreeMap;
use std::thread;

use sha2::{Digest, Sha256};

use crate::codec::{Sealed, VaultError};
use crate::entry::Serial;
use crate::journal::{Hash, Open, damaged};
use crate::record::Record;
use crate::scope::Scope;
use crate::state::State;
use crate::store::StoreError;

/// A part of a checkpoint that is worth a thread of its own, in bytes.
const SHARE: usize = 1024 * 1024;

/// The whole state at one serial, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) serial: Serial,
    /// The chain's hash at the serial.
    pub(crate) hash: Hash,
    /// Covers all of the above and the body.
    pub(crate) digest: Hash,
    pub(crate) body: Vec<u8>,
}

impl Checkpoint {
    /// The checkpoint of a state, at which the chain has a hash.
    pub(crate) fn of(state: &State<Sealed>, hash: Hash) -> Result<Self, StoreError> {
        let body = write(state).map_err(|error| VaultError::Malformed(error.to_string()))?;
        Ok(Self { serial: state.serial, hash, digest: digest(state.serial, &hash, &body), body })
    }

    /// The state that was kept.
    pub(crate) fn state<V: Send>(&self, open: Open<'_, V>) -> Result<State<V>, StoreError> {
        let fail = |reason: &str| damaged(Some(self.serial), format!("its checkpoint {reason}"));
        let (found, state) = thread::scope(|scope| {
            let found = scope.spawn(|| digest(self.serial, &self.hash, &self.body));
            let state = read(&self.body, open);
            (found.join().unwrap_or_default(), state)
        });
        if found != self.digest {
            return Err(fail("is not what was written"));
        }
        let state = state.map_err(|problem| match problem {
            Problem::Json(error) => fail(&error.to_string()),
            Problem::Vault(error) => error.into(),
        })?;
        // That it is of this journal, the chain's hash says: its lineage may be another's, which was restored.
        if state.serial != self.serial {
            return Err(fail("belongs elsewhere"));
        }
        Ok(state)
    }
}

fn digest(serial: Serial, hash: &Hash, body: &[u8]) -> Hash {
    let digest = Sha256::new().chain_update(b"trueup checkpoint\0").chain_update(serial.to_be_bytes());
    digest.chain_update(hash).chain_update(body).finalize().into()
}

fn write(state: &State<Sealed>) -> Result<Vec<u8>, serde_json::Error> {
    let head = State {
        lineage: state.lineage.clone(),
        serial: state.serial,
        records: BTreeMap::new(),
        open: state.open.clone(),
        outputs: state.outputs.clone(),
        former: state.former.clone(),
    };
    let mut body = serde_json::to_vec(&head)?;
    for record in state.records.values() {
        body.push(b'\n');
        serde_json::to_writer(&mut body, record)?;
    }
    Ok(body)
}

/// Why it can't be read.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

fn read<V: Send>(body: &[u8], open: Open<'_, V>) -> Result<State<V>, Problem> {
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let (head, lines) = body.split_at(end);
    let head: State<Sealed> = serde_json::from_slice(head)?;
    let mut state = head.try_map(&mut |value| open(value))?;
    let shares = shares(lines);
    let read: Result<Vec<_>, _> = thread::scope(|scope| {
        let threads: Vec<_> = shares.iter().map(|share| scope.spawn(|| records(share, open))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let records = read?.into_iter().flatten();
    state.records.append(&mut records.map(|record| (record.address.clone(), record)).collect());
    Ok(state)
}

/// Whole lines, one share of them for each thread that there may be.
fn shares(lines: &[u8]) -> Vec<&[u8]> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let size = lines.len().div_ceil(threads).max(SHARE);
    let (mut rest, mut shares) = (lines, Vec::new());
    while rest.len() > size {
        let end = rest[size..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| size + at);
        let (share, later) = rest.split_at(end);
        shares.push(share);
        rest = later;
    }
    shares.push(rest);
    shares
}

/// The records of whole lines. What follows each other shares what it has in common.
fn records<V>(lines: &[u8], open: Open<'_, V>) -> Result<Vec<Record<V>>, Problem> {
    let mut scope: Option<Scope> = None;
    let mut records: Vec<Record<V>> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut record: Record<Sealed> = serde_json::from_slice(line)?;
        for object in record.current.iter_mut().chain(&mut record.deposed) {
            match &scope {
                Some(scope) if *scope == object.scope => object.scope = scope.clone(),
                _ => scope = Some(object.scope.clone()),
            }
            if object.seen == object.sent {
                object.seen = object.sent.clone();
            }
        }
        if let Some(last) = records.last() {
            record.address = record.address.sharing_names_with(&last.address);
        }
        records.push(record.try_map(&mut |value| open(value))?);
    }
    Ok(records)
}
