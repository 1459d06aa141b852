//! Each illness of a GPU, and what an apply makes of it: the real program, on a double of the driver.

use serde_json::{Value as Json, json};

use crate::gpucheck::Node;
use crate::support::{Place, Ran};

/// What an apply says of a machine that is a node, and what becomes of the machine.
fn applied(node: &Node, gpus: u32, validate: &str) -> (Ran, Json) {
    let place = Place::new();
    let blueprint = format!(
        "blueprint: ill
providers: {{ sim: {{}} }}
resources:
  trainer:
    kind: gpu_instance
    gpu: {{ model: H100, count: {gpus} }}
    validate: {{ via: here, attempts: 1, {validate} }}
  results: {{ kind: bucket, depends_on: [trainer] }}
"
    );
    place.write("blueprint.yaml", &blueprint);
    // What hangs is not waited for as long as on a machine that is paid for.
    let program = assert_cmd::cargo::cargo_bin!("trueup").with_file_name("gpucheck");
    place.write("text", &format!("#!/bin/sh\nexec '{}' --limit 20 \"$@\"\n", program.display()));
    assert!(place.shell("cp text measures && chmod +x measures").status().unwrap().success());
    let environment = node.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let ran = place.run_with(&["apply", "--yes", "--gpucheck-program", "measures"], &environment);
    let shown = place.run(&["state", "show", "trainer", "--json"]).exits(0).json();
    let is_made = place.run(&["state", "show", "results"]).code == 0;
    assert_eq!(is_made, ran.code == 0, "{}", ran.out);
    (ran, shown)
}

/// A machine with this illness is tainted, and why is said and kept.
#[track_caller]
fn is_condemned(path: &str, value: Json, said: &str) {
    let Some(node) = Node::healthy() else { return };
    let (ran, shown) = applied(&node.set(path, value), 1, "level: quick");
    let ran = ran.exits(3).says(said);
    assert_eq!(shown["status"], "tainted", "{}", ran.out);
    assert_eq!(shown["checks"][0]["passed"], false);
    assert!(shown["checks"][0]["message"].as_str().unwrap().contains(said));
}

#[test]
fn a_healthy_machine_is_ready() {
    let Some(node) = Node::healthy() else { return };
    let (ran, shown) = applied(&node, 1, "level: quick");
    ran.exits(0);
    assert_eq!(shown["status"], "ready");
}

#[test]
fn one_that_is_slower_or_computes_or_keeps_what_is_wrong() {
    is_condemned("fp16", json!(280e12), "fp16_rate");
    is_condemned("ill/wrong", json!("product_fp16"), "product_fp16");
    is_condemned("ill/stuck", json!([70_u64 << 30 | 0x1235, 3]), "memory");
}

#[test]
fn one_that_is_missing() {
    let Some(node) = Node::healthy() else { return };
    let (ran, shown) = applied(&node, 2, "level: quick");
    ran.exits(3).says("count");
    assert_eq!(shown["status"], "tainted");
    is_condemned("/seen_by_cuda", json!(0), "the driver sees no GPU");
}

#[test]
fn one_of_which_the_driver_counts_errors() {
    is_condemned("counted/uncorrected", json!([0, 2]), "ecc");
    is_condemned("counted/rows", json!([0, 1, 1, 0]), "row_remap");
    is_condemned("counted/xids", json!([79]), "XID 79");
    is_condemned("counted/links", json!([17, 1]), "nvlink");
}

#[test]
fn one_that_hangs_breaks_or_takes_the_process_with_it() {
    is_condemned("ill/hangs", json!("rate_fp16"), "GPU 0");
    is_condemned("ill/breaks", json!("rate_bf16"), "GPU 0");
    is_condemned("ill/crashes", json!("fma_chains"), "GPU 0");
}

#[test]
fn a_driver_that_is_too_old_is_only_warned_of_where_nothing_requires_what_it_lacks() {
    let Some(node) = Node::healthy() else { return };
    let node = node.set("/ptx", json!(80));
    let (ran, shown) = applied(&node, 1, "level: quick");
    ran.exits(0);
    assert_eq!((&shown["status"], &shown["checks"][0]["passed"]), (&json!("ready"), &json!(true)));
    let (ran, shown) = applied(&node, 1, "require: [fp8_rate]");
    ran.exits(3).says("fp8_rate");
    assert_eq!(shown["status"], "tainted");
}
