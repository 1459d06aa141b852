//! What completing a spec comes to: worked out once from its kind's schema, and done for each of a stack's resources.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use trueup_state::{Map, Step, Value};

use crate::schema::{child, marked, properties, variants, whole};

/// What is filled in, dropped and marked at one place of a spec, and below it.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Whether a map's keys are the user's own: null means something there.
    free: bool,
    /// Whether a number must be an integer.
    integer: bool,
    secret: bool,
    defaults: Vec<(String, Value)>,
    fields: BTreeMap<String, Completion>,
    /// Of the fields that are not named.
    rest: Option<Box<Completion>>,
    items: Option<Box<Completion>>,
}

impl Completion {
    /// What a schema says of it.
    pub(crate) fn of(schema: &Json) -> Self {
        let at = |step: &Step| child(schema, step).map(Self::of);
        let field = |name: &str| Some((name.to_owned(), at(&Step::Field(name.to_owned()))?));
        let mut defaults = Vec::new();
        add_defaults(schema, &mut defaults);
        Self {
            free: marked(schema, "x-free"),
            integer: takes_integers_alone(schema),
            secret: marked(schema, "x-secret"),
            defaults,
            fields: properties(schema).into_iter().filter_map(field).collect(),
            // No field has an empty name.
            rest: at(&Step::Field(String::new())).map(Box::new),
            items: at(&Step::Index(0)).map(Box::new),
        }
    }

    /// Fills in the defaults of fields that are left out, drops those said to be null, makes secret what the schema says is, and
    /// writes `2.0` as 2 where an integer belongs.
    pub(crate) fn complete(&self, value: &mut Value) {
        match value {
            Value::Map(map) => self.complete_map(map),
            Value::List(items) => {
                let of = self.items.as_deref();
                items.iter_mut().for_each(|item| of.into_iter().for_each(|of| of.complete(item)));
            }
            Value::Number(number) if self.integer => *number = whole(std::mem::replace(number, 0.into())),
            _ => {}
        }
    }

    fn complete_map(&self, map: &mut Map) {
        if !self.free && map.values().any(|value| *value == Value::Null) {
            map.retain(|_, value| *value != Value::Null);
        }
        for (name, default) in &self.defaults {
            if !map.contains_key(name.as_str()) {
                map.insert(name.clone(), default.clone());
            }
        }
        for (name, value) in map {
            let Some(of) = self.fields.get(name).or(self.rest.as_deref()) else { continue };
            of.complete(value);
            if of.secret && !matches!(value, Value::Unknown | Value::Null) {
                *value = Value::secret(std::mem::take(value));
            }
        }
    }
}

/// Whether a number must be an integer there.
fn takes_integers_alone(schema: &Json) -> bool {
    let types = std::iter::once(schema).chain(variants(schema)).filter_map(|schema| schema.get("type"));
    let types: Vec<&Json> =
        types.flat_map(|kind| kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice)).collect();
    let has = |name: &str| types.iter().any(|kind| *kind == name);
    has("integer") && !has("number")
}

fn add_defaults(schema: &Json, defaults: &mut Vec<(String, Value)>) {
    // Of several shapes that a map may have, none has defaults that hold for all.
    let mut shapes = variants(schema).filter(|variant| variant.get("properties").is_some());
    if let (Some(only), None) = (shapes.next(), shapes.next()) {
        add_defaults(only, defaults);
    }
    for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
            defaults.push((name.clone(), default.clone().into()));
        }
    }
}
