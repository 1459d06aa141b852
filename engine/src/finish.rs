//! Finishes an operation just before it is called: with its dependencies made, what was unknown is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use trueup_state::entry::{Event, Request};
use trueup_state::{Address, Class, FieldPath, Object, Status, Token, Value, Verb};

use crate::apply::operation::{Actor, Work};
use crate::apply::remedy::{remedy, to_delete};
use crate::apply::run::Run;
use crate::blueprint::{Program, Scope as Seeing, Visible, World, evaluate};
use crate::compose::{Astray, Ground};
use crate::desired::{declared, desired};
use crate::diagnostic::{Diagnostic, Sources};
use crate::digest::{keeping, revived, without};
use crate::estate::Estate;
use crate::naming;
use crate::plan::{Action, Change, Operation, Plan, Reason, diff};
use crate::provider::{Api, Check, Manager, ProviderError, Source};
use crate::schema::{Effect, Schema};

/// The checks that there are, by kind.
pub type Checks = BTreeMap<trueup_state::KindName, Arc<dyn Check>>;

/// What an operation, or the pair that makes a replacement, turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// What is to be sent; for a delete, nothing new.
    spec: Value,
    /// What is left of it.
    strength: Strength,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    /// As planned.
    Full,
    /// A replacement that turned out to be an update in place.
    Update,
    /// Nothing differs after all.
    Nothing,
}

/// Turns planned operations into requests.
pub struct Finisher<'a> {
    run: &'a Run,
    plan: &'a Plan,
    program: &'a Program,
    estate: &'a Estate,
    checks: &'a Checks,
    world: Arc<World>,
    changes: BTreeMap<&'a Address, &'a Change>,
}

impl Finish {
    /// Whether a new object is made as planned.
    pub fn is_full(&self) -> bool {
        self.strength == Strength::Full
    }
}

impl<'a> Finisher<'a> {
    /// A finisher that sees what is recorded, and of what is yet to be made what the plan knows of it.
    pub fn new(run: &'a Run, plan: &'a Plan, program: &'a Program, estate: &'a Estate, checks: &'a Checks) -> Self {
        let world = program.world();
        let changes = plan.changes.iter().map(|change| (&change.address, change)).collect();
        let finisher = Self { run, plan, program, estate, checks, world, changes };
        for change in &plan.changes {
            let is_wanted = program.resources.contains_key(&change.address) || change.part_of.is_some();
            if is_wanted && change.action != Action::Delete {
                let manager = estate.manager(&change.scope, &change.kind);
                let (attributes, stable) = match manager.map(|manager| manager.schema()) {
                    Some(schema) => seen_of(schema, &change.attributes_after),
                    None => (change.attributes_after.clone(), Value::Unknown),
                };
                let (kind, provider) = (change.kind.clone(), change.scope.provider.clone());
                let visible = Visible { kind, provider, attributes, stable };
                finisher.world.show(change.address.clone(), visible);
            }
        }
        for existing in &plan.existing {
            let schema = program.resources.get(&existing.address).and_then(|resource| resource.schema);
            let attributes = existing.attributes.clone();
            let stable = schema.map_or_else(|| attributes.clone(), |schema| schema.stable_attributes(&attributes));
            let (kind, provider) = (existing.kind.clone(), existing.scope.provider.clone());
            finisher.world.show(existing.address.clone(), Visible { kind, provider, attributes, stable });
        }
        finisher
    }

    /// What an operation turned out to be, now that what it depends on is there. `begun`: what the first of its pair was taken for.
    pub fn finish(&self, index: usize, begun: Option<&Finish>) -> Result<Finish, ProviderError> {
        let operation = &self.plan.operations[index];
        let planned = self.spec_of(index);
        if let Some(begun) = begun.filter(|begun| !begun.spec.has_unknown()) {
            return Ok(begun.clone());
        }
        if !planned.spec.has_unknown() || planned.verb == Verb::Delete {
            let spec = if planned.verb == Verb::Delete { operation.spec.clone() } else { planned.spec.clone() };
            return Ok(Finish { spec, strength: Strength::Full });
        }
        let manager = self.manager(planned)?;
        let evaluated = self.evaluate(planned, manager)?;
        let mut spec = planned.spec.clone();
        fill(&mut spec, &evaluated);
        manager.schema().complete(&mut spec);
        if spec.has_unknown() {
            // The old object goes before what the new one needs is known: the worst case that was planned stands.
            if operation.verb == Verb::Delete {
                return Ok(Finish { spec, strength: Strength::Full });
            }
            return Err(internal(format!("the spec of {} is still not known", operation.address)));
        }
        if let Some(path) = diff::broken_promise(&planned.spec, &spec) {
            return Err(internal(format!("`{path}` is no longer what was planned; plan again")));
        }
        // Once the old object is gone, only a new one will do.
        let strength = if begun.is_some() { Strength::Full } else { self.strength(planned, &spec, manager)? };
        Ok(Finish { spec, strength })
    }

    /// The operation whose spec counts: of a replacement, the one that creates.
    fn spec_of(&self, index: usize) -> &'a Operation {
        let operation = &self.plan.operations[index];
        match operation.partner {
            Some(partner) if operation.verb == Verb::Delete => &self.plan.operations[partner],
            _ => operation,
        }
    }

    fn manager(&self, operation: &Operation) -> Result<&'a Arc<dyn Manager>, ProviderError> {
        let manager = self.estate.manager(&operation.scope, &operation.kind);
        manager.ok_or_else(|| internal(format!("no provider makes a {} there", operation.kind)))
    }

    fn ground(&self) -> Ground<'_> {
        Ground { program: self.program, estate: self.estate, contents: &self.plan.contents, world: &self.world }
    }

    fn astray(&self, astray: Astray) -> ProviderError {
        match astray {
            Astray::Blueprint(problems) => self.invalid(&problems),
            Astray::Other(error) => error,
        }
    }

    fn invalid(&self, problems: &[Diagnostic]) -> ProviderError {
        let words: Vec<String> = problems.iter().map(|problem| in_words(problem, &self.program.sources)).collect();
        ProviderError::new(Class::Invalid { field: None }, words.join("; "))
    }

    /// Whether an operation is on something that is made of parts.
    fn is_composed(&self, operation: &Operation) -> bool {
        self.estate.composer(&operation.scope, &operation.kind).is_some()
    }

    fn evaluate(&self, operation: &Operation, manager: &Arc<dyn Manager>) -> Result<Value, ProviderError> {
        if let Some(of) = &operation.part_of {
            let part = self.ground().part(of, &operation.address, manager.as_ref());
            return part.map_err(|astray| self.astray(astray));
        }
        let resource = self.program.resources.get(&operation.address);
        let resource = resource.ok_or_else(|| internal(format!("{} is not in the blueprint", operation.address)))?;
        let (candidate, contents) = (operation.candidate.as_ref(), &self.plan.contents);
        let mut spec = desired(self.program, resource, candidate, manager.as_ref(), &self.world, contents, None)
            .map_err(|problems| self.invalid(&problems))?;
        let filled = self.ground().fill(resource, &operation.scope, candidate, &mut spec);
        filled.map_err(|astray| self.astray(astray))?;
        Ok(spec)
    }

    /// What is left of an operation, now that its spec is known: perhaps less than was planned, never more.
    fn strength(
        &self,
        operation: &Operation,
        spec: &Value,
        manager: &Arc<dyn Manager>,
    ) -> Result<Strength, ProviderError> {
        let before = match (operation.verb, operation.partner) {
            // What its parts came to is to be written in any case.
            _ if self.is_composed(operation) => return Ok(Strength::Full),
            (Verb::Update, _) => &operation.before,
            (Verb::Create, Some(_)) => &self.change(operation).before,
            _ => return Ok(Strength::Full),
        };
        let before = manager.respelled(spec, &revived(before, spec), Source::Sent);
        let unchanged = diff::changed_paths(manager.schema(), &before, spec).is_empty();
        let effect = if unchanged { Effect::None } else { manager.effect(&before, spec) };
        Ok(match (operation.verb, effect) {
            (Verb::Create, _) if self.must_be_new(operation) => Strength::Full,
            (_, Effect::None) => Strength::Nothing,
            (Verb::Create, Effect::InPlace) => Strength::Update,
            (Verb::Create, Effect::Replace(_)) | (_, Effect::InPlace) => Strength::Full,
            (_, Effect::Replace(paths)) => {
                let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
                let message = format!("it would have to be replaced now, for {}; plan again", paths.join(", "));
                return Err(ProviderError::new(Class::Conflict, message));
            }
        })
    }

    fn change(&self, operation: &Operation) -> &'a Change {
        self.changes.get(&operation.address).expect("every operation belongs to a change of the same plan")
    }

    /// Whether the object must be a new one, whatever its spec comes to.
    fn must_be_new(&self, operation: &Operation) -> bool {
        self.change(operation)
            .reasons
            .iter()
            .any(|reason| matches!(reason, Reason::Tainted | Reason::Partial | Reason::Asked | Reason::Moved { .. }))
    }

    /// The API that an operation calls. One that can't be carried out calls none, and may take any.
    pub fn api(&self, index: usize) -> Api {
        self.actor(&self.plan.operations[index]).map(|actor| actor.api()).unwrap_or_default()
    }

    fn actor(&self, operation: &Operation) -> Result<Actor, ProviderError> {
        if operation.verb != Verb::Check {
            return self.manager(operation).cloned().map(Actor::Manager);
        }
        let check = self.checks.get(&operation.kind).cloned().map(Actor::Check);
        check.ok_or_else(|| internal(format!("there is no check for a {}", operation.kind)))
    }

    /// The request of an operation; none where nothing is left to do.
    pub fn work(&self, index: usize, finish: &Finish) -> Result<Option<Work>, ProviderError> {
        let operation = &self.plan.operations[index];
        let weak_delete = operation.verb == Verb::Delete && finish.strength != Strength::Full;
        if finish.strength == Strength::Nothing || weak_delete || self.is_checked(operation) {
            return Ok(None);
        }
        let manager = self.manager(operation)?;
        let verb = if finish.strength == Strength::Update { Verb::Update } else { operation.verb };
        let actor = self.actor(operation)?;
        let mut request = self.request(operation, verb, finish, manager);
        if self.is_composed(operation) && matches!(verb, Verb::Create | Verb::Update) {
            let arranged = self.ground().compose(&operation.address).map_err(|astray| self.astray(astray))?;
            request.attributes = arranged.attributes(&self.world);
            if request.attributes.has_unknown() {
                return Err(internal(format!("what {} is made of is still not known", operation.address)));
            }
        }
        let promised = match verb {
            Verb::Update if operation.verb == Verb::Create => manager.schema().changing_attributes(&request.attributes),
            _ => operation.attributes.clone(),
        };
        Ok(Some(Work { verb, request, declared: operation.declared.clone(), actor, promised }))
    }

    /// Whether an operation is the check of a new object that turned out not to be needed, beside one that is checked already.
    fn is_checked(&self, operation: &Operation) -> bool {
        let state = self.run.state();
        let record = state.records.get(&operation.address);
        operation.verb == Verb::Check
            && record.is_some_and(|record| record.generation != operation.generation && record.status == Status::Ready)
    }

    /// What a resource's `validate` asks for.
    fn asked(&self, address: &Address) -> Option<Value> {
        self.program.resources.get(address)?.validate.clone()
    }

    /// Who checks what an operation makes, where it is to be checked.
    pub fn checker(&self, index: usize) -> Option<Arc<dyn Check>> {
        let operation = &self.plan.operations[index];
        let is_checked = operation.verb == Verb::Create && operation.declared.verify;
        self.checks.get(&operation.kind).filter(|_| is_checked).cloned()
    }

    fn request(&self, operation: &Operation, verb: Verb, finish: &Finish, manager: &Arc<dyn Manager>) -> Request {
        let token = Token::new(self.run.entropy.as_ref());
        let state = self.run.state();
        let current = state.records.get(&operation.address).and_then(|record| record.current.as_ref());
        let generation = match (verb, operation.verb) {
            (Verb::Update, Verb::Create) | (Verb::Check, _) => {
                current.map_or(operation.generation, |object| object.generation)
            }
            _ => operation.generation,
        };
        let of_current = matches!(verb, Verb::Update | Verb::Check);
        let id = operation.id.clone().or_else(|| current.filter(|_| of_current).and_then(|object| object.id.clone()));
        let spec = match verb {
            Verb::Create | Verb::Update => finish.spec.clone(),
            // A check is of what was really sent; a delete of what was sent last.
            Verb::Check => current.map_or_else(|| operation.spec.clone(), |object| without(&object.sent)),
            Verb::Delete => operation.spec.clone(),
        };
        let attributes = match verb {
            Verb::Create => Value::Null,
            Verb::Delete => operation.attributes.clone(),
            Verb::Update | Verb::Check => current.map_or(Value::Null, |object| object.attributes.clone()),
        };
        let before = match (verb, operation.verb) {
            (Verb::Create | Verb::Check, _) => Value::Null,
            (Verb::Update, Verb::Create) => current.map_or(Value::Null, |object| without(&object.sent)),
            _ => without(&operation.before),
        };
        // A check is of what is there, whose tags name the operation that made it.
        let made_by = current.filter(|_| verb == Verb::Check).map(|object| &object.token);
        Request {
            name: self.name(&spec, operation, generation, manager, &state.lineage),
            owner: naming::owner_tags(&state.lineage, &operation.address, generation, made_by.unwrap_or(&token)),
            token,
            address: operation.address.clone(),
            kind: operation.kind.clone(),
            schema_version: manager.schema().version,
            generation,
            scope: operation.scope.clone(),
            id,
            spec,
            before,
            attributes,
            check: matches!(verb, Verb::Create | Verb::Check).then(|| self.asked(&operation.address)).flatten(),
        }
    }

    /// The cloud's name: the one that the spec gives, or one made up of stack, address and generation.
    fn name(
        &self,
        spec: &Value,
        operation: &Operation,
        generation: u64,
        manager: &Arc<dyn Manager>,
        lineage: &str,
    ) -> String {
        naming::cloud_name(spec, manager.name_rule(), &self.plan.stack, lineage, &operation.address, generation)
    }

    /// What to do about the failure of an operation.
    pub fn remedy(&self, index: usize, verb: Verb, error: &ProviderError) -> Option<String> {
        let operation = &self.plan.operations[index];
        if let (Verb::Delete, Class::Invalid { field: Some(field) }) = (verb, &error.class) {
            let field = FieldPath::parse(field);
            let is_declared = declared(self.program, &operation.address, &operation.kind).is_some();
            if self.manager(operation).is_ok_and(|manager| manager.schema().is("x-on-delete", &field)) {
                return Some(to_delete(&field, &operation.spec, is_declared));
            }
        }
        let help = remedy(error, verb, self.plan.mode);
        let no_room = matches!(error.class, Class::NoCapacity | Class::Quota);
        if no_room && verb == Verb::Create && self.has_predecessor(operation) {
            return help.map(|help| format!("the old one stays; {help}"));
        }
        help
    }

    /// Whether what an operation is to replace is there still.
    fn has_predecessor(&self, operation: &Operation) -> bool {
        let state = self.run.state();
        let current = state.records.get(&operation.address).and_then(|record| record.current.as_ref());
        current.is_some_and(|object| object.generation < operation.generation)
    }

    /// Makes what an operation made visible to expressions.
    pub fn show(&self, operation: &Operation) {
        if operation.verb == Verb::Delete {
            return;
        }
        let attributes = {
            let state = self.run.state();
            let current = state.records.get(&operation.address).and_then(|record| record.current.as_ref());
            current.map(|object| object.attributes.clone())
        };
        if let (Some(attributes), Ok(manager)) = (attributes, self.manager(operation)) {
            let (attributes, stable) = seen_of(manager.schema(), &attributes);
            let (kind, provider) = (operation.kind.clone(), operation.scope.provider.clone());
            self.world.show(operation.address.clone(), Visible { kind, provider, attributes, stable });
        }
    }

    /// The entry that records what an operation would have come to, where what is there is that already; none where the record says so.
    /// It may have come about by an earlier run's call, of which nothing was heard.
    pub fn record(&self, operation: &Operation, finish: &Finish) -> Option<Event> {
        let observed = match (operation.verb, operation.partner) {
            (Verb::Update, _) => &operation.observed,
            (Verb::Create, Some(partner)) => &self.plan.operations[partner].observed,
            _ => return None,
        };
        let state = self.run.state();
        let record = state.records.get(&operation.address)?;
        let there = record.current.as_ref()?;
        let object = Object {
            sent: keeping(&finish.spec, &there.sent),
            seen: observed.clone(),
            attributes: self.change(operation).attributes_before.clone(),
            ..there.clone()
        };
        let declared = operation.declared.clone();
        (object != *there || declared != record.declared)
            .then(|| Event::Annotated { declared: Box::new(declared), object: Some(Box::new(object)) })
    }

    /// The entry that sets the outputs; none where they stay. An output that is not known keeps what it was, and so does one that
    /// reads what is left out.
    pub fn outputs(&self) -> Option<Event> {
        let before = self.run.state().outputs.clone();
        let seeing = Seeing { world: self.world.clone(), module: None, each: None };
        let mut outputs = BTreeMap::new();
        for (name, output) in &self.program.outputs {
            let evaluated = evaluate(&output.node, &seeing);
            let is_kept = self.plan.part.outputs.contains(name);
            if !is_kept && evaluated.problems.is_empty() && !evaluated.value.has_unknown() {
                outputs.insert(name.clone(), evaluated.value);
            } else if let Some(value) = before.get(name) {
                outputs.insert(name.clone(), value.clone());
            }
        }
        (outputs != before).then_some(Event::Outputs { outputs })
    }
}

/// What expressions see of attributes: all that the schema names, null where the provider leaves one out, as in a plan; and those that
/// stay.
fn seen_of(schema: &Schema, attributes: &Value) -> (Value, Value) {
    let whole = schema.whole_attributes(attributes);
    let stable = schema.stable_attributes(&whole);
    (whole, stable)
}

/// What is wrong, at its place, and what to do.
fn in_words(problem: &Diagnostic, sources: &Sources) -> String {
    let Diagnostic { message, labels, help, .. } = problem;
    let label = labels.first();
    let said = label.map_or("", |label| label.text.as_str());
    let what = match said {
        "" => message.clone(),
        // A field that the message does not name, or what is to be said of the place.
        field if !field.contains(' ') && message.contains(&format!("`{field}`")) => message.clone(),
        field if !field.contains(' ') => format!("{field}: {message}"),
        said => format!("{message}: {said}"),
    };
    let place = label.and_then(|label| sources.place(label.span));
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    format!("{what}{place}{help}")
}

fn internal(message: String) -> ProviderError {
    ProviderError::new(Class::Internal, message)
}

/// Puts what is known by now where a planned value is unknown; what was known stays.
fn fill(planned: &mut Value, known: &Value) {
    match planned {
        Value::Unknown => *planned = known.clone(),
        Value::Secret(_) if planned.has_unknown() => *planned = Value::secret(known.revealed().clone()),
        Value::Map(map) => {
            // What is known to be nothing by now is left out.
            map.retain(|name, value| known.get(name).is_some() || *value != Value::Unknown);
            for (name, value) in map {
                if let Some(known) = known.get(name) {
                    fill(value, known);
                }
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Some(known) = known.at(&FieldPath::root().index(index)) {
                    fill(item, known);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_known_stays_and_what_was_unknown_is_filled_in() {
        let mut planned = Value::Map(
            [
                ("kept".to_owned(), "planned".into()),
                ("uri".to_owned(), Value::Unknown),
                ("token".to_owned(), Value::secret(Value::Unknown)),
                ("none".to_owned(), Value::Unknown),
            ]
            .into(),
        );
        fill(&mut planned, &json!({"kept": "edited since", "uri": "s3://a", "token": "t"}).into());
        assert_eq!(planned.get("kept"), Some(&"planned".into()));
        assert_eq!(planned.get("uri"), Some(&"s3://a".into()));
        assert!(planned.get("token").unwrap().same(&"t".into()));
        assert!(planned.has_secret());
        assert_eq!(planned.as_map().unwrap().len(), 3);
    }
}
