//! Native kinds by discovery document: made, changed, put right, replaced and removed.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

/// A topic's properties, as a blueprint has them.
fn topic(more: &str) -> String {
    format!("  events: {{ kind: pubsub.v1.projects.topics, {more} }}\n")
}

fn topics(rig: &Rig) -> Vec<Json> {
    let project = format!("projects/{}", rig.gcp.project);
    rig.sees("pubsub.v1.projects.topics", "list", json!({ "project": project }))["topics"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[track_caller]
fn only(rig: &Rig) -> Json {
    let all = topics(rig);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

#[test]
fn googles_own_client_is_answered_as_we_are() {
    let Some(rig) = Rig::with(&topic("")) else { return };
    let name = format!("projects/{}/topics/by-hand", rig.gcp.project);
    let made =
        rig.sees("pubsub.v1.projects.topics", "create", json!({ "name": name, "body": { "labels": { "a": "b" } } }));
    assert_eq!(made["name"], name);
    let again = rig.sees("pubsub.v1.projects.topics", "create", json!({ "name": name, "body": {} }));
    assert_eq!(again["error"], 409, "{again}");
    let odd =
        rig.sees("pubsub.v1.projects.topics", "create", json!({ "name": format!("{name}2"), "body": { "nope": 1 } }));
    assert!(odd["message"].as_str().unwrap().contains("Unknown name"), "{odd}");
    let none = rig.sees("pubsub.v1.projects.topics", "get", json!({ "topic": format!("{name}3") }));
    assert_eq!(none["error"], 404);
}

#[test]
fn a_topic_is_made_changed_put_right_replaced_and_removed() {
    let Some(rig) = Rig::with(&topic("properties: { messageRetentionDuration: 600s }, tags: { team: a }")) else {
        return;
    };
    rig.up();
    let made = only(&rig);
    assert_eq!((&made["messageRetentionDuration"], &made["labels"]["team"]), (&json!("600s"), &json!("a")), "{made}");
    assert!(made["labels"]["trueup_stack"].is_string() && made["labels"]["trueup_token"].is_string(), "{made}");
    let name = made["name"].as_str().unwrap().to_owned();
    assert!(name.contains("/topics/demo-events-"), "{name}");

    rig.write(&topic("properties: { messageRetentionDuration: 900s, messageStoragePolicy: { enforceInTransit: true } }, tags: { team: b }"));
    rig.run(&["plan"]).exits(2).says("1 to change").says("messageRetentionDuration");
    rig.up();
    let changed = only(&rig);
    assert_eq!(changed["name"], name.as_str());
    assert_eq!((&changed["messageRetentionDuration"], &changed["labels"]["team"]), (&json!("900s"), &json!("b")));
    assert_eq!(changed["messageStoragePolicy"]["enforceInTransit"], true);
    assert_eq!(changed["labels"]["trueup_token"], made["labels"]["trueup_token"], "what it was made by stays");

    // What is said no more goes.
    rig.write(&topic("tags: { team: b }"));
    rig.up();
    assert_eq!(only(&rig).get("messageRetentionDuration"), None);

    let body = json!({ "topic": { "labels": { "team": "theirs" } }, "updateMask": "labels" });
    rig.write(&topic("properties: { messageRetentionDuration: 900s }, tags: { team: b }"));
    rig.up();
    rig.sees("pubsub.v1.projects.topics", "patch", json!({ "name": name, "body": body }));
    rig.corrects("tags");
    let body = json!({ "topic": { "messageRetentionDuration": "700s" }, "updateMask": "messageRetentionDuration" });
    rig.sees("pubsub.v1.projects.topics", "patch", json!({ "name": name, "body": body }));
    rig.corrects("messageRetentionDuration");
    rig.sees("pubsub.v1.projects.topics", "delete", json!({ "topic": name }));
    rig.corrects("events");
    rig.run(&["apply", "--yes", "--replace", "events"]).exits(0);
    assert_ne!(only(&rig)["name"], name.as_str());
    rig.down();
}

/// Work that goes on: Compute Engine's form, and that of the newer APIs; names in the body, the query, beside the thing; given by Google.
#[test]
fn things_of_every_form_live_their_lives() {
    let Some(rig) = Rig::with(
        "  net: { kind: compute.v1.networks, properties: { autoCreateSubnetworks: false, description: a } }
  part: { kind: compute.v1.subnetworks, properties: { ipCidrRange: 10.0.0.0/24, network: \"{{ net.selfLink }}\" } }
  chat: { kind: run.v2.projects.locations.services, name: chat, properties: { template: { containers: [{ image: i }] } }, tags: { team: a } }
  who: { kind: iam.v1.projects.serviceAccounts, properties: { displayName: a } }
  nightly: { kind: cloudscheduler.v1.projects.locations.jobs, properties: { schedule: \"0 3 * * *\", pubsubTarget: { topicName: t } } }
  page: { kind: monitoring.v3.projects.alertPolicies, properties: { displayName: a, combiner: OR } , tags: { team: a } }
  queue: { kind: cloudtasks.v2.projects.locations.queues, properties: { rateLimits: { maxConcurrentDispatches: 3 } } }
  set: { kind: bigquery.v2.datasets, properties: { location: EU, description: a } }
  box: { kind: storage.v1.buckets, properties: { location: EU, versioning: { enabled: true } } }
  secret: { kind: secretmanager.v1.projects.secrets, properties: { replication: { automatic: {} } } }
  disk: { kind: compute.v1.disks, properties: { sizeGb: 10, description: a } }
",
    ) else {
        return;
    };
    rig.up();
    let things = rig.gcp.things();
    assert_eq!(things.len(), 11, "{things:?}");
    let text = std::fs::read_to_string(rig.place.path("blueprint.yaml")).unwrap();
    let after = text.replace("description: a", "description: b").replace("displayName: a", "displayName: b");
    let after = after.replace("team: a", "team: b").replace("image: i", "image: j").replace("0 3 *", "0 4 *");
    let after = after
        .replace("maxConcurrentDispatches: 3", "maxConcurrentDispatches: 4")
        .replace("enabled: true", "enabled: false");
    rig.place.write("blueprint.yaml", &after);
    rig.up();
    assert_eq!(rig.gcp.things().len(), 11);
    let service = format!("projects/{}/locations/europe-west4/services/chat", rig.gcp.project);
    let chat = rig.sees("run.v2.projects.locations.services", "get", json!({ "name": service }));
    assert_eq!(
        (&chat["template"]["containers"][0]["image"], &chat["labels"]["team"]),
        (&json!("j"), &json!("b")),
        "{chat}"
    );
    rig.down();
}

#[test]
fn what_a_document_refuses_is_told_at_plan_with_its_line() {
    for (wrong, said) in [
        ("properties: { messageRetentionDuratoin: 1s }", "messageRetentionDuration"),
        ("properties: { labels: { a: b } }", "say `tags` beside `properties`"),
        ("properties: { state: ACTIVE }", "Google alone says it"),
        ("properties: { messageRetentionDuration: 5 }", "a string belongs"),
        ("tags: { Team: a }", "small letters"),
        ("nmae: x", "nmae"),
    ] {
        let Some(rig) = Rig::with(&topic(wrong)) else { return };
        rig.run(&["plan"]).exits(1).complains(said).complains("blueprint.yaml:4");
    }
    for (kind, said) in [
        ("pubsub.v1.projects.topcs", "`pubsub.v1.projects.topics` is meant"),
        ("pubsub.v9.projects.topics", "publishes no API `pubsub` in a version `v9`"),
        ("compute.v1.regions", "does not make, read and delete"),
        ("container.v1.projects.locations.clusters.nodePools", "say `parent`"),
    ] {
        let Some(rig) = Rig::with(&format!("  x: {{ kind: {kind} }}\n")) else { return };
        rig.run(&["plan"]).exits(1).complains(said);
    }
}

#[test]
fn a_kind_is_explained_in_the_words_of_google() {
    let Some(rig) = Rig::with(&topic("")) else { return };
    rig.run(&["plan"]).exits(2);
    let told = rig.run(&["--offline", "explain", "pubsub.v1.projects.topics.properties.messageRetentionDuration"]);
    told.exits(0).says("minimum duration to retain a message");
}

#[test]
fn many_of_one_parent_are_looked_at_by_its_list() {
    let Some(rig) = Rig::with("  t: { kind: pubsub.v1.projects.topics, for_each: \"{{ range(9) }}\" }\n") else {
        return;
    };
    rig.up();
    rig.gcp.take_calls();
    rig.run(&["drift"]).exits(0);
    // The double has three on a page.
    assert_eq!(rig.gcp.take_calls(), ["pubsub.projects.topics.list"; 3]);
}

#[test]
fn a_document_is_asked_for_once_and_kept() {
    let Some(rig) = Rig::with(&topic("")) else { return };
    rig.run(&["--offline", "plan"]).exits(1).complains("is not kept on this machine");
    rig.run(&["plan"]).exits(2);
    rig.run(&["--offline", "plan"]).exits(2).says("1 to create");
}
