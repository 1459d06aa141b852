//! Functions: built from an archive, or of an image, started by a schedule, called by whom it is granted.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

const FUNCTIONS: &str = "cloudfunctions.v2.projects.locations.functions";
const SERVICES: &str = "run.v2.projects.locations.services";

impl Rig {
    fn function(&self) -> Json {
        let name = format!("projects/{}/locations/europe-west4/functions/retrain", self.gcp.project);
        self.sees(FUNCTIONS, "get", json!({ "name": name }))
    }

    fn service(&self, name: &str) -> Json {
        let name = format!("projects/{}/locations/europe-west4/services/{name}", self.gcp.project);
        self.sees(SERVICES, "get", json!({ "name": name }))
    }

    /// Who may call a service.
    fn callers(&self, name: &str) -> Json {
        let resource = format!("projects/{}/locations/europe-west4/services/{name}", self.gcp.project);
        let policy = self.sees(SERVICES, "getIamPolicy", json!({ "resource": resource }));
        policy["bindings"][0].clone()
    }
}

#[test]
fn an_archive_becomes_a_function_that_is_changed_and_put_right() {
    let resources = |more: &str| {
        format!(
            "  code: {{ kind: bucket, name: code-PROJECT, versioning: true }}\n  retrain: {{ kind: function, name: retrain, code: {{ archive: {{ bucket: \"{{{{ code }}}}\", file: retrain-7.zip }} }}, handler: main.handle, runtime: python3.13, {more} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("timeout: 10m, env: { LOG_LEVEL: info }, tags: { team: a }")) else { return };
    rig.up();
    let made = rig.function();
    let build = &made["buildConfig"];
    assert_eq!((&build["runtime"], &build["entryPoint"]), (&json!("python313"), &json!("handle")), "{made}");
    let source = json!({ "bucket": format!("code-{}", rig.gcp.project), "object": "retrain-7.zip" });
    assert_eq!(build["source"]["storageSource"], source);
    let service = &made["serviceConfig"];
    assert_eq!((&service["timeoutSeconds"], &service["availableMemory"]), (&json!(600), &json!("512Mi")));
    let email = service["serviceAccountEmail"].as_str().unwrap();
    assert!(email.contains("retrain"), "it acts as an account of its own: {made}");
    let shown = rig.run(&["state", "show", "retrain", "--json"]).exits(0).json();
    let attributes = &shown["current"]["attributes"];
    assert_eq!(attributes["name"], "retrain", "{shown}");
    assert!(attributes["url"].as_str().unwrap().ends_with(".cloudfunctions.net/retrain"), "{shown}");
    assert!(attributes["log"].as_str().unwrap().ends_with("service_name=\"retrain\""), "{shown}");
    let next = "timeout: 5m, memory_mib: 1024, env: { LOG_LEVEL: debug }, tags: { team: b }";
    rig.write(&resources(next).replace("retrain-7", "retrain-8"));
    rig.up();
    let changed = rig.function();
    assert_eq!(changed["buildConfig"]["source"]["storageSource"]["object"], "retrain-8.zip");
    let service = &changed["serviceConfig"];
    assert_eq!(
        (&service["timeoutSeconds"], &service["availableMemory"], &service["environmentVariables"]),
        (&json!(300), &json!("1024Mi"), &json!({ "LOG_LEVEL": "debug" }))
    );
    assert_eq!((&changed["labels"]["team"], &changed["createTime"]), (&json!("b"), &made["createTime"]));
    for (mask, body) in [
        ("serviceConfig.timeoutSeconds", json!({ "serviceConfig": { "timeoutSeconds": 30 } })),
        ("serviceConfig.availableMemory", json!({ "serviceConfig": { "availableMemory": "2Gi" } })),
        ("serviceConfig.environmentVariables", json!({ "serviceConfig": { "environmentVariables": { "X": "y" } } })),
        ("buildConfig.entryPoint", json!({ "buildConfig": { "entryPoint": "theirs" } })),
        ("labels", json!({ "labels": {} })),
    ] {
        let answer = rig.sees(FUNCTIONS, "patch", json!({ "name": changed["name"], "updateMask": mask, "body": body }));
        assert!(answer.get("error").is_none(), "{answer}");
        rig.corrects("retrain");
    }
    rig.down();
}

#[test]
fn an_image_becomes_a_function_that_answers_one_call_at_a_time() {
    let resources = |more: &str| {
        format!(
            "  retrain: {{ kind: function, name: retrain, code: {{ image: europe-docker.pkg.dev/p/r/i:1 }}, {more} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("memory_mib: 2048, env: { A: b }")) else { return };
    rig.up();
    let template = rig.service("retrain")["template"].clone();
    assert_eq!(template["maxInstanceRequestConcurrency"], 1, "{template}");
    assert_eq!(template["containers"][0]["resources"]["limits"]["memory"], "2048Mi");
    rig.write(
        &resources("memory_mib: 2048, timeout: 30m, options: { gcp: { max_instances: 3 } }").replace("i:1", "i:2"),
    );
    rig.up();
    let template = rig.service("retrain")["template"].clone();
    assert_eq!((&template["timeout"], &template["scaling"]["maxInstanceCount"]), (&json!("1800s"), &json!(3)));
    assert_eq!(template["containers"][0]["image"], "europe-docker.pkg.dev/p/r/i:2");
    assert_eq!(template["containers"][0].get("env"), None);
    rig.down();
}

#[test]
fn a_schedule_calls_a_function_and_may_do_nothing_else() {
    let resources = |input: &str| {
        format!(
            "  retrain: {{ kind: function, name: retrain, code: {{ image: europe-docker.pkg.dev/p/r/i:1 }} }}\n  nightly: {{ kind: schedule, name: nightly, every: 6h, starts: {{ function: \"{{{{ retrain }}}}\" }}{input} }}\n  errors: {{ kind: alert, watch: {{ errors: \"{{{{ retrain }}}}\" }}, threshold: 3, emails: [a@example.com] }}\n  caller: {{ kind: identity, name: caller, can: [{{ call: \"{{{{ retrain }}}}\" }}] }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources(", input: '{\"full\": true}'")) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/jobs/nightly", rig.gcp.project);
    let job = |rig: &Rig| rig.sees("cloudscheduler.v1.projects.locations.jobs", "get", json!({ "name": name }));
    let target = job(&rig)["httpTarget"].clone();
    assert_eq!((&target["uri"], &target["body"]), (&rig.service("retrain")["uri"], &json!("eyJmdWxsIjogdHJ1ZX0=")));
    assert_eq!(target["headers"]["Content-Type"], "application/json");
    let callers = rig.callers("retrain");
    assert_eq!(callers["role"], "roles/run.invoker");
    let member = format!("serviceAccount:{}", target["oidcToken"]["serviceAccountEmail"].as_str().unwrap());
    let members = callers["members"].as_array().unwrap();
    assert!(members.len() == 2 && members.contains(&json!(member)), "{callers}");
    let policies = rig.sees(
        "monitoring.v3.projects.alertPolicies",
        "list",
        json!({ "name": format!("projects/{}", rig.gcp.project) }),
    );
    let filter = policies["alertPolicies"][0]["conditions"][0]["conditionThreshold"]["filter"].as_str().unwrap();
    assert!(filter.contains("resource.labels.service_name = \"retrain\""), "{filter}");
    rig.write(&resources(""));
    rig.up();
    assert_eq!(job(&rig)["httpTarget"].get("body"), None);
    let body = json!({ "httpTarget": { "httpMethod": "PUT" } });
    rig.sees(
        "cloudscheduler.v1.projects.locations.jobs",
        "patch",
        json!({ "name": name, "updateMask": "httpTarget.httpMethod", "body": body }),
    );
    rig.corrects("nightly");
    rig.down();
}

#[test]
fn what_google_has_no_function_for_is_told_by_the_plan() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |spec: &str, says: &str| {
        rig.write(&format!("  code: {{ kind: bucket }}\n  f: {{ kind: function, {spec} }}\n"));
        rig.run(&["plan"]).exits(1).complains(says);
    };
    let archive = "code: { archive: { bucket: \"{{ code }}\", file: a.zip } }";
    refused(archive, "`handler` is missing");
    refused(&format!("{archive}, handler: app.handle, runtime: python3.13"), "`main.py`");
    refused(&format!("{archive}, handler: main.handle, runtime: python3.13, timeout: 2h"), "at most `60m`");
    refused("code: { image: a }, runtime: python3.13", "an image has no `runtime`");
    refused("code: { image: a }, options: { gcp: { build_identity: b } }", "nothing is built");
}
