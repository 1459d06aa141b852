//! What is made of reports, one fault at a time; and of reports that are wrong themselves.

use super::*;
use crate::report::*;
use crate::testing::{healthy, with_gpus};

/// What is thought of a name on GPU 1 once a healthy report was changed.
fn after(change: impl FnOnce(&mut Report)) -> Judgement {
    let mut report = healthy("H100-SXM5-80GB", 4);
    change(&mut report);
    judge(&report, &Rules::default())
}

/// What is thought of it, and why.
fn about<'a>(judgement: &'a Judgement, subject: Subject, what: &str) -> (Verdict, &'a str) {
    let found = judgement.findings.iter().find(|finding| finding.subject == subject && finding.what == what);
    let found = found.unwrap_or_else(|| panic!("no finding {what} of {subject}"));
    (found.verdict, &found.reason)
}

fn scale(report: &mut Report, gpu: usize, quantity: Quantity, by: f64) {
    let Some(Outcome::Measured(figures)) = report.gpus[gpu].figures.get_mut(&quantity) else { panic!("not measured") };
    figures.median *= by;
}

fn watched(report: &mut Report, gpu: usize) -> &mut Watched {
    let Outcome::Measured(watched) = &mut report.gpus[gpu].counters else { panic!("not measured") };
    watched
}

const ONE: Subject = Subject::Gpu(1);

#[test]
fn a_healthy_node_of_every_model_passes() {
    for model in crate::models::MODELS {
        let report = healthy(model.name, 2);
        let judgement = judge(&report, &Rules::default());
        let bad: Vec<&Finding> = judgement.findings.iter().filter(|finding| finding.verdict > Verdict::Pass).collect();
        assert_eq!(judgement.verdict, Verdict::Pass, "{}: {bad:#?}", model.name);
    }
}

#[test]
fn a_slow_gpu_is_told_from_its_neighbours_and_from_its_specification() {
    // 87 % of 0.86 of the peak is above the specification's floor, and too little beside its neighbours.
    let judgement = after(|report| scale(report, 1, Quantity::CopyBandwidth, 0.87));
    let (verdict, reason) = about(&judgement, ONE, "copy_bandwidth");
    assert_eq!((judgement.verdict, verdict), (Verdict::Fail, Verdict::Fail));
    assert!(reason.contains("87.0 % of the median of the node, below 88 %"), "{reason}");
    assert_eq!(about(&judgement, Subject::Gpu(0), "copy_bandwidth").0, Verdict::Pass);
    let warned = after(|report| scale(report, 1, Quantity::CopyBandwidth, 0.94));
    assert_eq!((warned.verdict, about(&warned, ONE, "copy_bandwidth").0), (Verdict::Warn, Verdict::Warn));
    // All alike and all too slow: their neighbours are no help.
    let all = after(|report| (0..4).for_each(|gpu| scale(report, gpu, Quantity::Fp16Rate, 0.5)));
    let (verdict, reason) = about(&all, ONE, "fp16_rate");
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.contains("33.0 % of the peak (measured with these kernels"), "{reason}");
}

/// What real GPUs did, by `gpucheck --level standard`: an H100 SXM and an H200 SXM, 2026-11-28, driver 580.159. Their serial numbers
/// are taken out.
const REPORTS: [(&str, &str); 2] = [
    (include_str!("../../reports/h100-sxm5-80gb.json"), include_str!("../../baselines/h100-sxm5-80gb.json")),
    (include_str!("../../reports/h200-sxm5-141gb.json"), include_str!("../../baselines/h200-sxm5-141gb.json")),
];

#[test]
fn what_is_expected_of_a_calibrated_model_is_what_one_of_it_did() {
    let mut models = Vec::new();
    for (report, baseline) in REPORTS {
        let report: Report = serde_json::from_str(report).unwrap();
        let model = report.gpus[0].identity.measured().and_then(crate::models::identify).unwrap();
        let judgement = judge(&report, &Rules::default());
        assert_eq!((judgement.verdict, judgement.calibrated), (Verdict::Pass, true), "{}", model.name);
        let rates = judgement.findings.iter().filter_map(|finding| Some((&finding.what, finding.fraction?)));
        let far: Vec<_> = rates.filter(|(_, fraction)| !(0.94..=1.07).contains(fraction)).collect();
        assert!(far.is_empty(), "{}: {far:?}", model.name);
        let baseline = Baseline::read(baseline).unwrap();
        assert_eq!(baseline.figures, Baseline::of(&report, &judgement).unwrap().figures, "{}", model.name);
        models.push(model.name);
    }
    let calibrated = crate::models::MODELS.iter().filter(|model| model.calibrated).map(|model| model.name);
    assert_eq!(models, calibrated.collect::<Vec<_>>());
}

#[test]
fn what_no_hardware_confirmed_is_named() {
    let mut one = healthy("H100-SXM5-80GB", 1);
    assert!(uncalibrated(&one).is_empty());
    one.gpus.extend(healthy("L40S", 2).gpus);
    assert_eq!(uncalibrated(&one), ["L40S"]);
    assert_eq!(uncalibrated(&healthy("H100-SXM5-80GB", 2)), ["pairs"]);
}

#[test]
fn a_baseline_of_the_model_goes_before_its_specification() {
    let report = healthy("H100-SXM5-80GB", 2);
    let baseline = Baseline::of(&report, &judge(&report, &Rules::default())).unwrap();
    let rules = |baseline: &Baseline| Rules { baseline: Some(baseline.clone()), ..Rules::default() };
    let judgement = judge(&report, &rules(&baseline));
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!(about(&judgement, ONE, "fp16_rate").1, "enough by a stored baseline");
    let other = Baseline { model: "H9000".into(), ..baseline.clone() };
    let unused = judge(&report, &rules(&other));
    let (verdict, reason) = about(&unused, Subject::Node, "baseline");
    assert_eq!(verdict, Verdict::Warn);
    assert!(reason.contains("nothing was held against it"), "{reason}");
    let mut faster = baseline.clone();
    faster.figures.insert("fp16_rate".into(), baseline.figures["fp16_rate"] / 0.89);
    let (verdict, reason) = (judge(&report, &rules(&faster)).of("fp16_rate"), judge(&report, &rules(&faster)));
    assert_eq!(verdict, Some(Verdict::Fail));
    assert!(about(&reason, ONE, "fp16_rate").1.contains("89.0 % of a stored baseline, below 90 %"));
    // One of another model says nothing of this.
    faster.model = "A100-SXM4-80GB".into();
    assert_eq!(judge(&report, &rules(&faster)).of("fp16_rate"), Some(Verdict::Pass));
}

#[test]
fn what_is_asked_for_is_a_share_of_what_is_expected() {
    let report = healthy("A100-SXM4-80GB", 2);
    let with = |minimum| judge(&report, &Rules { minimum: Some(minimum), ..Rules::default() });
    assert_eq!(with(0.99).verdict, Verdict::Pass);
    let mut slower = report.clone();
    (0..2).for_each(|gpu| scale(&mut slower, gpu, Quantity::Fp32Rate, 0.96));
    assert_eq!(judge(&slower, &Rules::default()).verdict, Verdict::Pass);
    let judgement = judge(&slower, &Rules { minimum: Some(0.97), ..Rules::default() });
    let (verdict, reason) = about(&judgement, ONE, "fp32_rate");
    assert_eq!((verdict, reason), (Verdict::Fail, "96.0 % of what is expected, where 97 % are asked for"));
}

#[test]
fn any_wrong_answer_fails() {
    let wrong = |found: &mut Outcome<Correctness>| {
        let Outcome::Measured(found) = found else { panic!("not measured") };
        (found.wrong, found.first_wrong) = (1, Some("row 3, column 5: 7 for 6".into()));
    };
    for what in ["product_fp32", "product_fp16", "product_bf16", "product_tf32", "product_fp8"] {
        let judgement = after(|report| wrong(report.gpus[1].answers.get_mut(what).unwrap()));
        let (verdict, reason) = about(&judgement, ONE, &format!("answers {what}"));
        assert_eq!((judgement.verdict, verdict), (Verdict::Fail, Verdict::Fail));
        assert_eq!(reason, "1 wrong answers; the first: row 3, column 5: 7 for 6");
    }
    let pair = after(|report| wrong(&mut report.pairs[2].intact));
    assert_eq!(pair.verdict, Verdict::Fail);
    let memory = after(|report| {
        let Outcome::Measured(found) = &mut report.gpus[1].memory else { panic!("not measured") };
        (found.wrong_words, found.first_wrong) = (3, Some(4096));
    });
    assert_eq!(about(&memory, ONE, "memory"), (Verdict::Fail, "3 words came back wrong; the first at 0x1000"));
}

#[test]
fn right_on_some_multiprocessors_or_some_of_memory_is_not_checked() {
    let some = after(|report| {
        let Some(Outcome::Measured(found)) = report.gpus[1].answers.get_mut("product_fp16") else { panic!() };
        found.multiprocessors = Some((131, 132));
    });
    assert_eq!((some.verdict, about(&some, ONE, "answers product_fp16").0), (Verdict::Warn, Verdict::NotChecked));
    let half = after(|report| {
        let Outcome::Measured(found) = &mut report.gpus[1].memory else { panic!() };
        found.bytes = found.of / 2;
    });
    assert_eq!((half.verdict, about(&half, ONE, "memory").0), (Verdict::Warn, Verdict::NotChecked));
}

#[test]
fn counters_are_judged_as_those_who_gate_nodes_do() {
    type Change = fn(&mut Watched);
    let cases: [(&str, Verdict, Change); 16] = [
        ("ecc", Verdict::Fail, |watched| watched.after.uncorrected = Some(1)),
        ("ecc", Verdict::Fail, |watched| (watched.before.uncorrected, watched.after.uncorrected) = (Some(2), Some(2))),
        ("ecc", Verdict::Warn, |watched| watched.after.corrected = Some(5)),
        ("ecc", Verdict::Pass, |watched| (watched.before.corrected, watched.after.corrected) = (Some(5), Some(5))),
        ("ecc", Verdict::NotChecked, |watched| watched.after.uncorrected = None),
        ("row_remap", Verdict::Fail, |watched| watched.after.remapped.as_mut().unwrap().pending = true),
        ("row_remap", Verdict::Fail, |watched| watched.after.remapped.as_mut().unwrap().failed = true),
        ("row_remap", Verdict::Fail, |watched| watched.after.remapped.as_mut().unwrap().uncorrected = 513),
        ("row_remap", Verdict::Warn, |watched| watched.after.remapped.as_mut().unwrap().uncorrected = 1),
        ("row_remap", Verdict::NotChecked, |watched| watched.after.remapped = None),
        ("xid", Verdict::Fail, |watched| watched.xids = Some(vec![31, 79])),
        ("xid", Verdict::Warn, |watched| watched.xids = Some(vec![31])),
        ("xid", Verdict::NotChecked, |watched| watched.xids = None),
        ("nvlink", Verdict::Fail, |watched| watched.after.links = Some((17, 1))),
        ("nvlink", Verdict::NotChecked, |watched| watched.after.links = None),
        ("nvlink", Verdict::Pass, |watched| watched.after.links = Some((18, 0))),
    ];
    for (at, (what, wanted, change)) in cases.into_iter().enumerate() {
        let judgement = after(|report| change(watched(report, 1)));
        assert_eq!(about(&judgement, ONE, what).0, wanted, "case {at}, {what}");
        let whole = if wanted == Verdict::NotChecked { Verdict::Warn } else { wanted };
        assert_eq!(judgement.verdict, whole, "case {at}, {what}");
    }
}

#[test]
fn pages_given_up_count_before_ampere() {
    let with = |retired| {
        let mut report = healthy("V100-SXM2-32GB", 2);
        let watched = watched(&mut report, 1);
        (watched.after.remapped, watched.after.retired_pages) = (None, Some(retired));
        about(&judge(&report, &Rules::default()), ONE, "row_remap").0
    };
    assert_eq!(
        [(62, true), (3, true), (62, false), (3, false)].map(with),
        [Verdict::Fail, Verdict::Warn, Verdict::Warn, Verdict::Pass]
    );
}

#[test]
fn a_burn_may_not_fade_nor_be_held_back() {
    let with = |change: &dyn Fn(&mut Burn)| {
        let mut report = healthy("H100-SXM5-80GB", 2);
        report.level = Level::Standard;
        for gpu in &mut report.gpus {
            gpu.burn = Outcome::Measured(crate::testing::burn());
        }
        let Outcome::Measured(burn) = &mut report.gpus[1].burn else { panic!() };
        change(burn);
        judge(&report, &Rules::default())
    };
    let throttled = |bits: u64| {
        move |burn: &mut Burn| {
            burn.conditions = Outcome::Measured(Conditions { throttle: Some(bits), ..Conditions::default() });
        }
    };
    assert_eq!(with(&|_| ()).verdict, Verdict::Pass);
    assert_eq!(about(&with(&|burn| burn.thirds.1 = burn.thirds.0 * 0.89), ONE, "burn").0, Verdict::Fail);
    assert_eq!(about(&with(&|burn| burn.thirds.1 = burn.thirds.0 * 0.94), ONE, "burn").0, Verdict::Warn);
    assert_eq!(about(&with(&|burn| burn.thirds = (0.0, 0.0)), ONE, "burn").0, Verdict::Fail);
    assert_eq!(about(&with(&|burn| burn.answers.wrong = 1), ONE, "answers burn").0, Verdict::Fail);
    assert_eq!(about(&with(&|burn| burn.wrong_words = 1), ONE, "answers burn").0, Verdict::Fail);
    assert_eq!(about(&with(&throttled(0x44)), ONE, "throttle"), (Verdict::Fail, "it was held back: hardware: heat"));
    assert_eq!(about(&with(&throttled(0x4)), ONE, "throttle").0, Verdict::Pass);
    assert_eq!(about(&with(&|burn| burn.conditions = Outcome::default()), ONE, "throttle").0, Verdict::NotChecked);
    // Where one was to be, that there is none is not checked.
    let mut report = healthy("H100-SXM5-80GB", 2);
    report.level = Level::Burn;
    assert_eq!(judge(&report, &Rules::default()).of("burn"), Some(Verdict::NotChecked));
}

#[test]
fn who_is_missing_or_another_is_told() {
    let count = |count| judge(&healthy("H100-SXM5-80GB", 7), &Rules { count: Some(count), ..Rules::default() });
    assert_eq!(about(&count(8), Subject::Node, "count"), (Verdict::Fail, "7 GPUs are there, 8 should be"));
    assert_eq!(count(7).verdict, Verdict::Pass);
    let hidden = after(|report| report.seen_by_nvml = Some(5));
    assert_eq!(about(&hidden, Subject::Node, "count").0, Verdict::Fail);
    let model =
        |wanted: &str| judge(&healthy("H100-PCIE-80GB", 2), &Rules { model: Some(wanted.into()), ..Rules::default() });
    assert_eq!(
        ["H100", "h100-pcie-80gb", "H100-SXM5", "A100"].map(|wanted| model(wanted).of("identity")),
        [Some(Verdict::Pass), Some(Verdict::Pass), Some(Verdict::Fail), Some(Verdict::Fail),]
    );
    let half = after(|report| {
        let Outcome::Measured(identity) = &mut report.gpus[1].identity else { panic!() };
        identity.memory_bytes /= 2;
    });
    assert_eq!(about(&half, ONE, "identity"), (Verdict::Fail, "39 GiB of memory, where 80 GiB belong to its name"));
    let lanes = after(|report| {
        let Outcome::Measured(link) = &mut report.gpus[1].pcie else { panic!() };
        link.width = 8;
    });
    assert_eq!(about(&lanes, ONE, "pcie").0, Verdict::Fail);
    let off = after(|report| {
        let Outcome::Measured(identity) = &mut report.gpus[1].identity else { panic!() };
        identity.ecc = Some(false);
    });
    assert_eq!(about(&off, ONE, "identity").0, Verdict::Warn);
}

#[test]
fn a_model_that_nobody_knows_is_held_against_its_neighbours_alone() {
    let unknown = |change: fn(&mut Report)| {
        after(|report| {
            for gpu in &mut report.gpus {
                let Outcome::Measured(identity) = &mut gpu.identity else { panic!() };
                identity.name = "NVIDIA Z900".into();
            }
            change(report);
        })
    };
    let alike = unknown(|_| ());
    assert_eq!(
        (alike.verdict, alike.of("identity"), alike.of("fp16_rate")),
        (Verdict::Warn, Some(Verdict::NotChecked), Some(Verdict::NotChecked))
    );
    let slow = unknown(|report| scale(report, 1, Quantity::Fp16Rate, 0.5));
    assert_eq!(about(&slow, ONE, "fp16_rate").0, Verdict::Fail);
}

#[test]
fn nvlink_that_should_join_two_and_does_not_fails_and_pcie_that_does_not_is_nothing() {
    let apart =
        |report: &mut Report| report.pairs[0].direct = Outcome::Inapplicable { reason: "no peer access".into() };
    let judgement = after(apart);
    assert_eq!(
        about(&judgement, Subject::Pair(0, 1), "direct"),
        (Verdict::Fail, "NVLink should join these two: no peer access")
    );
    let mut pcie = healthy("L40S", 2);
    pcie.pairs.iter_mut().for_each(|pair| pair.direct = Outcome::Inapplicable { reason: "no peer access".into() });
    assert_eq!(judge(&pcie, &Rules::default()).verdict, Verdict::Pass);
}

#[test]
fn what_is_required_and_was_not_looked_at_fails() {
    let mut report = healthy("A100-SXM4-80GB", 2);
    report.gpus[0].counters = Outcome::not_checked("there is no NVML");
    let require = |names: &[&str]| {
        let require = names.iter().map(|name| (*name).to_owned()).collect();
        judge(&report, &Rules { require, ..Rules::default() })
    };
    assert_eq!(require(&[]).verdict, Verdict::Warn);
    assert_eq!(require(&["memory", "answers"]).verdict, Verdict::Warn);
    let judgement = require(&["ecc"]);
    assert_eq!(
        about(&judgement, Subject::Gpu(0), "ecc"),
        (Verdict::Fail, "required, and not checked: there is no NVML")
    );
    // An A100 has no FP8: who requires it has another GPU in mind.
    assert_eq!(require(&["fp8_rate"]).verdict, Verdict::Fail);
    assert_eq!(require(&["library_fp16_rate"]).verdict, Verdict::Fail);
}

#[test]
fn rules_that_mean_nothing_are_refused_with_what_there_is() {
    let minimum = Rules { minimum: Some(90.0), ..Rules::default() };
    assert_eq!(minimum.check(), Err(RulesError::Minimum(90.0)));
    assert!(Rules { minimum: Some(f64::NAN), ..Rules::default() }.check().is_err());
    let name = Rules { require: vec!["fp17_rate".into()], ..Rules::default() }.check().unwrap_err();
    assert!(name.to_string().contains("`fp17_rate`; there are copy_bandwidth,"), "{name}");
    let model = Rules { model: Some("H1".into()), ..Rules::default() }.check().unwrap_err();
    assert!(model.to_string().contains("`H1`; there are V100-SXM2-16GB,"), "{model}");
    assert_eq!(
        Rules { require: vec!["ecc".into(), "fp8_rate".into()], model: Some("H100".into()), ..Rules::default() }
            .check(),
        Ok(())
    );
}

#[test]
fn reports_that_are_wrong_themselves_do_not_pass() {
    assert_eq!(judge(&Report::new(Level::Quick), &Rules::default()).verdict, Verdict::Fail);
    for median in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let judgement = after(|report| {
            let Some(Outcome::Measured(figures)) = report.gpus[1].figures.get_mut(&Quantity::Fp32Rate) else {
                panic!()
            };
            figures.median = median;
        });
        assert_eq!(about(&judgement, ONE, "fp32_rate").0, Verdict::Fail, "{median}");
    }
    let crash = after(|report| {
        report.incidents.push(Incident::Crashed { signal: 11, during: vec!["fp8_rate on GPU 1".into()] });
    });
    assert_eq!(
        about(&crash, Subject::Node, "run"),
        (Verdict::Fail, "the measuring process died of signal 11 during fp8_rate on GPU 1")
    );
    // Where the driver could not be asked, that no GPU is known says nothing.
    let mut refused = Report::new(Level::Quick);
    assert_eq!(about(&judge(&refused, &Rules::default()), Subject::Node, "count").0, Verdict::Fail);
    refused.incidents.push(Incident::Refused { what: "to count GPUs".into(), error: "803".into() });
    assert_eq!(about(&judge(&refused, &Rules::default()), Subject::Node, "count").0, Verdict::NotChecked);
    let nothing = after(|report| {
        let Some(Outcome::Measured(found)) = report.gpus[1].answers.get_mut("product_fp32") else { panic!() };
        found.compared = 0;
    });
    assert_eq!(about(&nothing, ONE, "answers product_fp32").0, Verdict::NotChecked);
    let empty = with_gpus(vec![Gpu::new(0), Gpu::new(1)]);
    assert_ne!(judge(&empty, &Rules::default()).verdict, Verdict::Pass);
}

#[test]
fn a_baseline_that_is_none_is_refused() {
    for text in ["", "[]", "{}", "{\"format\":1}"] {
        assert!(matches!(Baseline::read(text), Err(BaselineError::Unreadable(_))), "{text}");
    }
    let report = healthy("L4", 1);
    let whole = Baseline::of(&report, &judge(&report, &Rules::default())).unwrap();
    let text = |baseline: &Baseline| serde_json::to_string(baseline).unwrap();
    assert_eq!(Baseline::read(&text(&whole)).unwrap(), whole);
    assert!(matches!(Baseline::read(&text(&Baseline { format: 9, ..whole.clone() })), Err(BaselineError::Form(9))));
    let mut zero = whole.clone();
    zero.figures.insert("fp32_rate".into(), 0.0);
    assert!(matches!(Baseline::read(&text(&zero)), Err(BaselineError::Figure(name)) if name == "fp32_rate"));
    let mut misspelt = whole.clone();
    misspelt.figures.insert("fp16_rte".into(), 1.0);
    assert!(matches!(Baseline::read(&text(&misspelt)), Err(BaselineError::Name(name)) if name == "fp16_rte"));
    let mut mixed = healthy("L4", 2);
    mixed.gpus[1] = healthy("L40S", 2).gpus.remove(1);
    assert!(matches!(Baseline::of(&mixed, &judge(&healthy("L4", 2), &Rules::default())), Err(BaselineError::Mixed)));
    let failed = judge(&Report::new(Level::Quick), &Rules::default());
    assert!(matches!(Baseline::of(&report, &failed), Err(BaselineError::Failed)));
}
