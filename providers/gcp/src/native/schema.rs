//! What a blueprint may say of a native kind, made of what Google publishes: nothing behind references, and our own marks on what it says
//! of its fields.

use serde_json::{Map, Value as Json, json};
use trueup_engine::schema::Schema;

use super::collection::{Collection, Named, fields};
use super::document::Document;
use super::prose;
use super::setter::Setter;

/// How often a schema may stand in itself before what is below is left to Google to check.
const DEPTH: usize = 2;
/// How many values a schema may have once nothing is behind references; what is beyond is left to Google to check.
const MOST: usize = 200_000;
/// The attribute that is the id of every thing: its path.
pub(crate) const ID: &str = "resource_id";
/// The field that lets a thing go with what is in it, where a kind has one.
pub(crate) const FORCE: &str = "force_destroy";
/// The fields that tell one state of a thing from another: they are Google's, and go back to it with a change.
pub(crate) const STATES: [&str; 2] = ["etag", "fingerprint"];
/// What only people read, or says nothing that can be checked.
const DROPPED: [&str; 12] = [
    "id",
    "format",
    "enumDescriptions",
    "enumDeprecated",
    "annotations",
    "deprecated",
    "readOnly",
    "minimum",
    "maximum",
    "required",
    "location",
    "repeated",
];

/// The words that a description may begin with, each a sentence: `Required. Immutable. The name.`
const WORDS: [&str; 8] =
    ["required", "immutable", "identifier", "input only", "output only", "output-only", "optional", "deprecated"];

/// Whether a description says a word of its field before it says what that is.
fn says(field: &Json, word: &str) -> bool {
    let text = field.get("description").and_then(Json::as_str).unwrap_or_default();
    let said = text.trim_start_matches('[').split(['.', ']', ';', ':']).map(|said| said.trim().to_lowercase());
    said.take_while(|said| WORDS.contains(&said.as_str())).any(|said| said == word)
}

/// Whether only Google says a field.
pub(crate) fn is_output(field: &Json) -> bool {
    field.get("readOnly") == Some(&Json::Bool(true)) || says(field, "output only") || says(field, "output-only")
}

/// The schema of a kind.
pub(crate) fn of(document: &Document, of: &Collection) -> Schema {
    let whole = fields(document, &of.schema);
    let mut expanding = Expanding { document, create: &of.create.method.id, open: Vec::new(), count: 0 };
    let mut body = expanding.object(&whole);
    for name in unsaid(of, &whole) {
        take(&mut body, &name);
    }
    for (name, field) in body["properties"].as_object_mut().into_iter().flatten() {
        if prose::is_fixed(&of.kind, name) {
            field["x-immutable"] = true.into();
        }
        if prose::is_only_said(&of.kind, name) {
            field["x-write-only"] = true.into();
        }
    }
    let only = "Google alone says it, of what is there: it is an attribute";
    let outputs = whole.iter().filter(|(_, field)| is_output(field)).map(|(name, _)| (name.clone(), Json::from(only)));
    let labels = of.labels.iter().map(|name| (name.clone(), Json::from("say `tags` beside `properties`")));
    let name = of.is_named().then(|| ("name".to_owned(), Json::from("say `name` beside `properties`")));
    body["x-instead"] = outputs.chain(labels).chain(name).collect::<Map<_, _>>().into();
    let about = document.schemas.get(&of.schema).and_then(|schema| schema.get("description")?.as_str());
    body["description"] =
        format!("What it is, in Google's own words: {}", words(about.unwrap_or("it does not say"))).into();
    let mut spec = Map::new();
    let text = |description: &str| json!({ "type": "string", "minLength": 1, "x-immutable": true, "description": description });
    if of.is_named() {
        spec.insert(
            "name".to_owned(),
            text("The last part of its path. Default: made up of stack and address. Example: `events`."),
        );
    }
    spec.insert("parent".to_owned(), text(&format!("What it is in. Default: `{}` of its provider.", of.parent())));
    if of.parent().to_string().contains("/{location") {
        let about = "Where it is, if that is another place than its provider's. Example: `global`.";
        spec.insert("location".to_owned(), text(about));
    }
    let needs = body["required"].as_array().is_some_and(|required| !required.is_empty());
    if !needs {
        body["default"] = json!({});
    }
    spec.insert("properties".to_owned(), body);
    if of.labels.is_some() {
        spec.insert(
            "tags".to_owned(),
            json!({
                "type": "object", "additionalProperties": { "type": "string" }, "default": {}, "x-free": true,
                "description": "Labels, for people and bills. Example: `{ team: search }`.",
            }),
        );
    }
    if let Some(inside) = prose::takes_along(&of.kind) {
        let about = format!(
            "Delete it even when further {} are in it. Default: false, which refuses. Example: `true`.",
            inside.what
        );
        let said = json!({ "type": "boolean", "default": false, "x-on-delete": true, "description": about });
        spec.insert(FORCE.to_owned(), said);
    }
    let mut spec = json!({ "type": "object", "additionalProperties": false, "properties": spec });
    if needs {
        spec["required"] = json!(["properties"]);
    }
    Schema::new(1, spec, attributes(&whole), false)
}

/// The fields of a thing that are not in `properties`: its name, its labels, and what Google counts its states by.
fn unsaid(of: &Collection, whole: &Map<String, Json>) -> Vec<String> {
    let name = match &of.create.named {
        Named::Last(field) | Named::Whole(field) => field.as_str(),
        _ => "name",
    };
    let is_type = |name: &&str| whole.get(*name).is_some_and(|field| field.get("default").is_some());
    let kind = ["kind"].into_iter().filter(is_type);
    let states = of.setters.iter().filter_map(Setter::state).chain(STATES);
    [name].into_iter().chain(of.labels.as_deref()).chain(states).chain(kind).map(str::to_owned).collect()
}

/// Takes a field out by its path, and what then has none left.
fn take(body: &mut Json, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    // What is filled in need not be said.
    if let Some(required) = body["required"].as_array_mut() {
        required.retain(|name| name != first);
    }
    if let Some(inner) = body.pointer_mut(&format!("/properties/{first}")).filter(|_| !rest.is_empty()) {
        take(inner, rest);
        if inner["properties"].as_object().is_some_and(|left| !left.is_empty()) {
            return;
        }
    }
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.shift_remove(first);
    }
}

/// What is known once it exists: what only Google says, its name, and its id.
fn attributes(whole: &Map<String, Json>) -> Json {
    let mut attributes = Map::new();
    for (name, field) in whole.iter().filter(|(name, field)| *name == "name" || is_output(field) && !moves(name)) {
        let mut schema = shown(field);
        if let Some(schema) = schema.as_object_mut().filter(|_| !is_stable(name)) {
            schema.insert("x-volatile".to_owned(), true.into());
        }
        attributes.insert(name.clone(), schema);
    }
    attributes.insert(ID.to_owned(), json!({ "type": "string", "description": "Its path, which Google knows it by." }));
    json!({ "type": "object", "properties": attributes })
}

/// Whether what only Google says changes by itself, by how it is called: when a job runs next, who uses a disk. It is no attribute: what is
/// recorded would never be what is there.
fn moves(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "latest",
        "current",
        "last",
        "next",
        "update",
        "observed",
        "state",
        "status",
        "condition",
        "reconcil",
        "users",
        "deployed",
        "generation",
        "health",
        "progress",
        "usage",
        "utilization",
        "count",
    ];
    let is_time = ["Time", "Timestamp", "Date"].iter().any(|end| name.ends_with(end)) && !name.starts_with("creat");
    is_time
        || name == "versionId"
        || WORDS.iter().any(|word| name.to_lowercase().contains(word)) && !name.to_lowercase().contains("account")
}

/// Whether what only Google says stays for as long as a thing lives, by how it is called.
fn is_stable(name: &str) -> bool {
    const STAYS: [&str; 12] = [
        "id",
        "Id",
        "name",
        "Name",
        "uri",
        "Uri",
        "url",
        "Url",
        "email",
        "selfLink",
        "createTime",
        "creationTimestamp",
    ];
    STAYS.iter().any(|end| name.ends_with(end))
}

/// Whether what Google says under a name is a secret: its documents do not say so themselves.
pub(crate) fn is_secret(name: &str) -> bool {
    const ENDS: [&str; 9] = [
        "password",
        "secret",
        "clientsecret",
        "privatekey",
        "privatekeydata",
        "accesstoken",
        "apikey",
        "sharedsecret",
        "keystring",
    ];
    let name = name.to_lowercase();
    ENDS.iter().any(|end| name.ends_with(end))
}

/// Puts a schema where it is referred to.
struct Expanding<'a> {
    document: &'a Document,
    /// The call that makes the thing: what old documents say is required is so for calls.
    create: &'a str,
    /// The references that are open.
    open: Vec<&'a str>,
    count: usize,
}

impl Expanding<'_> {
    /// The schema of what may be said.
    fn object(&mut self, fields: &Map<String, Json>) -> Json {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, field) in fields.iter().filter(|(_, field)| !is_output(field)) {
            let mut schema = self.field(field);
            let is_input = says(field, "input only");
            let marks = [
                ("x-immutable", says(field, "immutable")),
                ("x-write-only", is_input),
                ("x-secret", is_input || is_secret(name)),
            ];
            for (mark, _) in marks.into_iter().filter(|(_, is_so)| *is_so) {
                schema[mark] = true.into();
            }
            if (says(field, "required") && !says(field, "identifier")) || self.is_demanded(field) {
                required.push(name.clone());
            }
            properties.insert(name.clone(), schema);
        }
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    }

    fn is_demanded(&self, field: &Json) -> bool {
        let calls = field.pointer("/annotations/required").and_then(Json::as_array).into_iter().flatten();
        calls.filter_map(Json::as_str).any(|call| call == self.create)
    }

    fn field(&mut self, field: &Json) -> Json {
        self.count += 1;
        if let Some(reference) = field.get("$ref").and_then(Json::as_str) {
            return self.follow(reference, field);
        }
        let mut schema = Map::new();
        for (key, value) in field.as_object().into_iter().flatten() {
            match key.as_str() {
                "type" => match (value.as_str(), field.get("format").and_then(Json::as_str)) {
                    (Some("any"), _) => {}
                    // A number too large for JSON is a text, and may be written as what it is.
                    (Some("string"), Some("int64" | "uint64")) => {
                        schema.insert("type".to_owned(), json!(["string", "integer"]));
                    }
                    _ => drop(schema.insert("type".to_owned(), value.clone())),
                },
                "description" => drop(schema.insert(key.clone(), words(value.as_str().unwrap_or_default()).into())),
                "default" => drop(schema.insert("x-default".to_owned(), value.clone())),
                "pattern" => {
                    let whole = format!("^(?:{})$", value.as_str().unwrap_or_default());
                    if jsonschema::validator_for(&json!({ "pattern": whole })).is_ok() {
                        schema.insert(key.clone(), whole.into());
                    }
                }
                "items" => drop(schema.insert(key.clone(), self.field(value))),
                "additionalProperties" => {
                    schema.insert(key.clone(), self.field(value));
                    schema.insert("x-free".to_owned(), true.into());
                }
                "properties" => {
                    let inner = self.object(value.as_object().unwrap_or(&Map::new()));
                    schema.extend(inner.as_object().cloned().unwrap_or_default());
                }
                key if DROPPED.contains(&key) => {}
                _ => drop(schema.insert(key.clone(), value.clone())),
            }
        }
        if schema.get("type") == Some(&"object".into()) && !schema.contains_key("properties") {
            schema.insert("x-free".to_owned(), true.into());
        }
        schema.into()
    }

    fn follow(&mut self, reference: &str, field: &Json) -> Json {
        let again = self.open.iter().filter(|open| **open == reference).count();
        let target = self.document.schemas.get_key_value(reference).filter(|_| again < DEPTH && self.count < MOST);
        let Some((name, target)) = target else { return json!({ "x-free": true }) };
        self.open.push(name);
        let mut expanded = self.field(target);
        self.open.pop();
        if let Some(description) = field.get("description").and_then(Json::as_str) {
            expanded["description"] = words(description).into();
        }
        expanded
    }
}

/// The schema of what is shown: nothing of it is checked.
fn shown(field: &Json) -> Json {
    let mut schema = json!({});
    for key in ["type", "description"] {
        if let Some(value) = field.get(key).filter(|value| **value != "any") {
            schema[key] = value.clone();
        }
    }
    if field.get("$ref").is_some() || schema["type"] == "object" {
        schema["type"] = "object".into();
        schema["x-free"] = true.into();
    }
    schema
}

/// A description on one line.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
