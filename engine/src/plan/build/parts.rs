//! The parts of what is composed: each is decided as any resource is, before the one that it is a part of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, Declared, Record, Scope, Value};

use super::{Builder, Options};
use crate::blueprint::{Block, Resource};
use crate::compose::{Arranged, Composer, Part, Wanted, address_of, is_shared, part_paths, spans};
use crate::desired::{described, part_desired};
use crate::diagnostic::Diagnostic;
use crate::plan::Reason;
use crate::plan::decide::{Decision, Verdict};
use crate::plan::operations::Branch;
use crate::provider::Found;

/// The parts that were planned.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The resource that each is a part of; of one that several share, the first.
    pub(super) of: BTreeMap<Address, Address>,
    /// All the resources that each is a part of.
    pub(super) wanted_by: BTreeMap<Address, BTreeSet<Address>>,
    /// The recorded ones of what is only read from now on, as they are there: unless others have them too, they are forgotten.
    pub(super) released: BTreeMap<Address, (Found, Scope)>,
    /// What was said of those that several share.
    shared: BTreeMap<Address, (Part, Value)>,
}

/// Why a composed resource can't be planned.
pub(super) enum Unmade {
    /// The blueprint is in error, and that was told.
    Wrong,
    /// One of its parts can't be planned now.
    Stopped(String),
}

impl Builder<'_> {
    /// Plans the parts of a resource, if it is composed or needs any beside it, and lets it depend on them.
    pub(super) fn with_parts(
        &mut self,
        resource: &Resource,
        declared: &mut Declared,
        options: &mut Options,
    ) -> Result<(), Unmade> {
        let estate = self.input.estate;
        let mut composers = options.branches.iter().filter_map(|branch| estate.parted(&branch.scope, &resource.kind));
        let Some(first) = composers.next() else { return Ok(()) };
        let parts = if first.is_of_parts() || composers.any(Composer::is_of_parts) {
            self.is_of_parts(resource)?;
            let arranged = self.arranged(resource, options)?;
            let parts = self.planned_parts(resource, declared, &arranged)?;
            options.composed = Some(arranged);
            parts
        } else {
            self.companions(resource, declared, options)?
        };
        let stopped = parts.iter().find(|part| self.stopped.contains(*part));
        if let Some(part) = stopped {
            return Err(Unmade::Stopped(format!("it waits for {part}, which is a part of it")));
        }
        declared.dependencies.extend(parts);
        Ok(())
    }

    /// Plans what a resource needs beside it at each candidate, and puts what is known of that into its spec there.
    fn companions(
        &mut self,
        resource: &Resource,
        declared: &Declared,
        options: &mut Options,
    ) -> Result<BTreeSet<Address>, Unmade> {
        let mut parts = BTreeSet::new();
        for branch in &mut options.branches {
            let Some(composer) = self.input.estate.parted(&branch.scope, &resource.kind) else { continue };
            let arranged = self.arranged_by(composer, resource, branch)?;
            parts.extend(self.planned_parts(resource, declared, &arranged)?);
            arranged.fill(&mut branch.spec, &self.world);
        }
        Ok(parts)
    }

    /// Plans what a resource is made of or needs beside it, in order.
    fn planned_parts(
        &mut self,
        resource: &Resource,
        declared: &Declared,
        arranged: &Arranged,
    ) -> Result<BTreeSet<Address>, Unmade> {
        let mut parts = BTreeSet::new();
        for (address, part) in &arranged.parts {
            let before = part.waits_for().filter_map(|other| arranged.address_of(other)).cloned().collect();
            self.part(resource, declared, arranged, (address, part), before)?;
            parts.insert(address.clone());
        }
        Ok(parts)
    }

    /// Refuses what is recorded as one thing where it would be made of parts: nobody here could delete it.
    fn is_of_parts(&mut self, resource: &Resource) -> Result<(), Unmade> {
        let recorded = self.record(&resource.address).and_then(|record| Some((record, record.current.as_ref()?)));
        let composed =
            recorded.filter(|(record, object)| self.input.estate.composer(&object.scope, &record.kind).is_some());
        let Some(id) = composed.and_then(|(_, object)| object.id.as_ref()) else { return Ok(()) };
        let message =
            format!("{} was made as one thing, `{id}`, and its provider makes it of parts now", resource.address);
        let help = format!("delete `{id}` at the provider, and `trueup state forget {}`", resource.address);
        self.problems.push(Diagnostic::error(message).at(resource.span, "this").help(help));
        Err(Unmade::Wrong)
    }

    /// What a resource is made of.
    fn arranged(&mut self, resource: &Resource, options: &Options) -> Result<Arranged, Unmade> {
        let [branch] = &options.branches[..] else {
            let message =
                format!("{} is made of parts, which can't be tried candidate by candidate yet", resource.kind);
            let help = "leave one entry in its `placement`, or give it a `provider`";
            let problem = Diagnostic::error(message).at(resource.span, "this has several candidates").help(help);
            self.problems.push(problem);
            return Err(Unmade::Wrong);
        };
        let composer = self.input.estate.composer(&branch.scope, &resource.kind).ok_or(Unmade::Wrong)?;
        self.arranged_by(composer, resource, branch)
    }

    fn arranged_by(&mut self, composer: &Composer, resource: &Resource, branch: &Branch) -> Result<Arranged, Unmade> {
        let wanted = Wanted {
            address: &resource.address,
            kind: &resource.kind,
            spec: &branch.spec,
            scope: &branch.scope,
            candidate: branch.candidate.as_ref(),
            validate: resource.validate.as_ref(),
        };
        composer.compose(&wanted).map_err(|problems| {
            self.problems.extend(described(problems, resource));
            self.show(resource, Value::Unknown, Value::Unknown);
            Unmade::Wrong
        })
    }

    /// Plans one part. `before`: the parts that must be there before it.
    fn part(
        &mut self,
        of: &Resource,
        declared: &Declared,
        arranged: &Arranged,
        (address, part): (&Address, &Part),
        before: BTreeSet<Address>,
    ) -> Result<(), Unmade> {
        let spec = arranged.spec_of(part, &self.world);
        if !self.is_new(of, address, part, &spec)? {
            return Ok(());
        }
        let resource = resource_of(of, address, part, &spec);
        let mut dependencies = before;
        if part.shared.as_ref().is_none_or(|shared| shared.follows) {
            dependencies.extend(declared.dependencies.iter().cloned());
        }
        let declared = Declared {
            dependencies,
            protect: resource.protect,
            ignore: resource.ignore.clone(),
            correct: resource.correct.clone(),
            create_first: resource.create_first.unwrap_or(false),
            verify: false,
            source: declared.source.clone(),
        };
        if let Some(reason) = self.stopped_by(address, &declared) {
            self.stop(&resource, self.record(address), reason);
            return Ok(());
        }
        let Some(manager) = self.input.estate.manager(&part.scope, &part.kind).cloned() else {
            let message = format!("the provider `{}` does not make a {}", part.scope.provider, part.kind);
            self.problems.push(Diagnostic::error(message).at(of.span, address.to_string()));
            return Err(Unmade::Wrong);
        };
        let spec = part_desired(&resource, spec, manager.as_ref()).map_err(|problems| {
            self.problems.extend(problems);
            self.show(&resource, Value::Unknown, Value::Unknown);
            Unmade::Wrong
        })?;
        let branches = vec![Branch { candidate: None, scope: part.scope.clone(), spec }];
        let scopes = vec![part.scope.clone()];
        let options = Options { scopes, branches, manager, standing: None, composed: None, attributes: None };
        self.decided(&resource, declared, options);
        Ok(())
    }

    /// Takes a part in. False of one that several share, where another of them has planned it.
    fn is_new(&mut self, of: &Resource, address: &Address, part: &Part, spec: &Value) -> Result<bool, Unmade> {
        let wanted_by = self.parts.wanted_by.entry(address.clone()).or_default();
        wanted_by.insert(of.address.clone());
        let Some(first) = self.parts.of.get(address) else {
            self.parts.of.insert(address.clone(), of.address.clone());
            if part.shared.is_some() {
                self.parts.shared.insert(address.clone(), (part.clone(), spec.clone()));
            }
            return Ok(true);
        };
        let alike = self.parts.shared.get(address).is_some_and(|(known, said)| {
            known.kind == part.kind && known.scope.apart_from(&part.scope).is_none() && said.same(spec)
        });
        if alike {
            return Ok(false);
        }
        let message = format!("{} and {first} share {address}, and need it to be different things", of.address);
        self.problems.push(Diagnostic::error(message).at(of.span, "its provider can't make both"));
        Err(Unmade::Wrong)
    }

    /// Takes what the parts come to into a decision on the resource that is made of them.
    pub(super) fn recomposed(&self, mut decision: Decision, options: &mut Options) -> Decision {
        let Some(arranged) = &options.composed else { return decision };
        let attributes = arranged.attributes(&self.world);
        let differs = !attributes.same(&whole(&decision.attributes, options));
        match decision.verdict {
            // Of what a correction leaves unmade there is no record to be written.
            _ if decision.base == Value::Null => {}
            Verdict::None | Verdict::Record | Verdict::Check if attributes.has_unknown() => {
                decision.verdict = Verdict::Update;
            }
            Verdict::None | Verdict::Record if differs => {
                let words = decision.record.take().map_or_else(String::new, |words| format!("{words}, "));
                decision.record = Some(format!("{words}attributes"));
                decision.verdict = Verdict::Record;
                decision.attributes = attributes.clone();
            }
            _ => {}
        }
        options.attributes = Some(attributes);
        decision
    }

    /// Why something that is made of parts is to be written again though nothing of it was edited.
    pub(super) fn parts_change(&self, address: &Address) -> Option<Reason> {
        let own = self.changing.range(address.clone()..).take_while(|part| part.is_in(address));
        let own = own.filter(|part| *part != address);
        let wants =
            |part: &&Address| self.parts.wanted_by.get(*part).is_some_and(|wanted_by| wanted_by.contains(address));
        let shared = self.parts.shared.keys().filter(|part| self.changing.contains(*part)).filter(wants);
        let parts: Vec<Address> = own.chain(shared).cloned().collect();
        (!parts.is_empty()).then_some(Reason::Parts { parts })
    }

    /// What is recorded of the parts of a resource that is not planned now stays.
    pub(super) fn hold_parts(&mut self, address: &Address) {
        let records = self.input.state.into_iter().flat_map(|state| state.records.range(address.clone()..));
        let parts = records.map(|(part, _)| part).take_while(|part| part.is_in(address));
        let parts: Vec<Address> = parts.filter(|part| *part != address).cloned().collect();
        let record = self.record(address).map(|record| &record.declared);
        // What is on its way has no record yet.
        let open = self.open.get(address).map(|open| &open.declared);
        let declared = record.into_iter().chain(open);
        let shared = declared.flat_map(|declared| declared.dependencies.iter().filter(|one| is_shared(one)));
        self.held.extend(shared.cloned().chain(parts));
    }

    /// Notes the recorded parts that are parts of something that is only read.
    pub(super) fn release_parts(&mut self, resource: &Resource) {
        let located = self.input.estate.located.get(&resource.address);
        for (name, part) in located.into_iter().flat_map(|located| &located.parts) {
            let address = address_of(&resource.address, &resource.kind, name, part.shared.as_ref());
            let current = self.record(&address).and_then(|record| record.current.as_ref());
            if let Some(object) = current.filter(|object| object.id.as_deref() == Some(&part.id)) {
                let (id, attributes) = (part.id.clone(), object.attributes.clone());
                let found = Found { id, spec: object.seen.clone(), attributes, owner: BTreeMap::new(), pending: None };
                self.parts.released.insert(address, (found, part.scope.clone()));
            }
        }
    }

    /// Whether a recorded address is that of a part that is wanted.
    pub(super) fn is_part(&self, address: &Address) -> bool {
        self.parts.of.contains_key(address)
    }

    /// The resource that what is recorded at an address is, or was, a part of.
    pub(super) fn recorded_part_of(&self, address: &Address) -> Option<Address> {
        let parted = |record: &Record| {
            let object = record.objects().next();
            object.and_then(|object| self.input.estate.parted(&object.scope, &record.kind))
        };
        if !is_shared(address) {
            let of = address.parent().and_then(|of| self.record(&of))?;
            return parted(of).filter(|composer| composer.is_of_parts()).map(|_| of.address.clone());
        }
        let mut records = self.input.state?.records.values();
        let of = records.find(|record| record.declared.dependencies.contains(address) && parted(record).is_some());
        of.map(|record| record.address.clone())
    }

    /// Why a recorded part goes though what it was a part of is in the blueprint, or could be.
    pub(super) fn part_removed(&self, address: &Address) -> Option<Reason> {
        if is_shared(address) {
            return Some(Reason::NoPart { of: None });
        }
        let of = address.parent().filter(|of| self.input.program.resources.contains_key(of))?;
        Some(Reason::NoPart { of: Some(of) })
    }

    /// Whether a person asked for the replacement of a resource, or of the one that it is a part of.
    pub(super) fn replaces(&self, address: &Address) -> bool {
        let asked = &self.input.asked.replaces;
        let of = || self.parts.of.get(address).filter(|_| !is_shared(address));
        asked.contains(address) || of().is_some_and(|of| asked.contains(of))
    }
}

/// Attributes with all the names that there are.
fn whole(attributes: &Value, options: &Options) -> Value {
    options.manager.schema().whole_attributes(attributes)
}

/// A part as a resource: its fields stand where those that they came from do, and what is said of these holds for it.
fn resource_of(of: &Resource, address: &Address, part: &Part, spec: &Value) -> Resource {
    let own = part.shared.is_none();
    let block = Block {
        kind: part.kind.clone(),
        spec: Arc::new(spans(spec, &part.origins, &|path| of.span_of(path))),
        base: of.base.clone(),
        module: of.module.clone(),
        ignore: if own { part_paths(&part.origins, &of.ignore) } else { BTreeSet::new() },
        correct: of.correct.as_ref().filter(|_| own).map(|paths| part_paths(&part.origins, paths)),
        create_first: part.create_first.or(of.create_first.filter(|_| own)),
        span: of.span,
        existing_span: None,
        schema: None,
    };
    Resource {
        address: address.clone(),
        block: Arc::new(block),
        provider: part.scope.provider.clone(),
        candidates: Vec::new(),
        each: None,
        existing: None,
        depends_on: Arc::default(),
        reads: BTreeSet::new(),
        protect: own && of.protect,
        validate: None,
    }
}
