//! Each illness, and the verdict on it. Nothing else is found wrong with the GPU, and nothing with its neighbour.

use serde_json::json;
use trueup_gpucheck::judge::{Judgement, Subject, Verdict};
use trueup_gpucheck::report::{Incident, Report};

use crate::node::{Node, about, complaints};

const ILL: Subject = Subject::Gpu(1);

fn node() -> Node {
    Node::new("H100-SXM5-80GB", 2)
}

/// Checks a node whose GPU 1 is ill: what fails must be these, all of GPU 1, and the exit code says so.
fn fails(node: &Node, arguments: &[&str], wanted: &[&str]) -> (Judgement, Report) {
    let (judgement, report, code) = node.check(arguments);
    let failed = judgement.findings.iter().filter(|found| found.verdict == Verdict::Fail);
    let failed: Vec<(Subject, &str)> = failed.map(|found| (found.subject, found.what.as_str())).collect();
    let wanted: Vec<(Subject, &str)> = wanted.iter().map(|what| (ILL, *what)).collect();
    assert_eq!(failed, wanted, "{:#?}", complaints(&judgement));
    assert_eq!((judgement.verdict, code), (Verdict::Fail, 2));
    (judgement, report)
}

#[test]
fn one_gpu_that_is_slower() {
    // Of 4, so that the median is what the healthy ones do.
    let node = Node::new("A100-SXM4-80GB", 4);
    let (judgement, _) = fails(
        &node.scale(1, "fp16", 0.86).scale(1, "bandwidth", 0.5),
        &[],
        &["copy_bandwidth", "triad_bandwidth", "fp16_rate"],
    );
    assert!(about(&judgement, ILL, "fp16_rate").1.contains("of the median of the node"));
    assert!(about(&judgement, ILL, "copy_bandwidth").1.contains("of the peak"));
    let (warned, _, code) = Node::new("A100-SXM4-80GB", 4).scale(1, "fp16", 0.93).check(&[]);
    assert_eq!((warned.verdict, about(&warned, ILL, "fp16_rate").0, code), (Verdict::Warn, Verdict::Warn, 0));
}

#[test]
fn one_that_computes_a_wrong_bit() {
    for (kernel, what) in [
        ("product_fp8", "answers product_fp8"),
        ("product_fp32", "answers product_fp32"),
        ("rate_bf16", "answers bf16_rate"),
    ] {
        let (judgement, _) = fails(&node().set(1, "ill.wrong", json!(kernel)), &[], &[what]);
        let (_, reason) = about(&judgement, ILL, what);
        let count = if kernel.starts_with("rate") {
            "1 wrong answers; the first: sum "
        } else {
            "4 wrong answers; the first: row 1"
        };
        assert!(reason.starts_with(count), "{reason}");
    }
    let (judgement, _) = fails(&node().set(1, "ill.wrong", json!("product_fp16")), &[], &["answers product_fp16"]);
    let (_, reason) = about(&judgement, ILL, "answers product_fp16");
    assert!(reason.contains("4 wrong answers; the first: row 1, column 1 on multiprocessor 7, seed 0"), "{reason}");
}

#[test]
fn one_whose_memory_has_a_bit_that_is_stuck() {
    // Near the end of it, where nothing but the patterns comes.
    let byte = 70u64 << 30 | 0x1235;
    let (judgement, report) = fails(&node().set(1, "ill.stuck", json!([byte, 3])), &[], &["memory"]);
    let memory = report.gpus[1].memory.measured().unwrap();
    assert!(memory.wrong_words >= 2 && memory.first_wrong.is_some(), "{memory:?}");
    assert!(
        about(&judgement, ILL, "memory").1.contains("words came back wrong; the first at 0x1180001234"),
        "{judgement:?}"
    );
}

#[test]
fn one_that_garbles_what_it_sends_to_its_neighbour() {
    let (judgement, _, code) = node().set(1, "ill.garbles_peers", json!(true)).check(&[]);
    assert_eq!((about(&judgement, Subject::Pair(1, 0), "answers copies").0, code), (Verdict::Fail, 2));
    assert_eq!(about(&judgement, Subject::Pair(0, 1), "answers copies").0, Verdict::Pass);
}

#[test]
fn one_that_is_missing() {
    let mut node = node();
    node.settings["seen_by_cuda"] = json!(1);
    let (judgement, _, code) = node.check(&[]);
    assert_eq!((about(&judgement, Subject::Node, "count").0, code), (Verdict::Fail, 2));
    assert!(about(&judgement, Subject::Node, "count").1.contains("NVML sees 2 GPUs and CUDA 1"));
    let (judgement, _, code) = self::node().check(&["--count", "8"]);
    assert_eq!(
        (about(&judgement, Subject::Node, "count"), code),
        ((Verdict::Fail, "2 GPUs are there, 8 should be"), 2)
    );
}

#[test]
fn one_with_errors_of_memory() {
    fails(&node().set(1, "counted.uncorrected", json!([0, 2])), &[], &["ecc"]);
    fails(&node().set(1, "counted.rows", json!([0, 1, 1, 0])), &[], &["row_remap"]);
    fails(&node().set(1, "counted.rows", json!([0, 1, 0, 1])), &[], &["row_remap"]);
    let (judgement, _, code) = node().set(1, "counted.corrected", json!([3, 4])).check(&[]);
    assert_eq!((judgement.verdict, about(&judgement, ILL, "ecc").0, code), (Verdict::Warn, Verdict::Warn, 0));
}

#[test]
fn one_of_which_the_driver_reports_an_error_or_a_link_down() {
    let (judgement, _) = fails(&node().set(1, "counted.xids", json!([79])), &[], &["xid"]);
    assert_eq!(about(&judgement, ILL, "xid").1, "the driver reported XID 79");
    let (judgement, _) = fails(&node().set(1, "counted.links", json!([17, 1])), &[], &["nvlink"]);
    assert_eq!(about(&judgement, ILL, "nvlink").1, "1 NVLinks are down");
    let narrow = node().set(1, "pcie", json!([5, 8, 5, 16])).scale(1, "host", 0.5);
    let (judgement, _) = fails(&narrow, &[], &["pcie", "host_to_device", "device_to_host"]);
    assert_eq!(about(&judgement, ILL, "pcie").1, "lanes are missing: its link was trained down");
}

#[test]
fn one_that_hangs() {
    let (judgement, report, code) = node().set(1, "ill.hangs", json!("rate_fp16")).check(&["--limit", "20"]);
    let wanted = Incident::Hung { after: 20, during: vec!["fp16_rate on GPU 1".into()] };
    assert_eq!((report.incidents, code), (vec![wanted], 2));
    assert_eq!(
        about(&judgement, Subject::Node, "run"),
        (Verdict::Fail, "still measuring after 20 s: fp16_rate on GPU 1")
    );
    // What was known before is kept, and what was not come to is not checked.
    assert_eq!(about(&judgement, ILL, "answers product_fp16").0, Verdict::Pass);
    assert_eq!(about(&judgement, ILL, "host_to_device").0, Verdict::NotChecked);
    for what in ["direct", "staged"] {
        assert_eq!(about(&judgement, Subject::Pair(0, 1), what).0, Verdict::NotChecked);
    }
}

#[test]
fn one_that_breaks_and_stays_broken() {
    let (judgement, report, code) = node().set(1, "ill.breaks", json!("rate_bf16")).check(&[]);
    assert_eq!((judgement.verdict, code), (Verdict::Fail, 2));
    assert_eq!(about(&judgement, ILL, "bf16_rate"), (Verdict::Fail, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    // All that comes after it fails too; what came before, and its neighbour, do not.
    assert_eq!(about(&judgement, ILL, "tf32_rate").0, Verdict::Fail);
    assert_eq!(about(&judgement, ILL, "fp16_rate").0, Verdict::Pass);
    assert_eq!(about(&judgement, Subject::Gpu(0), "tf32_rate").0, Verdict::Pass);
    assert_eq!(report.incidents, []);
}

#[test]
fn one_that_takes_the_process_with_it() {
    let (judgement, report, code) = node().set(1, "ill.crashes", json!("fma_chains")).check(&[]);
    let [Incident::Crashed { signal: 6, during }] = &report.incidents[..] else { panic!("{:?}", report.incidents) };
    assert!(during.contains(&"fp32_rate on GPU 1".to_owned()), "{during:?}");
    assert_eq!((about(&judgement, Subject::Node, "run").0, code), (Verdict::Fail, 2));
    assert_eq!(about(&judgement, ILL, "memory").0, Verdict::Pass);
}

#[test]
fn one_that_fades_as_it_gets_warm_or_is_held_back() {
    let burn = ["--level", "burn", "--seconds", "60"];
    let (judgement, _) = fails(&node().set(1, "ill.fades", json!(0.3)), &burn, &["burn"]);
    assert_eq!(about(&judgement, ILL, "burn").1, "its rate falls as it gets warm");
    let (judgement, _) = fails(&node().set(1, "counted.throttle", json!(0x48)), &burn, &["throttle"]);
    assert_eq!(about(&judgement, ILL, "throttle").1, "it was held back: hardware slowdown, hardware: heat");
    fails(&node().set(1, "ill.wrong", json!("burn_fp16")), &burn, &["answers burn"]);
}

#[test]
fn a_driver_that_is_too_old_for_a_kernel_or_a_call() {
    let mut old = node();
    old.settings["ptx"] = json!(80);
    let (judgement, _, code) = old.check(&[]);
    let (verdict, reason) = about(&judgement, ILL, "fp8_rate");
    assert_eq!(
        (verdict, reason, code),
        (Verdict::NotChecked, "the driver is too old for PTX 8.4, in which `fp8` is written", 0)
    );
    assert_eq!((judgement.verdict, about(&judgement, ILL, "fp16_rate").0), (Verdict::Warn, Verdict::Pass));
    // Hopper's own PTX is of 7.8: an older driver gets what was written for Ampere.
    old.settings["ptx"] = json!(70);
    assert_eq!(about(&old.check(&[]).0, ILL, "fp16_rate").0, Verdict::Pass);
    let lacking = node().without_symbol("libcuda.so.1", "cuMemcpyPeerAsync");
    let (judgement, _, code) = lacking.check(&[]);
    let wanted = (Verdict::Fail, "the driver is too old: it lacks cuMemcpyPeerAsync");
    assert_eq!((about(&judgement, Subject::Pair(0, 1), "direct"), code), (wanted, 2));
    assert_eq!(about(&judgement, Subject::Pair(0, 1), "staged").0, Verdict::Pass);
}
