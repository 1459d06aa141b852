//! What a blueprint says of a resource: of a new one, that is what a reader wants to see, and not each default beside it.

use trueup_engine::blueprint::{Content, Node, Program};
use trueup_engine::plan::Change;
use trueup_state::{FieldPath, Value};

use super::reference;

/// The fields that are said of a resource, with their values, in the order of the text; what its module says of all comes last. None
/// where the blueprint does not have it.
pub(super) fn fields<'a>(change: &'a Change, program: &Program) -> Option<Vec<(FieldPath, &'a Value)>> {
    let resource = program.resources.get(&change.address)?;
    let mut said = Vec::new();
    walk(&resource.spec, &change.after, &FieldPath::root(), &mut said);
    let tags = FieldPath::root().field("tags");
    for name in program.tags(resource).keys() {
        let path = tags.field(name);
        if let (Some(value), false) = (change.after.at(&path), said.iter().any(|(said, _)| said.covers(&path))) {
            said.push((path, value));
        }
    }
    Some(said)
}

fn walk<'a>(node: &Node, value: &'a Value, at: &FieldPath, said: &mut Vec<(FieldPath, &'a Value)>) {
    match (&node.content, value) {
        (Content::Map(entries), Value::Map(map)) if !entries.is_empty() && !reference::is_one(value) => {
            for (name, node) in entries {
                if let Some(value) = map.get(&name.text) {
                    walk(node, value, &at.field(&name.text), said);
                }
            }
        }
        _ if at.is_root() => {}
        _ => said.push((at.clone(), value)),
    }
}

/// Every field of a spec, however deep, with its value. What is nothing, or holds nothing, is left out.
pub(super) fn every(spec: &Value) -> Vec<(FieldPath, &Value)> {
    let mut fields = Vec::new();
    leaves(spec, &FieldPath::root(), &mut fields);
    fields
}

fn leaves<'a>(value: &'a Value, at: &FieldPath, fields: &mut Vec<(FieldPath, &'a Value)>) {
    match value {
        Value::Map(map) if !reference::is_one(value) => {
            map.iter().for_each(|(name, inner)| leaves(inner, &at.field(name), fields));
        }
        Value::Null => {}
        Value::List(items) if items.is_empty() => {}
        _ if at.is_root() => {}
        _ => fields.push((at.clone(), value)),
    }
}
