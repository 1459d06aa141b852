//! What `local` can't take: told of a spec alone, and in the same words when it is made all the same.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::Bench;
use serde_json::{Value as Json, json};
use trueup_engine::tree::digest_of;
use trueup_state::{Class, FieldPath, Value};

/// A whole resource of this provider, or of another.
fn reference(kind: &str, provider: &str) -> Json {
    let uri = if kind == "bucket" { "file:///somewhere" } else { "oci:/somewhere" };
    json!({ "address": "it", "kind": kind, "provider": provider, "attributes": { "uri": uri } })
}

fn machine(more: &Json) -> Json {
    let mut spec = json!({ "gpu": "none" });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// Specs that the kinds allow and `local` does not: kind, field at fault, spec.
fn refused() -> Vec<(&'static str, &'static str, Json)> {
    let (bucket, registry) = (reference("bucket", "local.second"), reference("registry", "local"));
    let layout = json!({ "oci_layout": "/somewhere" });
    vec![
        ("bucket", "encryption", json!({ "encryption": { "kms_key": "k" } })),
        ("bucket", "name", json!({ "name": "my bucket" })),
        ("bucket", "options.local.mirror", json!({ "options": { "local": { "mirror": true } } })),
        ("registry", "encryption", json!({ "encryption": { "kms_key": "k" } })),
        ("registry", "name", json!({ "name": ".hidden" })),
        ("artifact", "bucket", json!({ "bucket": reference("bucket", "aws.eu"), "source": "/a" })),
        ("artifact", "path", json!({ "bucket": bucket, "source": "/a", "path": "../outside" })),
        ("artifact", "path", json!({ "bucket": bucket, "source": "/a", "path": format!("a/{}", "b".repeat(256)) })),
        ("artifact", "source", json!({ "bucket": bucket, "source": "/a", "digest": digest_of(&[]) })),
        ("image", "registry", json!({ "registry": reference("registry", "gcp"), "from": layout })),
        ("image", "from.reference", json!({ "registry": registry, "from": { "reference": "docker://python" } })),
        ("endpoint", "image", json!({ "image": "oci:/x@sha256:0" })),
        ("endpoint", "runtime", json!({ "command": ["x"], "runtime": "run" })),
        ("endpoint", "command[0]", json!({ "command": [""] })),
        ("endpoint", "command[1]", json!({ "command": ["x", "a\0b"] })),
        ("endpoint", "model", json!({ "command": ["x"], "model": "file://models/a" })),
        ("endpoint", "secrets.TOKEN", json!({ "command": ["x"], "secrets": { "TOKEN": "prod/hf" } })),
        ("endpoint", "env.A=B", json!({ "command": ["x"], "env": { "A=B": "c" } })),
        ("endpoint", "env.A", json!({ "command": ["x"], "env": { "A": "b\0c" } })),
        ("gpu_instance", "image", machine(&json!({ "image": { "family": "pytorch" } }))),
        ("gpu_instance", "user_data", machine(&json!({ "user_data": "echo" }))),
        ("gpu_instance", "machine_type", machine(&json!({ "machine_type": "p5" }))),
        ("gpu_instance", "stop_after", machine(&json!({ "stop_after": "8h" }))),
        ("gpu_instance", "market", machine(&json!({ "market": { "reservation": "r" } }))),
        ("gpu_instance", "market", machine(&json!({ "market": { "capacity_block": "c" } }))),
    ]
}

async fn at_fault(bench: &Bench, kind: &str, spec: &Value) -> Vec<String> {
    bench.manager(kind).await.check(spec).into_iter().map(|problem| problem.path.to_string()).collect()
}

#[tokio::test]
async fn what_local_can_not_take_is_known_before_and_refused_alike() {
    let bench = Bench::new();
    for (kind, field, spec) in refused() {
        let request = bench.request(kind, "it", spec.clone()).await;
        let told = bench.manager(kind).await.check(&request.spec);
        let fields: Vec<String> = told.iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(fields, [field], "{spec}");
        let error = bench.create(&request).await.unwrap_err();
        assert_eq!(error.class, Class::Invalid { field: Some(field.to_owned()) }, "{error}");
        assert_eq!(error.message, told[0].message);
    }
    bench.is_clean();
}

#[tokio::test]
async fn nothing_is_said_of_what_is_not_known() {
    let bench = Bench::new();
    for (kind, field, spec) in refused() {
        let mut spec = bench.request(kind, "it", spec).await.spec;
        let path = FieldPath::from(FieldPath::parse(field).steps().get(..1).unwrap().to_vec());
        spec.put(&path, Value::Unknown);
        // What image it would be need not be known: there is no command.
        let expected: &[&str] = if field == "image" && kind == "endpoint" { &["image"] } else { &[] };
        assert_eq!(at_fault(&bench, kind, &spec).await, expected, "{kind} {field}");
    }
    // Which key it is does not matter.
    let key = Value::Map([("kms_key".to_owned(), Value::Unknown)].into());
    assert_eq!(at_fault(&bench, "bucket", &Value::Map([("encryption".to_owned(), key)].into())).await, ["encryption"]);
}

#[tokio::test]
async fn what_is_kept_without_effect_is_taken() {
    let bench = Bench::new();
    let rule = json!({ "expire_after_days": 30, "transition": { "after_days": 3, "storage_class": "cold" } });
    let endpoint = json!({
        "command": ["x"], "model": "s3://models/a", "runtime": "process", "cpu": 4, "memory_gib": 8, "public": true,
        "identity": "nobody", "secrets": { "TOKEN": "file:/run/token" }, "options": { "aws": { "variant_name": "a" } },
    });
    let more = json!({ "disk": { "size_gb": 500 }, "market": "spot", "identity": "nobody", "max_price_per_hour": 2 });
    let taken = [
        ("bucket", json!({ "name": "a-b_c.1", "location": "EU", "lifecycle": [rule], "storage_class": "archive" })),
        ("bucket", json!({ "cors": [{ "origins": ["*"] }], "logging": { "bucket": reference("bucket", "aws") } })),
        ("registry", json!({ "format": "model", "scan_on_push": true, "retention": { "keep_last": 3 } })),
        ("endpoint", endpoint),
        ("gpu_instance", machine(&more)),
    ];
    for (kind, spec) in taken {
        let request = bench.request(kind, "it", spec).await;
        assert!(at_fault(&bench, kind, &request.spec).await.is_empty(), "{:?}", request.spec);
    }
}

#[tokio::test]
async fn a_secret_is_not_repeated() {
    let bench = Bench::new();
    let secret = || Value::secret("canary-4711".into());
    for (kind, field) in [("endpoint", "model"), ("endpoint", "secrets.TOKEN"), ("gpu_instance", "user_data")] {
        let mut spec = bench
            .request(kind, "it", if kind == "endpoint" { json!({ "command": ["x"] }) } else { machine(&json!({})) })
            .await
            .spec;
        let value = if field == "model" { Value::secret("file://canary-4711".into()) } else { secret() };
        spec.put(&FieldPath::parse(field), value);
        let told = bench.manager(kind).await.check(&spec);
        assert_eq!(told.len(), 1, "{field}");
        assert!(!told[0].message.contains("canary"), "{}", told[0].message);
    }
}
