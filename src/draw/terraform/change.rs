//! `resource_changes` and `resource_drift`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::plan::{Action, Change, Drift, Existing, Operation, Order, Plan, Reason};
use trueup_state::{Address, Key, KindName, Value, Verb};

use super::value::{known, merged, sensitive, unknown};
use crate::draw::plan::takes::Takes;
use crate::draw::plan::why::{Chain, Whys};

/// Why each change is made, and what it takes with it.
pub(super) struct Reasons<'a> {
    pub(super) whys: Whys<'a>,
    pub(super) takes: Takes<'a>,
}

/// What a resource is, as every place that names one has it.
pub(super) fn head(address: &Address, mode: &str, kind: &KindName, provider: &str) -> JsonMap<String, Json> {
    let mut head = JsonMap::new();
    let mut add = |name: &str, value: Json| head.insert(name.to_owned(), value);
    add("address", json!(address));
    if let Some(module) = address.parent() {
        add("module_address", json!(module));
    }
    add("mode", json!(mode));
    add("type", json!(kind));
    add("name", json!(address.name()));
    match address.key() {
        Some(Key::Integer(number)) => add("index", json!(number)),
        Some(Key::String(text)) => add("index", json!(text)),
        None => None,
    };
    add("provider_name", json!(provider));
    head
}

fn with(mut head: JsonMap<String, Json>, more: Json) -> Json {
    if let Json::Object(more) = more {
        head.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Json::Object(head)
}

/// What becomes of a resource; nothing too.
pub(super) fn resource(change: &Change, reasons: &Reasons<'_>) -> Json {
    let before = merged(&change.before, &change.attributes_before);
    let after = merged(&change.after, &change.attributes_after);
    let mut object = sides(actions(change.action), &before, &after);
    if let (Action::Replace(_), Some(object)) = (change.action, object.as_object_mut()) {
        let paths = change.fields.iter().filter(|field| field.replaces).map(|field| &field.path);
        object.insert("replace_paths".to_owned(), json!(paths.collect::<Vec<_>>()));
    }
    let origin = change.reasons.iter().find_map(|reason| match reason {
        Reason::Renamed { from, .. } => Some(from),
        _ => None,
    });
    let reason = |reason: &Reason| json!({ "message": reason.to_string(), "source": reason.place() });
    let is_changed = change.action != Action::None;
    with(
        head(&change.address, "managed", &change.kind, change.scope.provider.provider()),
        json!({
            "previous_address": origin,
            "change": object,
            "action_reason": action_reason(change),
            "reasons": is_changed.then(|| change.reasons.iter().map(reason).collect::<Vec<_>>()),
            "why": is_changed.then(|| reasons.whys.chains(&change.address).iter().map(Chain::json).collect::<Vec<_>>()),
            "takes_along": takes_along(change, &reasons.takes),
            "source": change.source,
            "part_of": change.part_of,
        }),
    )
}

fn takes_along(change: &Change, takes: &Takes<'_>) -> Option<Vec<String>> {
    let goes = matches!(change.action, Action::Replace(_) | Action::Delete);
    goes.then(|| takes.along(&change.address).map(ToString::to_string).collect())
}

fn sides(actions: &[&str], before: &Value, after: &Value) -> Json {
    json!({
        "actions": actions,
        "before": known(before),
        "after": known(after),
        // Of what goes, nothing is unknown; readers expect an object all the same.
        "after_unknown": if *after == Value::Null { json!({}) } else { unknown(after) },
        "before_sensitive": sensitive(before),
        "after_sensitive": sensitive(after),
    })
}

fn actions(action: Action) -> &'static [&'static str] {
    match action {
        Action::None | Action::Record | Action::Adopt => &["no-op"],
        Action::Create => &["create"],
        Action::Update => &["update"],
        Action::Replace(Order::CreateFirst) => &["create", "delete"],
        Action::Replace(Order::DestroyFirst) => &["delete", "create"],
        Action::Delete => &["delete"],
        Action::Forget => &["forget"],
        Action::Read => &["read"],
    }
}

/// Terraform's word for why something is replaced or goes, where it has one.
fn action_reason(change: &Change) -> Option<&'static str> {
    change.reasons.iter().find_map(|reason| match (change.action, reason) {
        (Action::Replace(_), Reason::Asked) => Some("replace_by_request"),
        (Action::Replace(_), Reason::Tainted | Reason::Partial) => Some("replace_because_tainted"),
        (Action::Replace(_), Reason::Immutable { .. } | Reason::Moved { .. }) => Some("replace_because_cannot_update"),
        (Action::Delete, Reason::Removed) => Some("delete_because_no_resource_config"),
        (Action::Delete, Reason::Left { block, .. }) => Some(match change.address.key() {
            _ if change.address.segments().len() > block.segments().len() => "delete_because_no_module",
            Some(Key::Integer(_)) => "delete_because_count_index",
            Some(Key::String(_)) => "delete_because_each_key",
            None => "delete_because_wrong_repetition",
        }),
        _ => None,
    })
}

/// Objects that a replacement superseded, and that go beside what becomes of their resource.
pub(super) fn deposed(plan: &Plan) -> impl Iterator<Item = Json> + '_ {
    let changes: BTreeMap<&Address, &Change> = plan.changes.iter().map(|change| (&change.address, change)).collect();
    let mut told: BTreeSet<&Address> = BTreeSet::new();
    let deletes = plan.operations.iter().filter(|one| one.verb == Verb::Delete && one.partner.is_none());
    let superseded: Vec<&Operation> = deletes
        .filter(|operation| {
            let change = changes.get(&operation.address);
            // Of a resource that goes, the first delete is of what it is now: that is told already.
            let is_current =
                change.is_some_and(|change| change.action == Action::Delete && change.before != Value::Null);
            !(is_current && told.insert(&operation.address))
        })
        .collect();
    superseded.into_iter().map(|operation| {
        let before = merged(&operation.spec, &operation.attributes);
        with(
            head(&operation.address, "managed", &operation.kind, operation.scope.provider.provider()),
            json!({
                "deposed": operation.generation.to_string(),
                "change": sides(&["delete"], &before, &Value::Null),
            }),
        )
    })
}

/// What is read and never managed, as Terraform has its data sources.
pub(super) fn existing(existing: &Existing) -> Json {
    with(
        head(&existing.address, "data", &existing.kind, existing.scope.provider.provider()),
        json!({
            "id": existing.id,
            "change": sides(&["no-op"], &existing.attributes, &existing.attributes),
            "source": existing.source,
        }),
    )
}

/// What somebody changed.
pub(super) fn drift(plan: &Plan) -> Vec<Json> {
    if plan.drift.is_empty() {
        return Vec::new();
    }
    let changes: BTreeMap<&Address, &Change> = plan.changes.iter().map(|change| (&change.address, change)).collect();
    plan.drift.iter().map(|drift| drifted(changes.get(&drift.address).copied(), drift)).collect()
}

/// The whole of a resource as it was seen last, and as it is now.
fn drifted(change: Option<&Change>, drift: &Drift) -> Json {
    let now = change.map(|change| merged(&change.before, &change.attributes_before)).unwrap_or_default();
    let (mut before, mut after) = (now.clone(), now);
    for field in &drift.fields {
        for (side, value) in [(&mut before, &field.before), (&mut after, &field.after)] {
            match value {
                Some(value) => side.put(&field.path, value.clone()),
                None => side.remove(&field.path),
            }
        }
    }
    let (actions, after): (&[&str], _) = if drift.gone { (&["delete"], Value::Null) } else { (&["update"], after) };
    let provider = change.map(|change| change.scope.provider.provider()).unwrap_or_default();
    with(
        head(&drift.address, "managed", &drift.kind, provider),
        json!({
            "change": sides(actions, &before, &after),
            "corrected": drift.corrected,
            "ended": drift.ended,
            "kept": drift.kept.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "source": drift.source,
        }),
    )
}
