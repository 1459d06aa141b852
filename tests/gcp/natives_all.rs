//! Every collection of every API that Google publishes: it can be managed, or why not is said.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::python::python;

fn ways(resources: &Json, before: &str, found: &mut Vec<(String, bool)>) {
    for (name, resource) in resources.as_object().into_iter().flatten() {
        let way = format!("{before}{name}");
        let methods = &resource["methods"];
        let has = |names: &[&str]| names.iter().any(|name| methods.get(name).is_some());
        found.push((way.clone(), has(&["create", "insert"]) && has(&["get"]) && has(&["delete"])));
        ways(&resource["resources"], &format!("{way}."), found);
    }
}

/// What is made by a call of another name, as its reference says.
const OTHERWISE: [&str; 1] = ["aiplatform.v1.projects.locations.models"];

#[test]
fn of_what_can_be_made_read_and_deleted_nearly_all_is_managed() {
    let Some(python) = python("gcp", include_str!("../support/gcp/google.txt")) else { return };
    let library = python.parent().unwrap().parent().unwrap().join("lib");
    let documents: PathBuf = fs::read_dir(library)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("site-packages/googleapiclient/discovery_cache/documents"))
        .find(|path| path.is_dir())
        .unwrap();
    let (mut managed, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for entry in fs::read_dir(documents).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let document: Json = serde_json::from_str(&text).unwrap();
        let (Some(api), Some(version)) = (document["name"].as_str(), document["version"].as_str()) else { continue };
        let mut found = Vec::new();
        ways(&document["resources"], "", &mut found);
        let kinds: Vec<String> = found.iter().map(|(way, _)| format!("{api}.{version}.{way}")).collect();
        let answers = trueup_provider_gcp::manageable(&document, &kinds);
        for ((kind, answer), (_, can)) in kinds.iter().zip(answers).zip(found) {
            match (answer, can) {
                (Ok(()), false) if !OTHERWISE.contains(&kind.as_str()) => wrong.push(kind.clone()),
                (Ok(()), _) => managed += 1,
                (Err(why), true) => refused.push(format!("{kind}: {why}")),
                (Err(_), false) => {}
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(managed >= 2_100 && refused.len() <= 130, "{managed} managed, {} refused: {refused:#?}", refused.len());
}
