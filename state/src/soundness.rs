//! Whether what is kept of a stack is whole, and contradicts nothing.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::address::Address;
use crate::codec::VaultError;
use crate::entry::{Entry, Serial};
use crate::journal::LOST_END;
use crate::record::Record;
use crate::state::{OpenOperation, State};
use crate::store::{Stack, Store, StoreError};
use crate::value::Value;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What is kept is not what was written, or contradicts itself.
    Damage,
    /// It may be so in a sound state, and a person should know.
    Note,
}

/// One thing that was found of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The entry of the journal that shows it, if one does.
    pub serial: Option<Serial>,
    /// The resource that it is about, if it is about one.
    pub address: Option<Address>,
    /// What it is, in one sentence.
    pub message: String,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The last entry that is in.
    pub serial: Serial,
    /// How many entries of the journal were followed from the first one on, link by link.
    pub entries: usize,
    /// How many resources are recorded.
    pub resources: usize,
    /// What was found, damage first.
    pub findings: Vec<Finding>,
}

/// Something of a state that contradicts the rest of it: no journal adds up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The resource.
    pub address: Address,
    /// What is wrong with its record.
    pub message: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.message)
    }
}

impl Verified {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }

    /// The journal and the state that begins with it may say the same of the same damage.
    fn damage(&mut self, serial: Option<Serial>, message: impl Into<String>) {
        let finding = Finding { severity: Severity::Damage, serial, address: None, message: message.into() };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn note(&mut self, address: &Address, message: impl Into<String>) {
        let (address, message) = (Some(address.clone()), message.into());
        self.findings.push(Finding { severity: Severity::Note, serial: None, address, message });
    }
}

impl<V> State<V> {
    /// What of it contradicts the rest.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for (address, record) in &self.records {
            let said = flaw_of(address, record);
            flaws.extend(said.map(|message| Flaw { address: address.clone(), message }));
        }
        for (token, open) in self.open.iter().filter(|(token, open)| **token != open.request.token) {
            let message = format!("has an operation {} that is kept as {token}", open.request.token);
            flaws.push(Flaw { address: open.request.address.clone(), message });
        }
        flaws
    }
}

fn flaw_of<V>(address: &Address, record: &Record<V>) -> Option<String> {
    let mut generations = BTreeSet::new();
    let twice = record.objects().map(|object| object.generation).find(|generation| !generations.insert(*generation));
    if record.address != *address {
        return Some(format!("is kept with the record of {}", record.address));
    }
    if let Some(generation) = twice {
        return Some(format!("has two objects of generation {generation}"));
    }
    match generations.last() {
        None => Some("has a record without an object".to_owned()),
        Some(last) if *last > record.generation => {
            Some(format!("has an object of generation {last}, and is at generation {}", record.generation))
        }
        Some(_) => None,
    }
}

/// Looks at all that is kept of a stack: follows the journal from its first entry to its head, adds it up, and compares that with
/// the state that everything else reads, which may begin at a checkpoint. Takes no lease, and changes nothing. None where the stack
/// has no state.
///
/// Damage is a finding; an error is what keeps from looking.
pub async fn verify(store: &dyn Store, stack: &Stack) -> Result<Option<Verified>, StoreError> {
    let mut verified = Verified::default();
    let state = match store.snapshot(stack).await {
        Ok(snapshot) => match snapshot.state {
            Some(state) => Some(state),
            None => return Ok(None),
        },
        Err(error) => {
            found(&mut verified, error)?;
            None
        }
    };
    match store.history(stack, 0).await {
        Ok(entries) => add_up(&mut verified, &entries, state.as_ref()),
        Err(error) => found(&mut verified, error)?,
    }
    if let Some(state) = &state {
        verified.serial = state.serial;
        verified.resources = state.records.len();
        look(&mut verified, state);
    }
    verified.findings.sort_by_key(|finding| finding.severity == Severity::Note);
    Ok(Some(verified))
}

/// Takes an error that says that something is damaged as a finding.
fn found(verified: &mut Verified, error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Damaged { serial, reason } => verified.damage(serial, reason),
        StoreError::Vault(error @ (VaultError::Damaged(_) | VaultError::Malformed(_))) => {
            verified.damage(None, error.to_string());
        }
        other => return Err(other),
    }
    Ok(())
}

/// Adds the journal up, as far as the state goes: another run may have added to it since that was read.
fn add_up(verified: &mut Verified, entries: &[Entry], state: Option<&State>) {
    let mut sum = State::new(state.map(|state| state.lineage.clone()).unwrap_or_default());
    let last = state.map_or(Serial::MAX, |state| state.serial);
    for entry in entries {
        if sum.serial == last {
            break;
        }
        if let Err(illegal) = sum.apply(entry) {
            return verified.damage(Some(illegal.serial), illegal.reason);
        }
    }
    if sum.is_broken {
        verified.damage(Some(sum.serial), LOST_END);
    }
    verified.entries = entries.len();
    verified.serial = sum.serial;
    verified.resources = sum.records.len();
    if let Some(state) = state.filter(|state| **state != sum) {
        let at = |state: &State, address: &Address| state.records.get(address).cloned();
        let addresses: BTreeSet<&Address> = sum.records.keys().chain(state.records.keys()).collect();
        let differ: Vec<String> = addresses
            .into_iter()
            .filter(|address| at(&sum, address) != at(state, address))
            .map(ToString::to_string)
            .collect();
        let of = if differ.is_empty() { String::new() } else { format!(" of {}", differ.join(", ")) };
        verified.damage(None, format!("the checkpoint says something else{of} than the journal adds up to"));
    }
}

fn look(verified: &mut Verified, state: &State) {
    for flaw in state.flaws() {
        let (severity, address) = (Severity::Damage, Some(flaw.address));
        verified.findings.push(Finding { severity, serial: None, address, message: flaw.message });
    }
    for OpenOperation { verb, request, parked, .. } in state.open.values() {
        let rest = match parked {
            None => "has not ended; the next apply settles it",
            Some(_) => "has an outcome that is not known; `trueup state resolve` settles it",
        };
        verified.note(&request.address, format!("a {} of it {rest}", verb.as_str()));
    }
    let known = places(state);
    for record in state.records.values() {
        let values = record.objects().flat_map(|object| [&object.sent, &object.seen, &object.attributes]);
        if values.into_iter().any(Value::has_locked) {
            verified.note(&record.address, "it has secrets that are sealed for a key that is not here");
        }
        for missing in record.declared.dependencies.iter().filter(|dependency| !known.contains(*dependency)) {
            let message =
                format!("it depends on {missing}, of which there is no record: that is only read, or was forgotten");
            verified.note(&record.address, message);
        }
    }
}

/// Every address that something recorded has or stands in: a whole block or module may be depended on.
fn places(state: &State) -> BTreeSet<Address> {
    state.records.keys().flat_map(Address::around).collect()
}
