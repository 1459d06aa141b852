//! Every type that AWS publishes: what a blueprint may say of it follows from its schema.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::Provider;
use trueup_engine::schema::Schema;
use trueup_provider_aws::AwsProvider;
use trueup_state::clock::SystemClock;

use crate::aws::tools;

/// The schemas of AWS's types, as the package cfn-lint brings them, by name.
fn published(python: &Path) -> BTreeMap<String, Json> {
    let packages = python.parent().and_then(Path::parent).unwrap().join("lib");
    let packages = fs::read_dir(packages).unwrap().next().unwrap().unwrap().path().join("site-packages");
    let files = fs::read_dir(packages.join("cfnlint/data/schemas/resources")).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|end| end == "json"));
    let read = |file: PathBuf| -> Json { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    let named = files.map(read).map(|schema| (schema["typeName"].as_str().unwrap().to_owned(), schema));
    named.filter(|(name, _)| name.starts_with("AWS::")).collect()
}

/// The names on the way of each of a schema's pointers under a key.
fn pointers<'a>(schema: &'a Json, key: &str) -> Vec<Vec<&'a str>> {
    let pointers = schema[key].as_array().into_iter().flatten().filter_map(Json::as_str);
    let path = |pointer: &'a str| pointer.trim_start_matches("/properties/").split('/').collect();
    pointers.map(path).collect()
}

fn can(schema: &Json, handler: &str) -> bool {
    schema["handlers"].get(handler).is_some()
}

/// What is not as it should be of a type that can be managed.
fn faults(of: &Json, native: &Native) -> Vec<String> {
    let mut faults = Vec::new();
    let schema = Schema::new(1, native.spec.clone(), native.attributes.clone(), false);
    let told = schema.problems(&json!({ "properties": {}, "nowhere": 1 }).into());
    if !told.iter().any(|problem| problem.message.contains("nowhere")) {
        faults.push(format!("its schema can't be used: {told:?}"));
    }
    let settable = &native.spec["properties"]["properties"]["properties"];
    for path in pointers(of, "readOnlyProperties") {
        if let ([name], Some(_)) = (&path[..], settable.get(path[0])) {
            faults.push(format!("{name} may be set, and only AWS says it"));
        }
    }
    for path in pointers(of, "primaryIdentifier") {
        if native.attributes["properties"].get(path[0]).is_none() {
            faults.push(format!("{} is no attribute, and the thing is known by it", path[0]));
        }
    }
    let marks = [("createOnlyProperties", "x-immutable"), ("writeOnlyProperties", "x-secret")];
    for (key, mark) in marks {
        for path in pointers(of, key) {
            if let ([name], Some(property)) = (&path[..], settable.get(path[0]))
                && property[mark] != true
            {
                faults.push(format!("{name} is not {mark}"));
            }
        }
    }
    if native.is_updatable != can(of, "update") || (native.listed == Listed::No) == can(of, "list") {
        faults.push("what can be done with it is told wrong".to_owned());
    }
    faults
}

#[test]
fn every_type_that_can_be_managed_has_a_schema_that_says_what_aws_says() {
    let Some(python) = tools() else { return };
    let published = published(&python);
    let kept = tempfile::tempdir().unwrap();
    for (name, schema) in &published {
        fs::write(kept.path().join(format!("{}.json", name.replace("::", "-"))), schema.to_string()).unwrap();
    }
    let provider = AwsProvider::new(kept.path(), true, Arc::new(SystemClock));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let described = |name: &String| runtime.block_on(provider.describe(&name.as_str().into()));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faulty = Vec::new();
    for (name, schema) in &published {
        let is_managed = ["create", "read", "delete"].into_iter().all(|handler| can(schema, handler));
        let native = match described(name) {
            Ok(Some(native)) if is_managed => native,
            Err(_) if !is_managed => continue,
            other => panic!("{name}: {other:?}"),
        };
        faulty.extend(faults(schema, &native).into_iter().map(|fault| format!("{name}: {fault}")));
        let traits = [
            ("managed", true),
            ("without tags", !native.has_tags),
            ("without a list", native.listed == Listed::No),
            ("without an update", !native.is_updatable),
            ("listed under another", matches!(native.listed, Listed::Under(_))),
        ];
        traits.into_iter().filter(|(_, is)| *is).for_each(|(what, _)| *counts.entry(what).or_default() += 1);
    }
    assert_eq!(faulty, [""; 0]);
    insta::assert_snapshot!(format!("{counts:#?}"));
}
