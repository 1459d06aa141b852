//! `planned_values` and `prior_state`: everything there is, then and now, by module.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::plan::{Change, Plan};
use trueup_state::{Address, Value};

use super::change::head;
use super::value::{known, merged, sensitive};

/// What there is to be, as far as it is known.
pub(super) fn planned(plan: &Plan) -> Json {
    let after = |change: &Change| merged(&change.after, &change.attributes_after);
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
    json!({ "outputs": outputs, "root_module": modules(plan, after) })
}

/// What there is now.
pub(super) fn prior(plan: &Plan) -> Json {
    let before = |change: &Change| merged(&change.before, &change.attributes_before);
    json!({ "format_version": "1.0", "values": { "root_module": modules(plan, before) } })
}

/// The resources of each module, the modules in each other. Nothing is there of what does not exist on that side.
fn modules(plan: &Plan, side: impl Fn(&Change) -> Value) -> Json {
    let mut modules: BTreeMap<Option<Address>, Module> = BTreeMap::from([(None, Module::default())]);
    for change in &plan.changes {
        let value = side(change);
        if value == Value::Null {
            continue;
        }
        let path = change.address.parent();
        let mut inner = path.clone();
        while let Some(module) = inner {
            modules.entry(Some(module.clone())).or_default();
            inner = module.parent();
        }
        let mut resource = head(&change.address, "managed", &change.kind, change.scope.provider.provider());
        resource.insert("values".to_owned(), known(&value));
        resource.insert("sensitive_values".to_owned(), sensitive(&value));
        modules.entry(path).or_default().resources.push(Json::Object(resource));
    }
    nested(modules)
}

#[derive(Default)]
struct Module {
    resources: Vec<Json>,
    inner: Vec<Json>,
}

/// Puts each module into the one around it, the innermost first: an address stands after the one it is in.
fn nested(mut modules: BTreeMap<Option<Address>, Module>) -> Json {
    while let Some((path, Module { resources, mut inner })) = modules.pop_last() {
        inner.reverse();
        let mut object = JsonMap::new();
        if let Some(path) = &path {
            object.insert("address".to_owned(), json!(path));
        }
        object.insert("resources".to_owned(), Json::Array(resources));
        object.insert("child_modules".to_owned(), Json::Array(inner));
        match path {
            Some(path) => modules.entry(path.parent()).or_default().inner.push(Json::Object(object)),
            None => return Json::Object(object),
        }
    }
    Json::Null
}
