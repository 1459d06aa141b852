//! What is there already is adopted: shown, recorded, and managed from then on.

use serde_json::json;

use crate::support::{Place, require};

/// Two buckets whose names are given, one whose name is not.
const LOCAL: &str = r"blueprint: demo
providers: { local: {} }
resources:
  one: { kind: bucket, name: the-one, tags: { team: a } }
  two: { kind: bucket, name: the-two, versioning: true }
  other: { kind: bucket }
";

/// A bucket and a machine, in a cloud that is a file.
fn sim(cloud: &str) -> String {
    format!(
        "blueprint: demo\nproviders: {{ sim: {{ file: '{cloud}' }} }}\nresources:\n  \
         weights: {{ kind: bucket, name: llm-weights, tags: {{ team: ml }} }}\n  \
         chat: {{ kind: endpoint, command: [serve], env: {{ TOKEN: canary-9f86d081 }} }}\n"
    )
}

/// Every record of a place is let go of; the things stay.
fn forgotten(place: &Place) {
    let list = place.run(&["state", "list", "--json"]).exits(0).json();
    let addresses = list["resources"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap().to_owned());
    let addresses: Vec<String> = addresses.collect();
    let mut arguments = vec!["state", "forget", "--yes"];
    arguments.extend(addresses.iter().map(String::as_str));
    place.run(&arguments).exits(0);
}

fn local() -> Place {
    let place = Place::applied(LOCAL);
    forgotten(&place);
    place
}

#[test]
fn what_was_forgotten_is_adopted_by_its_name() {
    let place = local();
    place.run(&["plan"]).exits(2).says("3 to create");
    place.run(&["adopt"]).exits(1).says("the-one").complains("there is no terminal to ask at").complains("`--yes`");
    place.run(&["state", "list"]).exits(0).says_not("the-one");
    let said = place.run(&["adopt", "--yes"]).exits(0).says("the-one at local, by its name").says("the-two at local");
    said.says("an apply would change nothing of it").says("Adopted: 3 resources.").says_not("Not adopted");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["drift"]).exits(0);
    place.run(&["state", "history"]).exits(0).says("one: adopted: it is the-one");
    place.run(&["state", "verify"]).exits(0).says("Sound: 3 resources");
    place.run(&["adopt", "--yes"]).exits(0).says("Nothing was found to adopt.");
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn what_differs_is_shown_and_changed_by_the_next_apply() {
    let place = local();
    place.edit("versioning: true", "versioning: false");
    place.edit("team: a", "team: b");
    let said = place.run(&["adopt", "two", "--id", "the-two", "--yes"]).exits(0).says("An apply would then change:");
    said.says("versioning")
        .says("true → false")
        .says("0 to create, 1 to change")
        .says_not("the-one")
        .says_not("force_destroy");
    let adopted = place.run(&["adopt", "one", "--yes", "--json", "blueprint.yaml"]).exits(0).json();
    assert_eq!(adopted["adopted"][0]["address"], "one");
    assert_eq!(adopted["adopted"][0]["by"], "name");
    assert_eq!(adopted["adopted"][0]["taken_from"], json!(null));
    assert_eq!(adopted["left"], json!([]));
    let changes = adopted["plan"]["resource_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["change"]["actions"], json!(["update"]));
    place.run(&["plan"]).exits(2).says("1 to create, 2 to change").says_not("drift");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn what_can_not_be_adopted_is_told_why() {
    let place = local();
    let refused = |arguments: &[&str], said: &str, help: &str| {
        place.run(&[&["adopt", "--yes"], arguments].concat()).exits(1).complains(said).complains(help);
        place.run(&["state", "list"]).exits(0).says_not("bucket");
    };
    refused(&["one", "--id", "nowhere"], "one: there is no bucket with the id `nowhere` in local", "look for it");
    refused(&["tow", "--id", "the-two"], "the blueprint has no resource tow", "did you mean `two`?");
    refused(&["--id", "the-two"], "which resource is `the-two`?", "`trueup adopt ADDRESS --id the-two`");
    refused(&["one", "two"], "`two` is one too many", "name one address");
    refused(&["one["], "`one[` is no address", r#"trainer["a"]"#);
    refused(&["one", "--force"], "--id", "");
    refused(&["one", "--id", ""], "--id", "");
    refused(&["nowhere.yaml"], "nowhere.yaml", "");
    place.run(&["adopt", "one", "--id", "the-one", "--yes"]).exits(0);
    place.run(&["adopt", "one", "--id", "the-one", "--yes"]).exits(1).complains("one is recorded already");
    let error = place.run(&["adopt", "two", "--id", "the-one", "--yes", "--json"]).exits(1).json();
    assert_eq!(error["error"]["message"], "two: `the-one` is recorded already, as one");
}

#[test]
fn what_has_another_stacks_tags_is_taken_over_only_by_force() {
    let (here, there) = (Place::new(), Place::new());
    let cloud = tempfile::tempdir().unwrap();
    let text = sim(&cloud.path().join("cloud.db").display().to_string());
    there.write("blueprint.yaml", &text);
    there.run(&["apply", "--yes"]).exits(0);
    let id = there.run(&["state", "show", "weights", "--json"]).exits(0).json()["current"]["id"].clone();
    let chat = there.run(&["state", "show", "chat/endpoint", "--json"]).exits(0).json()["current"]["id"].clone();
    let (id, chat) = (id.as_str().unwrap(), chat.as_str().unwrap());
    forgotten(&there);
    here.write("blueprint.yaml", &text.replace("team: ml", "team: llm"));

    let said = here.run(&["adopt", "--yes"]).exits(0).says("Not adopted:").says("belongs to another stack");
    said.says("chat/model can't be looked for").says("Nothing was found to adopt.");
    here.run(&["state", "list"]).exits(1).complains("has no state");
    here.run(&["adopt", "weights", "--id", id, "--yes"])
        .exits(1)
        .complains("belongs to another stack")
        .complains("--force");
    let said =
        here.run(&["adopt", "weights", "--id", id, "--force", "--yes"]).exits(0).says("it must not manage it any more");
    said.says(r#""ml" → "llm""#).says("Without this stack's tags until an update writes them: 1.");
    let said = here.run(&["adopt", "chat", "--id", chat, "--force", "--yes"]).exits(0);
    said.says("an apply would change nothing of it").says_not("canary-9f86d081");
    here.run(&["plan"]).exits(2).says("0 to create, 1 to change").says_not("canary-9f86d081");
    here.run(&["apply", "--yes"]).exits(0);
    here.run(&["plan"]).exits(0).says("Nothing to do.");
    here.run(&["drift"]).exits(0);
    there.run(&["adopt", "weights", "--id", id, "--yes"]).exits(1).complains("belongs to another stack");
    here.run(&["destroy", "--yes"]).exits(0);
    let objects = format!("--file={}", cloud.path().join("cloud.db").display());
    here.run(&["sim", "objects", &objects]).exits(0).says("0 objects.");
}

#[test]
fn at_a_terminal_only_yes_adopts() {
    if !require("script") {
        return;
    }
    let place = local();
    for typed in [&b"y\n"[..], b"\x03"] {
        place.run_at_terminal("adopt one", typed).exits(1).says("the-one").says("Nothing was changed.");
    }
    place.run(&["state", "show", "one"]).exits(1);
    place.run_at_terminal("adopt one", b"yes\n").exits(0).says("Adopt this into demo").says("Adopted: 1 resource");
    place.run(&["state", "show", "one"]).exits(0);
}
