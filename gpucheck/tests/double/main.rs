//! The program itself against a double of the driver and of NVML: healthy nodes pass, and each illness is found by its name.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Sizes of memory.

mod absent;
mod illnesses;
mod node;
mod output;

use node::{Node, complaints};
use trueup_gpucheck::judge::Verdict;
use trueup_gpucheck::report::{Outcome, Quantity};

#[test]
fn a_healthy_node_of_each_kind_of_chip_passes() {
    for (model, count) in
        [("V100-PCIE-16GB", 2), ("T4", 1), ("A100-SXM4-80GB", 2), ("L40S", 2), ("H100-SXM5-80GB", 2), ("B200-180GB", 1)]
    {
        let (judgement, report, code) = Node::new(model, count).check(&["--count", &count.to_string()]);
        assert_eq!((judgement.verdict, code), (Verdict::Pass, 0), "{model}: {:#?}", complaints(&judgement));
        assert_eq!((report.gpus.len(), report.pairs.len()), (count, count * (count - 1)));
    }
}

#[test]
fn gpus_that_pcie_alone_joins_need_not_reach_each_other() {
    let mut apart = Node::new("L40S", 2);
    apart.settings["peer"] = serde_json::Value::Null;
    let (judgement, report, code) = apart.check(&[]);
    assert_eq!((judgement.verdict, code), (Verdict::Pass, 0), "{:#?}", complaints(&judgement));
    assert!(matches!(report.pairs[0].direct, Outcome::Inapplicable { .. }));
    assert!(report.pairs[0].staged.measured().is_some());
    let mut apart = Node::new("A100-SXM4-80GB", 2);
    apart.settings["peer"] = serde_json::Value::Null;
    let (judgement, _, code) = apart.check(&[]);
    assert_eq!((judgement.of("direct"), code), (Some(Verdict::Fail), 2));
}

#[test]
fn what_is_measured_is_what_the_double_was_set_to() {
    let node = Node::new("H100-SXM5-80GB", 1).set(0, "multiprocessors", serde_json::json!(40));
    let (_, report, _) = node.check(&[]);
    let gpu = &report.gpus[0];
    for (quantity, name) in [
        (Quantity::CopyBandwidth, "bandwidth"),
        (Quantity::TriadBandwidth, "bandwidth"),
        (Quantity::HostToDevice, "host"),
        (Quantity::DeviceToHost, "host"),
        (Quantity::Fp32Rate, "fp32"),
        (Quantity::Fp16Rate, "fp16"),
        (Quantity::Bf16Rate, "bf16"),
        (Quantity::Tf32Rate, "tf32"),
        (Quantity::Fp8Rate, "fp8"),
    ] {
        let figures = gpu.figures[&quantity].measured().unwrap_or_else(|| panic!("{quantity} was not measured"));
        let scale = if quantity.unit().to_string() == "GB/s" { 1e9 } else { 1e12 };
        let share = figures.median * scale / node.settings["gpus"][0][name].as_f64().unwrap();
        // To start a kernel takes 3 µs of the double's time, which short ones on its 40 multiprocessors feel.
        assert!((0.97..1.01).contains(&share), "{quantity} is {share} of what it is");
        assert!(
            figures.repetitions == 5 && figures.least <= figures.median && figures.median <= figures.most,
            "{figures:?}"
        );
    }
    let memory = gpu.memory.measured().unwrap();
    assert!(memory.bytes * 10 >= memory.of * 9, "{memory:?}");
    let answers = gpu.answers["product_fp16"].measured().unwrap();
    assert_eq!((answers.seeds, answers.multiprocessors), (4, Some((40, 40))));
    assert!(matches!(gpu.burn, Outcome::NotChecked { .. }));
}

#[test]
fn cublaslt_is_measured_where_it_is_and_held_to_what_it_can_do() {
    let node = || Node::new("H100-SXM5-80GB", 1).with_cublaslt();
    let (judgement, report, code) = node().check(&["--require", "library_fp16_rate,library_fp8_rate"]);
    assert_eq!((judgement.verdict, code), (Verdict::Pass, 0), "{:#?}", complaints(&judgement));
    for (quantity, share) in [
        (Quantity::LibraryFp16Rate, 0.76 * 989.0),
        (Quantity::LibraryBf16Rate, 0.76 * 989.0),
        (Quantity::LibraryTf32Rate, 0.88 * 494.5),
        (Quantity::LibraryFp8Rate, 0.68 * 1979.0),
    ] {
        let figures = report.gpus[0].figures[&quantity].measured().unwrap();
        assert!((0.99..1.01).contains(&(figures.median / share)), "{quantity}: {figures:?}");
        assert!(figures.by.starts_with("cuBLASLt 8192x8192x"), "{figures:?}");
    }
    // What mma reaches is too little for the library.
    let slow = node().set(0, "library", serde_json::json!([590e12, 752e12, 376e12, 1385e12]));
    let (judgement, _, code) = slow.check(&[]);
    assert_eq!(
        (judgement.of("library_fp16_rate"), judgement.of("fp16_rate"), code),
        (Some(Verdict::Fail), Some(Verdict::Pass), 2)
    );
    // One that refuses is as one that is not there.
    let refusing = node().set(0, "library", serde_json::json!([0, 0, 0, 0]));
    let (judgement, _, code) = refusing.check(&[]);
    assert_eq!((judgement.verdict, judgement.of("library_fp16_rate"), code), (Verdict::Pass, None, 0));
    assert_eq!(refusing.check(&["--require", "library_fp16_rate"]).2, 2);
}

#[test]
fn a_standard_check_burns_all_at_once_and_keeps_what_it_saw() {
    let (judgement, report, code) = Node::new("A100-SXM4-80GB", 2).check(&["--level", "standard"]);
    assert_eq!((judgement.verdict, code), (Verdict::Pass, 0), "{:#?}", complaints(&judgement));
    for gpu in &report.gpus {
        let burn = gpu.burn.measured().unwrap();
        let conditions = burn.conditions.measured().unwrap();
        assert!(burn.seconds >= 90.0 && burn.answers.wrong == 0 && burn.answers.compared > 0);
        assert_eq!(
            (conditions.clock_mhz, conditions.temperature, conditions.throttle),
            (Some((1700, 1700)), Some(61), Some(4))
        );
    }
}
