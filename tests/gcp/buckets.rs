//! `bucket` on Cloud Storage: what one is made with, how each field changes and is put right, and how it goes.

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::rig::Rig;
use crate::support::eventually;

/// A rig with one bucket, of whose fields some are said.
fn with(fields: &str) -> Option<Rig> {
    let rig = Rig::with(&bucket(fields))?;
    rig.up();
    Some(rig)
}

fn bucket(fields: &str) -> String {
    format!(
        "  logs: {{ kind: bucket, name: logs-PROJECT, force_destroy: true }}\n  b: {{ kind: bucket, provider: gcp, name: b-PROJECT, {fields} }}\n"
    )
}

impl Rig {
    fn name(&self) -> String {
        format!("b-{}", self.gcp.project)
    }

    /// The bucket, as Google's own client sees it.
    fn bucket(&self) -> Json {
        self.gcp.observe_storage("get_bucket", json!({ "name": format!("projects/_/buckets/{}", self.name()) }))
    }

    /// Who may use a bucket.
    fn policy(&self, name: &str) -> Json {
        let asked = json!({ "resource": format!("projects/_/buckets/{name}") });
        self.gcp.observe_storage("get_iam_policy", asked)["bindings"].clone()
    }

    /// Changes the bucket by hand.
    #[track_caller]
    fn writes(&self, fields: Json) {
        let paths: Vec<&String> = fields.as_object().unwrap().keys().collect();
        let mut bucket = fields.clone();
        bucket["name"] = format!("projects/_/buckets/{}", self.name()).into();
        let answer =
            self.gcp.observe_storage("update_bucket", json!({ "bucket": bucket, "update_mask": { "paths": paths } }));
        assert_eq!(answer.get("error"), None, "{answer}");
    }
}

#[test]
fn a_bucket_is_made_closed_and_ours_and_nothing_is_left_of_it() {
    let Some(rig) = with("tags: { team: search }") else { return };
    let bucket = rig.bucket();
    assert_eq!(
        (&bucket["location"], &bucket["storage_class"]),
        (&json!("EUROPE-WEST4"), &json!("STANDARD")),
        "{bucket}"
    );
    assert_eq!(bucket["iam_config"]["public_access_prevention"], "enforced", "{bucket}");
    assert_eq!(bucket["iam_config"]["uniform_bucket_level_access"]["enabled"], true, "{bucket}");
    assert_eq!((&bucket["labels"]["team"], &bucket["labels"]["trueup_address"]), (&json!("search"), &json!("b")));
    let shown = rig.run(&["state", "show", "b", "--json"]).exits(0).json();
    let attributes = &shown["current"]["attributes"];
    assert_eq!(attributes["uri"], format!("gs://{}", rig.name()), "{attributes}");
    assert_eq!(attributes["location"], "europe-west4", "{attributes}");
    rig.down();
}

/// A field: how it is said first and then, what Google's own client shows after each, and what somebody does by hand.
struct Field {
    first: &'static str,
    second: &'static str,
    there: fn(&Rig) -> Json,
    is: (Json, Json),
    by_hand: fn(&Rig),
    said: &'static str,
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
fn fields() -> Vec<Field> {
    vec![
        Field {
            first: "versioning: true",
            second: "versioning: false",
            there: |rig| json!(rig.bucket()["versioning"]["enabled"] == true),
            is: (json!(true), json!(false)),
            by_hand: |rig| rig.writes(json!({ "versioning": { "enabled": true } })),
            said: "versioning",
        },
        Field {
            first: "storage_class: infrequent",
            second: "storage_class: automatic",
            there: |rig| json!([rig.bucket()["storage_class"], rig.bucket()["autoclass"]["enabled"]]),
            is: (json!(["NEARLINE", null]), json!(["NEARLINE", true])),
            by_hand: |rig| rig.writes(json!({ "autoclass": {} })),
            said: "storage_class",
        },
        Field {
            first: "lifecycle: [{ prefix: a/, expire_after_days: 3 }]",
            second: "lifecycle: [{ prefix: a/, expire_after_days: 3, transition: { after_days: 1, storage_class: cold } }, { noncurrent_expire_after_days: 2 }]",
            there: |rig| json!(rig.bucket()["lifecycle"]["rule"].as_array().map(Vec::len)),
            is: (json!(1), json!(3)),
            by_hand: |rig| {
                let rule = json!({ "action": { "type_": "Delete" }, "condition": { "age_days": 1 } });
                rig.writes(json!({ "lifecycle": { "rule": [rule] } }));
            },
            said: "lifecycle",
        },
        Field {
            first: "cors: [{ origins: [https://a.example.com] }]",
            second: "cors: [{ origins: [https://b.example.com], methods: [PUT], max_age_seconds: 60 }]",
            there: |rig| json!([rig.bucket()["cors"][0]["origin"], rig.bucket()["cors"][0]["method"]]),
            is: (json!([["https://a.example.com"], ["GET", "HEAD"]]), json!([["https://b.example.com"], ["PUT"]])),
            by_hand: |rig| rig.writes(json!({ "cors": [] })),
            said: "cors",
        },
        Field {
            first: "encryption: { kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/one }",
            second: "encryption: { kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/two }",
            there: |rig| rig.bucket()["encryption"]["default_kms_key"].clone(),
            is: (
                json!("projects/p/locations/l/keyRings/r/cryptoKeys/one"),
                json!("projects/p/locations/l/keyRings/r/cryptoKeys/two"),
            ),
            by_hand: |rig| rig.writes(json!({ "encryption": {} })),
            said: "encryption",
        },
        Field {
            first: "public_access: read",
            second: "public_access: blocked",
            there: |rig| json!([rig.bucket()["iam_config"]["public_access_prevention"], rig.policy(&rig.name())]),
            is: (
                json!(["inherited", [{ "role": "roles/storage.objectViewer", "members": ["allUsers"] }]]),
                json!(["enforced", null]),
            ),
            by_hand: |rig| rig.writes(json!({ "iam_config": { "public_access_prevention": "inherited" } })),
            said: "public_access",
        },
        Field {
            first: "",
            second: "logging: { bucket: \"{{ logs }}\", prefix: b/ }",
            there: |rig| {
                json!([
                    rig.bucket()["logging"]["log_object_prefix"],
                    rig.policy(&format!("logs-{}", rig.gcp.project))[0]["role"]
                ])
            },
            is: (json!([null, null]), json!(["b/", "roles/storage.objectCreator"])),
            by_hand: |rig| rig.writes(json!({ "logging": {} })),
            said: "logging",
        },
        Field {
            first: "tags: { team: a }",
            second: "tags: { cost: b }",
            there: |rig| json!([rig.bucket()["labels"]["team"], rig.bucket()["labels"]["cost"]]),
            is: (json!(["a", null]), json!([null, "b"])),
            by_hand: |rig| {
                let mut labels = rig.bucket()["labels"].clone();
                labels["cost"] = "c".into();
                rig.writes(json!({ "labels": labels }));
            },
            said: "tags.cost",
        },
        Field {
            first: "options: { gcp: { retention_days: 1, soft_delete_days: 0 } }",
            second: "options: { gcp: { retention_days: 2, soft_delete_days: 30 } }",
            there: |rig| {
                let of = |name: &str| rig.bucket()[name]["retention_duration"].clone();
                json!([of("retention_policy"), of("soft_delete_policy")])
            },
            is: (json!(["86400s", "0s"]), json!(["172800s", "2592000s"])),
            by_hand: |rig| rig.writes(json!({ "retention_policy": {} })),
            said: "retention_days",
        },
    ]
}

#[test]
fn each_field_is_made_changed_in_place_and_put_right() {
    for field in fields() {
        let Some(rig) = with(field.first) else { return };
        let made = rig.bucket()["create_time"].clone();
        assert_eq!((field.there)(&rig), field.is.0, "{}", field.first);
        rig.write(&bucket(field.second));
        rig.up();
        assert_eq!((field.there)(&rig), field.is.1, "{}", field.second);
        (field.by_hand)(&rig);
        rig.corrects(field.said);
        assert_eq!((field.there)(&rig), field.is.1, "{} is not put right", field.second);
        assert_eq!(rig.bucket()["create_time"], made, "it is the same bucket");
        rig.down();
    }
}

#[test]
fn what_makes_another_bucket_is_said_and_another_case_of_letters_is_none() {
    let Some(rig) = with("location: eu") else { return };
    assert_eq!(rig.bucket()["location"], "EU");
    rig.write(&bucket("location: EU"));
    rig.is_level();
    rig.write(&bucket("location: US"));
    rig.run(&["plan"]).exits(2).says("location").says("replace");
    rig.run(&["apply", "--yes=all"]).exits(0);
    assert_eq!(rig.bucket()["location"], "US");
    rig.down();
}

#[test]
fn a_bucket_with_files_goes_only_where_that_is_said() {
    let Some(rig) = with("versioning: true") else { return };
    for n in 0..7 {
        rig.gcp.puts(&rig.name(), &format!("file-{}", n % 4));
    }
    rig.run(&["destroy", "--yes"]).exits(5).says("is not empty").says("force_destroy");
    assert_eq!(rig.bucket()["bucket_id"], rig.name());
    rig.write(&bucket("versioning: true, force_destroy: true"));
    rig.up();
    rig.down();
}

#[test]
fn what_others_let_in_stays_where_the_bucket_is_opened_and_closed() {
    let Some(rig) = with("public_access: read") else { return };
    let resource = format!("projects/_/buckets/{}", rig.name());
    let mut policy = rig.gcp.observe_storage("get_iam_policy", json!({ "resource": resource }));
    let theirs = json!({ "role": "roles/storage.objectViewer", "members": ["user:ada@example.com", "allUsers"] });
    policy["bindings"] = json!([theirs]);
    policy.as_object_mut().unwrap().remove("etag");
    rig.gcp.observe_storage("set_iam_policy", json!({ "resource": resource, "policy": policy }));
    rig.is_level();
    rig.write(&bucket(""));
    rig.up();
    assert_eq!(
        rig.policy(&rig.name()),
        json!([{ "role": "roles/storage.objectViewer", "members": ["user:ada@example.com"] }])
    );
    rig.down();
}

#[test]
fn a_bucket_whose_making_broke_off_is_opened_by_who_comes_next() {
    let Some(rig) = Rig::with(&bucket("public_access: read")) else { return };
    rig.gcp.misbehaves("storage.GetIamPolicy", json!({ "code": "UNAVAILABLE", "message": "later" }), 1, 1000);
    let running = rig.start(&["apply", "--yes"]);
    eventually("it is there", || rig.gcp.take_calls().iter().any(|call| call == "storage.GetIamPolicy"));
    running.signal(Signal::KILL);
    running.wait();
    rig.gcp.behaves();
    rig.up();
    assert_eq!(rig.policy(&rig.name()), json!([{ "role": "roles/storage.objectViewer", "members": ["allUsers"] }]));
    rig.down();
}

#[test]
fn the_name_of_another_is_not_taken_over_and_a_change_of_others_is_not_overwritten() {
    let Some(rig) = Rig::with(&bucket("")) else { return };
    let theirs = json!({ "parent": "projects/_", "bucket_id": rig.name(), "bucket": { "project": "projects/another", "storage_class": "STANDARD" } });
    rig.gcp.observe_storage("create_bucket", theirs);
    rig.run(&["apply", "--yes"]).exits(3).says("taken");
    assert_eq!(rig.bucket().get("labels"), None);
    rig.gcp.observe_storage("delete_bucket", json!({ "name": format!("projects/_/buckets/{}", rig.name()) }));
    rig.up();
    let stale = json!({ "code": "FAILED_PRECONDITION", "message": "somebody was quicker" });
    rig.gcp.misbehaves("storage.UpdateBucket", stale, 1, 1);
    rig.write(&bucket("versioning: true"));
    rig.up();
    assert_eq!(rig.bucket()["versioning"]["enabled"], true);
    rig.down();
}

#[test]
fn fifty_are_made_though_every_fifth_reply_is_lost_and_looked_at_by_one_list() {
    let many = "  b: { kind: bucket, for_each: \"{{ range(50) }}\" }\n";
    let Some(rig) = Rig::with(many) else { return };
    rig.gcp.misbehaves("*", json!("lost"), 5, 1000);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.gcp.behaves();
    assert_eq!(rig.gcp.things().len(), 50);
    rig.is_level();
    rig.gcp.take_calls();
    rig.run(&["drift"]).exits(0);
    let calls = rig.gcp.take_calls();
    // The double gives three of a page.
    assert_eq!(calls, vec!["storage.ListBuckets"; 17]);
    rig.down();
}

#[test]
fn what_can_not_be_is_told_before_anything_is_made() {
    let Some(rig) = Rig::with(&bucket("")) else { return };
    for (fields, said) in [
        ("options: { gcp: { retention_days: 0 } }", "from 1 to"),
        ("options: { gcp: { object_lock: true } }", "no option `object_lock`"),
        ("lifecycle: [{ transition: { after_days: 1, storage_class: standard } }]", "and not to `standard`"),
        ("tags: { Team: a }", "small letters"),
    ] {
        rig.write(&bucket(fields));
        rig.run(&["plan"]).exits(1).complains(said);
    }
    rig.write("  b: { kind: bucket, name: my-google-bucket }\n");
    rig.run(&["plan"]).exits(1).complains("has no `google`");
    assert_eq!(rig.gcp.things(), [""; 0]);
}
