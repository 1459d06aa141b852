//! The JSON Schema of a blueprint, by another validator than the program's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::python::python;
use crate::support::{BUCKETS, DEMO, Place};

/// A blueprint with all that the language has, in every form that it may have.
const EVERYTHING: &str = include_str!("schema/everything.yaml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed() -> String {
    Place::new().run(&["schema"]).exits(0).out
}

fn yaml(text: &str) -> Json {
    serde_yaml::from_str(text).unwrap()
}

/// What is wrong with each value, as places, by the schema; none without the validator.
fn wrong(values: &BTreeMap<String, Json>) -> Option<BTreeMap<String, Vec<String>>> {
    let python = python("jsonschema", include_str!("../support/jsonschema.txt"))?;
    let script = root().join("tests/support/check_schema.py");
    let schema: Json = serde_json::from_str(&printed()).unwrap();
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let given = json!({ "schema": schema, "values": values });
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the schema is none, or the validator failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_schema_that_is_checked_in_is_the_programs_own() {
    let path = root().join("schemas/blueprint.json");
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == printed(),
        "schemas/blueprint.json is stale: regenerate it with `cargo run -- schema > schemas/blueprint.json`"
    );
}

#[test]
fn good_blueprints_fit_the_schema() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let readme = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let texts = [("everything", EVERYTHING), ("demo", DEMO), ("buckets", BUCKETS), ("README.md", readme)];
    let mut values: BTreeMap<String, Json> = texts.map(|(name, text)| (name.to_owned(), yaml(text))).into();
    for directory in ["blueprints", "src/starters"] {
        let files = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
            values.insert(path.display().to_string(), yaml(&fs::read_to_string(&path).unwrap()));
        }
    }
    // Where the provider of one is not in this program, the schema says so.
    let absent = |name: &str| !cfg!(feature = "gcp") && name.ends_with("starters/gcp.yaml");
    let Some(found) = wrong(&values) else { return };
    assert!(found.len() >= 9, "{found:?}");
    for (name, places) in found {
        let expected: &[&str] = if absent(&name) { &["providers"] } else { &[] };
        assert_eq!(places, expected, "{name}");
    }
}

#[test]
fn bad_blueprints_do_not_fit_the_schema() {
    let head = "blueprint: demo\n";
    let bad = [
        ("resources: {}", ""),
        ("blueprint: Demo", "blueprint"),
        ("blueprint: demo\nresorces: {}", ""),
        ("variables: { model: { type: text } }", "variables.model.type"),
        ("variables: { model: { defualt: 1 } }", "variables.model"),
        ("variables: { my-model: {} }", "variables"),
        ("variables: { each: {} }", "variables"),
        ("tags: { team: 1 }", "tags.team"),
        ("providers: { lokal: {} }", "providers"),
        ("providers: { local: { roof: / } }", "providers.local"),
        ("providers: { local.: {} }", "providers"),
        ("environments: { prod: { outputs: {} } }", "environments.prod"),
        ("environments: { prod: { resources: { a: { protect: often } } } }", "environments.prod.resources.a.protect"),
        ("resources: { a: {} }", "resources.a"),
        ("resources: { a: { kind: bukket } }", "resources.a.kind"),
        ("resources: { a: { kind: bucket, versoning: true } }", "resources.a"),
        ("resources: { a: { kind: bucket, versioning: yes please } }", "resources.a.versioning"),
        ("resources: { a: { kind: bucket, public_access: write } }", "resources.a.public_access"),
        (
            "resources: { a: { kind: bucket, lifecycle: [{ expire_after_days: 0 }] } }",
            "resources.a.lifecycle.0.expire_after_days",
        ),
        ("resources: { a: { kind: artifact, source: ./a } }", "resources.a"),
        ("resources: { a: { kind: artifact, source: ./a, bucket: weights } }", "resources.a.bucket"),
        ("resources: { a: { kind: endpoint } }", "resources.a"),
        ("resources: { a: { kind: endpoint, command: [a], image: b } }", "resources.a"),
        ("resources: { a: { kind: gpu_instance, gpu: some } }", "resources.a.gpu"),
        ("resources: { a: { kind: bucket, gpu: none } }", "resources.a"),
        ("resources: { a: { kind: bucket, provider: lokal } }", "resources.a.provider"),
        ("resources: { a: { kind: bucket, placement: [{ market: spot }] } }", "resources.a.placement.0"),
        ("resources: { a: { kind: bucket, for_each: 3 } }", "resources.a.for_each"),
        ("resources: { a: { kind: bucket, replace: never } }", "resources.a.replace"),
        ("resources: { a: { kind: bucket, drift: { fix: [tags] } } }", "resources.a.drift"),
        ("resources: { a: { kind: bucket, validate: { minimum: 2 } } }", "resources.a.validate.minimum"),
        ("resources: { a: { kind: AWS::SQS::Queue, depends_on: b } }", "resources.a.depends_on"),
        ("modules: { eval: { inputs: {} } }", "modules.eval"),
        ("moved: [{ from: a }]", "moved.0"),
        ("outputs: { my-url: a }", "outputs"),
    ];
    let text = |body: &str| {
        if body.contains("blueprint:") || body == "resources: {}" { body.to_owned() } else { format!("{head}{body}") }
    };
    let values = bad.iter().map(|(body, _)| ((*body).to_owned(), yaml(&text(body)))).collect();
    let Some(found) = wrong(&values) else { return };
    for (body, place) in bad {
        assert!(found[body].iter().any(|found| found == place), "{body}: {place} is not among {:?}", found[body]);
    }
}

#[test]
fn every_example_in_the_help_fits_its_field() {
    let schema: Json = serde_json::from_str(&printed()).unwrap();
    let mut missed = Vec::new();
    let mut count = 0;
    examples(&schema, "#", &mut |at, field, example| {
        count += 1;
        // Definitions are looked up in the whole.
        let mut whole = field.clone();
        whole["$defs"] = schema["$defs"].clone();
        whole["$schema"] = schema["$schema"].clone();
        if !jsonschema::validator_for(&whole).unwrap().is_valid(example) {
            missed.push(format!("{at}: {example}"));
        }
    });
    assert!(count > 80, "{count}");
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Calls `look` with every example of every field.
fn examples(schema: &Json, at: &str, look: &mut dyn FnMut(&str, &Json, &Json)) {
    for example in schema.get("examples").and_then(Json::as_array).into_iter().flatten() {
        look(at, schema, example);
    }
    for (name, inner) in schema.as_object().into_iter().flatten().filter(|(name, _)| *name != "examples") {
        let at = format!("{at}/{name}");
        match inner {
            Json::Array(items) => items.iter().for_each(|item| examples(item, &at, look)),
            other => examples(other, &at, look),
        }
    }
}
