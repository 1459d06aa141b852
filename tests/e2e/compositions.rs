//! An endpoint at `sim`, which makes it out of parts.

use crate::support::Place;

const SERVING: &str = r#"blueprint: serving
providers: { sim: {} }
variables: { token: { type: string, secret: true, default: canary-9f86d081 } }
resources:
  weights: { kind: bucket, force_destroy: true }
  chat:
    kind: endpoint
    image: registry.example/chat:1
    model: "{{ weights.uri }}"
    gpu: { model: L4, count: 1 }
    replicas: { min: 1 }
    env: { TOKEN: "{{ var.token }}" }
  second: { kind: endpoint, image: registry.example/second:1 }
outputs:
  url: "{{ chat.url }}"
"#;

#[test]
fn it_goes_up_changes_drifts_and_goes_down() {
    let place = Place::with(SERVING);
    place
        .run(&["plan"])
        .exits(2)
        .says("chat/model")
        .says("Sim::Model")
        .says("endpoint-network[\"us-east-1\"]")
        .says("10 to create");
    let applied = place.run(&["apply", "--yes"]).exits(0);
    applied.says("Done: 10 operations.").says("https://serving-chat-endpoint-");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["sim", "objects"]).exits(0).says("8 objects.").says_not("canary");
    place.run(&["state", "list"]).exits(0).says("chat/config").says("second/endpoint");
    let shown = place.run(&["state", "show", "chat", "--json"]).exits(0);
    assert_eq!(shown.json()["current"]["id"], serde_json::Value::Null, "{}", shown.out);
    shown.says("https://serving-chat-endpoint-").says_not("canary");

    place.edit("min: 1", "min: 3");
    let plan = place.run(&["plan"]).exits(2);
    plan.says("replicas.min").says("blueprint.yaml:11").says("0 to create, 2 to change, 0 to replace, 0 to destroy");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 2 operations.");
    place.edit("chat:1", "chat:2");
    place.run(&["plan"]).exits(2).says("new one first").says("0 to create, 2 to change, 1 to replace, 0 to destroy");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");

    place.run(&["sim", "break", "chat/config", "replicas.min=9"]).exits(0);
    place.run(&["drift"]).exits(2).says("chat/config").says("replicas.min  3 → 9   blueprint.yaml:11");
    place.run(&["drift", "--correct", "--yes"]).exits(0);
    place.run(&["drift"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");

    place.run(&["state", "mv", "chat", "talk"]).exits(0);
    place.edit("  chat:", "  talk:");
    place.edit("chat.url", "talk.url");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.edit("  second: { kind: endpoint, image: registry.example/second:1 }\n", "");
    place.run(&["plan"]).exits(2).says("0 to create, 0 to change, 0 to replace, 4 to destroy");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["destroy", "--yes"]).exits(0);
    place.run(&["sim", "objects"]).exits(0).says("0 objects.");
}

#[test]
fn it_is_read_and_adopted_by_the_id_of_what_answers() {
    let place = Place::applied(SERVING);
    let objects = place.run(&["sim", "objects", "--json"]).exits(0).json_lines();
    let of = |address: &str| objects.iter().find(|one| one["address"] == address).unwrap()["id"].as_str().unwrap();
    let id = of("chat/endpoint").to_owned();
    place.write("other.yaml", &format!("blueprint: other\nproviders: {{ sim: {{}} }}\nresources:\n  theirs: {{ kind: endpoint, existing: {id} }}\noutputs: {{ url: \"{{{{ theirs.url }}}}\" }}\n"));
    place.run(&["apply", "other.yaml", "--yes"]).exits(0).says("https://serving-chat-endpoint-");

    place.run(&["state", "forget", "chat", "--yes"]).exits(0);
    let adopted = place.run(&["adopt", "chat", "--id", &id, "--yes"]).exits(0);
    adopted.says("chat/model").says("its parts");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["state", "forget", "chat", "--yes"]).exits(0);
    place.run(&["adopt", "--yes"]).exits(0).says("chat/config");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn what_a_blueprint_says_of_endpoints_holds_for_what_answers() {
    let place = Place::with(&SERVING.replace(
        "sim: {}",
        "sim: { pending: { endpoint: 50ms }, faults: [{ fault: lost, call: create, kind: endpoint, address: chat }, { fault: denied, call: create, kind: Sim::EndpointConfig, address: second }] }",
    ));
    let failed = place.run(&["apply", "--yes"]).exits(3);
    failed.says("second/config");
    let calls = place.run(&["sim", "calls"]).exits(0);
    assert_eq!(calls.out.matches("ReplyLost").count(), 1, "{}", calls.out);
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["sim", "objects"]).exits(0).says("8 objects.");
}

#[test]
fn it_goes_where_it_is_told_to_alone() {
    let place = Place::with(
        "blueprint: serving\nproviders: { sim: {}, sim.far: { region: eu-west-1 } }\nresources:\n  chat:\n    kind: endpoint\n    image: a\n    placement:\n      - { provider: sim }\n      - { provider: sim.far }\n",
    );
    place.run(&["plan"]).exits(1).complains("can't be tried candidate by candidate yet");
}
