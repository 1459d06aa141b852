//! A type as AWS publishes it: its schema, and what that says of its properties and of what can be done with it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value as Json;
use trueup_engine::naming::TAG_STACK;

/// A resource provider's schema, as `DescribeType` answers it. The words are those of AWS's *Resource type schema* reference.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Published {
    pub(crate) type_name: String,
    pub(crate) description: String,
    pub(crate) properties: serde_json::Map<String, Json>,
    pub(crate) definitions: serde_json::Map<String, Json>,
    pub(crate) required: Vec<String>,
    /// What only AWS says.
    pub(crate) read_only_properties: Vec<Pointer>,
    /// What can't be changed once it is made.
    pub(crate) create_only_properties: Vec<Pointer>,
    /// What AWS never says again.
    pub(crate) write_only_properties: Vec<Pointer>,
    /// What makes up the identifier, in this order.
    pub(crate) primary_identifier: Vec<Pointer>,
    pub(crate) additional_identifiers: Vec<Vec<Pointer>>,
    pub(crate) tagging: Option<Tagging>,
    /// In older schemas: whether it has tags.
    pub(crate) taggable: Option<bool>,
    pub(crate) handlers: serde_json::Map<String, Json>,
    #[serde(flatten)]
    pub(crate) rest: serde_json::Map<String, Json>,
}

/// What a schema says of a type's tags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Tagging {
    pub(crate) taggable: Option<bool>,
    pub(crate) tag_on_create: Option<bool>,
    pub(crate) tag_updatable: Option<bool>,
    pub(crate) tag_property: Option<Pointer>,
}

/// A place in a schema: `/properties/Rules/*/Id`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The names on the way, from the top of the properties; `*` for each item of a list or each value of a map.
    pub(crate) fn steps(&self) -> Vec<&str> {
        Self::path(&self.0)
    }

    /// The same of a pointer's text.
    pub(crate) fn path(text: &str) -> Vec<&str> {
        let path = text.trim_start_matches('/');
        let path = path.strip_prefix("properties/").unwrap_or(path);
        path.split('/').filter(|step| !step.is_empty()).collect()
    }

    /// The property of the type itself that it leads through.
    pub(crate) fn top(&self) -> &str {
        self.steps().first().copied().unwrap_or_default()
    }
}

/// What can be done with a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Handler {
    Create,
    Read,
    Update,
    Delete,
    List,
}

impl Handler {
    /// All of them, in the order of a thing's life.
    pub(crate) const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::List];

    /// Its name in a schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

fn texts(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

/// How the tags of a type stand in its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tags {
    /// The property.
    pub(crate) property: String,
    pub(crate) form: Form,
    /// Whether they can be changed.
    pub(crate) is_updatable: bool,
    /// Whether they take keys like ours.
    pub(crate) takes_ours: bool,
}

/// A shape of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{ team: search }`.
    Map,
    /// `[{ Key: team, Value: search }]`, by these two words.
    List {
        key: String,
        value: String,
        /// What each must say besides: of yes or no, no.
        besides: Vec<String>,
    },
}

impl Published {
    /// Whether it can be done.
    pub(crate) fn can(&self, handler: Handler) -> bool {
        self.handlers.contains_key(handler.name())
    }

    /// The actions that AWS needs to be allowed for it, in the name of who asks.
    pub(crate) fn permissions(&self, handler: Handler) -> Vec<String> {
        let said = self.handlers.get(handler.name()).and_then(|handler| handler.get("permissions"));
        texts(said).map(str::to_owned).collect()
    }

    /// The properties that must be said for a list: those that all things in it have the same. Any one of these sets does; where nothing
    /// need be said, there is none.
    pub(crate) fn listed_under(&self) -> Vec<Vec<&str>> {
        let Some(list) = self.list_schema() else { return Vec::new() };
        let always: Vec<&str> = texts(list.get("required")).collect();
        let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| list.get(key)?.as_array()).flatten();
        let sets = choices.map(|choice| always.iter().copied().chain(texts(choice.get("required"))).collect());
        let sets: Vec<Vec<&str>> = sets.filter(|set: &Vec<&str>| !set.is_empty()).collect();
        if sets.is_empty() && !always.is_empty() { vec![always] } else { sets }
    }

    /// The properties that a list may be told besides, and that stay as they are for as long as a thing lives: to tell them makes it
    /// shorter, and a few types need it though their schemas don't say so.
    pub(crate) fn listed_by(&self) -> Vec<&str> {
        let known = self.list_schema().and_then(|list| list.get("properties")?.as_object());
        let stays = |name: &str| self.create_only_properties.iter().any(|pointer| pointer.steps() == [name]);
        known.into_iter().flat_map(|known| known.keys()).map(String::as_str).filter(|name| stays(name)).collect()
    }

    /// What a list may be told.
    fn list_schema(&self) -> Option<&Json> {
        self.handlers.get(Handler::List.name())?.get("handlerSchema")
    }

    /// The properties that only AWS says, whole.
    pub(crate) fn whole_read_only(&self) -> BTreeSet<&str> {
        self.read_only_properties.iter().filter(|path| path.steps().len() == 1).map(Pointer::top).collect()
    }

    /// The properties that make up an identifier.
    pub(crate) fn identifying(&self) -> BTreeSet<&str> {
        self.primary_identifier.iter().chain(self.additional_identifiers.iter().flatten()).map(Pointer::top).collect()
    }

    /// How its tags stand; none where it has none, or none that can be set at once.
    pub(crate) fn tags(&self) -> Option<Tags> {
        let tagging = self.tagging.clone().unwrap_or_default();
        if !tagging.taggable.or(self.taggable).unwrap_or(true) || tagging.tag_on_create == Some(false) {
            return None;
        }
        let pointer = tagging.tag_property.unwrap_or(Pointer("/properties/Tags".to_owned()));
        let [property] = pointer.steps()[..] else { return None };
        let schema = self.resolved(self.properties.get(property)?)?;
        let (form, keys) = self.form(schema)?;
        let is_fixed = self.create_only_properties.contains(&pointer);
        Some(Tags {
            property: property.to_owned(),
            form,
            is_updatable: tagging.tag_updatable.unwrap_or(true) && !is_fixed,
            takes_ours: keys.is_none_or(|keys| takes(keys, TAG_STACK)),
        })
    }

    /// The form of tags, and the schema of their keys.
    fn form<'a>(&'a self, schema: &'a Json) -> Option<(Form, Option<&'a Json>)> {
        let said = schema.get("type");
        let is = |name: &str| {
            said.is_some_and(|said| said == name || said.as_array().is_some_and(|all| all.contains(&name.into())))
        };
        if is("object") {
            // One with names of its own is no map of tags.
            return schema.get("properties").is_none().then_some((Form::Map, None));
        }
        let item = self.resolved(schema.get("items")?)?;
        let names = item.get("properties")?.as_object()?;
        let called = |word: &str| names.keys().find(|name| name.to_lowercase().ends_with(word)).cloned();
        let (key, value) = (called("key")?, called("value")?);
        let required = item.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let besides: Vec<String> = required.filter(|name| *name != key && *name != value).map(str::to_owned).collect();
        let is_flag = |name: &String| names.get(name).and_then(|schema| schema.get("type")) == Some(&"boolean".into());
        if !is("array") || !besides.iter().all(is_flag) {
            return None;
        }
        let keys = names.get(&key).and_then(|keys| self.resolved(keys));
        Some((Form::List { key, value, besides }, keys))
    }

    /// A schema, or what it refers to.
    pub(crate) fn resolved<'a>(&'a self, schema: &'a Json) -> Option<&'a Json> {
        let Some(reference) = schema.get("$ref").and_then(Json::as_str) else { return Some(schema) };
        let target = match reference.strip_prefix("#/")?.split_once('/')? {
            ("definitions", name) => self.definitions.get(name)?,
            ("properties", name) => self.properties.get(name)?,
            _ => return None,
        };
        // A definition may be another name for one.
        if target.get("$ref").is_some_and(|again| again != reference) { self.resolved(target) } else { Some(target) }
    }
}

/// Whether the schema of a key takes it. A pattern that can't be used here is left to AWS.
fn takes(keys: &Json, key: &str) -> bool {
    jsonschema::validator_for(keys).is_ok_and(|validator| validator.is_valid(&key.into()))
}

/// Takes what a path leads to out of properties, also out of each item of a list on the way.
pub(crate) fn take_out(model: &mut Json, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else { return };
    match model {
        Json::Array(items) => {
            let below = if *step == "*" { rest } else { steps };
            items.iter_mut().for_each(|item| take_out(item, below));
        }
        Json::Object(map) if *step == "*" => map.values_mut().for_each(|inner| take_out(inner, rest)),
        Json::Object(map) if rest.is_empty() => drop(map.shift_remove(*step)),
        Json::Object(map) => {
            if let Some(inner) = map.get_mut(*step) {
                take_out(inner, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn where_tags_stand_is_read_from_the_schema() {
        let of = |json: Json| serde_json::from_value::<Published>(json).unwrap().tags();
        let pair = |key: &str, value: &str| json!({ "Tag": { "properties": { key: {}, value: {} } } });
        let list = |definitions: Json, tagging: Json| {
            let tags = json!({ "type": "array", "items": { "$ref": "#/definitions/Tag" } });
            of(json!({ "properties": { "Tags": tags }, "definitions": definitions, "tagging": tagging }))
        };
        let pairs = |key: &str, value: &str| Form::List { key: key.into(), value: value.into(), besides: vec![] };
        let found = list(pair("Key", "Value"), json!({ "taggable": true, "tagUpdatable": false })).unwrap();
        let form = pairs("Key", "Value");
        assert_eq!(found, Tags { property: "Tags".to_owned(), form, is_updatable: false, takes_ours: true });
        assert_eq!(list(pair("TagKey", "TagValue"), json!({})).unwrap().form, pairs("TagKey", "TagValue"));
        assert_eq!(list(pair("Key", "Value"), json!({ "taggable": false })), None);
        assert_eq!(list(pair("Key", "Value"), json!({ "tagOnCreate": false })), None);
        let map = of(json!({
            "properties": { "PoolTags": { "type": "object" } }, "tagging": { "tagProperty": "/properties/PoolTags" }
        }));
        assert_eq!(map.unwrap().form, Form::Map);
        assert_eq!(of(json!({ "properties": { "Name": {} } })), None);
        assert_eq!(of(json!({ "tagging": { "tagProperty": "/properties/TagSpecifications/*/Tags" } })), None);
    }

    #[test]
    fn odd_tags_are_told_from_those_that_can_be_set() {
        let of = |item: Json, more: Json| {
            let tags = json!({ "type": "array", "items": item });
            let mut schema = json!({ "properties": { "Tags": tags } });
            schema.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            serde_json::from_value::<Published>(schema).unwrap().tags()
        };
        let item = |required: Json, key: Json| {
            json!({ "required": required, "properties": {
                "Key": key, "Value": {}, "PropagateAtLaunch": { "type": "boolean" }, "Scope": { "type": "string" } } })
        };
        let scaling = of(item(json!(["Key", "Value", "PropagateAtLaunch"]), json!({})), json!({})).unwrap();
        let besides = vec!["PropagateAtLaunch".to_owned()];
        assert_eq!(scaling.form, Form::List { key: "Key".into(), value: "Value".into(), besides });
        assert_eq!(of(item(json!(["Key", "Scope"]), json!({})), json!({})), None);
        assert!(!of(item(json!([]), json!({ "pattern": "^[a-z]+$" })), json!({})).unwrap().takes_ours);
        let fixed = of(item(json!([]), json!({})), json!({ "createOnlyProperties": ["/properties/Tags"] }));
        assert!(!fixed.unwrap().is_updatable);
        let items = json!({ "properties": { "Tags": { "type": "object", "properties": { "Items": {} } } } });
        assert_eq!(serde_json::from_value::<Published>(items).unwrap().tags(), None);
    }

    #[test]
    fn what_a_pointer_leads_to_is_taken_out_of_lists_and_maps() {
        let taken = |mut model: Json, steps: &[&str]| {
            take_out(&mut model, steps);
            model
        };
        let lists = json!({ "A": [{ "B": 1, "C": 2 }, { "B": 3 }], "D": 4 });
        assert_eq!(taken(lists.clone(), &["A", "*", "B"]), json!({ "A": [{ "C": 2 }, {}], "D": 4 }));
        assert_eq!(taken(lists.clone(), &["A", "B"]), json!({ "A": [{ "C": 2 }, {}], "D": 4 }));
        assert_eq!(taken(lists, &["D"]), json!({ "A": [{ "B": 1, "C": 2 }, { "B": 3 }] }));
        assert_eq!(taken(json!({ "A": { "x": { "B": 1 } } }), &["A", "*", "B"]), json!({ "A": { "x": {} } }));
        assert_eq!(taken(json!({ "A": 1 }), &["B", "C"]), json!({ "A": 1 }));
    }
}
