//! What a field's schema tells a reader: its words, apart from the examples in them; its type; the fields in it.
//!
//! A description ends in its default and its examples, where it has any: `… Default: 10s. Example: `H100`, `L4`.`

use serde_json::Value as Json;

use crate::schema::{reference_kinds, variants};

const EXAMPLE: &str = "Example: ";
const ANYTHING: &str = "anything";

/// A description, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Help {
    /// What it says, without its examples.
    pub text: String,
    /// Its examples as a blueprint has them.
    pub examples: Vec<String>,
}

/// A field inside another, as its parent knows it.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its schema.
    pub schema: &'a Json,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is the mark of one of several shapes that its map may have: it must be there where that shape is meant.
    pub choice: bool,
}

impl Help {
    /// What a schema says of itself.
    pub fn of(schema: &Json) -> Self {
        let description = schema.get("description").and_then(Json::as_str).unwrap_or_default();
        let text = description.replace('\n', " ");
        let Some((before, after)) = text.split_once(EXAMPLE) else {
            return Self { text: text.trim().to_owned(), examples: Vec::new() };
        };
        let mut examples = Vec::new();
        let mut rest = after;
        while let Some((example, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            examples.push(example.to_owned());
            rest = after.trim_start_matches(", ");
        }
        let text = format!("{}{}", before, rest.trim_start_matches('.').trim_start());
        Self { text: text.trim().to_owned(), examples }
    }

    /// Its first sentence.
    pub fn summary(&self) -> &str {
        self.text.split_inclusive(". ").next().unwrap_or_default().trim()
    }

    /// Its examples as values, an expression as its text.
    pub fn values(&self) -> Vec<Json> {
        self.examples.iter().filter_map(|text| serde_yaml::from_str(text).ok()).collect()
    }
}

/// The fields of a map, of the items of a list, or of what stands under the names of a map, in the order of their declaration.
pub fn inner(schema: &Json) -> Vec<Inner<'_>> {
    let own = own(schema);
    if !own.is_empty() {
        return own;
    }
    let below = ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key));
    below.chain(variants(schema)).map(inner).find(|fields| !fields.is_empty()).unwrap_or_default()
}

/// The fields of a map, through its variants.
fn own(schema: &Json) -> Vec<Inner<'_>> {
    if reference_kinds(schema).is_some() {
        return Vec::new();
    }
    let required = asked_for(schema);
    let entries = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
    let mut fields: Vec<Inner<'_>> = entries
        .map(|(name, schema)| Inner { name, schema, required: required.contains(&name.as_str()), choice: false })
        .collect();
    for field in variants(schema).flat_map(own) {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field);
        }
    }
    let chosen = chosen(schema);
    for field in fields.iter_mut().filter(|field| chosen.contains(&field.name)) {
        (field.required, field.choice) = (false, true);
    }
    fields
}

/// The fields that some of a map's shapes ask for, and others don't.
fn chosen(schema: &Json) -> Vec<&str> {
    let shapes = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let shapes: Vec<Vec<&str>> = shapes.filter(|shape| shape.get("required").is_some()).map(asked_for).collect();
    let always = asked_for(schema);
    let in_all = |name: &&str| shapes.iter().all(|shape| shape.contains(name)) || always.contains(name);
    shapes.iter().flatten().copied().filter(|name| !in_all(name)).collect()
}

/// The fields that a schema itself asks for.
fn asked_for(schema: &Json) -> Vec<&str> {
    schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// What a field holds, in a few words: `list of string`, `standard | cold`, `whole bucket`.
pub fn type_words(schema: &Json) -> String {
    if let Some(kinds) = reference_kinds(schema) {
        let kinds: Vec<&str> = kinds.iter().map(trueup_state::KindName::as_str).collect();
        return format!("whole {}", kinds.join(" or "));
    }
    if let Some(constant) = schema.get("const") {
        return plain(constant);
    }
    let mut words: Vec<String> = match schema.get("type") {
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).map(|one| of_type(one, schema)).collect(),
        Some(Json::String(one)) => vec![of_type(one, schema)],
        _ => schema.get("enum").and_then(Json::as_array).into_iter().flatten().map(plain).collect(),
    };
    // What an object's variants say of it is which of its fields go together.
    if schema.get("properties").is_none() {
        words.extend(variants(schema).filter(|variant| variant.get("type") != Some(&"null".into())).map(type_words));
    }
    words.retain(|word| word != "null");
    words.dedup();
    if words.is_empty() { ANYTHING.to_owned() } else { words.join(" | ") }
}

fn of_type(name: &str, schema: &Json) -> String {
    let each =
        |key: &str| schema.get(key).filter(|inner| inner.is_object()).map(type_words).filter(|words| words != ANYTHING);
    match (name, schema.get("properties").and_then(Json::as_object)) {
        ("array", _) => match each("items") {
            Some(items) => format!("list of {items}"),
            None => "list".to_owned(),
        },
        // One of several shapes, told by its one field.
        ("object", Some(fields)) if fields.len() == 1 => {
            let one: Vec<String> =
                fields.iter().map(|(name, field)| format!("{name}: {}", type_words(field))).collect();
            format!("{{ {} }}", one.concat())
        }
        ("object", Some(_)) => "map".to_owned(),
        ("object", None) => match each("additionalProperties") {
            Some(values) => format!("map of {values}"),
            None => "map".to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// A value as a blueprint has it.
pub fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_taken_apart() {
        let help = Help::of(
            &json!({ "description": "The model, as its\nmaker calls it. Default: none. Example: `H100`, `{ a: 1 }`." }),
        );
        assert_eq!(help.text, "The model, as its maker calls it. Default: none.");
        assert_eq!(help.summary(), "The model, as its maker calls it.");
        assert_eq!(help.values(), [json!("H100"), json!({ "a": 1 })]);
        let help = Help::of(&json!({ "description": "One. Example: `1`. And more." }));
        assert_eq!((help.text.as_str(), help.values()), ("One. And more.", vec![json!(1)]));
        assert_eq!(Help::of(&json!({})), Help::default());
        assert_eq!(Help::of(&json!({ "description": "No end. Example: `a" })).examples, [""; 0]);
    }

    #[test]
    fn a_type_is_told_in_words() {
        let choice = json!({ "oneOf": [{ "const": "a", "type": "string" }, { "type": "object", "properties": { "id": { "type": "string" } } }] });
        for (schema, words) in [
            (json!({}), "anything"),
            (json!({ "type": ["string", "null"] }), "string"),
            (json!({ "type": "array", "items": choice }), "list of a | { id: string }"),
            (json!({ "type": "object", "additionalProperties": { "type": "string" } }), "map of string"),
            (json!({ "type": "object", "x-reference": ["bucket"] }), "whole bucket"),
            (json!({ "enum": ["a", 1] }), "a | 1"),
        ] {
            assert_eq!(type_words(&schema), words, "{schema}");
        }
    }

    #[test]
    fn what_one_of_several_shapes_asks_for_is_a_choice() {
        let shape =
            |name: &str| json!({ "type": "object", "required": [name, "in"], "properties": { name: {}, "in": {} } });
        let rules = json!({ "type": "object", "required": ["in"], "properties": { "in": {}, "a": {}, "b": {} },
            "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] });
        let several =
            json!({ "anyOf": [{ "oneOf": [{ "const": "none" }, shape("a"), shape("b")] }, { "type": "null" }] });
        let one = json!({ "anyOf": [{ "const": "none" }, shape("a")] });
        for (schema, is_choice) in [(&rules, true), (&several, true), (&one, false)] {
            for field in inner(schema) {
                let expected = if field.name == "in" { (true, false) } else { (!is_choice, is_choice) };
                assert_eq!((field.required, field.choice), expected, "{} of {schema}", field.name);
            }
        }
        assert_eq!(inner(&several).len(), 3);
    }

    #[test]
    fn fields_are_found_in_maps_lists_and_named_maps() {
        let fields = json!({ "type": "object", "required": ["a"], "properties": { "a": {}, "b": {} } });
        for schema in [
            fields.clone(),
            json!({ "type": "array", "items": fields }),
            json!({ "type": "object", "additionalProperties": fields }),
            json!({ "anyOf": [{ "type": "array", "items": fields }, { "type": "null" }] }),
        ] {
            let found: Vec<(&str, bool)> = inner(&schema).iter().map(|field| (field.name, field.required)).collect();
            assert_eq!(found, [("a", true), ("b", false)], "{schema}");
        }
        assert!(inner(&json!({ "type": "string" })).is_empty());
    }
}
