//! Machines without a driver, without a GPU, without NVML; libraries that are none, and arguments that mean nothing.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use trueup_gpucheck::judge::{Subject, Verdict};
use trueup_gpucheck::report::Incident;

use crate::node::{Node, about, complaints};

fn node() -> Node {
    Node::new("A100-PCIE-40GB", 1)
}

#[test]
fn without_a_driver_there_is_nothing_to_check() {
    let node = node();
    fs::remove_file(node.library("libcuda.so.1")).unwrap();
    let checked = node.run(&[]);
    assert_eq!((checked.code, checked.stdout.as_str()), (3, ""));
    assert!(
        checked.stderr.contains("nothing to check: the driver's library can't be loaded: libcuda.so.1: "),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_library_that_is_none_is_told_as_what_it_is() {
    let node = node();
    fs::write(node.library("libcuda.so.1"), "not a library").unwrap();
    let checked = node.run(&[]);
    assert_eq!(checked.code, 3);
    assert!(
        checked.stderr.contains("file too short") || checked.stderr.contains("invalid ELF header"),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_driver_that_sees_no_gpu_has_nothing_to_check() {
    let mut none = node();
    none.settings["seen_by_cuda"] = json!(0);
    let checked = none.run(&[]);
    assert_eq!(checked.code, 3);
    assert!(checked.stderr.contains("the driver sees no GPU: CUDA_ERROR_NO_DEVICE"), "{}", checked.stderr);
    let mut stub = node();
    stub.settings["init"] = json!(34);
    assert_eq!(stub.run(&[]).code, 3);
}

#[test]
fn a_driver_that_refuses_fails() {
    let mut mismatch = node();
    mismatch.settings["init"] = json!(803);
    let (_, report, code) = mismatch.check(&[]);
    let error = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH".to_owned();
    assert_eq!((report.incidents, code), (vec![Incident::Refused { what: "to count GPUs".into(), error }], 2));
    let lacking = node().without_symbol("libcuda.so.1", "cuInit");
    let (judgement, _, code) = lacking.check(&[]);
    let wanted = "the driver refused to count GPUs: the driver is too old: it lacks cuInit";
    assert_eq!((about(&judgement, Subject::Node, "run"), code), ((Verdict::Fail, wanted), 2));
}

#[test]
fn a_library_that_prints_what_it_likes_is_a_finding() {
    let mut loud = node();
    loud.settings["prints"] = json!("Hello from the driver");
    let (_, report, code) = loud.check(&[]);
    assert_eq!((report.incidents, code), (vec![Incident::Garbled { said: "Hello from the driver".into() }], 2));
}

#[test]
fn without_nvml_what_it_would_tell_is_not_checked() {
    let node = node();
    fs::remove_file(node.library("libnvidia-ml.so.1")).unwrap();
    let (judgement, _, code) = node.check(&[]);
    assert_eq!((judgement.verdict, code), (Verdict::Warn, 0), "{:#?}", complaints(&judgement));
    for what in ["ecc", "row_remap", "xid", "nvlink", "pcie"] {
        let (verdict, reason) = about(&judgement, Subject::Gpu(0), what);
        assert_eq!(verdict, Verdict::NotChecked, "{what}");
        assert!(reason.contains("NVML can't be asked"), "{what}: {reason}");
    }
    assert_eq!(about(&judgement, Subject::Gpu(0), "host_to_device").0, Verdict::Pass);
    assert_eq!(node.check(&["--require", "ecc"]).2, 2);
    // A library that has no call for replaced rows tells the rest.
    let old = self::node().without_symbol("libnvidia-ml.so.1", "nvmlDeviceGetRemappedRows");
    let (judgement, _, _) = old.check(&[]);
    let found = ["row_remap", "ecc"].map(|what| about(&judgement, Subject::Gpu(0), what).0);
    assert_eq!(found, [Verdict::NotChecked, Verdict::Pass]);
}

#[test]
fn arguments_that_mean_nothing_are_refused_before_anything_is_measured() {
    let node = node();
    for (arguments, said) in [
        (&["--level", "slow"][..], "invalid value 'slow'"),
        (&["--minimum", "90"], "the minimum is a fraction from 0 to 1"),
        (&["--require", "ecc,luck"], "nothing that is measured is named `luck`"),
        (&["--model", "H1"], "no GPU model is named `H1`"),
        (&["--baseline", "/nonexistent"], "/nonexistent can't be read"),
        (&["--seconds", "0"], "invalid value '0'"),
        (&["judge", "/nonexistent"], "/nonexistent can't be read as a report"),
    ] {
        let checked = node.run(arguments);
        assert_eq!(checked.code, 1, "{arguments:?}: {}", checked.stderr);
        assert!(checked.stderr.contains(said), "{arguments:?}: {}", checked.stderr);
        assert_eq!(checked.stdout, "");
    }
    let help = node.run(&["--help"]);
    assert_eq!(help.code, 0);
    for line in ["0  the GPUs pass", "1  wrong usage", "2  the GPUs fail", "3  there is no driver, or no GPU"] {
        assert!(help.stdout.contains(line), "{}", help.stdout);
    }
}

#[test]
fn a_measuring_process_that_nobody_listens_to_ends_even_if_its_gpu_hangs() {
    let node = node().set(0, "ill.hangs", json!("copy"));
    let mut child = node.command(&["child"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // Its listener is gone: so is the other end of its standard input.
    drop(child.stdin.take());
    let ended = (0..1200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        child.try_wait().unwrap()
    });
    if ended.is_none() {
        child.kill().unwrap();
    }
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
}
