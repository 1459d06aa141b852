//! The schema of a field as a file may have it, from the schema of what it comes to.

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::schema::reference_kinds;

/// What a schema says for its reader rather than of the value; it stands beside a choice, not inside.
const NOTES: [&str; 4] = ["title", "description", "default", "examples"];

/// The schema of a field as a file may have it, from the schema of what it comes to: "the field's type, or a string that holds an
/// expression". Applied at every level, so that an expression may stand for a whole list or map, or for a part of it. A whole
/// resource is never written out, so a field that takes one takes only an expression.
pub(super) fn with_expressions(schema: &Json) -> Json {
    let Json::Object(map) = schema else { return schema.clone() };
    let expression = || json!({ "type": "string", "pattern": "\\{\\{" });
    let is_note = |key: &str| NOTES.contains(&key) || key.starts_with("x-");
    let (mut notes, shape): (JsonMap<_, _>, JsonMap<_, _>) = map.clone().into_iter().partition(|(key, _)| is_note(key));
    if reference_kinds(schema).is_some() {
        notes.extend(expression().as_object().cloned().unwrap_or_default());
        return notes.into();
    }
    let shape = inside(&shape.into());
    if takes_any_text(&shape) {
        notes.extend(shape.as_object().cloned().unwrap_or_default());
    } else {
        notes.insert("anyOf".to_owned(), json!([shape, expression()]));
    }
    notes.into()
}

/// Whether a schema takes every string, and so every expression.
fn takes_any_text(schema: &Json) -> bool {
    let bounds = ["pattern", "format", "minLength", "maxLength", "enum", "const", "anyOf", "oneOf", "allOf"];
    let is_text = match schema.get("type") {
        None => true,
        Some(Json::Array(several)) => several.iter().any(|one| one == "string"),
        Some(one) => one == "string",
    };
    is_text && !bounds.iter().any(|bound| schema.get(bound).is_some())
}

/// The same with expressions in its parts alone.
fn inside(schema: &Json) -> Json {
    let mut inner = schema.clone();
    for (key, value) in inner.as_object_mut().into_iter().flatten() {
        match (key.as_str(), &mut *value) {
            ("properties", Json::Object(fields)) => {
                fields.values_mut().for_each(|field| *field = with_expressions(field));
            }
            ("items" | "additionalProperties", field) => *field = with_expressions(field),
            ("anyOf" | "oneOf" | "allOf", Json::Array(variants)) => {
                variants.iter_mut().for_each(|variant| *variant = inside(variant));
            }
            _ => {}
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_may_stand_for_a_field_or_for_a_part_of_it() {
        let schema = with_expressions(&json!({
            "type": "object",
            "properties": {
                "count": { "type": "integer", "minimum": 1 },
                "names": { "type": "array", "items": { "type": "boolean" } },
                "size": { "anyOf": [{ "type": "object", "properties": { "gb": { "type": "integer" } } }, { "type": "null" }] },
            },
            "additionalProperties": false,
        }));
        let validator = jsonschema::validator_for(&schema).unwrap();
        for good in [
            json!({ "count": 2 }),
            json!({ "count": "{{ var.n }}", "names": "{{ var.names }}" }),
            json!({ "names": [true, "{{ a }}"], "size": { "gb": "{{ b }}" } }),
            json!({ "size": null }),
        ] {
            assert!(validator.is_valid(&good), "{good}");
        }
        for bad in
            [json!({ "count": "two" }), json!({ "count": 0 }), json!({ "size": { "gb": "x" } }), json!({ "other": 1 })]
        {
            assert!(!validator.is_valid(&bad), "{bad}");
        }
    }

    #[test]
    fn a_whole_resource_is_named_and_never_written_out() {
        let reference = json!({ "type": "object", "properties": { "address": {} }, "x-reference": ["bucket"], "description": "Which." });
        let field = with_expressions(&reference);
        assert_eq!(field["description"], "Which.");
        let validator = jsonschema::validator_for(&field).unwrap();
        assert!(validator.is_valid(&json!("{{ weights }}")));
        assert!(!validator.is_valid(&json!("weights")) && !validator.is_valid(&json!({ "address": "weights" })));
    }

    #[test]
    fn what_takes_any_text_is_left_as_it_is() {
        let text = json!({ "description": "A name.", "type": ["string", "null"] });
        assert_eq!(with_expressions(&text), text);
        assert_eq!(with_expressions(&json!({})), json!({}));
    }
}
