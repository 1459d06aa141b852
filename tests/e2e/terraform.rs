//! A plan's JSON, as tools made for Terraform's plans read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::python::python;
use crate::support::Place;

const POLICY: &str = include_str!("../support/policy.rego");

/// One resource for each thing that may become of one: after [`edited`] some are made, changed, replaced, deleted, and left alone.
const ESTATE: &str = r#"blueprint: demo
providers: { local: {} }
variables:
  token: { type: string, secret: true, default: hunter2hunter2 }
resources:
  data: { kind: bucket, name: data-one, force_destroy: true, tags: { team: a } }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./model }
  chat:
    kind: endpoint
    command: [python3, serve.py]
    working_dir: .
    model: "{{ weights.uri }}"
    env: { TOKEN: "{{ var.token }}" }
  images: { kind: registry }
  shard: { kind: bucket, for_each: [a, b], tags: { team: a } }
  calm: { kind: bucket, tags: { team: a } }
modules:
  eval: { source: ./eval.yaml }
outputs:
  url: "{{ chat.url }}"
  where: "{{ weights.uri }}"
  token: "{{ var.token }}"
"#;

const EVAL: &str = "blueprint: eval\nresources:\n  results: { kind: bucket, tags: { stage: dev } }\n";

/// The plan's JSON after all of that is edited.
fn edited() -> Json {
    let place = Place::with(ESTATE);
    place.write("eval.yaml", EVAL);
    place.run(&["apply", "--yes"]).exits(0);
    place.edit("data-one", "data-two");
    place.edit("  images: { kind: registry }\n", "  fresh: { kind: bucket }\n");
    place.edit("[a, b]", "[b, c]");
    place.write("eval.yaml", &EVAL.replace("dev", "prod"));
    place.run(&["plan", "--json"]).exits(2).json()
}

fn tools() -> Option<PathBuf> {
    python("terraform", include_str!("../support/terraform.txt"))
}

/// What a program prints that is given this to read.
#[track_caller]
fn printed(command: &mut Command, given: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn by_address(plan: &Json) -> BTreeMap<String, &Json> {
    let changes = plan["resource_changes"].as_array().unwrap();
    changes.iter().map(|change| (change["address"].as_str().unwrap().to_owned(), change)).collect()
}

#[test]
fn every_part_of_the_representation_is_there() {
    let plan = edited();
    let changes = by_address(&plan);
    let actions: BTreeMap<&str, &Json> =
        changes.iter().map(|(address, change)| (address.as_str(), &change["change"]["actions"])).collect();
    let expected = [
        ("calm", json!(["no-op"])),
        ("chat", json!(["update"])),
        ("data", json!(["delete", "create"])),
        ("eval/results", json!(["update"])),
        ("fresh", json!(["create"])),
        ("images", json!(["delete"])),
        (r#"shard["a"]"#, json!(["delete"])),
        (r#"shard["b"]"#, json!(["no-op"])),
        (r#"shard["c"]"#, json!(["create"])),
        ("weights", json!(["delete", "create"])),
    ];
    assert_eq!(actions, expected.iter().map(|(address, actions)| (*address, actions)).collect());

    let shard = changes[r#"shard["a"]"#];
    assert_eq!((&shard["name"], &shard["index"], &shard["type"]), (&json!("shard"), &json!("a"), &json!("bucket")));
    assert_eq!(shard["action_reason"], "delete_because_each_key");
    assert_eq!(changes["images"]["action_reason"], "delete_because_no_resource_config");
    assert_eq!(changes["eval/results"]["module_address"], "eval");
    let data = changes["data"];
    assert_eq!(data["action_reason"], "replace_because_cannot_update");
    assert_eq!(data["change"]["replace_paths"], json!([["name"]]));
    assert_eq!(
        (&data["change"]["before"]["name"], &data["change"]["after"]["name"]),
        (&json!("data-one"), &json!("data-two"))
    );
    assert_eq!(data["takes_along"], json!(["weights"]));

    let gone = &changes["images"]["change"];
    assert_eq!(
        (&gone["after"], &gone["after_unknown"], &gone["after_sensitive"]),
        (&Json::Null, &json!({}), &json!(false))
    );
    let fresh = &changes["fresh"]["change"];
    assert_eq!((&fresh["before"], &fresh["before_sensitive"]), (&Json::Null, &json!(false)));

    let chat = &changes["chat"]["change"];
    assert!(chat["after"].get("model").is_none(), "what is not known is left out");
    assert_eq!(chat["after_unknown"]["model"], true);
    assert_eq!((&chat["after"]["env"]["TOKEN"], &chat["after_sensitive"]["env"]["TOKEN"]), (&Json::Null, &json!(true)));
    let links = changes["chat"]["why"][0]["links"].as_array().unwrap();
    let addresses: Vec<&Json> = links.iter().map(|link| &link["address"]).collect();
    assert_eq!(addresses, ["chat", "weights", "data"]);
    assert_eq!(links[2]["source"], json!({ "file": "blueprint.yaml", "line": 6 }));
    assert_eq!(changes["calm"].get("why"), None);
    assert_eq!(changes["calm"]["change"]["before"], changes["calm"]["change"]["after"]);

    let root = &plan["planned_values"]["root_module"];
    let planned: Vec<&Json> = root["resources"].as_array().unwrap().iter().map(|one| &one["address"]).collect();
    assert_eq!(planned.len(), 7, "{planned:?}");
    assert_eq!(root["child_modules"][0]["address"], "eval");
    assert_eq!(root["child_modules"][0]["resources"][0]["values"]["tags"]["stage"], "prod");
    let prior = &plan["prior_state"]["values"]["root_module"]["child_modules"][0]["resources"][0];
    assert_eq!(prior["values"]["tags"]["stage"], "dev");
    assert_eq!(plan["planned_values"]["outputs"]["where"], json!({ "sensitive": false }), "its value is not known");
    assert!(!plan.to_string().contains("hunter2hunter2"));
}

#[test]
fn drift_is_two_whole_sides() {
    let place = Place::with(ESTATE);
    place.write("eval.yaml", EVAL);
    place.run(&["apply", "--yes"]).exits(0);
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    let plan = place.run(&["plan", "--json"]).exits(2).json();
    let drift = &plan["resource_drift"][0];
    assert_eq!(
        (&drift["address"], &drift["type"], &drift["provider_name"]),
        (&json!("weights"), &json!("artifact"), &json!("local"))
    );
    let (before, after) = (&drift["change"]["before"], &drift["change"]["after"]);
    assert_ne!(before["digest"], after["digest"]);
    assert_eq!((&before["source"], &after["source"]), (&json!("model"), &json!("model")));
    assert_eq!(before["bucket"], after["bucket"]);
}

#[test]
fn tofui_draws_each_change() {
    let Some(python) = tools() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.json");
    fs::write(&path, edited().to_string()).unwrap();
    let mut command = Command::new(python);
    command.args(["-m", "tofui", "--build-name", "demo", "--verbose"]).arg(&path).current_dir(directory.path());
    let said = printed(&mut command, "");
    // A replacement counts as both.
    assert!(said.contains("4 to create, 2 to update, 4 to delete"), "{said}");
    assert!(said.contains("Total resources: 10"), "{said}");
    assert!(said.contains("2 replace") && !said.contains("Failed to parse"), "{said}");
    let page = fs::read_to_string(directory.path().join("demo.html")).unwrap();
    for address in ["data", "weights", "chat", "images", "fresh", "eval/results"] {
        assert!(page.contains(address), "{address}");
    }
    assert!(!page.contains("calm"), "what stays is not drawn");
    assert!(page.contains("data-one") && page.contains("data-two"), "both sides");
    assert!(page.contains("known after apply"));
    assert!(!page.contains("hunter2hunter2"));
}

/// The address as Terraform writes it, of the parts that each change has.
fn terraforms_address(change: &Json) -> String {
    let module = change.get("module_address").and_then(Json::as_str);
    let module = module.map(|path| format!("module.{}.", path.replace('/', ".module.")));
    let index = change.get("index").map(|index| format!("[{index}]")).unwrap_or_default();
    let text = |name: &str| change[name].as_str().unwrap().to_owned();
    format!("{}{}.{}{index}", module.unwrap_or_default(), text("type"), text("name"))
}

#[test]
fn tofu_tree_draws_each_change() {
    let Some(python) = tools() else { return };
    let plan = edited();
    // It reads the concise text of a plan, a line for each change, which these are in other words.
    let mut lines = "OpenTofu will perform the following actions:\n".to_owned();
    for change in plan["resource_changes"].as_array().unwrap() {
        let actions: Vec<&str> =
            change["change"]["actions"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        let words = match actions[..] {
            ["create"] => "will be created",
            ["update"] => "will be updated in-place",
            ["delete"] => "will be destroyed",
            ["delete", "create"] | ["create", "delete"] => "must be replaced",
            _ => continue,
        };
        lines.push_str(&format!("  # {} {words}\n", terraforms_address(change)));
    }
    let tree = python.with_file_name("tofu-tree");
    let said = printed(Command::new(&python).arg(tree).args(["--input", "--no-color"]), &lines);
    let counts = ["2 to be created", "2 to be destroyed", "2 to be replaced", "2 to be updated"];
    assert!(counts.iter().all(|count| said.contains(count)), "{said}");
    let lines = [
        "± bucket.data",
        "± artifact.weights",
        "~ endpoint.chat",
        "- registry.images",
        "+ bucket.fresh",
        "~ module.eval",
        "- a",
        "+ c",
    ];
    for line in lines {
        assert!(said.contains(line), "`{line}` is not in\n{said}");
    }
}

/// What a rule of the policy says of a plan.
fn policy(python: &Path, plan: &Json, rule: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/rego.py");
    let given = json!({ "policy": POLICY, "input": plan, "rule": format!("data.terraform.analysis.{rule}") });
    serde_json::from_str(&printed(Command::new(python).arg(script), &given.to_string())).unwrap()
}

#[test]
fn a_rego_policy_judges_each_change() {
    let Some(python) = tools() else { return };
    let plan = edited();
    let says = |rule: &str| policy(&python, &plan, rule);
    assert_eq!(says("gone"), ["data", "images", r#"shard["a"]"#, "weights"]);
    assert_eq!(says("replaced"), ["data", "weights"]);
    let score = 2 + 2 * (1 + 10) + 2 * 2 + 2 * 10;
    assert_eq!(says("score"), [score.to_string()]);
    assert_eq!(says("deny"), ["data goes with all that is in it", "data is renamed from data-one to data-two"]);
    assert_eq!(says("secrets"), ["chat.env.TOKEN"]);
    assert_eq!(says("untagged"), ["eval/results", "fresh"]);
    let open = says("open");
    let is_open = |field: &str| open.iter().any(|open| open == field);
    assert!(is_open("chat.model") && is_open("data.uri") && is_open("fresh.name"), "{open:?}");
    assert!(!is_open("data.name") && !open.iter().any(|field| field.starts_with("calm")), "{open:?}");
}
