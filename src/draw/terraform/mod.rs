//! A plan in the shape of Terraform's plan representation, so that what reads those reads ours. Secrets and unknowns are null there,
//! and named in `*_sensitive` and `after_unknown`.

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Action, Change, Drift, Existing, Order, OutputChange, Plan};
use trueup_state::codec::{Redaction, redact};
use trueup_state::{Key, Value};

/// The version of Terraform's format that this follows.
const FORMAT_VERSION: &str = "1.2";

/// The whole plan. `program`: the blueprint, where it is at hand.
pub(crate) fn plan(plan: &Plan, program: Option<&Program>) -> Json {
    let _ = program;
    let changes = plan.changes.iter().filter(|change| !matches!(change.action, Action::None)).map(resource_change);
    let outputs: JsonMap<_, _> =
        plan.outputs.iter().map(|(name, change)| (name.clone(), output_change(change))).collect();
    let variables: JsonMap<_, _> = plan
        .variables
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "value": redact(value, Redaction::Null) })))
        .collect();
    json!({
        "format_version": FORMAT_VERSION,
        "stack": plan.stack.to_string(),
        "serial": plan.serial,
        "timestamp": super::time(plan.at),
        "applyable": !plan.is_empty() && plan.refusals.is_empty(),
        "complete": plan.notices.iter().all(|notice| !notice.stops) && plan.deferred.is_empty(),
        "errored": false,
        "variables": variables,
        "resource_drift": plan.drift.iter().map(drift).collect::<Vec<_>>(),
        "resource_changes": changes.chain(plan.existing.iter().map(existing)).collect::<Vec<_>>(),
        "deferred_changes": plan.deferred,
        "output_changes": outputs,
        "resumes": plan.resumes,
        "refusals": plan.refusals,
        "notices": plan.notices,
    })
}

fn actions(action: Action) -> Json {
    match action {
        Action::None | Action::Record | Action::Adopt => json!(["no-op"]),
        Action::Create => json!(["create"]),
        Action::Update => json!(["update"]),
        Action::Replace(Order::CreateFirst) => json!(["create", "delete"]),
        Action::Replace(Order::DestroyFirst) => json!(["delete", "create"]),
        Action::Delete => json!(["delete"]),
        Action::Forget => json!(["forget"]),
        Action::Read => json!(["read"]),
    }
}

fn resource_change(change: &Change) -> Json {
    let before = merged(&change.before, &change.attributes_before);
    let after = merged(&change.after, &change.attributes_after);
    let replace_paths: Vec<Json> =
        change.fields.iter().filter(|field| field.replaces).map(|field| json!(field.path)).collect();
    let mut object = json!({
        "address": change.address.to_string(),
        "mode": "managed",
        "type": change.kind,
        "name": change.address.name(),
        "provider_name": change.scope.provider.provider(),
        "change": {
            "actions": actions(change.action),
            "before": redact(&before, Redaction::Null),
            "after": redact(&after, Redaction::Null),
            "after_unknown": marks(&after, &|value| *value.revealed() == Value::Unknown),
            "before_sensitive": marks(&before, &|value| matches!(value, Value::Secret(_))),
            "after_sensitive": marks(&after, &|value| matches!(value, Value::Secret(_))),
            "replace_paths": replace_paths,
        },
        "reasons": change.reasons.iter().map(reason).collect::<Vec<_>>(),
    });
    if let (Some(key), Some(object)) = (change.address.key(), object.as_object_mut()) {
        object.insert("index".to_owned(), index(key));
    }
    let origin = change.reasons.iter().find_map(|reason| match reason {
        trueup_engine::plan::Reason::Renamed { from, .. } => Some(from.to_string()),
        _ => None,
    });
    if let (Some(origin), Some(object)) = (origin, object.as_object_mut()) {
        object.insert("previous_address".to_owned(), json!(origin));
    }
    if let (Some(parent), Some(object)) = (change.address.parent(), object.as_object_mut()) {
        object.insert("module_address".to_owned(), json!(parent.to_string()));
    }
    if let (Some(place), Some(object)) = (&change.source, object.as_object_mut()) {
        object.insert("source".to_owned(), json!(place));
    }
    object
}

/// What is read and never managed, as Terraform has its data sources.
fn existing(existing: &Existing) -> Json {
    let attributes = redact(&existing.attributes, Redaction::Null);
    let sensitive = marks(&existing.attributes, &|value| matches!(value, Value::Secret(_)));
    json!({
        "address": existing.address.to_string(),
        "mode": "data",
        "type": existing.kind,
        "name": existing.address.name(),
        "provider_name": existing.scope.provider.provider(),
        "id": existing.id,
        "change": {
            "actions": ["no-op"],
            "before": attributes,
            "after": attributes,
            "after_unknown": {},
            "before_sensitive": sensitive,
            "after_sensitive": sensitive,
        },
    })
}

fn reason(reason: &trueup_engine::plan::Reason) -> Json {
    json!({ "message": reason.to_string(), "source": reason.place() })
}

fn drift(drift: &Drift) -> Json {
    let side = |after: bool| {
        let mut value = Value::Null;
        for field in &drift.fields {
            if let Some(part) = if after { &field.after } else { &field.before } {
                value.put(&field.path, part.clone());
            }
        }
        value
    };
    let (before, after) = (side(false), side(true));
    json!({
        "address": drift.address.to_string(),
        "mode": "managed",
        "type": drift.kind,
        "name": drift.address.name(),
        "corrected": drift.corrected,
        "change": {
            "actions": if drift.gone { json!(["delete"]) } else { json!(["update"]) },
            "before": redact(&before, Redaction::Null),
            "after": redact(&after, Redaction::Null),
            "before_sensitive": marks(&before, &|value| matches!(value, Value::Secret(_))),
            "after_sensitive": marks(&after, &|value| matches!(value, Value::Secret(_))),
        },
    })
}

fn output_change(change: &OutputChange) -> Json {
    let (before, after) = (change.before.clone().unwrap_or_default(), change.after.clone().unwrap_or_default());
    let actions = match (&change.before, &change.after) {
        (None, _) => json!(["create"]),
        (_, None) => json!(["delete"]),
        _ => json!(["update"]),
    };
    json!({
        "actions": actions,
        "before": redact(&before, Redaction::Null),
        "after": redact(&after, Redaction::Null),
        "after_unknown": marks(&after, &|value| *value.revealed() == Value::Unknown),
        "before_sensitive": before.has_secret(),
        "after_sensitive": after.has_secret(),
    })
}

/// A spec and its attributes as one object; an attribute wins over a field of its name.
fn merged(spec: &Value, attributes: &Value) -> Value {
    match (spec, attributes) {
        (Value::Map(spec), Value::Map(attributes)) => {
            Value::Map(spec.iter().chain(attributes).map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        (spec, _) => spec.clone(),
    }
}

/// True where a mark is, in the shape of the value; what has none inside is left out of maps.
fn marks(value: &Value, is: &dyn Fn(&Value) -> bool) -> Json {
    if is(value) {
        return Json::Bool(true);
    }
    match value {
        Value::Map(map) => {
            let marked = map.iter().map(|(name, value)| (name.clone(), marks(value, is)));
            Json::Object(marked.filter(|(_, mark)| *mark != Json::Bool(false) && *mark != json!({})).collect())
        }
        Value::List(items) => Json::Array(items.iter().map(|item| marks(item, is)).collect()),
        _ => Json::Bool(false),
    }
}

fn index(key: &Key) -> Json {
    match key {
        Key::Integer(number) => json!(number),
        Key::String(text) => json!(text),
    }
}
