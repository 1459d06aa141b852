//! The kinds that are composed of native ones: what is there of each, how it changes and is put right, and that others' grants stay.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::rig::Rig;

const TOPIC: &str = "pubsub.v1.projects.topics";
const VERSION: &str = "secretmanager.v1.projects.secrets.versions";

fn members(policy: &Json, role: &str) -> Vec<String> {
    let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    let of = bindings.iter().filter(|binding| binding["role"] == role);
    let mut members: Vec<String> = of
        .flat_map(|binding| binding["members"].as_array().unwrap().clone())
        .map(|one| one.as_str().unwrap().to_owned())
        .collect();
    members.sort();
    members
}

impl Rig {
    fn topic_policy(&self, name: &str) -> Json {
        let resource = format!("projects/{}/topics/{name}", self.gcp.project);
        self.sees(TOPIC, "getIamPolicy", json!({ "resource": resource }))
    }

    fn bucket_policy(&self) -> Json {
        let resource = format!("projects/_/buckets/b-{}", self.gcp.project);
        self.gcp.observe_storage("get_iam_policy", json!({ "resource": resource }))
    }
}

#[test]
fn an_identity_may_do_what_is_said_and_others_grants_stay() {
    let resources = |can: &str| {
        format!(
            "  data: {{ kind: bucket, name: b-PROJECT }}\n  events: {{ kind: {TOPIC}, name: events }}\n  runner: {{ kind: identity, name: runner, can: [{can}] }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("{ read: \"{{ data }}\" }, { write: \"{{ events }}\" }")) else { return };
    rig.up();
    let email = format!("runner@{}.iam.gserviceaccount.com", rig.gcp.project);
    let member = format!("serviceAccount:{email}");
    let account = rig.sees(
        "iam.v1.projects.serviceAccounts",
        "get",
        json!({ "name": format!("projects/{}/serviceAccounts/{email}", rig.gcp.project) }),
    );
    assert_eq!(account["email"], email, "{account}");
    assert_eq!(members(&rig.bucket_policy(), "roles/storage.objectViewer"), std::slice::from_ref(&member));
    assert_eq!(members(&rig.topic_policy("events"), "roles/pubsub.publisher"), std::slice::from_ref(&member));
    let shown = rig.run(&["state", "show", "runner", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["name"], email, "{shown}");
    // Somebody lets another one in, and takes ours out.
    let mut policy = rig.topic_policy("events");
    policy["bindings"] = json!([{ "role": "roles/pubsub.publisher", "members": ["user:ada@example.com"] }]);
    let resource = format!("projects/{}/topics/events", rig.gcp.project);
    rig.sees(TOPIC, "setIamPolicy", json!({ "resource": resource, "body": { "policy": policy } }));
    rig.corrects("runner");
    assert_eq!(
        members(&rig.topic_policy("events"), "roles/pubsub.publisher"),
        [member.clone(), "user:ada@example.com".to_owned()]
    );
    // What moves to the front of the list is granted as before.
    rig.write(&resources("{ write: \"{{ events }}\" }"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(members(&rig.topic_policy("events"), "roles/pubsub.publisher").len(), 2);
    // What it may do no more is taken out, and nobody else with it.
    rig.write(&resources("{ write: \"{{ data }}\" }"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(members(&rig.topic_policy("events"), "roles/pubsub.publisher"), ["user:ada@example.com"]);
    assert_eq!(members(&rig.bucket_policy(), "roles/storage.objectUser"), [member]);
    assert_eq!(members(&rig.bucket_policy(), "roles/storage.objectViewer"), [""; 0]);
    rig.down();
}

#[test]
fn a_machine_acts_as_an_identity() {
    let Some(rig) = Rig::with(
        "  runner: { kind: identity, name: runner }\n  m: { kind: gpu_instance, gpu: none, identity: \"{{ runner.name }}\" }\n",
    ) else {
        return;
    };
    // Google knows it a little later than it says so.
    let early = json!({
        "status": 400, "code": "INVALID_ARGUMENT", "reason": "externalResourceNotFound",
        "message": "The resource 'runner' of type 'serviceAccount' was not found.",
    });
    rig.gcp.misbehaves("compute.instances.insert", early, 1, 2);
    rig.up();
    let seen = rig.sees("compute.v1.instances", "list", rig.in_zone(json!({})));
    let email = format!("runner@{}.iam.gserviceaccount.com", rig.gcp.project);
    assert_eq!(seen["items"][0]["serviceAccounts"][0]["email"], email, "{seen}");
    rig.down();
}

#[test]
fn a_binding_can_be_said_by_itself_and_is_written_over_nobodys_change() {
    let binding = |role: &str| {
        format!(
            "  b: {{ kind: iam.v1.bindings, properties: {{ resource: //cloudresourcemanager.googleapis.com/projects/PROJECT, role: {role}, member: \"user:ada@example.com\" }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&binding("roles/viewer")) else { return };
    let stale = json!({ "status": 409, "code": "ABORTED", "message": "There were concurrent policy changes." });
    rig.gcp.misbehaves("cloudresourcemanager.projects.setIamPolicy", stale, 1, 2);
    rig.up();
    let policy = |rig: &Rig| {
        rig.sees(
            "cloudresourcemanager.v3.projects",
            "getIamPolicy",
            json!({ "resource": format!("projects/{}", rig.gcp.project), "body": {} }),
        )
    };
    assert_eq!(members(&policy(&rig), "roles/viewer"), ["user:ada@example.com"]);
    rig.write(&binding("roles/editor"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!((members(&policy(&rig), "roles/viewer").len(), members(&policy(&rig), "roles/editor").len()), (0, 1));
    rig.down();
    assert_eq!(members(&policy(&rig), "roles/editor"), [""; 0]);
}

#[test]
fn a_schedule_sends_a_message_to_a_topic() {
    let resources = |when: &str| {
        format!(
            "  events: {{ kind: {TOPIC}, name: events }}\n  nightly: {{ kind: schedule, name: nightly, {when}, starts: {{ queue: \"{{{{ events.name }}}}\" }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("cron: '30 3 * * 1-5', time_zone: Europe/Berlin, input: go")) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/jobs/nightly", rig.gcp.project);
    let job = |rig: &Rig| rig.sees("cloudscheduler.v1.projects.locations.jobs", "get", json!({ "name": name }));
    let made = job(&rig);
    assert_eq!(
        (&made["schedule"], &made["timeZone"], &made["pubsubTarget"]["data"]),
        (&json!("30 3 * * 1-5"), &json!("Europe/Berlin"), &json!("Z28="))
    );
    rig.write(&resources("every: 2h"));
    rig.up();
    assert_eq!((&job(&rig)["schedule"], &job(&rig)["timeZone"]), (&json!("every 120 minutes"), &json!("UTC")));
    rig.sees(
        "cloudscheduler.v1.projects.locations.jobs",
        "patch",
        json!({ "name": name, "updateMask": "schedule", "body": { "schedule": "every 1 hours" } }),
    );
    rig.corrects("nightly");
    rig.down();
}

#[test]
fn who_pays_too_much_or_waits_too_long_is_told() {
    let resources = |amount: &str, threshold: &str| {
        format!(
            "  spend: {{ kind: budget, amount_usd: {amount}, emails: [a@example.com], only_tagged: {{ team: search }}, options: {{ gcp: {{ billing_account: 01ABCD-234567-89EFAB }} }} }}
  slow: {{ kind: alert, watch: {{ metric: {{ namespace: cloud_run_revision, name: run.googleapis.com/request_latencies, dimensions: {{ service_name: chat }} }} }}, statistic: p99, threshold: {threshold}, periods: 3, emails: [a@example.com, b@example.com] }}
"
        )
    };
    let Some(rig) = Rig::with(&resources("500", "2000")) else { return };
    rig.up();
    let parent = json!({ "parent": "billingAccounts/01ABCD-234567-89EFAB" });
    let budget =
        |rig: &Rig| rig.sees("billingbudgets.v1.billingAccounts.budgets", "list", parent.clone())["budgets"][0].clone();
    let made = budget(&rig);
    assert_eq!(made["amount"]["specifiedAmount"], json!({ "currencyCode": "USD", "units": "500" }), "{made}");
    assert_eq!(made["thresholdRules"][0], json!({ "thresholdPercent": 0.8, "spendBasis": "CURRENT_SPEND" }), "{made}");
    let name = format!("projects/{}", rig.gcp.project);
    let policy = |rig: &Rig| {
        rig.sees("monitoring.v3.projects.alertPolicies", "list", json!({ "name": name }))["alertPolicies"][0].clone()
    };
    let condition = policy(&rig)["conditions"][0]["conditionThreshold"].clone();
    let filter = "metric.type = \"run.googleapis.com/request_latencies\" AND resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"chat\"";
    assert_eq!(
        (&condition["filter"], &condition["thresholdValue"], &condition["duration"]),
        (&json!(filter), &json!(2000), &json!("600s")),
        "{condition}"
    );
    assert_eq!(policy(&rig)["notificationChannels"].as_array().map(Vec::len), Some(2));
    rig.write(&resources("750.5", "1000"));
    rig.up();
    assert_eq!(
        budget(&rig)["amount"]["specifiedAmount"],
        json!({ "currencyCode": "USD", "units": "750", "nanos": 500_000_000 })
    );
    let condition = policy(&rig)["conditions"][0]["conditionThreshold"].clone();
    assert_eq!(
        (&condition["thresholdValue"], &condition["evaluationMissingData"]),
        (&json!(1000), &json!("EVALUATION_MISSING_DATA_INACTIVE"))
    );
    // Of one period alone Google takes no word on missing data.
    rig.write(&resources("750.5", "1000").replace("periods: 3, ", ""));
    rig.up();
    let condition = policy(&rig)["conditions"][0]["conditionThreshold"].clone();
    assert_eq!((&condition["duration"], condition.get("evaluationMissingData")), (&json!("0s"), None));
    rig.down();
}

#[test]
fn what_is_called_and_what_waits_is_watched() {
    let resources = format!(
        "  events: {{ kind: {TOPIC}, name: events }}
  jobs: {{ kind: pubsub.v1.projects.subscriptions, name: jobs, properties: {{ topic: \"{{{{ events.name }}}}\" }} }}
  chat: {{ kind: endpoint, name: chat, image: europe-docker.pkg.dev/p/r/chat@sha256:0 }}
  deep: {{ kind: alert, name: deep, watch: {{ waiting: \"{{{{ jobs }}}}\" }}, threshold: 100 }}
  broken: {{ kind: alert, name: broken, watch: {{ errors: \"{{{{ chat }}}}\" }}, threshold: 5 }}
"
    );
    let Some(rig) = Rig::with(&resources) else { return };
    rig.up();
    let name = format!("projects/{}", rig.gcp.project);
    let listed = rig.sees("monitoring.v3.projects.alertPolicies", "list", json!({ "name": name }));
    let condition = |name: &str| {
        let all = listed["alertPolicies"].as_array().unwrap();
        let policy = all.iter().find(|policy| policy["displayName"] == name).unwrap();
        policy["conditions"][0]["conditionThreshold"].clone()
    };
    let (deep, broken) = (condition("deep"), condition("broken"));
    let filter = "metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"jobs\"";
    assert_eq!((&deep["filter"], &deep["aggregations"][0]["perSeriesAligner"]), (&json!(filter), &json!("ALIGN_MAX")));
    let filter = "metric.type = \"run.googleapis.com/request_count\" AND resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"chat\" AND metric.labels.response_code_class = \"5xx\"";
    assert_eq!(
        (&broken["filter"], &broken["aggregations"][0]["crossSeriesReducer"]),
        (&json!(filter), &json!("REDUCE_SUM"))
    );
    rig.write(&resources.replace("errors:", "waiting:"));
    rig.run(&["plan"]).exits(1);
    rig.write(&resources);
    rig.down();
}

#[test]
fn an_endpoint_serves_as_who_may_read_its_model_alone() {
    let resources = |more: &str| {
        format!(
            "  data: {{ kind: bucket, name: b-PROJECT, force_destroy: true }}
  tiny: {{ kind: artifact, bucket: \"{{{{ data }}}}\", source: ./model }}
  hf: {{ kind: secretmanager.v1.projects.secrets, name: hf, properties: {{ replication: {{ automatic: {{}} }} }} }}
  chat: {{ kind: endpoint, name: chat, depends_on: [hf], image: europe-docker.pkg.dev/p/r/chat@sha256:0, model: \"{{{{ tiny.uri }}}}\", {more} }}
outputs: {{ url: \"{{{{ chat.url }}}}\" }}
"
        )
    };
    let first = "gpu: { model: L4, count: 1 }, replicas: { min: 1, max: 4, target: { metric: concurrency, value: 8 } }, env: { A: b }, secrets: { T: hf }, public: true";
    let Some(rig) = Rig::with(&resources(first)) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/services/chat", rig.gcp.project);
    let service = |rig: &Rig| rig.sees("run.v2.projects.locations.services", "get", json!({ "name": name }));
    let made = service(&rig);
    let (template, container) = (&made["template"], &made["template"]["containers"][0]);
    assert_eq!(
        container["resources"]["limits"],
        json!({ "cpu": "4", "memory": "16384Mi", "nvidia.com/gpu": "1" }),
        "{made}"
    );
    assert_eq!(
        (&template["nodeSelector"]["accelerator"], &template["scaling"]),
        (&json!("nvidia-l4"), &json!({ "minInstanceCount": 1, "maxInstanceCount": 4 }))
    );
    assert_eq!(
        (&template["maxInstanceRequestConcurrency"], &container["startupProbe"]["failureThreshold"]),
        (&json!(8), &json!(24))
    );
    let env = container["env"].as_array().unwrap();
    assert!(env[0]["name"] == "MODEL" && env[0]["value"].as_str().unwrap().starts_with("gs://"), "{env:?}");
    assert_eq!(env[2]["valueSource"]["secretKeyRef"]["secret"], "hf", "{env:?}");
    let account = template["serviceAccount"].as_str().unwrap();
    let secret = json!({ "resource": format!("projects/{}/secrets/hf", rig.gcp.project) });
    let secret = rig.sees("secretmanager.v1.projects.secrets", "getIamPolicy", secret);
    assert_eq!(members(&secret, "roles/secretmanager.secretAccessor"), [format!("serviceAccount:{account}")]);
    assert_eq!(members(&rig.bucket_policy(), "roles/storage.objectViewer"), [format!("serviceAccount:{account}")]);
    let policy =
        |rig: &Rig| rig.sees("run.v2.projects.locations.services", "getIamPolicy", json!({ "resource": name }));
    assert_eq!(members(&policy(&rig), "roles/run.invoker"), ["allUsers"]);
    rig.write(&resources("replicas: { min: 2 }, env: { A: c }, cpu: 2, request_timeout: 2m"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    let changed = service(&rig);
    let template = &changed["template"];
    assert_eq!(
        (&template["timeout"], &template["scaling"]["maxInstanceCount"]),
        (&json!("120s"), &json!(2)),
        "{changed}"
    );
    assert_eq!(
        (&template["containers"][0]["resources"]["limits"], template.get("nodeSelector")),
        (&json!({ "cpu": "2" }), None),
        "{changed}"
    );
    assert_eq!(members(&policy(&rig), "roles/run.invoker"), [""; 0]);
    let by_hand =
        json!({ "name": name, "updateMask": "template.timeout", "body": { "template": { "timeout": "5s" } } });
    rig.sees("run.v2.projects.locations.services", "patch", by_hand);
    rig.corrects("chat");
    assert_eq!(service(&rig)["template"]["timeout"], "120s");
    rig.down();
}

#[test]
fn a_secret_has_the_value_that_was_said_last_and_who_reads_it_is_let_in() {
    let resources = |value: &str, more: &str| {
        format!(
            "  hf: {{ kind: secret, name: hf, value: tok{value}, tags: {{ team: search }}{more} }}\n  runner: {{ kind: identity, name: runner, can: [{{ read: \"{{{{ hf }}}}\" }}] }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("one", "")) else { return };
    rig.up();
    let name = format!("projects/{}/secrets/hf", rig.gcp.project);
    let read = |rig: &Rig| {
        let latest = json!({ "name": format!("{name}/versions/latest") });
        let shown = rig.sees(VERSION, "access", latest);
        (
            shown["name"].as_str().unwrap_or_default().rsplit('/').next().unwrap().to_owned(),
            shown["payload"]["data"].clone(),
        )
    };
    assert_eq!(read(&rig), ("1".to_owned(), json!(STANDARD.encode("tokone"))));
    let policy = rig.sees("secretmanager.v1.projects.secrets", "getIamPolicy", json!({ "resource": name }));
    assert_eq!(members(&policy, "roles/secretmanager.secretAccessor").len(), 1, "{policy}");
    rig.run(&["state", "show", "hf/value", "--json"]).exits(0).says_not("tokone");
    // Another value is the newest, and the one before it is destroyed.
    rig.write(&resources("two", ", description: for the hub"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(read(&rig), ("2".to_owned(), json!(STANDARD.encode("toktwo"))));
    let first = rig.sees(VERSION, "get", json!({ "name": format!("{name}/versions/1") }));
    assert_eq!(first["state"], "DESTROYED");
    // Somebody says another: that is found, and ours is said again.
    let theirs = json!({ "parent": name, "body": { "payload": { "data": STANDARD.encode("theirs") } } });
    rig.sees("secretmanager.v1.projects.secrets", "addVersion", theirs);
    rig.corrects("hf/value");
    assert_eq!(read(&rig).1, json!(STANDARD.encode("toktwo")));
    rig.down();
}

#[test]
fn a_secret_whose_reply_is_lost_is_said_once() {
    let secret = "  hf: { kind: secret, name: hf, value: once, encryption: { kms_key: projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k }, options: { gcp: { replicas: [europe-west4] } } }\n";
    let Some(rig) = Rig::with(secret) else { return };
    rig.gcp.misbehaves("secretmanager.projects.secrets.addVersion", json!("lost"), 1, 1);
    rig.up();
    let name = format!("projects/{}/secrets/hf", rig.gcp.project);
    let listed = rig.sees(VERSION, "list", json!({ "parent": name }));
    assert_eq!(listed["versions"].as_array().map(Vec::len), Some(1), "{listed}");
    let made = rig.sees("secretmanager.v1.projects.secrets", "get", json!({ "name": name }));
    let replica = &made["replication"]["userManaged"]["replicas"][0];
    assert_eq!(
        (&replica["location"], &replica["customerManagedEncryption"]["kmsKeyName"]),
        (&json!("europe-west4"), &json!("projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k")),
        "{made}"
    );
    rig.down();
}

#[test]
fn a_registry_goes_with_images_in_it_only_where_that_is_said() {
    let resources = |more: &str| {
        format!(
            "  images: {{ kind: registry, name: images, {more} }}\n  runner: {{ kind: identity, name: runner, can: [{{ pull: \"{{{{ images }}}}\" }}] }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("retention: { keep_last: 10 }")) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/repositories/images", rig.gcp.project);
    let repository =
        |rig: &Rig| rig.sees("artifactregistry.v1.projects.locations.repositories", "get", json!({ "name": name }));
    let made = repository(&rig);
    assert_eq!(
        (&made["dockerConfig"]["immutableTags"], &made["cleanupPolicies"]["newest"]["mostRecentVersions"]["keepCount"]),
        (&json!(true), &json!(10)),
        "{made}"
    );
    let shown = rig.run(&["state", "show", "images", "--json"]).exits(0).json();
    assert_eq!(
        shown["current"]["attributes"]["uri"],
        format!("europe-west4-docker.pkg.dev/{}/images", rig.gcp.project),
        "{shown}"
    );
    rig.write(&resources("retention: { expire_untagged_after_days: 7 }, immutable_tags: false"));
    rig.up();
    assert_eq!(repository(&rig)["cleanupPolicies"]["untagged"]["condition"]["olderThan"], "604800s");
    let package = format!("artifactregistry.googleapis.com/v1/{name}/packages/chat");
    rig.gcp.has(
        &package,
        "projects.locations.repositories.packages",
        json!({ "name": format!("{name}/packages/chat") }),
    );
    rig.run(&["destroy", "--yes"]).exits(3).says("packages are in it").says("force_destroy");
    rig.write(&resources("force_destroy: true"));
    rig.up();
    rig.down();
}

#[test]
fn what_google_can_not_do_is_told_before_anything_is_made() {
    let Some(rig) = Rig::with("  x: { kind: identity }\n") else { return };
    for (resources, said) in [
        ("  x: { kind: budget, amount_usd: 5 }\n", "options.gcp.billing_account"),
        ("  x: { kind: schedule, every: 90s, starts: { queue: t } }\n", "whole minutes"),
        ("  x: { kind: schedule, cron: '* * *', starts: { queue: t } }\n", "does not look right"),
        ("  x: { kind: alert, threshold: 1, statistic: p90, watch: { metric: { namespace: a, name: b } } }\n", "p95"),
        (
            "  x: { kind: iam.v1.bindings, properties: { resource: //example.com/x, role: a, member: b } }\n",
            "//HOST/PATH",
        ),
        (
            "  x: { kind: alert, threshold: 1, no_data: alert, watch: { metric: { namespace: a, name: b } } }\n",
            "`periods` is 2 or more",
        ),
        (
            "  x: { kind: budget, amount_usd: 5, only_tagged: { a: b, c: d }, options: { gcp: { billing_account: 01ABCD-234567-89EFAB } } }\n",
            "counts what bears one label",
        ),
        ("  x: { kind: secret, name: acme/hf, value: a }\n", "letters, digits"),
        (
            "  x: { kind: secretmanager.v1.projects.secrets.versions, properties: { secret: hf, value: a } }\n",
            "projects/PROJECT/secrets/NAME",
        ),
        ("  x: { kind: endpoint, image: i, health: { start_timeout: 6m } }\n", "4 minutes at most"),
        ("  x: { kind: endpoint, image: i, health: { timeout: 10s } }\n", "less than `health.interval`"),
        (
            "  x: { kind: gpu_instance, gpu: none, machine_type: e2-small, ssh: { ingress: [192.0.2.0/24, '2001:db8::/32'] } }\n",
            "of IPv4 or of IPv6",
        ),
        ("  d: { kind: bucket }\n  x: { kind: identity, can: [{ pull: \"{{ d }}\" }] }\n", "pull"),
    ] {
        rig.write(resources);
        rig.run(&["plan"]).exits(1).complains(said);
    }
    assert_eq!(rig.gcp.things(), [""; 0]);
}
