//! What somebody changes by hand of what kinds are composed of, a field at a time: it is found, and put right.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

/// Changes fields of a thing one after the other, each of which is found in `address` and put right.
fn each_is_put_right(rig: &Rig, address: &str, (way, name): (&str, &str), fields: &[(&str, Json)]) {
    for (mask, value) in fields {
        let before = rig.sees(way, "get", json!({ "name": name }));
        let mut body = json!({});
        let steps: Vec<&str> = mask.split('.').collect();
        *steps.iter().fold(&mut body, |at, step| &mut at[*step]) = value.clone();
        let answer = rig.sees(way, "patch", json!({ "name": name, "updateMask": mask, "body": body }));
        assert!(!answer["error"].is_number(), "{mask}: {answer}");
        let pointer = format!("/{}", steps.join("/"));
        let is = || rig.sees(way, "get", json!({ "name": name })).pointer(&pointer).cloned();
        rig.run(&["drift"]).exits(2).says(address);
        assert_ne!(is(), before.pointer(&pointer).cloned(), "{mask} was not changed");
        rig.run(&["drift", "--correct", "--yes"]).exits(0);
        assert_eq!(is(), before.pointer(&pointer).cloned(), "{mask} was not put right");
    }
    rig.is_level();
}

#[test]
fn of_an_endpoint() {
    let spec = "image: europe-docker.pkg.dev/p/r/i:1, gpu: { model: L4, count: 1 }, replicas: { min: 1, max: 3, target: { metric: concurrency, value: 8 } }, env: { A: b }, request_timeout: 2m, options: { gcp: { ingress: INGRESS_TRAFFIC_INTERNAL_ONLY } }, tags: { team: a }";
    let Some(rig) = Rig::with(&format!("  chat: {{ kind: endpoint, name: chat, {spec} }}\n")) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/services/chat", rig.gcp.project);
    each_is_put_right(
        &rig,
        "chat",
        ("run.v2.projects.locations.services", &name),
        &[
            ("template.scaling.minInstanceCount", json!(2)),
            ("template.scaling.maxInstanceCount", json!(9)),
            ("template.maxInstanceRequestConcurrency", json!(80)),
            ("template.timeout", json!("10s")),
            ("template.serviceAccount", json!("theirs@p.iam.gserviceaccount.com")),
            ("template.containers", json!([{ "image": "theirs" }])),
            ("template.nodeSelector.accelerator", json!("theirs")),
            ("ingress", json!("INGRESS_TRAFFIC_ALL")),
        ],
    );
    rig.down();
}

#[test]
fn of_a_registry_and_a_schedule() {
    let resources = format!(
        "  images: {{ kind: registry, name: images, retention: {{ keep_last: 3, expire_untagged_after_days: 7 }}, tags: {{ team: a }} }}\n  events: {{ kind: {}, name: events }}\n  nightly: {{ kind: schedule, name: nightly, cron: '30 3 * * *', time_zone: Europe/Berlin, input: go, starts: {{ queue: \"{{{{ events.name }}}}\" }}, options: {{ gcp: {{ retries: 2 }} }} }}\n",
        "pubsub.v1.projects.topics"
    );
    let Some(rig) = Rig::with(&resources) else { return };
    rig.up();
    let place = format!("projects/{}/locations/europe-west4", rig.gcp.project);
    each_is_put_right(
        &rig,
        "images",
        ("artifactregistry.v1.projects.locations.repositories", &format!("{place}/repositories/images")),
        &[
            ("dockerConfig.immutableTags", json!(false)),
            ("cleanupPolicies", json!({})),
            ("vulnerabilityScanningConfig.enablementConfig", json!("DISABLED")),
        ],
    );
    each_is_put_right(
        &rig,
        "nightly",
        ("cloudscheduler.v1.projects.locations.jobs", &format!("{place}/jobs/nightly")),
        &[
            ("schedule", json!("0 0 * * *")),
            ("timeZone", json!("UTC")),
            ("pubsubTarget.data", json!("dGhlaXJz")),
            ("pubsubTarget.topicName", json!("projects/p/topics/theirs")),
            ("retryConfig.retryCount", json!(5)),
            ("description", json!("theirs")),
        ],
    );
    rig.down();
}

#[test]
fn of_a_budget_and_an_alert() {
    let Some(rig) = Rig::with(
        "  spend: { kind: budget, amount_usd: 500, emails: [a@example.com], only_tagged: { team: search }, options: { gcp: { billing_account: 01ABCD-234567-89EFAB } } }
  slow: { kind: alert, watch: { metric: { namespace: cloud_run_revision, name: run.googleapis.com/request_latencies } }, statistic: p99, threshold: 2000, periods: 3, emails: [a@example.com], tags: { team: a } }
",
    ) else {
        return;
    };
    rig.up();
    let budgets = "billingbudgets.v1.billingAccounts.budgets";
    let listed = rig.sees(budgets, "list", json!({ "parent": "billingAccounts/01ABCD-234567-89EFAB" }));
    let project = json!([format!("projects/{}", rig.gcp.project)]);
    let mine = listed["budgets"].as_array().unwrap().iter().find(|one| one["budgetFilter"]["projects"] == project);
    each_is_put_right(
        &rig,
        "spend",
        (budgets, mine.unwrap()["name"].as_str().unwrap()),
        &[
            ("amount.specifiedAmount.units", json!("9000")),
            ("budgetFilter.labels", json!({ "team": ["theirs"] })),
            ("budgetFilter.calendarPeriod", json!("YEAR")),
            ("thresholdRules", json!([{ "thresholdPercent": 9.0 }])),
            ("displayName", json!("theirs")),
        ],
    );
    let policies = "monitoring.v3.projects.alertPolicies";
    let listed = rig.sees(policies, "list", json!({ "name": format!("projects/{}", rig.gcp.project) }));
    let policy = &listed["alertPolicies"][0];
    let mut conditions = policy["conditions"].clone();
    conditions[0]["conditionThreshold"]["thresholdValue"] = json!(9);
    each_is_put_right(
        &rig,
        "slow",
        (policies, policy["name"].as_str().unwrap()),
        &[
            ("conditions", conditions),
            ("displayName", json!("theirs")),
            ("notificationChannels", json!([])),
            ("combiner", json!("AND")),
        ],
    );
    rig.down();
}
