//! Machines with GPUs, on a machine whose GPUs the test says.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::Bench;
use serde_json::json;
use trueup_engine::kinds::gpu_instance::AllottedGpu;
use trueup_engine::provider::Observation;
use trueup_state::{Class, FieldPath, Value};

fn bench(count: usize) -> Bench {
    let bench = Bench::new();
    let gpu = |n| AllottedGpu { uuid: format!("GPU-{n}"), model: "NVIDIA H100 80GB HBM3".into(), memory_mib: 81_559 };
    *bench.gpus.0.lock().unwrap() = (0..count).map(gpu).collect();
    bench
}

#[tokio::test]
async fn gpus_are_given_to_one_at_a_time() {
    let bench = bench(2);
    let (made, found) = bench.make("gpu_instance", "one", json!({ "gpu": { "model": "H100", "count": 2 } })).await;
    let environment = FieldPath::parse("environment.CUDA_VISIBLE_DEVICES");
    assert_eq!(found.attributes.at(&environment), Some(&"GPU-0,GPU-1".into()));
    bench.keeps_its_promises(&made).await;
    let second = bench.request("gpu_instance", "two", json!({ "gpu": { "model": "H100", "count": 1 } })).await;
    let error = bench.create(&second).await.unwrap_err();
    assert_eq!(error.class, Class::NoCapacity);
    assert!(error.message.contains("NVIDIA H100 80GB HBM3 (taken)"), "{error}");
    assert_eq!(bench.look(&second).await, Observation::Absent);
    bench.goes_without_a_trace(&made).await;
    bench.create(&second).await.unwrap();
    bench.goes_without_a_trace(&second).await;
    bench.is_clean();
}

#[tokio::test]
async fn many_at_once_never_get_the_same_gpu() {
    let bench = bench(4);
    let mut requests = Vec::new();
    for n in 0..8 {
        requests.push(bench.request("gpu_instance", &format!("m{n}"), json!({ "gpu": { "model": "H100" } })).await);
    }
    let made = futures::future::join_all(requests.iter().map(|request| bench.create(request))).await;
    let mut given: Vec<Value> =
        made.iter().flatten().map(|found| found.attributes.get("gpus").unwrap().clone()).collect();
    assert_eq!(given.len(), 4);
    given.dedup();
    assert_eq!(given.iter().map(|gpus| format!("{gpus:?}")).collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn a_model_that_is_not_there_says_what_is() {
    let bench = bench(1);
    let request = bench.request("gpu_instance", "one", json!({ "gpu": { "model": "B200", "count": 8 } })).await;
    let error = bench.create(&request).await.unwrap_err();
    assert_eq!(error.class, Class::NoCapacity);
    assert!(error.message.contains("8 x B200") && error.message.contains("H100 80GB HBM3 (free)"), "{error}");
    bench.is_clean();
}

#[tokio::test]
async fn a_gpu_that_is_lost_is_drift() {
    let bench = bench(2);
    let (made, _) = bench.make("gpu_instance", "one", json!({ "gpu": { "model": "H100", "count": 2 } })).await;
    bench.gpus.0.lock().unwrap().pop();
    assert_eq!(bench.drift(&made).await, ["gpu.count"]);
}

#[tokio::test]
async fn a_machine_without_gpu_works_and_keeps_no_secret() {
    let bench = bench(0);
    let spec = json!({ "gpu": "none", "env": { "HF_TOKEN": "canary-4711" } });
    let (mut made, _) = bench.make("gpu_instance", "one", spec).await;
    bench.set(&mut made, "tags", json!({ "team": "ads" })).await;
    bench.set(&mut made, "env", json!({ "HF_TOKEN": "canary-4712" })).await;
    for file in bench.files("") {
        assert!(!std::fs::read_to_string(&file).unwrap().contains("canary"), "{}", file.display());
    }
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

#[tokio::test]
async fn without_a_driver_the_answer_says_what_was_looked_for() {
    use trueup_provider_local::{GpuDiscovery, NvmlDiscovery};
    match NvmlDiscovery.gpus() {
        Ok(gpus) => assert!(gpus.iter().all(|gpu| gpu.uuid.starts_with("GPU-") && gpu.memory_mib > 0)),
        Err(message) => assert!(message.contains("libnvidia-ml.so"), "{message}"),
    }
}
