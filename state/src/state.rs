//! What a journal adds up to.

mod may;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::clock::Timestamp;
use crate::entry::{Applied, Class, Entry, Event, Handle, Request, Resolution, Serial, Verb};
use crate::names::Token;
use crate::record::{Declared, Generation, Object, Record, Status};
use crate::value::Value;

/// An operation that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenOperation<V = Value> {
    /// When it began.
    pub at: Timestamp,
    /// What it does.
    pub verb: Verb,
    /// With what.
    pub request: Request<V>,
    /// What the blueprint said of the resource besides its spec.
    pub declared: Declared,
    /// The object's id, where the provider gave it before the end.
    pub id: Option<String>,
    /// What to poll, where the provider took it.
    pub handle: Option<Handle>,
    /// What is known of it, where no rule could settle it.
    pub parked: Option<String>,
}

/// Everything a stack's journal adds up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State<V = Value> {
    /// The stack's identity in its clouds, made with its first lease: 16 hex digits.
    pub lineage: String,
    /// The last entry that is in.
    pub serial: Serial,
    /// The resources that exist.
    pub records: BTreeMap<Address, Record<V>>,
    /// The operations that have not ended.
    pub open: BTreeMap<Token, OpenOperation<V>>,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, V>,
    /// The generations that resources had reached at addresses from which they moved away: their objects' names are made of these.
    #[serde(default)]
    pub former: BTreeMap<Address, Generation>,
    /// Whether an entry was lost, so that those after it add up to nothing: never where a journal ends. No state that is written has it.
    #[serde(skip)]
    pub is_broken: bool,
}

/// An entry that can't follow what came before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {serial} can't follow what came before it: {reason}")]
pub struct IllegalEntry {
    /// The entry's place in the journal.
    pub serial: Serial,
    /// What it contradicts.
    pub reason: String,
}

impl<V> State<V> {
    /// The state before the first entry.
    pub fn new(lineage: impl Into<String>) -> Self {
        Self {
            lineage: lineage.into(),
            serial: 0,
            records: BTreeMap::new(),
            open: BTreeMap::new(),
            outputs: BTreeMap::new(),
            former: BTreeMap::new(),
            is_broken: false,
        }
    }

    /// Whether nothing is recorded, and nothing under way.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.open.is_empty()
    }

    /// The same state with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<State<W>, E> {
        let State { lineage, serial, records, open, outputs, former, is_broken } = self;
        let records = records.into_iter().map(|(address, record)| Ok((address, record.try_map(f)?)));
        let records = records.collect::<Result<_, E>>()?;
        let open = open.into_iter().map(|(token, open)| Ok((token, open.try_map(f)?)));
        let open = open.collect::<Result<_, E>>()?;
        let outputs = outputs.into_iter().map(|(name, value)| Ok((name, f(value)?)));
        let outputs = outputs.collect::<Result<_, E>>()?;
        Ok(State { lineage, serial, records, open, outputs, former, is_broken })
    }
}

impl<V> OpenOperation<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<OpenOperation<W>, E> {
        Ok(OpenOperation {
            at: self.at,
            verb: self.verb,
            request: self.request.try_map(f)?,
            declared: self.declared,
            id: self.id,
            handle: self.handle,
            parked: self.parked,
        })
    }
}

impl State {
    /// Whether it holds secrets that there is no key to.
    pub fn has_locked(&self) -> bool {
        self.any(Value::has_locked)
    }

    /// What of it has secrets: records, operations that have not ended, outputs.
    #[must_use]
    pub fn secret_part(&self) -> Self {
        let is_secret = |value: &Value| value.has_open() || value.has_locked();
        let object = |object: &Object| [&object.sent, &object.seen, &object.attributes].into_iter().any(is_secret);
        let request = |request: &Request| request.values().any(is_secret);
        let mut part = Self { serial: self.serial, ..Self::new(self.lineage.as_str()) };
        let records = self.records.iter().filter(|(_, record)| record.objects().any(object));
        part.records = records.map(|(address, record)| (address.clone(), record.clone())).collect();
        let open = self.open.iter().filter(|(_, open)| request(&open.request));
        part.open = open.map(|(token, open)| (token.clone(), open.clone())).collect();
        let outputs = self.outputs.iter().filter(|(_, value)| is_secret(value));
        part.outputs = outputs.map(|(name, value)| (name.clone(), value.clone())).collect();
        part
    }

    /// Whether something is so of any of its values: what was sent and seen, attributes, requests that are open, outputs.
    pub(crate) fn any(&self, is_so: impl Fn(&Value) -> bool) -> bool {
        let objects = self.records.values().flat_map(Record::objects);
        let objects = objects.flat_map(|object| [&object.sent, &object.seen, &object.attributes]);
        let requests = self.open.values().flat_map(|open| open.request.values());
        objects.chain(requests).chain(self.outputs.values()).any(is_so)
    }
}

impl<V: Clone> State<V> {
    /// Adds the next entry. This is the one transition function: live state and replay both come from it.
    ///
    /// An entry that can't follow is refused, and the state is as it was.
    pub fn apply(&mut self, entry: &Entry<V>) -> Result<(), IllegalEntry> {
        let serial = self.serial + 1;
        self.step(entry).map_err(|reason| IllegalEntry { serial, reason })?;
        self.serial = serial;
        Ok(())
    }

    /// The same for what is yet to be written: what only a repair writes is refused.
    pub(crate) fn append(&mut self, entry: &Entry<V>) -> Result<(), IllegalEntry> {
        match entry.event {
            Event::Lost => Err(IllegalEntry { serial: self.serial + 1, reason: "nothing is lost".to_owned() }),
            _ => self.apply(entry),
        }
    }

    fn step(&mut self, entry: &Entry<V>) -> Result<(), String> {
        if self.is_broken && !matches!(entry.event, Event::Restored { .. }) {
            return Ok(());
        }
        let address = || entry.address.clone().ok_or_else(|| "it names no resource".to_owned());
        match &entry.event {
            Event::Begin { verb, request, declared } => self.begin(entry.at, *verb, request, declared),
            Event::Submitted { token, id, handle } => self.submit(token, id.as_deref(), handle),
            Event::Succeeded { token, object } => self.succeed(token, object.as_deref()),
            Event::Failed { token, class, applied, .. } => self.fail(token, class, applied),
            Event::Parked { token, message } => self.park(token, message),
            Event::Resolved { token, resolution } => self.resolve(token, entry.at, resolution),
            Event::Moved { to } => self.rename(&address()?, to),
            Event::Forgotten { generation } => self.remove_object(&address()?, *generation),
            Event::Adopted { kind, schema_version, declared, object } => self.adopt(Record {
                address: address()?,
                kind: kind.clone(),
                schema_version: *schema_version,
                generation: object.generation,
                current: Some((**object).clone()),
                deposed: Vec::new(),
                status: if declared.verify { Status::Unverified } else { Status::Ready },
                declared: (**declared).clone(),
            }),
            Event::Annotated { declared, object } => self.annotate(&address()?, declared, object.as_deref()),
            Event::Outputs { outputs } => {
                self.outputs.clone_from(outputs);
                Ok(())
            }
            Event::Rekeyed { state } => self.rekey(state),
            Event::Lost => {
                self.is_broken = true;
                Ok(())
            }
            Event::Restored { state } => self.take_over(state),
        }
    }

    fn submit(&mut self, token: &Token, id: Option<&str>, handle: &Handle) -> Result<(), String> {
        let open = self.open_mut(token)?;
        open.id = id.map(str::to_owned).or(open.id.take());
        open.handle = Some(handle.clone());
        Ok(())
    }

    fn park(&mut self, token: &Token, message: &str) -> Result<(), String> {
        let open = self.open_mut(token)?;
        open.parked = Some(message.to_owned());
        let address = open.request.address.clone();
        if let Some(record) = self.records.get_mut(&address) {
            record.status = Status::Parked;
        }
        Ok(())
    }

    /// Says anew what a record declares, and what its current object is.
    fn annotate(&mut self, address: &Address, declared: &Declared, object: Option<&Object<V>>) -> Result<(), String> {
        let record = self.records.get_mut(address).ok_or_else(|| format!("{address} has no record"))?;
        if let Some(object) = object {
            let current = record.current.as_ref().map(|current| current.generation);
            if current != Some(object.generation) {
                return Err(format!("{address} has no current object of generation {}", object.generation));
            }
            record.current = Some(object.clone());
        }
        record.declared = declared.clone();
        Ok(())
    }

    /// Records what was there already, where nothing is recorded and nothing is being made.
    fn adopt(&mut self, record: Record<V>) -> Result<(), String> {
        let address = &record.address;
        if self.records.contains_key(address) {
            return Err(format!("{address} has a record already"));
        }
        if self.open.values().any(|open| open.request.address == *address) {
            return Err(format!("an operation of {address} has not ended"));
        }
        self.records.insert(address.clone(), record);
        Ok(())
    }

    fn begin(&mut self, at: Timestamp, verb: Verb, request: &Request<V>, declared: &Declared) -> Result<(), String> {
        self.may_begin(verb, request)?;
        if verb == Verb::Check
            && let Some(record) = self.records.get_mut(&request.address)
        {
            record.status = Status::Unverified;
        }
        let open = OpenOperation {
            at,
            verb,
            request: request.clone(),
            declared: declared.clone(),
            id: request.id.clone(),
            handle: None,
            parked: None,
        };
        self.open.insert(request.token.clone(), open);
        Ok(())
    }

    fn succeed(&mut self, token: &Token, object: Option<&Object<V>>) -> Result<(), String> {
        self.may_succeed(self.still_open(token)?, object)?;
        let open = &self.close(token)?;
        let address = &open.request.address;
        match (open.verb, object.cloned()) {
            (Verb::Create, Some(object)) => {
                let status = if open.declared.verify { Status::Unverified } else { Status::Ready };
                self.put_object(open, object, status);
                Ok(())
            }
            (Verb::Update, Some(object)) => {
                let record = self.records.get_mut(address).ok_or_else(|| format!("{address} has no record"))?;
                record.schema_version = open.request.schema_version;
                record.declared = open.declared.clone();
                record.current = Some(object);
                // What was left partly made is whole now.
                if record.status == Status::Tainted {
                    record.status = if open.declared.verify { Status::Unverified } else { Status::Ready };
                }
                Ok(())
            }
            (Verb::Delete, None) => self.remove_object(address, open.request.generation),
            (Verb::Check, None) => {
                self.set_status(address, open.request.generation, Status::Ready);
                Ok(())
            }
            (verb, _) => Err(format!("the end of a {} does not fit it", verb.as_str())),
        }
    }

    fn fail(&mut self, token: &Token, class: &Class, applied: &Applied<V>) -> Result<(), String> {
        self.may_fail(token, applied)?;
        let open = &self.close(token)?;
        let address = &open.request.address;
        match (open.verb, applied) {
            (Verb::Create, Applied::Partly(object)) => self.put_object(open, (**object).clone(), Status::Tainted),
            (Verb::Update, Applied::Partly(object)) => {
                if let Some(record) = self.records.get_mut(address) {
                    record.current = Some((**object).clone());
                }
            }
            // A check that could not be carried out says nothing against the object.
            (Verb::Check, _) => {
                let status = if matches!(class, Class::Invalid { .. }) { Status::Tainted } else { Status::Unverified };
                self.set_status(address, open.request.generation, status);
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts what was sealed anew in the place of what it was.
    fn rekey(&mut self, anew: &State<V>) -> Result<(), String> {
        for (address, record) in &anew.records {
            let known = self.records.get(address).ok_or_else(|| format!("{address} has no record"))?;
            let object = |object: &Object<V>| (object.id.clone(), object.generation);
            if !known.objects().map(object).eq(record.objects().map(object)) {
                return Err(format!("{address} has other objects"));
            }
        }
        if let Some(token) = anew.open.keys().find(|token| !self.open.contains_key(*token)) {
            return Err(not_open(token));
        }
        if let Some(name) = anew.outputs.keys().find(|name| !self.outputs.contains_key(*name)) {
            return Err(format!("there is no output {name}"));
        }
        let State { records, open, outputs, .. } = anew.clone();
        self.records.extend(records);
        self.open.extend(open);
        self.outputs.extend(outputs);
        Ok(())
    }

    /// Takes all of an exported state, but its serial: this journal's entries are counted on.
    fn take_over(&mut self, state: &State<V>) -> Result<(), String> {
        if !self.is_empty() && !self.is_broken {
            return Err("there is something recorded already".to_owned());
        }
        if let Some(flaw) = state.flaws().first() {
            return Err(flaw.to_string());
        }
        *self = State { serial: self.serial, is_broken: false, ..state.clone() };
        Ok(())
    }

    fn resolve(&mut self, token: &Token, at: Timestamp, resolution: &Resolution) -> Result<(), String> {
        self.may_be_resolved(self.still_open(token)?, resolution)?;
        let open = &self.close(token)?;
        if let Some(record) = self.records.get_mut(&open.request.address) {
            record.status = Status::Ready;
        }
        if let (Verb::Create, Resolution::Id(id)) = (open.verb, resolution) {
            let request = open.request.clone();
            let object = Object {
                id: Some(id.clone()),
                scope: request.scope,
                generation: request.generation,
                token: request.token,
                sent: request.spec.clone(),
                seen: request.spec,
                attributes: request.attributes,
                made_at: at,
                price_at_launch: None,
            };
            // It is what a person says, and so is kept: what it is besides, whoever looked at it annotates.
            let status = if open.declared.verify { Status::Unverified } else { Status::Ready };
            self.put_object(open, object, status);
        }
        Ok(())
    }

    /// A new object becomes the current one; one that was there is deposed.
    fn put_object(&mut self, open: &OpenOperation<V>, object: Object<V>, status: Status) {
        let request = &open.request;
        let record = self.records.entry(request.address.clone()).or_insert_with(|| Record {
            address: request.address.clone(),
            kind: request.kind.clone(),
            schema_version: request.schema_version,
            generation: request.generation,
            current: None,
            deposed: Vec::new(),
            status,
            declared: Declared::default(),
        });
        record.deposed.extend(record.current.take());
        record.kind = request.kind.clone();
        record.schema_version = request.schema_version;
        record.generation = request.generation;
        record.declared = open.declared.clone();
        record.status = status;
        record.current = Some(object);
    }

    /// Removes one object of a record, and the record with its last one.
    fn remove_object(&mut self, address: &Address, generation: Generation) -> Result<(), String> {
        if !self.has_object(address, generation) {
            return Err(format!("{address} has no object of generation {generation}"));
        }
        let record = self.records.get_mut(address).ok_or_else(|| format!("{address} has no record"))?;
        if record.current.as_ref().is_some_and(|object| object.generation == generation) {
            record.current = None;
        }
        record.deposed.retain(|object| object.generation != generation);
        if record.objects().next().is_none() {
            self.records.remove(address);
        }
        Ok(())
    }

    fn rename(&mut self, from: &Address, to: &Address) -> Result<(), String> {
        if self.records.contains_key(to) {
            return Err(format!("{to} has a record already"));
        }
        // Its end would come to an address that is no longer there.
        if self.open.values().any(|open| open.request.address == *from || open.request.address == *to) {
            return Err(format!("an operation of {from} or {to} has not ended"));
        }
        let mut record = self.records.remove(from).ok_or_else(|| format!("{from} has no record"))?;
        let former = self.former.entry(from.clone()).or_default();
        *former = record.generation.max(*former);
        record.address = to.clone();
        self.records.insert(to.clone(), record);
        // It may leave a block or a module that is depended on as a whole: the one it comes to is depended on then too.
        let wholes = from.around().skip(1).filter(|whole| !to.is_in(whole));
        let wholes: Vec<_> = wholes.map(|whole| (whole.like_in(to), self.has_inside(&whole), whole)).collect();
        for record in self.records.values_mut() {
            let dependencies = &mut record.declared.dependencies;
            // What becomes an instance of itself is in what was depended on.
            if !to.is_in(from) && dependencies.remove(from) {
                dependencies.insert(to.clone());
            }
            for (then, stays, whole) in &wholes {
                if dependencies.contains(whole) {
                    dependencies.insert(then.clone());
                    if !stays {
                        dependencies.remove(whole);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether anything is recorded in a block or a module.
    fn has_inside(&self, whole: &Address) -> bool {
        self.records.range(whole..).next().is_some_and(|(address, _)| address.is_in(whole))
    }

    fn set_status(&mut self, address: &Address, generation: Generation, status: Status) {
        if let Some(record) = self.records.get_mut(address)
            && record.current.as_ref().is_some_and(|object| object.generation == generation)
        {
            record.status = status;
        }
    }

    fn still_open(&self, token: &Token) -> Result<&OpenOperation<V>, String> {
        self.open.get(token).ok_or_else(|| not_open(token))
    }

    fn open_mut(&mut self, token: &Token) -> Result<&mut OpenOperation<V>, String> {
        self.open.get_mut(token).ok_or_else(|| not_open(token))
    }

    fn close(&mut self, token: &Token) -> Result<OpenOperation<V>, String> {
        self.open.remove(token).ok_or_else(|| not_open(token))
    }
}

fn not_open(token: &Token) -> String {
    format!("no operation {token} is open")
}
