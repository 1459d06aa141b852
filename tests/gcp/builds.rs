//! Builds: images that Cloud Build makes of a repository.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

const TRIGGERS: &str = "cloudbuild.v1.projects.locations.triggers";

impl Rig {
    fn trigger(&self) -> Json {
        let name = format!("projects/{}/locations/europe-west4/triggers/chat", self.gcp.project);
        self.sees(TRIGGERS, "get", json!({ "name": name }))
    }
}

fn build(more: &str) -> String {
    format!(
        "  images: {{ kind: registry, name: images }}\n  chat: {{ kind: build, name: chat, image: \"{{{{ images.uri }}}}/chat\", {more} }}\n"
    )
}

#[test]
fn each_commit_is_built_by_whom_may_push_it_and_nothing_else() {
    let first = "source: { github: acme/chat }, args: { CUDA: \"12.8\", COST: $5 }, tags: { team: a }";
    let Some(rig) = Rig::with(&build(first)) else { return };
    rig.up();
    let made = rig.trigger();
    let github = json!({ "owner": "acme", "name": "chat", "push": { "branch": "^main$" } });
    assert_eq!((&made["github"], &made["tags"]), (&github, &json!(["team_a"])), "{made}");
    let image = format!("europe-west4-docker.pkg.dev/{}/images/chat:$SHORT_SHA", rig.gcp.project);
    let arguments = json!(["build", "--tag", image, "--build-arg", "COST=$$5", "--build-arg", "CUDA=12.8", "."]);
    assert_eq!(made["build"]["steps"], json!([{ "name": "gcr.io/cloud-builders/docker", "args": arguments }]));
    assert_eq!((&made["build"]["images"], &made["build"]["timeout"]), (&json!([image]), &json!("3600s")));
    let account = made["serviceAccount"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let repository = format!("projects/{}/locations/europe-west4/repositories/images", rig.gcp.project);
    let policy = rig.sees(
        "artifactregistry.v1.projects.locations.repositories",
        "getIamPolicy",
        json!({ "resource": repository }),
    );
    let member = format!("serviceAccount:{account}");
    assert_eq!(
        policy["bindings"],
        json!([{ "role": "roles/artifactregistry.writer", "members": [member] }]),
        "{policy}"
    );
    // Another branch, directory and file, and off for now.
    let next = "source: { github: acme/chat, branch: release/1.2 }, directory: serve, dockerfile: serve/Cuda.Dockerfile, timeout: 20m, enabled: false";
    rig.write(&build(next));
    rig.up();
    let changed = rig.trigger();
    assert_eq!(changed["github"]["push"], json!({ "branch": "^release/1\\.2$" }));
    let arguments = json!(["build", "--tag", image, "--file", "serve/Cuda.Dockerfile", "serve"]);
    assert_eq!((&changed["build"]["steps"][0]["args"], &changed["disabled"]), (&arguments, &json!(true)));
    assert_eq!((&changed["id"], &changed["build"]["timeout"]), (&made["id"], &json!("1200s")));
    rig.write(&build("source: { github: acme/chat, tag: 'v[0-9.]+' }"));
    rig.up();
    assert_eq!(rig.trigger()["github"]["push"], json!({ "tag": "^v[0-9.]+$" }));
    let name = format!("projects/{}/locations/europe-west4/triggers/chat", rig.gcp.project);
    for (mask, body) in [
        ("disabled", json!({ "disabled": true })),
        ("github.push", json!({ "github": { "push": { "branch": "theirs" } } })),
        ("build.steps", json!({ "build": { "steps": [{ "name": "theirs" }] } })),
        ("serviceAccount", json!({ "serviceAccount": "projects/p/serviceAccounts/theirs" })),
    ] {
        let with = json!({ "resourceName": name, "updateMask": mask, "body": body });
        let answer = rig.sees(TRIGGERS, "patch", with);
        assert!(answer.get("error").is_none(), "{answer}");
        rig.corrects("chat");
    }
    rig.down();
}

#[test]
fn what_cloud_build_can_not_do_is_told_by_the_plan() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |spec: &str, says: &str| {
        rig.write(&format!("  b: {{ kind: build, {spec} }}\n"));
        rig.run(&["plan"]).exits(1).complains(says);
    };
    let image = "image: europe-west4-docker.pkg.dev/p/r/chat";
    refused(&format!("{image}, source: {{ github: acme/chat, branch: a, tag: b }}"), "say one of them");
    refused(&format!("{image}:1, source: {{ github: acme/chat }}"), "the commit's short hash");
    refused(&format!("{image}, source: {{ github: acme/chat }}, directory: ../x"), "a directory of the repository");
    refused(&format!("{image}, source: {{ github: acme/chat }}, timeout: 25h"), "at most `24h`");
    refused("image: ghcr.io/acme/chat, source: { github: acme/chat }", "in `identity`");
    refused(&format!("{image}, source: {{ github: chat }}"), "source.github");
}
