//! What becomes of one resource: the three-way comparison of what is wanted, what was sent, and what is there.

use std::collections::BTreeSet;

use trueup_state::{Declared, FieldPath, KindName, Object, Record, Scope, Status, Value};

use super::diff::{changed_paths, differ, set};
use super::echo::mark_secrets;
use crate::digest::{has_digest, revived};
use crate::provider::{Manager, Observation, Source};
use crate::schema::{Effect, Schema};

/// What the blueprint wants of a resource.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What sort of thing it is.
    pub kind: KindName,
    /// Its whole spec, unknown where only apply can tell.
    pub spec: Value,
    /// Where it is to be.
    pub scope: Scope,
    /// What is said of it besides.
    pub declared: Declared,
}

/// What is to be done, before the order of a replacement is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    None,
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Make it anew.
    Replace,
    /// Check it again.
    Check,
    /// Only change the record.
    Record,
}

/// What becomes of what was left partly made, or failed its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// It is whole.
    No,
    /// It is made anew.
    Anew,
    /// It is brought level as it is.
    Finished,
}

/// What was found of a resource, and what is to be done.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// The spec that is wanted, after ignored fields have kept what they are.
    pub desired: Value,
    /// What the object is now, as a spec: what was sent, with what drifted. Null where there is none.
    pub base: Value,
    /// What was observed, secrets marked; what was seen last where nothing was. Null where there is none.
    pub observed: Value,
    /// Its attributes now; null where there is no object.
    pub attributes: Value,
    /// The fields in which `base` differs from `desired`.
    pub fields: BTreeSet<FieldPath>,
    /// Those of them that need a new object.
    pub immutable: BTreeSet<FieldPath>,
    /// The fields that were edited since they were last sent.
    pub edited: BTreeSet<FieldPath>,
    /// Those of them that matter only when it is deleted: they are recorded, and no reason for a call.
    pub recorded: BTreeSet<FieldPath>,
    /// What was changed outside.
    pub drifted: BTreeSet<FieldPath>,
    /// Whether it was deleted outside, or came to an end.
    pub gone: bool,
    /// Why it came to an end, where nobody has deleted it.
    pub ended: Option<String>,
    /// The setting that differs, where it would be made elsewhere now.
    pub moved: Option<String>,
    /// What of the record differs from what is declared and there.
    pub record: Option<String>,
    /// Whether it was left partly made, or its check failed, and what becomes of that.
    pub partial: Partial,
    /// Whether what is recorded under its address is of another kind.
    pub other_kind: bool,
}

impl Decision {
    fn create(wanted: &Wanted) -> Self {
        Self {
            verdict: Verdict::Create,
            desired: wanted.spec.clone(),
            base: Value::Null,
            observed: Value::Null,
            attributes: Value::Null,
            fields: BTreeSet::new(),
            immutable: BTreeSet::new(),
            edited: BTreeSet::new(),
            recorded: BTreeSet::new(),
            drifted: BTreeSet::new(),
            gone: false,
            ended: None,
            moved: None,
            record: None,
            partial: Partial::No,
            other_kind: false,
        }
    }
}

/// Decides one resource.
pub fn decide(
    wanted: &Wanted,
    record: Option<&Record>,
    observation: Option<&Observation>,
    manager: &dyn Manager,
) -> Decision {
    let mut decision = Decision::create(wanted);
    let Some((record, object)) = record.and_then(|record| Some((record, record.current.as_ref()?))) else {
        return decision;
    };
    if observation.is_some_and(Observation::is_absent) {
        decision.gone = true;
        decision.ended = ended(observation);
        return decision;
    }
    if record.kind != wanted.kind {
        decision.verdict = Verdict::Replace;
        decision.other_kind = true;
        decision.moved = Some("kind".to_owned());
        decision.base = object.sent.clone();
        decision.attributes = object.attributes.clone();
        decision.observed = match observation {
            Some(Observation::Present(found)) => {
                mark_secrets(&found.spec, &[&object.sent, &object.seen], &record.address)
            }
            _ => object.seen.clone(),
        };
        return decision;
    }
    let schema = manager.schema();
    // What was sent is compared in the words of what is wanted, and what is never shown again by its digest.
    let mut sent = manager.respelled(&wanted.spec, &object.sent, Source::Sent);
    if schema.has_write_only() {
        sent = revived(&sent, &wanted.spec);
    }
    decision.partial = match record.status {
        Status::Tainted if manager.finishes() && !wanted.declared.verify => Partial::Finished,
        Status::Tainted => Partial::Anew,
        _ => Partial::No,
    };
    if decision.partial == Partial::Finished {
        // Of what was sent, what is there is all that came of it.
        sent = object.seen.clone();
    }
    let compared = (sent != object.sent).then(|| Object { sent, ..object.clone() });
    let object = compared.as_ref().unwrap_or(object);
    look(&mut decision, record, object, observation, schema);
    let ignore = &wanted.declared.ignore;
    keep_ignored(&mut decision, ignore, object, schema);
    compare(&mut decision, object, ignore, schema);
    decision.moved = object.scope.apart_from(&wanted.scope);
    decision.record = record_differs(&decision, record, object, &wanted.declared);
    judge(&mut decision, record, wanted.declared.verify, manager);
    decision
}

/// Why something came to an end that nobody has deleted.
pub(super) fn ended(observation: Option<&Observation>) -> Option<String> {
    match observation {
        Some(Observation::Ended(why)) => Some(why.clone()),
        _ => None,
    }
}

/// What differs outside between what was seen after the last apply and what is there now, over the fields that were sent.
fn look(decision: &mut Decision, record: &Record, object: &Object, observation: Option<&Observation>, schema: &Schema) {
    let address = &record.address;
    decision.attributes = object.attributes.clone();
    decision.observed = object.seen.clone();
    if let Some(Observation::Present(found)) = observation {
        decision.observed = mark_secrets(&found.spec, &[&decision.desired, &object.sent, &object.seen], address);
        decision.attributes =
            mark_secrets(&found.attributes, &[&object.attributes, &object.sent, &decision.desired], address);
        decision.drifted = changed_paths(schema, &object.seen, &decision.observed)
            .into_iter()
            .filter(|path| object.sent.at(path).is_some() && !schema.is("x-on-delete", path))
            .collect();
    }
}

/// A field that is not compared keeps what it is, which an update sends with all the rest: what others made of it since, else what was
/// sent.
fn keep_ignored(decision: &mut Decision, ignore: &BTreeSet<FieldPath>, object: &Object, schema: &Schema) {
    if ignore.is_empty() {
        return;
    }
    let outside = changed_paths(schema, &object.seen, &decision.observed);
    for path in ignore {
        let touched = outside.iter().any(|changed| path.covers(changed) || changed.covers(path));
        let kept = if touched { decision.observed.at(path) } else { object.sent.at(path) };
        // Of what is never shown again, what the blueprint says is sent once more with all the rest, and is no change.
        if kept.is_some_and(has_digest) {
            continue;
        }
        set(&mut decision.desired, path, kept);
        decision.drifted.retain(|drifted| !path.covers(drifted));
    }
}

fn compare(decision: &mut Decision, object: &Object, ignore: &BTreeSet<FieldPath>, schema: &Schema) {
    decision.edited = changed_paths(schema, &object.sent, &decision.desired);
    decision.edited.retain(|path| !ignore.iter().any(|ignored| ignored.covers(path)));
    if decision.edited.is_empty() && decision.desired == object.sent {
        // Of two that are the same, one is kept.
        decision.desired = object.sent.clone();
    }
    let is_known = |path: &FieldPath| !decision.desired.at(path).is_some_and(Value::has_unknown);
    let on_delete = decision.edited.iter().filter(|path| schema.is("x-on-delete", path) && is_known(path));
    decision.recorded = on_delete.cloned().collect();
    decision.base = object.sent.clone();
    for path in &decision.drifted {
        set(&mut decision.base, path, decision.observed.at(path));
    }
    for path in ignore {
        set(&mut decision.base, path, decision.desired.at(path));
    }
    // What is there already as it is wanted needs no call, whatever was sent.
    for path in decision.edited.difference(&decision.recorded) {
        if let (Some(observed), Some(desired)) = (decision.observed.at(path), decision.desired.at(path))
            && !desired.has_unknown()
            && changed_paths(schema, &wrap(path, observed), &wrap(path, desired)).is_empty()
        {
            set(&mut decision.base, path, Some(desired));
        }
    }
    decision.fields = changed_paths(schema, &decision.base, &decision.desired);
    decision.fields.retain(|path| !decision.recorded.contains(path));
}

/// A spec that has only one value, so that it is compared by the schema of its own place.
fn wrap(path: &FieldPath, value: &Value) -> Value {
    let mut spec = Value::Null;
    set(&mut spec, path, Some(value));
    spec
}

/// What of the record differs from what is declared and there, in words; its line in the blueprint alone does not count.
fn record_differs(decision: &Decision, record: &Record, object: &Object, declared: &Declared) -> Option<String> {
    let fields: Vec<String> = decision.recorded.iter().map(ToString::to_string).collect();
    let mut words: Vec<&str> = fields.iter().map(String::as_str).collect();
    let was = &record.declared;
    if was.dependencies != declared.dependencies {
        words.push("depends_on");
    }
    if was.protect != declared.protect {
        words.push("protect");
    }
    if was.ignore != declared.ignore {
        words.push("ignore");
    }
    if was.correct != declared.correct {
        words.push("drift");
    }
    if was.create_first != declared.create_first {
        words.push("replace");
    }
    if was.verify != declared.verify {
        words.push("validate");
    }
    if decision.edited.len() > decision.recorded.len() || !decision.drifted.is_empty() {
        words.push("spec");
    }
    if differ(Some(&object.attributes), Some(&decision.attributes)) {
        words.push("attributes");
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn judge(decision: &mut Decision, record: &Record, verify: bool, manager: &dyn Manager) {
    let effect =
        if decision.fields.is_empty() { Effect::None } else { manager.effect(&decision.base, &decision.desired) };
    decision.verdict = match effect {
        Effect::Replace(paths) => {
            decision.immutable = paths;
            Verdict::Replace
        }
        _ if decision.partial == Partial::Anew || decision.moved.is_some() => Verdict::Replace,
        Effect::None if decision.partial == Partial::Finished => Verdict::Update,
        Effect::InPlace => Verdict::Update,
        Effect::None if record.status == Status::Unverified && verify => Verdict::Check,
        Effect::None if decision.record.is_some() => Verdict::Record,
        Effect::None => Verdict::None,
    };
}
