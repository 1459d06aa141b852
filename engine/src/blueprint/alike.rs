//! What the instances of a block can differ in, so that what is right for one need not be checked for 100,000.
//!
//! Within one block and module, all that differs from instance to instance is `each`. Where the schema asks nothing of a place that
//! reads it but a type, an instance is right if another with the same types there is.

use std::sync::Arc;

use serde_json::Value as Json;
use trueup_state::{FieldPath, Step, Value};

use super::{Block, Content, Node};
use crate::schema::{Schema, child, variants};

/// An instance that was found to be right.
pub(super) struct Sample {
    block: Arc<Block>,
    /// Where instances differ, with the type of what this one has there.
    places: Vec<(FieldPath, &'static str)>,
}

impl Sample {
    /// Takes an instance of which nothing is wrong, and its evaluated spec; none where others must be checked for themselves.
    pub(super) fn of(block: &Arc<Block>, schema: &Schema, value: &Value) -> Option<Self> {
        let mut paths = Vec::new();
        varying(&block.spec, &FieldPath::root(), &mut paths);
        let place = |path: FieldPath| {
            let kind = scalar_type(value.at(&path)?)?;
            only_types(&schema.spec, path.steps()).then_some((path, kind))
        };
        let places = paths.into_iter().map(place).collect::<Option<Vec<_>>>()?;
        Some(Self { block: block.clone(), places })
    }

    /// Whether an instance is right because this one is.
    pub(super) fn covers(&self, block: &Arc<Block>, value: &Value) -> bool {
        Arc::ptr_eq(&self.block, block)
            && self.places.iter().all(|(path, kind)| value.at(path).and_then(scalar_type) == Some(kind))
    }
}

/// The places of a spec that may differ from instance to instance.
fn varying(node: &Node, at: &FieldPath, paths: &mut Vec<FieldPath>) {
    match &node.content {
        Content::Template(template) if template.may_read("each") => paths.push(at.clone()),
        Content::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| varying(item, &at.index(index), paths));
        }
        Content::Map(entries) => entries.iter().for_each(|(name, node)| varying(node, &at.field(&name.text), paths)),
        _ => {}
    }
}

fn scalar_type(value: &Value) -> Option<&'static str> {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_)).then(|| value.type_name())
}

/// Whether a schema asks nothing of what stands at a place, and of what holds it nothing that looks at it, but types.
fn only_types(schema: &Json, steps: &[Step]) -> bool {
    const HARMLESS: [&str; 14] = [
        "type",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "title",
        "description",
        "default",
        "examples",
        "minProperties",
        "maxProperties",
        "minItems",
        "maxItems",
        "$schema",
    ];
    const LOOKED_INTO: [&str; 3] = ["anyOf", "oneOf", "allOf"];
    let Some(keys) = schema.as_object() else { return schema.is_boolean() };
    let harmless = |key: &str| {
        HARMLESS.contains(&key) || LOOKED_INTO.contains(&key) || (key.starts_with("x-") && key != "x-reference")
    };
    if !keys.keys().all(|key| harmless(key)) || !variants(schema).all(|variant| only_types(variant, steps)) {
        return false;
    }
    match steps.split_first() {
        None => true,
        // What no variant has is no matter of its own: another one has it, or none allows it.
        Some((step, rest)) => own_child(schema, step).is_none_or(|inner| only_types(inner, rest)),
    }
}

/// The schema one step further down, not through variants.
fn own_child<'a>(schema: &'a Json, step: &Step) -> Option<&'a Json> {
    let has_own = ["properties", "additionalProperties", "items"].iter().any(|key| schema.get(key).is_some());
    if has_own { child(schema, step) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_where_a_schema_asks_for_more_than_a_type() {
        let schema = json!({ "type": "object", "additionalProperties": false, "properties": {
            "free": { "type": "string", "description": "Anything" },
            "tags": { "type": "object", "additionalProperties": { "type": "string" } },
            "maybe": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            "short": { "type": "string", "maxLength": 3 },
            "choice": { "anyOf": [{ "enum": ["a", "b"] }, { "type": "null" }] },
            "set": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            "of": { "type": "object", "x-reference": ["bucket"] },
            "either": { "oneOf": [
                { "type": "object", "properties": { "a": { "type": "string", "pattern": "^x" } } },
                { "type": "object", "properties": { "a": { "type": "string" } } },
            ] },
        } });
        let asks_only_types = |path: &str| only_types(&schema, FieldPath::parse(path).steps());
        assert!(["free", "tags", "tags.any", "maybe"].into_iter().all(asks_only_types));
        assert!(!["short", "choice", "set[0]", "of", "of.address", "either.a"].into_iter().any(asks_only_types));
    }
}
