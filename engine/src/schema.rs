//! What is known of a kind's fields, told once in its Rust types and read from their JSON Schema.
//!
//! Keys of our own in that schema: `x-immutable` (a change replaces the object), `x-secret`, `x-write-only` (sent, never observed),
//! `x-unordered` (a list that is a set), `x-reference` (the kinds that a whole-resource expression may be of; `native kind` stands for all
//! of those), `x-path` (a path,
//! relative to the blueprint's file, of what is there; `directory` or `file` where it must be one), `x-digest-into` (beside `x-path`:
//! the field that holds the digest of what it leads to), `x-shown` (a field that shows in names and ids: no secret), `x-shows` (of a whole spec: all
//! its fields show in what is made, but for those that are `x-secret` or `x-may-be-secret`), `x-computed` (a field that the engine
//! fills in), `x-volatile` (an attribute that may change without a replace), `x-at-most` (the field that a number may not exceed: one beside it, or beside what it stands
//! in), `x-on-delete` (a field of the spec itself that matters only when the thing is deleted: a change of it is recorded without a
//! call, and a delete goes by what the blueprint says then). `x-free` marks a map whose keys are the user's own;
//! `x-instead` says of names that are no fields what to say in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use trueup_state::{FieldPath, KindName, Step, Value};

use crate::completion::Completion;

/// A kind's fields and attributes.
#[derive(Debug)]
pub struct Schema {
    /// Which version of the kind's schema this is; a record says which one its spec follows.
    pub version: u32,
    /// The JSON Schema of the spec, with nothing behind references.
    pub spec: Json,
    /// The JSON Schema of the attributes, likewise.
    pub attributes: Json,
    /// Whether the kind is scarce: a replacement makes the new object before the old one goes, unless the blueprint says otherwise.
    pub create_first: bool,
    validator: OnceLock<Option<jsonschema::Validator>>,
    /// Whether any of its numbers may not exceed another.
    compares: OnceLock<bool>,
    /// Whether any of its fields is a path.
    paths: OnceLock<bool>,
    /// Whether any of its fields is sent and never shown.
    written: OnceLock<bool>,
    /// The names of the attributes in their order, each with whether it stays as it is.
    names: OnceLock<BTreeMap<String, bool>>,
    completion: OnceLock<Completion>,
}

/// Whether a change can be made in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changes.
    None,
    /// It can.
    InPlace,
    /// It can't: these fields need a new object.
    Replace(BTreeSet<FieldPath>),
}

/// What a spec has that its schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, from the top of the spec.
    pub path: FieldPath,
    /// What is wrong.
    pub message: String,
    /// What is meant, perhaps.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem without a suggestion.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), suggestion: None }
    }
}

impl Schema {
    /// The schema of Rust types.
    pub fn of<S: JsonSchema, A: JsonSchema>(version: u32, create_first: bool) -> Self {
        Self::new(version, json_schema::<S>(), json_schema::<A>(), create_first)
    }

    /// The same with fields that show in what is made: a secret may stand only where one is sealed.
    pub(crate) fn showing(mut self) -> Self {
        if let Some(spec) = self.spec.as_object_mut() {
            spec.insert("x-shows".to_owned(), true.into());
        }
        self
    }

    /// The schema of a spec and of attributes that came as JSON Schemas, with nothing behind references.
    pub fn new(version: u32, spec: Json, attributes: Json, create_first: bool) -> Self {
        Self {
            version,
            spec,
            attributes,
            create_first,
            validator: OnceLock::new(),
            compares: OnceLock::new(),
            paths: OnceLock::new(),
            written: OnceLock::new(),
            names: OnceLock::new(),
            completion: OnceLock::new(),
        }
    }

    /// The schema at a path of the spec; none where the spec has no such field.
    pub fn field(&self, path: &FieldPath) -> Option<&Json> {
        path.steps().iter().try_fold(&self.spec, child)
    }

    /// Whether a key of ours is set at a path or on the way to it.
    pub fn is(&self, key: &str, path: &FieldPath) -> bool {
        let mut schema = &self.spec;
        for step in path.steps() {
            if marked(schema, key) {
                return true;
            }
            match child(schema, step) {
                Some(next) => schema = next,
                None => return false,
            }
        }
        marked(schema, key)
    }

    /// Whether any of the spec's fields is sent and never shown.
    pub(crate) fn has_write_only(&self) -> bool {
        *self.written.get_or_init(|| has_key(&self.spec, "x-write-only"))
    }

    /// Whether any of the spec's fields is a path.
    pub(crate) fn has_paths(&self) -> bool {
        *self.paths.get_or_init(|| has_key(&self.spec, "x-path"))
    }

    /// The names of the spec's fields.
    pub fn fields(&self) -> Vec<&str> {
        properties(&self.spec)
    }

    /// The names of the attributes.
    pub fn attribute_names(&self) -> Vec<&str> {
        properties(&self.attributes)
    }

    /// Whether there is an attribute of a name.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.names().contains_key(name)
    }

    /// Whether an attribute stays as it is for as long as the object lives.
    pub fn is_stable(&self, attribute: &str) -> bool {
        self.names().get(attribute).is_some_and(|stable| *stable)
    }

    fn names(&self) -> &BTreeMap<String, bool> {
        let stable = |name: &str| {
            let schema = child(&self.attributes, &Step::Field(name.to_owned()));
            (name.to_owned(), schema.is_some_and(|schema| !marked(schema, "x-volatile")))
        };
        self.names.get_or_init(|| properties(&self.attributes).into_iter().map(stable).collect())
    }

    /// The attributes of an object that is yet to be made: all unknown.
    pub fn unknown_attributes(&self) -> Value {
        Value::Map(self.names().keys().map(|name| (name.clone(), Value::Unknown)).collect())
    }

    /// The attributes of an object that is about to change in place: the stable ones stay.
    pub fn changing_attributes(&self, now: &Value) -> Value {
        let keep = |name: &str, stable| now.get(name).filter(|_| stable).cloned().unwrap_or(Value::Unknown);
        Value::Map(self.names().iter().map(|(name, stable)| (name.clone(), keep(name, *stable))).collect())
    }

    /// The attributes as they are, those that are not there null. Of what is not known at all nothing is.
    pub fn whole_attributes(&self, now: &Value) -> Value {
        if *now == Value::Unknown || now.as_map().is_some_and(|map| map.keys().eq(self.names().keys())) {
            return now.clone();
        }
        let is = |name: &str| now.get(name).cloned().unwrap_or_default();
        Value::Map(self.names().keys().map(|name| (name.clone(), is(name))).collect())
    }

    /// Only the attributes that stay for as long as the object lives.
    pub fn stable_attributes(&self, now: &Value) -> Value {
        if now.as_map().is_some_and(|map| map.keys().all(|name| self.is_stable(name))) {
            return now.clone();
        }
        let stable = now.revealed().as_map().into_iter().flatten().filter(|(name, _)| self.is_stable(name));
        Value::Map(stable.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Whether a change from one whole spec to another can be made in place, as far as the immutable fields tell.
    pub fn effect(&self, before: &Value, after: &Value) -> Effect {
        let changed = crate::plan::diff::changed_paths(self, before, after);
        if changed.is_empty() {
            return Effect::None;
        }
        let immutable: BTreeSet<_> = changed.into_iter().filter(|path| self.is("x-immutable", path)).collect();
        if immutable.is_empty() { Effect::InPlace } else { Effect::Replace(immutable) }
    }

    /// Fills in the defaults of fields that are left out, drops those said to be null, makes secret what the schema says is, and writes
    /// `2.0` as 2 where an integer belongs.
    pub fn complete(&self, spec: &mut Value) {
        self.completion.get_or_init(|| Completion::of(&self.spec)).complete(spec);
    }

    /// What the schema does not allow. Parts that are unknown may yet become anything.
    pub fn problems(&self, spec: &Value) -> Vec<Problem> {
        let validator = self.validator.get_or_init(|| jsonschema::validator_for(&self.spec).ok());
        let Some(validator) = validator else {
            return vec![Problem::new(FieldPath::root(), "the kind's own schema can't be used")];
        };
        let mut problems = crate::validate::problems(validator, &self.spec, spec);
        if *self.compares.get_or_init(|| has_key(&self.spec, "x-at-most")) {
            problems.extend(crate::validate::exceeding(&self.spec, spec));
        }
        problems
    }

    /// Takes over, into what was sent, what a spec says now of the fields that matter only when the thing is deleted. What only apply
    /// can tell stays as it was.
    pub fn take_on_delete(&self, sent: &mut Value, now: &Value) {
        for path in self.fields().into_iter().map(|name| FieldPath::root().field(name)) {
            let value = now.at(&path);
            if self.is("x-on-delete", &path) && !value.is_some_and(Value::has_unknown) {
                crate::plan::diff::set(sent, &path, value);
            }
        }
    }
}

/// The JSON Schema of a Rust type, everything inline.
pub fn json_schema<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema one step further down, through `anyOf`, `oneOf` and `allOf`.
pub fn child<'a>(schema: &'a Json, step: &Step) -> Option<&'a Json> {
    let own = match step {
        Step::Field(name) => schema
            .get("properties")
            .and_then(|properties| properties.get(name))
            .or_else(|| schema.get("additionalProperties").filter(|extra| extra.is_object())),
        Step::Index(_) => schema.get("items").filter(|items| items.is_object()),
    };
    own.or_else(|| variants(schema).find_map(|variant| child(variant, step)))
}

/// The schemas that a schema chooses from or adds up.
pub fn variants(schema: &Json) -> impl Iterator<Item = &Json> {
    ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

/// The names of the properties of a schema and of its variants, in the order of their declaration.
pub fn properties(schema: &Json) -> Vec<&str> {
    let own =
        schema.get("properties").and_then(Json::as_object).into_iter().flat_map(|map| map.keys().map(String::as_str));
    let mut names: Vec<&str> = own.collect();
    for name in variants(schema).flat_map(properties) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The kinds that a field takes a whole resource of; none where it takes none.
pub fn reference_kinds(schema: &Json) -> Option<Vec<KindName>> {
    let own = schema.get("x-reference").and_then(Json::as_array);
    match own {
        Some(kinds) => Some(kinds.iter().filter_map(Json::as_str).map(KindName::from).collect()),
        None => variants(schema).find_map(reference_kinds),
    }
}

/// What stands for every native kind where a field says of which kinds it takes a whole resource.
pub const NATIVE_KIND: &str = "native kind";

/// Whether a field that takes a whole resource of these kinds takes one of this kind.
pub fn takes_kind(kinds: &[KindName], kind: &KindName) -> bool {
    kinds.is_empty() || kinds.contains(kind) || kind.is_native() && kinds.iter().any(|any| any.as_str() == NATIVE_KIND)
}

/// Whether a key of ours is set on a schema or on one of its variants.
pub fn marked(schema: &Json, key: &str) -> bool {
    schema.get(key).is_some_and(|mark| mark != &Json::Bool(false))
        || variants(schema).any(|variant| marked(variant, key))
}

/// The text of a key of ours, on a schema or on one of its variants.
pub fn mark_text<'a>(schema: &'a Json, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Json::as_str).or_else(|| variants(schema).find_map(|variant| mark_text(variant, key)))
}

/// Whether a key stands anywhere in a schema.
fn has_key(schema: &Json, key: &str) -> bool {
    match schema {
        Json::Object(map) => map.contains_key(key) || map.values().any(|inner| has_key(inner, key)),
        Json::Array(items) => items.iter().any(|inner| has_key(inner, key)),
        _ => false,
    }
}

/// A number without a fraction that says nothing: to JSON Schema 2.0 is an integer, and to a division what it gives.
#[allow(clippy::cast_possible_truncation, reason = "only what is the same either way is converted")]
pub(crate) fn whole(number: serde_json::Number) -> serde_json::Number {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= LARGEST => (float as i64).into(),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use trueup_state::Map;

    use super::*;

    #[test]
    fn completing_fills_in_drops_nulls_and_seals() {
        let spec = json!({ "type": "object", "properties": {
            "size": { "type": "integer", "default": 3 },
            "name": { "type": "string" },
            "password": { "anyOf": [{ "type": "string", "x-secret": true }, { "type": "null" }] },
        } });
        let schema = Schema::new(1, spec, json!({}), false);
        let mut value: Value = json!({ "name": null, "password": "hunter2" }).into();
        schema.complete(&mut value);
        assert_eq!(value.get("size"), Some(&3.into()));
        assert_eq!(value.get("name"), None);
        assert_eq!(value.get("password"), Some(&Value::secret("hunter2".into())));
    }

    #[test]
    fn completing_writes_an_integer_as_one() {
        let (integer, number) = (json!({ "type": "integer" }), json!({ "type": "number" }));
        let nullable = json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] });
        let either = json!({ "type": ["integer", "number"] });
        for (schema, given, expected) in [
            (&integer, json!(2.0), "2"),
            (&nullable, json!(-2.0), "-2"),
            (&integer, json!(2.5), "2.5"),
            (&integer, json!(1e300), "1e+300"),
            (&number, json!(2.0), "2.0"),
            (&either, json!(2.0), "2.0"),
        ] {
            let schema = Schema::new(1, json!({ "type": "object", "properties": { "n": schema } }), json!({}), false);
            let mut value: Value = json!({ "n": given }).into();
            schema.complete(&mut value);
            let Some(Value::Number(number)) = value.get("n") else { panic!("{value:?}") };
            assert_eq!(number.to_string(), expected);
        }
    }

    #[test]
    fn what_is_not_known_hides_no_other_problem() {
        let gpu = json!({ "type": "object", "required": ["model", "count"], "additionalProperties": false,
            "properties": { "model": { "type": "string" }, "count": { "type": "integer" } } });
        let spec = json!({ "type": "object", "properties": { "gpu": gpu, "name": { "type": "string" } } });
        let schema = Schema::new(1, spec, json!({}), false);
        let gpu = Map::from([("count".to_owned(), Value::Unknown), ("cuont".to_owned(), 1.into())]);
        let name = Map::from([("ip".to_owned(), Value::Unknown)]);
        let value = Value::Map(Map::from([("gpu".to_owned(), gpu.into()), ("name".to_owned(), name.into())]));
        let paths: Vec<String> = schema.problems(&value).into_iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(paths, ["gpu", "gpu.cuont", "name"]);
    }

    #[test]
    fn a_number_may_not_exceed_the_one_that_bounds_it() {
        let count = json!({ "type": "integer", "x-at-most": "max" });
        let replicas =
            json!({ "type": "object", "properties": { "min": count, "max": { "type": "integer" }, "most": count } });
        let days = json!({ "type": "object", "properties": { "after": { "type": "integer", "x-at-most": "expire" } } });
        let rule = json!({ "type": "object", "properties": { "expire": { "type": "integer" }, "move": { "anyOf": [days, { "type": "null" }] } } });
        let spec = json!({ "type": "object", "properties": { "replicas": replicas, "rules": { "type": "array", "items": rule } } });
        let schema = Schema::new(1, spec, json!({}), false);
        let said = |value: Value| {
            let problems = schema.problems(&value).into_iter();
            problems.map(|problem| format!("{} {}", problem.path, problem.message)).collect::<Vec<_>>()
        };
        assert_eq!(said(json!({ "replicas": { "min": 2, "max": 2 } }).into()), [""; 0]);
        assert_eq!(said(json!({ "replicas": { "min": 5 } }).into()), [""; 0]);
        assert_eq!(
            said(json!({ "replicas": { "min": 5, "max": 4, "most": 3 } }).into()),
            ["replicas.min this is more than `replicas.max`"]
        );
        assert_eq!(
            said(json!({ "rules": [{ "move": { "after": 9 } }, { "expire": 3, "move": { "after": 4 } }] }).into()),
            ["rules[1].move.after this is more than `rules[1].expire`"]
        );
        let open = Map::from([("min".to_owned(), Value::secret(5.into())), ("max".to_owned(), Value::Unknown)]);
        assert_eq!(said(Value::Map(Map::from([("replicas".to_owned(), open.clone().into())]))), [""; 0]);
        let known = Map::from([("max".to_owned(), 4.into())])
            .into_iter()
            .chain(open.into_iter().filter(|(name, _)| name == "min"));
        let known: Map = known.collect();
        assert_eq!(said(Value::Map(Map::from([("replicas".to_owned(), known.into())]))).len(), 1);
    }

    #[test]
    fn what_has_another_form_is_told_by_an_example_then_by_words_then_by_the_expression_alone() {
        let text = |description: &str| json!({ "type": "string", "pattern": "^[0-9]+h$", "description": description });
        let list = json!({ "type": "array", "items": { "type": "string", "pattern": "^[0-9]+h$" }, "description": "Which. Example: `[8h]`." });
        for (field, given, said) in [
            (
                text("How long. Example: `8h`, `9h`, `1h`."),
                json!("x"),
                "it is written like `8h` or `9h`, and matches `^[0-9]+h$`",
            ),
            (list, json!(["8h", "x"]), "it is written like `8h`, and matches `^[0-9]+h$`"),
            (text("A number of hours. And more."), json!("x"), "(A number of hours): it matches no `^[0-9]+h$`"),
            (json!({ "type": "string", "pattern": "^[0-9]+h$" }), json!("x"), "this does not look like `^[0-9]+h$`"),
        ] {
            let schema = Schema::new(1, json!({ "type": "object", "properties": { "f": field } }), json!({}), false);
            let problems = schema.problems(&json!({ "f": given }).into());
            assert!(problems.len() == 1 && problems[0].message.ends_with(said), "{problems:?}");
        }
    }

    #[test]
    fn a_delete_takes_over_what_matters_to_it_alone() {
        let spec = json!({ "type": "object", "properties": {
            "force": { "type": "boolean", "x-on-delete": true },
            "grace": { "type": "string", "x-on-delete": true },
            "size": { "type": "integer" },
        } });
        let schema = Schema::new(1, spec, json!({}), false);
        let mut sent: Value = json!({ "force": false, "grace": "1d", "size": 1 }).into();
        schema.take_on_delete(&mut sent, &json!({ "force": true, "size": 2 }).into());
        assert_eq!(sent, json!({ "force": true, "size": 1 }).into());
        let unknown = Value::Map(Map::from([("force".to_owned(), Value::Unknown)]));
        schema.take_on_delete(&mut sent, &unknown);
        assert_eq!(sent.get("force"), Some(&true.into()));
    }
}
