//! Endpoints that Vertex AI runs: the model, the endpoint, and what serves the one at the other.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

const ENDPOINTS: &str = "aiplatform.v1.projects.locations.endpoints";
const MODELS: &str = "aiplatform.v1.projects.locations.models";

impl Rig {
    fn place(&self) -> String {
        format!("projects/{}/locations/europe-west4", self.gcp.project)
    }

    fn endpoint(&self) -> Json {
        self.sees(ENDPOINTS, "get", json!({ "name": format!("{}/endpoints/chat", self.place()) }))
    }

    fn models(&self) -> Vec<Json> {
        self.sees(MODELS, "list", json!({ "parent": self.place() }))["models"].as_array().cloned().unwrap_or_default()
    }

    fn scaled(&self, min: u32) -> Json {
        let id = self.endpoint()["deployedModels"][0]["id"].clone();
        let body = json!({
            "deployedModel": { "id": id, "dedicatedResources": { "minReplicaCount": min } },
            "updateMask": "dedicatedResources.minReplicaCount",
        });
        let name = format!("{}/endpoints/chat", self.place());
        self.sees(ENDPOINTS, "mutateDeployedModel", json!({ "endpoint": name, "body": body }))
    }
}

fn chat(more: &str) -> String {
    format!(
        "  weights: {{ kind: bucket, name: w-PROJECT }}\n  chat: {{ kind: endpoint, name: chat, runtime: vertex, model: \"gs://{{{{ weights.name }}}}/m\", {more} }}\n"
    )
}

const IMAGE: &str = "image: europe-docker.pkg.dev/p/r/vllm:1, gpu: { model: L4, count: 1 }";

#[test]
fn a_model_is_served_scaled_replaced_and_put_right() {
    let first = format!("{IMAGE}, port: 8000, env: {{ A: b }}, tags: {{ team: a }}");
    let Some(rig) = Rig::with(&chat(&first)) else { return };
    rig.up();
    let made = rig.endpoint();
    let served = &made["deployedModels"][0];
    let machine = &served["dedicatedResources"]["machineSpec"];
    let l4 = json!({ "machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1 });
    assert_eq!(machine, &l4, "{made}");
    assert_eq!(made["trafficSplit"], json!({ served["id"].as_str().unwrap(): 100 }));
    assert_eq!(made["clientConnectionConfig"]["inferenceTimeout"], "60s");
    let account = served["serviceAccount"].as_str().unwrap();
    let policy = rig
        .gcp
        .observe_storage("get_iam_policy", json!({ "resource": format!("projects/_/buckets/w-{}", rig.gcp.project) }));
    assert!(policy.to_string().contains(account), "it may read the model: {policy}");
    let [model] = &rig.models()[..] else { panic!() };
    let container = &model["containerSpec"];
    assert_eq!(
        (&container["ports"][0]["containerPort"], &container["healthRoute"]),
        (&json!(8000), &json!("/healthz"))
    );
    let env = container["env"].as_array().unwrap();
    assert!(env.contains(&json!({ "name": "A", "value": "b" })) && env.len() == 2, "{container}");
    let shown = rig.run(&["state", "show", "chat", "--json"]).exits(0).json();
    let url = format!("https://europe-west4-aiplatform.googleapis.com/v1/{}/endpoints/chat:rawPredict", rig.place());
    assert_eq!(shown["current"]["attributes"]["url"], url, "{shown}");

    // More replicas, by what the GPUs do: the same machines serve on.
    let more = "replicas: { min: 2, max: 4, target: { metric: gpu_utilization, value: 70 } }";
    rig.write(&chat(&format!("{first}, {more}, request_timeout: 2m")));
    rig.up();
    let scaled = rig.endpoint();
    let resources = &scaled["deployedModels"][0]["dedicatedResources"];
    assert_eq!(scaled["deployedModels"][0]["id"], served["id"]);
    assert_eq!((&resources["minReplicaCount"], &resources["maxReplicaCount"]), (&json!(2), &json!(4)), "{scaled}");
    assert_eq!(resources["autoscalingMetricSpecs"][0]["target"], 70);
    assert_eq!(scaled["clientConnectionConfig"]["inferenceTimeout"], "120s");

    // Somebody scales it, and leads its requests elsewhere.
    assert!(rig.scaled(1).get("error").is_none());
    rig.corrects("chat");
    assert_eq!(rig.endpoint()["deployedModels"][0]["dedicatedResources"]["minReplicaCount"], 2);
    let name = format!("{}/endpoints/chat", rig.place());
    let body = json!({ "trafficSplit": { served["id"].as_str().unwrap(): 40, "7": 60 } });
    rig.sees(ENDPOINTS, "patch", json!({ "name": name, "updateMask": "trafficSplit", "body": body }));
    rig.corrects("chat");
    assert_eq!(rig.endpoint()["trafficSplit"], json!({ served["id"].as_str().unwrap(): 100 }));

    // Another image is another model, which serves before the one before it goes.
    rig.write(&chat(&format!("{first}, {more}").replace("vllm:1", "vllm:2")));
    rig.gcp.take_calls();
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    let calls = rig.gcp.take_calls();
    let place = |of: &str| calls.iter().position(|call| call == &format!("aiplatform.projects.locations.{of}"));
    assert!(place("endpoints.deployModel") < place("endpoints.undeployModel"), "{calls:?}");
    assert!(place("endpoints.undeployModel") < place("models.delete"), "{calls:?}");
    let [model] = &rig.models()[..] else { panic!() };
    assert_eq!(model["containerSpec"]["imageUri"], "europe-docker.pkg.dev/p/r/vllm:2");
    let last = rig.endpoint();
    let [next] = &last["deployedModels"].as_array().unwrap()[..] else { panic!() };
    assert_ne!(next["id"], served["id"]);
    rig.down();
}

#[test]
fn a_model_whose_replies_are_lost_is_deployed_once() {
    let Some(rig) = Rig::with(&chat(IMAGE)) else { return };
    for method in ["models.upload", "endpoints.create", "endpoints.deployModel"] {
        rig.gcp.misbehaves(&format!("aiplatform.projects.locations.{method}"), json!("lost"), 1, 1);
    }
    rig.run(&["apply", "--yes"]).exits(0);
    rig.is_level();
    assert_eq!((rig.models().len(), rig.endpoint()["deployedModels"].as_array().map(Vec::len)), (1, Some(1)));
    rig.down();
}

#[test]
fn a_deployment_that_fails_after_its_reply_was_lost_is_told_and_made_again() {
    let Some(rig) = Rig::with(&chat(IMAGE)) else { return };
    // The model and the endpoint come first.
    rig.gcp.misbehaves("aiplatform.projects.locations.endpoints.deployModel", json!("lost"), 1, 1);
    rig.gcp.misbehaves("aiplatform.projects.locations.endpoints.deployModel", json!("lost"), 2, 1);
    rig.run(&["apply", "--yes"]);
    rig.up();
    // Somebody serves another model there, which is theirs; ours goes, and theirs has the requests.
    let name = format!("{}/endpoints/chat", rig.place());
    let model = rig.models()[0]["name"].clone();
    let theirs = json!({ "id": "7", "model": model, "dedicatedResources": { "machineSpec": { "machineType": "e2-standard-2" }, "minReplicaCount": 1 } });
    let deployed = rig.sees(ENDPOINTS, "deployModel", json!({ "endpoint": name, "body": { "deployedModel": theirs } }));
    assert!(!deployed["error"].is_number(), "{deployed}");
    while rig.endpoint()["deployedModels"].as_array().map(Vec::len) != Some(2) {}
    rig.write("  weights: { kind: bucket, name: w-PROJECT }\n");
    rig.run(&["apply", "--yes=all"]).exits(3).says("in use");
    assert_eq!(rig.endpoint()["trafficSplit"], json!({ "7": 100 }));
}

#[test]
fn a_model_without_machines_to_be_had_is_told_and_leaves_nothing() {
    let Some(rig) = Rig::with(&chat(IMAGE)) else { return };
    // The model and the endpoint are made before.
    rig.gcp.misbehaves(
        "aiplatform.projects.locations.endpoints.deployModel",
        json!({ "status": 429, "code": "RESOURCE_EXHAUSTED", "message": "The following quotas are exceeded: CustomModelServingL4GPUsPerProjectPerRegion" }),
        1,
        1,
    );
    rig.run(&["apply", "--yes"]).exits(3).says("quota");
    rig.up();
    rig.down();
}

#[test]
fn who_may_call_it_is_granted_and_what_it_does_is_watched() {
    let beside = "  caller: { kind: identity, name: caller, can: [{ call: \"{{ chat }}\" }] }\n  slow: { kind: alert, watch: { latency: \"{{ chat }}\" }, threshold: 2000, emails: [a@example.com] }\n";
    let Some(rig) = Rig::with(&(chat("image: europe-docker.pkg.dev/p/r/i:1") + beside)) else { return };
    rig.up();
    let name = format!("{}/endpoints/chat", rig.place());
    let policy = rig.sees(&ENDPOINTS.replace(".v1.", ".v1beta1."), "getIamPolicy", json!({ "resource": name }));
    let member = format!("serviceAccount:caller@{}.iam.gserviceaccount.com", rig.gcp.project);
    assert_eq!(policy["bindings"], json!([{ "role": "roles/aiplatform.user", "members": [member] }]), "{policy}");
    let project = format!("projects/{}", rig.gcp.project);
    let policies = rig.sees("monitoring.v3.projects.alertPolicies", "list", json!({ "name": project }));
    let filter = &policies["alertPolicies"][0]["conditions"][0]["conditionThreshold"]["filter"];
    let said = "metric.type = \"aiplatform.googleapis.com/prediction/online/prediction_latencies\" AND resource.type = \"aiplatform.googleapis.com/Endpoint\" AND resource.labels.endpoint_id = \"chat\"";
    assert_eq!(filter, said);
    rig.down();
}

#[test]
fn without_a_gpu_the_smallest_machine_that_will_do_serves() {
    let Some(rig) = Rig::with(&chat(
        "image: europe-docker.pkg.dev/p/r/i:1, cpu: 3, memory_gib: 20, identity: me@p.iam.gserviceaccount.com",
    )) else {
        return;
    };
    rig.up();
    let made = rig.endpoint();
    assert_eq!(
        made["deployedModels"][0]["dedicatedResources"]["machineSpec"],
        json!({ "machineType": "e2-standard-8" })
    );
    assert_eq!(made["deployedModels"][0]["serviceAccount"], "me@p.iam.gserviceaccount.com");
    rig.down();
}

#[test]
fn what_vertex_can_not_do_is_told_by_the_plan() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |more: &str, says: &str| {
        rig.write(&chat(&format!("image: i, {more}")));
        rig.run(&["plan"]).exits(1).complains(says);
    };
    refused("public: true", "asks who calls");
    refused("secrets: { A: b }", "Secret Manager");
    refused("replicas: { min: 0, max: 1 }", "one replica at least");
    refused("gpu: { model: L4, count: 3 }", "has no machine with 3");
    refused(
        "gpu: { model: L4, count: 1 }, replicas: { max: 2, target: { metric: concurrency, value: 3 } }",
        "gpu_utilization",
    );
    refused("cpu: 500", "options.gcp.machine_type");
    rig.write(&chat("image: i, options: { gcp: { spot: true } }").replace("runtime: vertex, ", ""));
    rig.run(&["plan"]).exits(1).complains("`runtime: vertex` alone");
}

#[test]
fn a_registry_of_models_is_a_model_whose_versions_others_add() {
    let registry = |more: &str| format!("  models: {{ kind: registry, name: chat_models, format: model{more} }}\n");
    let image = ", options: { gcp: { image: europe-docker.pkg.dev/p/r/vllm:1 } }";
    let Some(rig) = Rig::with(&registry(&format!("{image}, tags: {{ team: a }}"))) else { return };
    rig.up();
    let [model] = &rig.models()[..] else { panic!() };
    assert_eq!((&model["displayName"], &model["labels"]["team"]), (&json!("chat_models"), &json!("a")));
    rig.write(&registry(&format!("{image}, tags: {{ team: b }}")));
    rig.up();
    let body = json!({ "displayName": "theirs" });
    let name = format!("{}/models/chat_models", rig.place());
    rig.sees(MODELS, "patch", json!({ "name": name, "updateMask": "displayName", "body": body }));
    rig.corrects("models");
    let [model] = &rig.models()[..] else { panic!() };
    assert_eq!((&model["displayName"], &model["labels"]["team"]), (&json!("chat_models"), &json!("b")));
    // Somebody adds a version, as one does: that is no drift, and it is not thrown away unasked.
    let version = json!({ "displayName": "chat_models", "containerSpec": { "imageUri": "theirs" } });
    let body = json!({ "parentModel": name, "model": version });
    let added = rig.sees(MODELS, "upload", json!({ "parent": rig.place(), "body": body }));
    assert!(!added["error"].is_number(), "{added}");
    rig.is_level();
    rig.run(&["destroy", "--yes"]).exits(3).says("@2");
    rig.write(&registry(&format!("{image}, tags: {{ team: b }}, force_destroy: true")));
    rig.up();
    rig.down();
    for (more, says) in [("", "`options.gcp.image`"), (", retention: { keep_last: 3 }", "keeps all versions")] {
        rig.write(&registry(more));
        rig.run(&["plan"]).exits(1).complains(says);
    }
}
