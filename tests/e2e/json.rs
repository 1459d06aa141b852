//! What machines read: JSON everywhere, and plans in the shape of Terraform's.

use serde_json::{Value as Json, json};

use crate::support::{DEMO, Place};

fn change<'a>(plan: &'a Json, address: &str) -> &'a Json {
    let changes = plan["resource_changes"].as_array().unwrap();
    let one = changes.iter().find(|change| change["address"] == address);
    &one.unwrap_or_else(|| panic!("{address} is not in {plan:#}"))["change"]
}

#[test]
fn a_plan_has_the_shape_of_terraforms() {
    let place = Place::with(&DEMO.replace("type: string, default", "type: string, secret: true, default"));
    let plan = place.run(&["plan", "--json"]).exits(2).json();
    assert_eq!(plan["format_version"], "1.2");
    assert_eq!(plan["variables"]["words"]["value"], Json::Null, "a secret");
    let chat = change(&plan, "chat");
    assert_eq!(chat["actions"], json!(["create"]));
    assert_eq!(chat["before"], Json::Null);
    assert_eq!(chat["after"]["command"], json!(["python3", "serve.py"]));
    assert_eq!(chat["after"]["env"]["WORDS"], Json::Null);
    assert_eq!(chat["after_sensitive"]["env"]["WORDS"], true);
    assert_eq!(chat["after"]["model"], Json::Null);
    assert_eq!(chat["after_unknown"]["model"], true);
    assert_eq!(chat["after_unknown"]["url"], true);
    assert_eq!(plan["output_changes"]["url"]["after_unknown"], true);
    let resource = plan["resource_changes"].as_array().unwrap().iter().find(|one| one["address"] == "chat").unwrap();
    assert_eq!(
        (&resource["type"], &resource["name"], &resource["mode"]),
        (&json!("endpoint"), &json!("chat"), &json!("managed"))
    );
    assert_eq!(resource["provider_name"], "local");
}

#[test]
fn each_action_has_terraforms_name() {
    let place = Place::applied(DEMO);
    let nothing = place.run(&["plan", "--json"]).exits(0).json();
    let changes = nothing["resource_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4);
    assert!(changes.iter().all(|one| one["change"]["actions"] == json!(["no-op"])), "{changes:?}");
    assert_eq!(nothing["applyable"], false);

    place.edit("team: a", "team: b");
    place.edit("  images: { kind: registry }\n", "");
    place.edit("source: ./model", "source: ./model, path: elsewhere");
    let plan = place.run(&["plan", "--json"]).exits(2).json();
    let data = change(&plan, "data");
    assert_eq!(data["actions"], json!(["update"]));
    assert_eq!((&data["before"]["tags"]["team"], &data["after"]["tags"]["team"]), (&json!("a"), &json!("b")));
    assert_eq!(change(&plan, "images")["actions"], json!(["delete"]));
    assert_eq!(change(&plan, "images")["after"], Json::Null);
    let weights = change(&plan, "weights");
    assert_eq!(weights["actions"], json!(["delete", "create"]));
    assert_eq!(weights["replace_paths"], json!([["path"]]));
}

#[test]
fn an_apply_in_json_is_one_value_a_line() {
    let place = Place::with(DEMO);
    let lines = place.run(&["apply", "--yes", "--json"]).exits(0).json_lines();
    assert_eq!(lines[0]["format_version"], "1.2", "the plan comes first");
    let finished = lines.iter().filter(|line| line["event"] == "finished").count();
    assert_eq!(finished, 4);
    assert_eq!(lines.last().unwrap()["report"]["done"].as_array().unwrap().len(), 4, "the report comes last");
    place.run(&["drift", "--json"]).exits(0).json();
    place.run(&["unlock", "--json"]).exits(0).json();
    let lines = place.run(&["destroy", "--yes", "--json"]).exits(0).json_lines();
    assert_eq!(lines.last().unwrap()["report"]["interrupted"], false);
}

#[test]
fn an_error_in_json_is_an_object() {
    let place = Place::applied(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  one: { kind: bucket, protect: true }\n",
    );
    let refused = place.run(&["destroy", "--yes", "--json"]).exits(5).json_lines();
    assert_eq!(refused[0]["refusals"].as_array().unwrap().len(), 1);
    assert_eq!(refused[0]["applyable"], false);
    let error = place.run(&["state", "show", "nothing", "--json"]).exits(1).json();
    assert_eq!(error["error"]["message"], "nothing is not recorded");
}
