//! The whole state at one serial, as it is kept: it spares the reading of what led to it.
//!
//! Its first line is the state without its records; each line after that is one record, so that several threads can read them.

use std::collections::BTreeMap;
use std::thread;

use sha2::{Digest, Sha256};

use crate::codec::{SealedValue, VaultError};
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
    pub(crate) fn of(state: &State<SealedValue>, hash: Hash) -> Result<Self, StoreError> {
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

fn write(state: &State<SealedValue>) -> Result<Vec<u8>, serde_json::Error> {
    let head = State {
        lineage: state.lineage.clone(),
        serial: state.serial,
        records: BTreeMap::new(),
        open: state.open.clone(),
        outputs: state.outputs.clone(),
        former: state.former.clone(),
        is_broken: false,
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
    let head: State<SealedValue> = serde_json::from_slice(head)?;
    let mut state = head.try_map(&mut |value| open(value))?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let shares = shares(lines, threads);
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
fn shares(lines: &[u8], threads: usize) -> Vec<&[u8]> {
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
        let mut record: Record<SealedValue> = serde_json::from_slice(line)?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::{Address, Key};
    use crate::codec::{NoKey, open};

    fn state(records: i64) -> State<SealedValue> {
        let mut state = State::new("0123456789abcdef");
        state.serial = 7;
        for number in 0..records {
            let address = Address::root("node").with_key(Key::Integer(number));
            let spec = json!({ "text": "x".repeat(300), "number": number });
            let object = json!({
                "id": format!("id-{number}"), "scope": { "provider": "sim", "settings": { "region": "r1" } }, "generation": 0,
                "token": "t", "sent": spec, "seen": spec, "attributes": {}, "made_at": 1,
            });
            let record = json!({
                "address": address, "kind": "box", "schema_version": 1, "generation": 0, "current": object, "deposed": [],
                "status": "ready", "dependencies": [], "protect": false, "ignore": [], "correct": null, "create_first": false,
                "verify": false, "source": null,
            });
            state.records.insert(address, serde_json::from_value(record).unwrap());
        }
        state
    }

    #[test]
    fn what_several_threads_read_is_what_was_written() {
        for records in [0, 1, 5_000] {
            let state = state(records);
            let checkpoint = Checkpoint::of(&state, [1; 32]).unwrap();
            assert_eq!(checkpoint.state(&Ok).unwrap(), state);
            let opened = checkpoint.state(&|value| open(&value, &NoKey)).unwrap();
            assert_eq!(opened.records.len(), state.records.len());
        }
    }

    #[test]
    fn shares_are_whole_lines_and_all_of_them() {
        let body = write(&state(9_000)).unwrap();
        let end = body.iter().position(|byte| *byte == b'\n').unwrap();
        let parts = shares(&body[end..], 3);
        assert_eq!(parts.len(), 3, "there is enough for each");
        assert_eq!(parts.concat(), &body[end..]);
        assert!(parts.iter().all(|part| part.starts_with(b"\n{") && part.ends_with(b"}")));
    }

    #[test]
    fn what_follows_each_other_shares_what_it_has_in_common() {
        let checkpoint = Checkpoint::of(&state(2), [1; 32]).unwrap();
        let read = checkpoint.state(&|value| open(&value, &NoKey)).unwrap();
        let objects: Vec<_> = read.records.values().filter_map(|record| record.current.as_ref()).collect();
        let maps = [&objects[0].sent, &objects[0].seen].map(|value| value.as_map().unwrap());
        assert!(maps[0].is_shared_with(maps[1]));
        assert!(!maps[0].is_shared_with(objects[1].sent.as_map().unwrap()));
        let [one, two] =
            [0, 1].map(|at| std::ptr::from_ref::<BTreeMap<String, serde_json::Value>>(&objects[at].scope.settings));
        assert_eq!(one, two);
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let checkpoint = Checkpoint::of(&state(3), [1; 32]).unwrap();
        for at in (0..checkpoint.body.len()).step_by(97) {
            let mut damaged = checkpoint.clone();
            damaged.body[at] ^= 1;
            assert!(damaged.state(&Ok).is_err(), "byte {at}");
        }
        let mut other = checkpoint.clone();
        other.hash = [2; 32];
        assert!(other.state(&Ok).is_err());
    }
}
