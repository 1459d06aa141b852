//! What a blueprint may say of a native type, made of what AWS publishes: nothing behind references, and our own marks on what it says
//! of its properties.

use serde_json::{Map, Value as Json, json};
use trueup_engine::schema::Schema;

use super::published::{Pointer, Published};

/// How often a definition may stand in itself before what is below is left to AWS to check.
const DEPTH: usize = 2;
/// How many values a schema may have once nothing is behind references; what is beyond is left to AWS to check.
const MOST: usize = 400_000;
/// The attribute that is the identifier of every type.
pub(crate) const ID: &str = "resource_id";
/// What stands between the parts of an identifier.
pub(crate) const BETWEEN: &str = "|";
/// What can't be changed though the type's schema does not say so: its reference does.
const FIXED: [(&str, &[&str]); 1] = [(
    "AWS::EC2::Volume",
    &["AvailabilityZone", "AvailabilityZoneId", "Encrypted", "KmsKeyId", "OutpostArn", "SnapshotId"],
)];
/// The names that a type demands and that Trueup makes up where a blueprint says none: one in all of an account's region.
const NAMED: [(&str, &str); 1] = [("AWS::EC2::KeyPair", "KeyName")];
/// What only a delete is told, by type and property.
const ON_DELETE: [(&str, &str); 1] = [("AWS::ECR::Repository", "EmptyOnDelete")];
/// What only people read, and what jsonschema need not know of.
const DROPPED: [&str; 11] = [
    "$comment",
    "$id",
    "examples",
    "title",
    "format",
    "dependentExcluded",
    "requiredXor",
    "requiredOr",
    "relationshipRef",
    "insertionOrder",
    "arrayType",
];

/// The schema of a type.
pub(crate) fn of(published: &Published) -> Schema {
    let mut expanding = Expanding { published, open: Vec::new(), count: 0 };
    let mut properties = Map::new();
    for (name, schema) in &published.properties {
        properties.insert(name.clone(), expanding.expand(schema));
    }
    let attributes = attributes(published, &properties);
    let tags = published.tags();
    let hidden = published.whole_read_only();
    let mut settable = properties;
    settable
        .retain(|name, _| !hidden.contains(name.as_str()) && tags.as_ref().is_none_or(|tags| tags.property != *name));
    let mut body = json!({ "type": "object", "additionalProperties": false });
    let required = published.required.iter().filter(|name| settable.contains_key(*name));
    let required = required.filter(|name| named(&published.type_name) != Some(name.as_str()));
    body["required"] = required.cloned().collect::<Vec<_>>().into();
    body["properties"] = settable.into();
    for pointer in published.read_only_properties.iter().filter(|pointer| pointer.steps().len() > 1) {
        remove(&mut body, &pointer.steps());
    }
    let immutable = published.create_only_properties.iter().map(|pointer| (pointer.steps(), "x-immutable"));
    let unsaid = FIXED.iter().filter(|(name, _)| *name == published.type_name);
    let unsaid = unsaid.flat_map(|(_, fixed)| fixed.iter().map(|property| (vec![*property], "x-immutable")));
    let written = published.write_only_properties.iter();
    let written = written.flat_map(|pointer| [(pointer.steps(), "x-write-only"), (pointer.steps(), "x-secret")]);
    for (steps, mark) in immutable.chain(unsaid).chain(written) {
        set(&mut body, &steps, mark);
    }
    for (_, property) in ON_DELETE.iter().filter(|(name, _)| *name == published.type_name) {
        set(&mut body, &[*property], "x-on-delete");
    }
    let only = "AWS alone says it, of what is there: it is an attribute";
    let instead = hidden.iter().map(|name| ((*name).to_owned(), Json::from(only)));
    let labels = tags.iter().map(|tags| (tags.property.clone(), Json::from("say `tags` beside `properties`")));
    body["x-instead"] = instead.chain(labels).collect::<Map<_, _>>().into();
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(alternatives) = published.rest.get(key) {
            body[key] = expanding.expand(alternatives);
        }
    }
    body["description"] = format!("What it is, in AWS's own words: {}", words(&published.description)).into();
    let mut fields = json!({ "properties": body });
    if tags.is_some() {
        let text = json!({ "type": "string" });
        fields["tags"] = json!({
            "type": "object", "additionalProperties": text, "default": {}, "x-free": true,
            "description": "Labels, for people and bills. Example: `{ team: search }`.",
        });
    }
    let spec = json!({ "type": "object", "additionalProperties": false, "properties": fields });
    Schema::new(1, with_default_body(spec), attributes, false)
}

/// The property of a type that holds a name which Trueup makes up.
pub(super) fn named(of: &str) -> Option<&'static str> {
    NAMED.iter().find(|(name, _)| *name == of).map(|(_, property)| *property)
}

/// What can be left out altogether is nothing.
fn with_default_body(mut spec: Json) -> Json {
    let needs = spec["properties"]["properties"]["required"].as_array().is_some_and(|required| !required.is_empty());
    if needs {
        spec["required"] = json!(["properties"]);
    } else {
        spec["properties"]["properties"]["default"] = json!({});
    }
    spec
}

/// What is known once it exists: what only AWS says, what it is known by, its name, which AWS makes up where none is given, and its
/// identifier.
fn attributes(published: &Published, properties: &Map<String, Json>) -> Json {
    let fixed = published.create_only_properties.iter().filter(|pointer| pointer.steps().len() == 1);
    let names = fixed.map(Pointer::top).filter(|name| is_name(&published.type_name, name));
    let said = published.read_only_properties.iter().map(Pointer::top).chain(published.identifying()).chain(names);
    let mut attributes = Map::new();
    for name in said {
        let mut schema = properties.get(name).cloned().unwrap_or_else(|| json!({}));
        if let Some(schema) = schema.as_object_mut().filter(|_| !is_stable(published, name)) {
            schema.insert("x-volatile".to_owned(), true.into());
        }
        attributes.insert(name.to_owned(), schema);
    }
    attributes.insert(ID.to_owned(), json!({ "type": "string", "description": "AWS's identifier of it." }));
    json!({ "type": "object", "properties": attributes })
}

/// The property that is a type's own name, and stays as it is.
pub(super) fn name(published: &Published) -> Option<&Pointer> {
    let mut fixed = published.create_only_properties.iter().filter(|pointer| pointer.steps().len() == 1);
    fixed.find(|pointer| is_name(&published.type_name, pointer.top()))
}

/// Whether a property is a type's own name: `Name`, or `QueueName` of a queue.
fn is_name(of: &str, property: &str) -> bool {
    let last = of.rsplit("::").next().unwrap_or_default();
    property.strip_suffix("Name").is_some_and(|of| last.starts_with(of))
}

/// Whether an attribute stays for as long as the object lives: what the object is known by, and what only AWS says and is called like
/// that. What names a version does not.
fn is_stable(published: &Published, name: &str) -> bool {
    const MOVES: [&str; 8] = ["Version", "Revision", "Latest", "Current", "Default", "Public", "Last", "Active"];
    let is_whole = |pointers: &[Pointer]| pointers.iter().any(|pointer| pointer.steps() == [name]);
    let is_named = ["Arn", "Id", "ID", "Uri", "URI", "Url", "URL", "Name"].iter().any(|end| name.ends_with(end));
    is_whole(&published.primary_identifier)
        || is_whole(&published.create_only_properties)
        || is_whole(&published.read_only_properties) && is_named && !MOVES.iter().any(|word| name.contains(word))
}

/// Whether what AWS says under a name is a secret: its schemas do not say so themselves.
pub(crate) fn is_secret(of: &str, name: &str) -> bool {
    const ENDS: [&str; 7] = ["Secret", "Password", "StreamKey", "PrivateKey", "ApiKey", "SecretKey", "SecretAccessKey"];
    ENDS.iter().any(|end| name.ends_with(end)) || (of, name) == ("AWS::IVS::StreamKey", "Value")
}

/// Puts a schema where it is referred to.
struct Expanding<'a> {
    published: &'a Published,
    /// The references that are open.
    open: Vec<&'a str>,
    count: usize,
}

impl<'a> Expanding<'a> {
    fn expand(&mut self, schema: &'a Json) -> Json {
        self.count += 1;
        match schema {
            Json::Object(map) => match map.get("$ref").and_then(Json::as_str) {
                Some(reference) => self.follow(reference, schema),
                None => self.object(map),
            },
            Json::Array(items) => items.iter().map(|item| self.expand(item)).collect(),
            other => other.clone(),
        }
    }

    fn follow(&mut self, reference: &'a str, schema: &'a Json) -> Json {
        let again = self.open.iter().filter(|open| **open == reference).count();
        let Some(target) = self.published.resolved(schema).filter(|_| again < DEPTH && self.count < MOST) else {
            return json!({ "x-free": true });
        };
        self.open.push(reference);
        let expanded = self.expand(target);
        self.open.pop();
        expanded
    }

    fn object(&mut self, map: &'a Map<String, Json>) -> Json {
        let mut expanded = Map::new();
        for (key, value) in map {
            match key.as_str() {
                "properties" => {
                    let below = value.as_object().into_iter().flatten();
                    let below: Map<_, _> = below.map(|(name, schema)| (name.clone(), self.expand(schema))).collect();
                    expanded.insert(key.clone(), below.into());
                }
                // Names of one's own: what they look like is left to AWS.
                "patternProperties" => {
                    if let Some(first) = value.as_object().and_then(|patterns| patterns.values().next()) {
                        expanded.insert("additionalProperties".to_owned(), self.expand(first));
                    }
                }
                "additionalProperties" if map.contains_key("patternProperties") => {}
                "pattern" if !is_pattern(value) => {}
                "description" => {
                    expanded.insert(key.clone(), words(value.as_str().unwrap_or_default()).into());
                }
                "default" => {
                    expanded.insert("x-default".to_owned(), value.clone());
                }
                key if DROPPED.contains(&key) => {}
                key => {
                    let value = self.expand(value);
                    // What only told formats apart says nothing any more.
                    if !(["oneOf", "anyOf"].contains(&key) && has_empty(&value)) {
                        expanded.insert(key.to_owned(), value);
                    }
                }
            }
        }
        if map.get("insertionOrder") == Some(&Json::Bool(false)) {
            expanded.insert("x-unordered".to_owned(), true.into());
        }
        if map.get("type").is_some_and(|kind| kind == "object") && !map.contains_key("properties") {
            expanded.insert("x-free".to_owned(), true.into());
        }
        expanded.into()
    }
}

/// A description on one line, as it is written for people: AWS's come from a page's source.
pub(crate) fn words(text: &str) -> String {
    text.replace("``", "`").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_empty(variants: &Json) -> bool {
    let is_empty = |variant: &Json| variant.as_object().is_some_and(Map::is_empty);
    variants.as_array().into_iter().flatten().any(is_empty)
}

/// Whether the validator can use a pattern: AWS writes them for Java.
fn is_pattern(pattern: &Json) -> bool {
    jsonschema::validator_for(&json!({ "pattern": pattern })).is_ok()
}

/// The schemas below one by a step of a pointer.
fn below<'a>(schema: &'a mut Json, step: &str) -> Vec<&'a mut Json> {
    let Some(map) = schema.as_object_mut() else { return Vec::new() };
    let mut found = Vec::new();
    for (key, value) in map.iter_mut() {
        match (key.as_str(), step) {
            ("properties", name) => found.extend(value.get_mut(name)),
            ("items" | "additionalProperties", "*") if value.is_object() => found.push(value),
            ("oneOf" | "anyOf" | "allOf", step) => {
                found.extend(value.as_array_mut().into_iter().flatten().flat_map(|variant| below(variant, step)));
            }
            _ => {}
        }
    }
    found
}

/// Sets a mark at a place; `*` may be left out on the way through a list.
fn set(schema: &mut Json, steps: &[&str], mark: &str) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(map) = schema.as_object_mut() {
            map.insert(mark.to_owned(), true.into());
        }
        return;
    };
    if *step != "*" && schema.get("items").is_some_and(Json::is_object) {
        return set(&mut schema["items"], steps, mark);
    }
    for inner in below(schema, step) {
        set(inner, rest, mark);
    }
}

/// Takes a place out, and a map that has nothing left.
fn remove(schema: &mut Json, steps: &[&str]) {
    let [way @ .., last] = steps else { return };
    let Some((step, rest)) = way.split_first() else {
        if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            properties.shift_remove(*last);
        }
        if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
            required.retain(|name| name != last);
        }
        return;
    };
    let rest: Vec<&str> = rest.iter().chain([last]).copied().collect();
    for inner in below(schema, step) {
        remove(inner, &rest);
    }
    let is_empty = |schema: &Json| schema.get("properties").and_then(Json::as_object).is_some_and(Map::is_empty);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut)
        && properties.get(*step).is_some_and(is_empty)
    {
        properties.shift_remove(*step);
    }
}

#[cfg(test)]
mod tests {
    use trueup_state::{FieldPath, Value};

    use super::*;

    fn queue() -> Schema {
        let published = json!({
            "typeName": "AWS::Test::Queue",
            "description": "A queue.",
            "definitions": {
                "Tag": { "type": "object", "properties": { "Key": { "type": "string" }, "Value": { "type": "string" } } },
                "Rule": {
                    "type": "object",
                    "properties": {
                        "Name": { "type": "string", "pattern": "^[a-z]+$" },
                        "Java": { "type": "string", "pattern": "^(?<!x)[\\p{IsAlphabetic}]++$" },
                        "State": { "type": "string" },
                        "Inner": { "$ref": "#/definitions/Rule" },
                    },
                    "required": ["Name"],
                    "additionalProperties": false,
                },
            },
            "properties": {
                "Arn": { "type": "string" },
                "Depth": { "type": "integer" },
                "Name": { "type": "string" },
                "Retention": { "type": "integer", "minimum": 60, "default": 345_600 },
                "Password": { "type": "string" },
                "Rules": { "type": "array", "insertionOrder": false, "items": { "$ref": "#/definitions/Rule" } },
                "Tags": { "type": "array", "items": { "$ref": "#/definitions/Tag" } },
            },
            "required": ["Name"],
            "readOnlyProperties": ["/properties/Arn", "/properties/Depth", "/properties/Rules/*/State"],
            "createOnlyProperties": ["/properties/Name", "/properties/Rules/*/Name"],
            "writeOnlyProperties": ["/properties/Password"],
            "primaryIdentifier": ["/properties/Name"],
        });
        of(&serde_json::from_value(published).unwrap())
    }

    fn problems(spec: Json) -> Vec<String> {
        queue().problems(&spec.into()).into_iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn what_may_be_said_is_what_can_be_set() {
        assert_eq!(
            problems(json!({ "properties": { "Name": "a", "Retention": 60 }, "tags": { "team": "a" } })),
            [""; 0]
        );
        assert_eq!(problems(json!({ "properties": { "Name": "a", "Retention": 59 } })), ["properties.Retention"]);
        assert_eq!(problems(json!({ "properties": { "Name": "a", "Arn": "x" } })), ["properties.Arn"]);
        assert_eq!(problems(json!({ "properties": { "Name": "a", "Tags": [] } })), ["properties.Tags"]);
        assert_eq!(problems(json!({ "properties": {} })).len(), 1);
        assert_eq!(problems(json!({})).len(), 1);
        let rule = |rule: Json| json!({ "properties": { "Name": "a", "Rules": [rule] } });
        assert_eq!(problems(rule(json!({ "Name": "A" }))), ["properties.Rules[0].Name"]);
        assert_eq!(problems(rule(json!({ "Name": "a", "State": "x" }))), ["properties.Rules[0].State"]);
        assert!(!problems(rule(json!({ "Name": "a", "Inner": { "Nmae": "b" } }))).is_empty());
        // What is deeper in itself is left to AWS.
        let deep = json!({ "Name": "a", "Inner": { "Name": "b", "Inner": { "Nmae": "c" } } });
        assert_eq!(problems(rule(deep)), [""; 0]);
    }

    #[test]
    fn what_aws_says_of_a_property_is_said_in_our_marks() {
        let schema = queue();
        let is = |mark, path| schema.is(mark, &FieldPath::parse(path));
        assert!(is("x-immutable", "properties.Name") && !is("x-immutable", "properties.Retention"));
        assert!(is("x-immutable", "properties.Rules[0].Name") && !is("x-immutable", "properties.Rules[0].Java"));
        assert!(is("x-unordered", "properties.Rules") && is("x-secret", "properties.Password"));
        assert_eq!(schema.attribute_names(), ["Arn", "Depth", "Rules", "Name", "resource_id"]);
        assert!(schema.is_stable("Arn") && schema.is_stable("Name") && !schema.is_stable("Depth"));
        let mut spec = Value::from(json!({ "properties": { "Name": "a" } }));
        schema.complete(&mut spec);
        assert_eq!(spec.at(&FieldPath::parse("properties.Retention")), None, "AWS's defaults are AWS's to fill in");
    }
}
