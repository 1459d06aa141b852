//! `planned_values` and `prior_state`: everything there is, then and now, by module.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::plan::{Change, Plan};
use trueup_state::{Address, Value};

use super::Each;
use super::change::head;
use super::value::{known, merged, sensitive};

/// What there is to be, as far as it is known.
#[derive(serde::Serialize)]
pub(super) struct Planned<'a> {
    outputs: JsonMap<String, Json>,
    root_module: Module<'a>,
}

/// What there is now.
#[derive(serde::Serialize)]
pub(super) struct Prior<'a> {
    format_version: &'static str,
    values: PriorValues<'a>,
}

#[derive(serde::Serialize)]
struct PriorValues<'a> {
    root_module: Module<'a>,
}

pub(super) fn planned(plan: &Plan) -> Planned<'_> {
    let mut outputs = JsonMap::new();
    for (name, output) in &plan.outputs {
        if let Some(after) = &output.after {
            let mut shown = json!({ "sensitive": after.has_secret() });
            if let (false, Some(shown)) = (after.has_unknown(), shown.as_object_mut()) {
                shown.insert("value".to_owned(), known(after));
            }
            outputs.insert(name.clone(), shown);
        }
    }
    Planned { outputs, root_module: modules(plan, after) }
}

pub(super) fn prior(plan: &Plan) -> Prior<'_> {
    Prior { format_version: "1.0", values: PriorValues { root_module: modules(plan, before) } }
}

/// One side of a change: spec and attributes before, or after. Where the spec is nothing, nothing is there.
type Side = fn(&Change) -> (&Value, &Value);

fn before(change: &Change) -> (&Value, &Value) {
    (&change.before, &change.attributes_before)
}

fn after(change: &Change) -> (&Value, &Value) {
    (&change.after, &change.attributes_after)
}

/// A module with what is in it.
struct Module<'a> {
    address: Option<Address>,
    resources: Vec<&'a Change>,
    inner: Vec<Module<'a>>,
    side: Side,
}

impl Serialize for Module<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(address) = &self.address {
            map.serialize_entry("address", address)?;
        }
        map.serialize_entry("resources", &Each(|| self.resources.iter().map(|change| resource(change, self.side))))?;
        map.serialize_entry("child_modules", &self.inner)?;
        map.end()
    }
}

fn resource(change: &Change, side: Side) -> Json {
    let (spec, attributes) = side(change);
    let value = merged(spec, attributes);
    let mut resource = head(&change.address, "managed", &change.kind, change.scope.provider.provider());
    resource.insert("values".to_owned(), known(&value));
    resource.insert("sensitive_values".to_owned(), sensitive(&value));
    Json::Object(resource)
}

/// The resources of each module, the modules in each other.
fn modules(plan: &Plan, side: Side) -> Module<'_> {
    let module = |address| Module { address, resources: Vec::new(), inner: Vec::new(), side };
    let mut modules: BTreeMap<Option<Address>, Module<'_>> = BTreeMap::from([(None, module(None))]);
    for change in plan.changes.iter().filter(|change| *side(change).0 != Value::Null) {
        let path = change.address.parent();
        let mut around = path.clone();
        while let Some(address) = around {
            around = address.parent();
            modules.entry(Some(address.clone())).or_insert_with(|| module(Some(address)));
        }
        modules.entry(path.clone()).or_insert_with(|| module(path)).resources.push(change);
    }
    // The innermost first: an address stands after the one it is in.
    while let Some((path, mut inner)) = modules.pop_last() {
        inner.inner.reverse();
        let Some(path) = path else { return inner };
        let around = path.parent();
        modules.entry(around.clone()).or_insert_with(|| module(around)).inner.push(inner);
    }
    module(None)
}
