//! `blueprints/gcp-llm-serving.yaml`: a model on Google Cloud from the first plan to the end.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::layout::small_layout;
use crate::rig::Rig;
use crate::support::{Ran, eventually};

const TOKEN: &str = "HUNTER2-token";
const SERVICES: &str = "run.v2.projects.locations.services";
const POLICIES: &str = "monitoring.v3.projects.alertPolicies";

/// A place with the blueprint and what it needs; none where the double can't be had.
fn rig() -> Option<Rig> {
    let rig = rig_of("gcp-llm-serving.yaml")?;
    let usual = "{ project: \"{{ var.project }}\", region: \"{{ var.region }}\", zone: \"{{ var.region }}-a\" }";
    rig.place.edit(usual, &rig.gcp.settings());
    Some(rig)
}

fn rig_of(blueprint: &str) -> Option<Rig> {
    let rig = Rig::with("")?;
    let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    rig.place.write("blueprint.yaml", &fs::read_to_string(blueprints.join(blueprint)).unwrap());
    fs::create_dir_all(rig.place.path("models/house-prices")).unwrap();
    for file in ["houses.csv", "model.json", "train.py"] {
        let text = fs::read_to_string(blueprints.join("models/house-prices").join(file)).unwrap();
        rig.place.write(&format!("models/house-prices/{file}"), &text);
    }
    small_layout(&rig.place, "images/chat");
    Some(rig)
}

fn environment(rig: &Rig) -> Vec<(String, String)> {
    let said = [
        ("TRUEUP_VAR_project", rig.gcp.project.as_str()),
        ("TRUEUP_VAR_billing_account", "01ABCD-234567-89EFAB"),
        ("TRUEUP_VAR_token", TOKEN),
    ];
    let blueprint = fs::read_to_string(rig.place.path("blueprint.yaml")).unwrap();
    let is_asked = |name: &str| blueprint.contains(&format!("\n  {}: {{ type", name.trim_start_matches("TRUEUP_VAR_")));
    let said = said.into_iter().filter(|(name, _)| is_asked(name));
    let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
    rig.gcp.environment().into_iter().chain(said).collect()
}

#[track_caller]
fn run(rig: &Rig, arguments: &[&str]) -> Ran {
    let environment = environment(rig);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    rig.place.run_with(arguments, &environment)
}

/// Runs the program until it has asked Google so often for a change, and kills it: whether it had not ended by then.
#[track_caller]
fn killed(rig: &Rig, arguments: &[&str], after: usize) -> bool {
    rig.gcp.take_calls();
    let environment = environment(rig);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let running = rig.place.start_with(arguments, &environment);
    let is_change = |call: &String| {
        let looks = ["get", "list", "Get", "List", "images.", "aggregatedList", "access"];
        !call.rsplit('.').next().is_some_and(|verb| looks.iter().any(|look| verb.starts_with(look)))
    };
    let mut asked = 0;
    eventually("it asks for changes, or ends", || {
        asked += rig.gcp.take_calls().iter().filter(|call| is_change(call)).count();
        asked >= after || running.has_ended()
    });
    running.signal_if_there(Signal::KILL);
    running.wait().code == -1
}

/// Nothing is left to do, and nothing has drifted.
#[track_caller]
fn is_level(rig: &Rig) {
    run(rig, &["plan"]).exits(0);
    run(rig, &["drift"]).exits(0);
}

fn only(rig: &Rig, way: &str, list: &str, with: Json) -> Json {
    let listed = rig.sees(way, "list", with);
    let all = listed[list].as_array().unwrap_or_else(|| panic!("{listed}"));
    assert_eq!(all.len(), 1, "{listed}");
    all[0].clone()
}

fn service(rig: &Rig) -> Json {
    let parent = format!("projects/{}/locations/europe-west4", rig.gcp.project);
    only(rig, SERVICES, "services", json!({ "parent": parent }))
}

fn policy(rig: &Rig) -> Json {
    only(rig, POLICIES, "alertPolicies", json!({ "name": format!("projects/{}", rig.gcp.project) }))
}

fn machines(rig: &Rig) -> Vec<(String, String)> {
    let listed = rig.sees("compute.v1.instances", "aggregatedList", json!({ "project": rig.gcp.project }));
    let zones = listed["items"].as_object().unwrap();
    let of = |(zone, there): (&String, &Json)| {
        let all = there["instances"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .map(|one| (zone.clone(), one["scheduling"]["provisioningModel"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    zones.iter().flat_map(of).collect()
}

#[test]
fn a_model_goes_up_is_put_right_and_comes_down() {
    let Some(rig) = rig() else { return };
    run(&rig, &["plan"]).exits(2).says("trainer").says_not(TOKEN);
    // Where the first two zones have none, the third has the machine.
    rig.gcp.is_out_of(json!({ "europe-west4-a": ["*"], "europe-west4-b": ["*"] }));
    run(&rig, &["apply", "--yes"]).exits(0).says_not(TOKEN);
    is_level(&rig);
    assert_eq!(machines(&rig), [("zones/europe-west4-c".to_owned(), "STANDARD".to_owned())]);
    let made = service(&rig);
    let image = made["template"]["containers"][0]["image"].as_str().unwrap();
    assert!(image.starts_with("europe-west4-docker.pkg.dev/") && image.contains("@sha256:"), "{made}");
    let name = made["name"].as_str().unwrap().to_owned();
    let filter = policy(&rig)["conditions"][0]["conditionThreshold"]["filter"].clone();
    let of = format!("resource.labels.service_name = \"{}\"", name.rsplit('/').next().unwrap());
    assert!(filter.as_str().unwrap().ends_with(&of), "{filter}");
    run(&rig, &["output", "url"]).exits(0).says(made["uri"].as_str().unwrap());
    assert_eq!(rig.place.files_with(TOKEN), [""; 0].map(std::path::PathBuf::from));

    // What others changed is found, all of it, and put right.
    let by_hand = json!({ "name": name, "updateMask": "template.scaling", "body": { "template": { "scaling": { "minInstanceCount": 0, "maxInstanceCount": 99 } } } });
    rig.sees(SERVICES, "patch", by_hand);
    let threshold =
        json!({ "name": policy(&rig)["name"], "updateMask": "displayName", "body": { "displayName": "theirs" } });
    rig.sees(POLICIES, "patch", threshold);
    run(&rig, &["drift"]).exits(2).says("chat/service").says("slow/policy");
    run(&rig, &["drift", "--correct", "--yes"]).exits(0);
    is_level(&rig);
    assert_eq!(service(&rig)["template"]["scaling"], made["template"]["scaling"]);

    run(&rig, &["plan", "--env", "prod"]).exits(2);
    run(&rig, &["destroy", "--yes"]).exits(0);
    assert_eq!(rig.gcp.things(), [""; 0]);
}

#[test]
fn a_model_whose_runs_are_killed_again_and_again_is_made_once_and_removed_whole() {
    let Some(rig) = rig() else { return };
    // Google names a budget, and it has no labels: where the reply to its making is lost, nothing tells whether it is there.
    let text = fs::read_to_string(rig.place.path("blueprint.yaml")).unwrap();
    let (from, to) = (text.find("  spend:").unwrap(), text.find("  slow:").unwrap());
    rig.place.write("blueprint.yaml", &format!("{}{}", &text[..from], &text[to..]));
    let kills = [2, 1, 4, 1, 3, 2, 1, 5].into_iter().filter(|after| killed(&rig, &["apply", "--yes"], *after)).count();
    assert!(kills >= 3, "{kills} runs were killed");
    run(&rig, &["apply", "--yes"]).exits(0);
    is_level(&rig);
    assert_eq!(machines(&rig).len(), 1);
    service(&rig);
    policy(&rig);
    let kills = [1, 2, 1, 3].into_iter().filter(|after| killed(&rig, &["destroy", "--yes"], *after)).count();
    assert!(kills >= 1, "{kills} runs were killed");
    run(&rig, &["destroy", "--yes"]).exits(0);
    assert_eq!(rig.gcp.things(), [""; 0]);
}

/// The text without the blocks of these resources.
fn without(text: &str, resources: &[&str]) -> String {
    let mut kept = String::new();
    let mut is_left_out = false;
    for line in text.lines() {
        let name = line.strip_prefix("  ").filter(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()));
        if name.is_some() || !line.starts_with(' ') && !line.is_empty() {
            is_left_out = name.is_some_and(|name| resources.iter().any(|one| name.starts_with(&format!("{one}:"))));
        }
        if !is_left_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[test]
fn the_portable_part_of_what_runs_on_aws_runs_here_with_other_providers() {
    let Some(rig) = rig_of("aws-llm-serving.yaml") else { return };
    // A queue of AWS's own, what sends to it, and a budget, which Google has for an account that it is told.
    let text = without(&fs::read_to_string(rig.place.path("blueprint.yaml")).unwrap(), &["events", "nightly", "spend"]);
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("{{ events")).collect();
    let text = lines.join("\n");
    let other = |line: &str| match line.trim_start() {
        line if line.starts_with("aws: {") => format!("  gcp: {}", rig.gcp.settings()),
        line if line.starts_with("aws.elsewhere: {") => {
            format!("  gcp.elsewhere: {}", rig.gcp.settings().replace("-a,", "-b,"))
        }
        _ => line.replace("provider: aws", "provider: gcp"),
    };
    let changed: Vec<String> = text.lines().map(other).collect();
    let differ = text.lines().zip(&changed).filter(|(before, after)| before != after);
    assert!(differ.clone().count() > 8);
    assert!(differ.clone().all(|(line, _)| line.contains("provider: aws") || line.trim_start().starts_with("aws")));
    rig.place.write("blueprint.yaml", &changed.join("\n"));
    run(&rig, &["apply", "--yes"]).exits(0).says_not(TOKEN);
    is_level(&rig);
    assert_eq!(machines(&rig).len(), 1);
    assert_eq!(service(&rig)["template"]["nodeSelector"]["accelerator"], "nvidia-l4");
    run(&rig, &["destroy", "--yes"]).exits(0);
    assert_eq!(rig.gcp.things(), [""; 0]);
}
