//! The JSON Schema of a blueprint, for editors and for whoever checks files without Trueup.
//!
//! It is draft 2020-12, and says only what older validators understand too. What follows from a resource's `kind` stands behind an
//! `if` on that kind, not in a `oneOf`: a validator then speaks of the fields of the one kind that is meant instead of none of all,
//! and an editor (YAML's language server) completes those fields once the kind is written. Each `then` names all fields that
//! there are, beside `additionalProperties: false`, since editors don't know `unevaluatedProperties`.

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_state::KindName;

use super::fields::{EXPRESSION, NAME_PATTERN, language};
use super::functions::FUNCTIONS;
use super::schema::{META, RESERVED};
use super::tokens::KEYWORDS;
use super::widen::with_expressions;
use super::{Catalog, ProviderEntry};
use crate::help::Help;
use crate::schema::Schema;

/// What a kind's name has if it is a native one.
const NATIVE: &str = "::|[./]";
/// What an expression has.
const TEMPLATE: &str = "\\{\\{";
/// The sections whose entries expressions name.
const NAMED: [&str; 4] = ["variables", "resources", "modules", "outputs"];

/// The JSON Schema of a blueprint that names these kinds and providers.
pub fn document(catalog: &Catalog) -> Json {
    let mut language = finished(&language());
    let sections = &mut language["properties"];
    let mut resource = sections["resources"]["additionalProperties"].take();
    name_providers(&mut resource, catalog);
    merge_anything(&mut sections["environments"], &resource);
    tell_kinds_apart(&mut resource, catalog);
    sections["resources"]["additionalProperties"] = json!({ "$ref": "#/$defs/resource" });
    providers(&mut sections["providers"], catalog);
    for section in NAMED {
        sections[section]["propertyNames"] = json!({ "$ref": "#/$defs/name" });
    }
    let mut definitions = JsonMap::from_iter([("name".to_owned(), name()), ("resource".to_owned(), resource)]);
    definitions.extend(catalog.kinds.iter().map(|(kind, schema)| (kind_key(kind), of_kind(kind, schema))));
    definitions.extend(catalog.providers.iter().map(|(name, entry)| (settings_key(name), settings(name, entry))));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:trueup:blueprint",
        "title": "Trueup blueprint",
        "description": "Infrastructure for machine learning, as one file says it. Written by `trueup schema`.",
        "type": "object",
        "properties": language["properties"],
        "required": language["required"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// The names that expressions can say.
fn name() -> Json {
    let taken: Vec<&str> = RESERVED.into_iter().chain(FUNCTIONS).chain(KEYWORDS).collect();
    json!({
        "description": "Lower-case letters, digits and `_`, a letter first; no word that has a meaning of its own in expressions.",
        "type": "string",
        "pattern": NAME_PATTERN,
        "not": { "enum": taken },
    })
}

/// The kinds that a resource may be of, each with what it is; native ones by the look of their names.
fn kinds(catalog: &Catalog) -> Json {
    let portable =
        catalog.kinds.iter().map(|(kind, schema)| json!({ "const": kind, "description": Help::of(&schema.spec).text }));
    let native = json!({ "type": "string", "pattern": NATIVE, "description": "A cloud's own kind." });
    portable.chain([native]).collect()
}

/// Asks of a resource what its kind asks.
fn tell_kinds_apart(resource: &mut Json, catalog: &Catalog) {
    resource["properties"]["kind"]["anyOf"] = kinds(catalog);
    resource["additionalProperties"] = true.into();
    resource["allOf"] = catalog.kinds.keys().map(only_for).collect();
}

fn kind_key(kind: &KindName) -> String {
    format!("kind_{kind}")
}

fn only_for(kind: &KindName) -> Json {
    json!({
        "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
        "then": { "$ref": format!("#/$defs/{}", kind_key(kind)) },
    })
}

/// The fields of one kind, beside those of any resource. What exists already need not be described.
fn of_kind(kind: &KindName, schema: &Schema) -> Json {
    let mut fields = finished(&within(&schema.spec));
    let mut whole = JsonMap::new();
    for (name, value) in fields.as_object_mut().into_iter().flatten() {
        if matches!(name.as_str(), "required" | "oneOf" | "anyOf" | "allOf") {
            whole.insert(name.clone(), value.take());
        }
    }
    // The same schema as beside the `if`: what an editor finds twice it shows once.
    let of_any = META.map(|name| (name.to_owned(), json!({ "$ref": format!("#/$defs/resource/properties/{name}") })));
    fields["properties"].as_object_mut().into_iter().for_each(|properties| properties.extend(of_any.clone()));
    let mut of_kind =
        json!({ "title": kind, "description": fields["description"], "properties": fields["properties"] });
    of_kind["additionalProperties"] = false.into();
    if !whole.is_empty() {
        of_kind["if"] = json!({ "required": ["existing"] });
        of_kind["else"] = whole.into();
    }
    of_kind
}

/// A schema with expressions in its fields, and not for the whole of it.
fn within(schema: &Json) -> Json {
    let mut within = schema.clone();
    let fields = within.get_mut("properties").and_then(Json::as_object_mut);
    fields.into_iter().flatten().for_each(|(_, field)| *field = with_expressions(field));
    within
}

fn settings_key(provider: &str) -> String {
    format!("settings_{provider}")
}

/// The settings of a provider. Without any, its name alone will do.
fn settings(name: &str, entry: &ProviderEntry) -> Json {
    let mut schema = entry.settings.spec.clone();
    let needs_any = schema.get("required").and_then(Json::as_array).is_some_and(|required| !required.is_empty());
    if !needs_any {
        schema["type"] = json!(["object", "null"]);
    }
    let mut settings = finished(&with_expressions(&schema));
    settings["title"] = format!("Settings of {name}").into();
    settings
}

/// Who may stand in `providers`: each by its name, and with an alias.
fn providers(section: &mut Json, catalog: &Catalog) {
    let settings = |name: &String| json!({ "$ref": format!("#/$defs/{}", settings_key(name)) });
    let plain: JsonMap<_, _> = catalog.providers.keys().map(|name| (name.clone(), settings(name))).collect();
    let aliased: JsonMap<_, _> =
        catalog.providers.keys().map(|name| (format!("^{name}\\.{ALIAS}$"), settings(name))).collect();
    section["properties"] = plain.into();
    section["patternProperties"] = aliased.into();
    section["additionalProperties"] = false.into();
}

/// What an alias looks like.
const ALIAS: &str = "[a-z][a-z0-9_-]*";

/// Says who may make a resource, in its `provider` and in its `placement`, whose entries hold settings and fields of all sorts.
fn name_providers(resource: &mut Json, catalog: &Catalog) {
    let names: Vec<&str> = catalog.providers.keys().map(String::as_str).collect();
    let pattern = format!("^({})(\\.{ALIAS})?$|{TEMPLATE}", names.join("|"));
    let name = |field: &mut Json| {
        field["examples"] = json!(names);
        field["pattern"] = pattern.clone().into();
    };
    name(&mut resource["properties"]["provider"]);
    let candidate = &mut resource["properties"]["placement"]["items"];
    candidate["additionalProperties"] = true.into();
    name(&mut candidate["properties"]["provider"]);
}

/// An environment says of a resource only what differs, so nothing of it is required, and its kind need not be known.
fn merge_anything(environments: &mut Json, resource: &Json) {
    let environment = &mut environments["additionalProperties"];
    environment["type"] = json!(["object", "null"]);
    let properties = &mut environment["properties"];
    let of_any_resource =
        json!({ "type": "object", "properties": resource["properties"], "additionalProperties": true });
    properties["resources"]["additionalProperties"] = of_any_resource;
    for section in ["variables", "resources"] {
        properties[section]["propertyNames"] = json!({ "$ref": "#/$defs/name" });
    }
}

/// A schema as editors read it: examples apart from the words, and none of our own keys.
fn finished(schema: &Json) -> Json {
    let Json::Object(_) = schema else { return schema.clone() };
    let is = |key: &str| schema.get(key) == Some(&Json::Bool(true));
    let (replaces, computed) = (is("x-immutable"), is("x-computed"));
    let mut schema = match schema.get(EXPRESSION) {
        Some(_) => with_expressions(schema),
        None => schema.clone(),
    };
    let help = Help::of(&schema);
    let mut finished = JsonMap::new();
    for (key, value) in schema.as_object_mut().into_iter().flatten() {
        let value = match (key.as_str(), value) {
            ("properties" | "patternProperties", Json::Object(fields)) => {
                fields.iter().map(|(name, field)| (name.clone(), self::finished(field))).collect()
            }
            ("items" | "additionalProperties", inner) => self::finished(inner),
            ("anyOf" | "oneOf" | "allOf", Json::Array(variants)) => variants.iter().map(self::finished).collect(),
            ("description", _) if replaces => format!("{} A change replaces the resource.", help.text).into(),
            ("description", _) => help.text.clone().into(),
            // Rust's names of types and of number formats mean nothing here.
            ("title" | "format", text) if !matches!(text.as_str(), Some("regex")) => continue,
            ("required", Json::Array(names)) if names.is_empty() => continue,
            (key, _) if key.starts_with("x-") => continue,
            (_, value) => value.take(),
        };
        finished.insert(key.clone(), value);
    }
    let examples = help.values();
    if !examples.is_empty() {
        finished.insert("examples".to_owned(), examples.into());
    }
    if computed {
        finished.insert("readOnly".to_owned(), true.into());
    }
    finished.into()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::kinds;
    use crate::schema::variants;

    fn settings_of(needed: &[&str]) -> &'static Schema {
        let spec = json!({ "type": "object", "required": needed, "properties": { "region": { "type": "string" } }, "additionalProperties": false });
        Box::leak(Box::new(Schema::new(1, spec, json!({}), false)))
    }

    fn catalog() -> Catalog {
        let kinds: BTreeMap<KindName, _> =
            kinds::portable().into_iter().map(|kind| (kind.name.into(), kind.schema)).collect();
        let entry = |needed: &[&str]| ProviderEntry {
            kinds: BTreeSet::new(),
            natives: |_| false,
            settings: settings_of(needed),
        };
        let providers = BTreeMap::from([("here".to_owned(), entry(&[])), ("there".to_owned(), entry(&["region"]))]);
        Catalog { kinds, providers, ..Catalog::default() }
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&document(&catalog())).unwrap()
    }

    fn with(section: &str, content: &Json) -> Json {
        json!({ "blueprint": "demo", section: content })
    }

    #[test]
    fn an_expression_may_stand_for_any_field_of_a_kind() {
        fn visit(schema: &Json, at: &str, count: &mut usize) {
            for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
                let at = format!("{at}.{name}");
                let validator = jsonschema::validator_for(field).unwrap();
                assert!(validator.is_valid(&json!("{{ x }}")), "{at}");
                *count += 1;
                visit(field, &at, count);
            }
            for inner in variants(schema).chain(schema.get("items")) {
                visit(inner, at, count);
            }
        }
        let mut count = 0;
        for kind in kinds::portable() {
            visit(&finished(&within(&kind.schema.spec)), kind.name, &mut count);
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn nothing_of_our_own_is_left_in_it() {
        let text = document(&catalog()).to_string();
        assert!(!text.contains("\"x-") && !text.contains("Example:") && !text.contains("uint32"), "{text}");
    }

    #[test]
    fn settings_may_be_left_out_where_none_is_needed() {
        let validator = validator();
        for good in
            [json!({ "here": null, "here.b": { "region": "{{ var.r }}" } }), json!({ "there": { "region": "x" } })]
        {
            assert!(validator.is_valid(&with("providers", &good)), "{good}");
        }
        for bad in [json!({ "there": null }), json!({ "there": {} }), json!({ "here.": {} }), json!({ "else": {} })] {
            assert!(!validator.is_valid(&with("providers", &bad)), "{bad}");
        }
    }

    #[test]
    fn what_exists_need_not_be_described() {
        let validator = validator();
        let resource = |spec: Json| with("resources", &json!({ "a": spec }));
        assert!(validator.is_valid(&resource(json!({ "kind": "endpoint", "existing": "chat" }))));
        assert!(!validator.is_valid(&resource(json!({ "kind": "endpoint", "existing": "chat", "imgae": "x" }))));
        assert!(!validator.is_valid(&resource(json!({ "kind": "endpoint" }))));
    }
}
