//! Laws that every judgement keeps.

use proptest::prelude::*;

use super::*;
use crate::models::MODELS;
use crate::report::{Figures, Outcome, Quantity};
use crate::testing::healthy;

/// A node of some model, each of its figures somewhere around what it should be: by little in one node, far below in another.
fn node() -> impl Strategy<Value = Report> {
    (0..MODELS.len(), 1u32..6, 0.3f64..1.0).prop_flat_map(|(model, count, least)| {
        let shares = prop::collection::vec(least..1.1, Quantity::ALL.len() * count as usize + 40);
        shares.prop_map(move |shares| {
            let mut report = healthy(MODELS[model].name, count);
            let mut shares = shares.into_iter();
            let mut slow = |outcome: &mut Outcome<Figures>| {
                if let (Outcome::Measured(figures), Some(share)) = (outcome, shares.next()) {
                    figures.median *= share;
                }
            };
            report.gpus.iter_mut().for_each(|gpu| gpu.figures.values_mut().for_each(&mut slow));
            report.pairs.iter_mut().for_each(|pair| {
                slow(&mut pair.direct);
                slow(&mut pair.staged);
            });
            report
        })
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop::option::of(0.0f64..1.0).prop_map(|minimum| Rules { minimum, ..Rules::default() })
}

fn thought(judgement: &Judgement, subject: Subject, what: &str) -> Option<Verdict> {
    judgement
        .findings
        .iter()
        .find(|finding| finding.subject == subject && finding.what == what)
        .map(|finding| finding.verdict)
}

/// Every place in a report as JSON.
fn places(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| places(field, &format!("{at}/{}", name.replace('/', "~1")), found));
        }
        _ => {}
    }
}

/// What a report may have in a place by mistake.
fn nonsense() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    prop::sample::select(vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(""),
        json!([]),
        json!({}),
        json!(true),
        json!([0, 0]),
        json!({ "state": "measured" }),
        json!({ "state": "failed", "error": "" }),
    ])
}

proptest! {
    #[test]
    fn a_report_with_nonsense_in_it_is_refused_or_judged(report in node(), place in any::<prop::sample::Index>(), nonsense in nonsense()) {
        let mut value = serde_json::to_value(&report).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        *value.pointer_mut(&all[place.index(all.len())]).unwrap() = nonsense;
        if let Ok(report) = serde_json::from_value::<Report>(value) {
            let judgement = judge(&report, &Rules::default());
            crate::table::table(&report, &judgement);
            let drawing = crate::svg::svg(&report, &judgement);
            prop_assert!(roxmltree::Document::parse(&drawing).is_ok());
        }
    }

    #[test]
    fn a_better_figure_never_makes_a_worse_finding(
        report in node(), rules in rules(), gpu in any::<prop::sample::Index>(), quantity in any::<prop::sample::Index>(), by in 1.0f64..3.0,
    ) {
        let before = judge(&report, &rules);
        let mut better = report.clone();
        let gpu = gpu.get(&report.gpus).index;
        let figures = &mut better.gpus[gpu as usize].figures;
        let quantity = *quantity.get(&figures.keys().copied().collect::<Vec<_>>());
        if let Some(Outcome::Measured(figures)) = figures.get_mut(&quantity) {
            figures.median *= by;
        }
        let after = judge(&better, &rules);
        let of = |judgement| thought(judgement, Subject::Gpu(gpu), quantity.name());
        prop_assert!(of(&before).is_some() && of(&after) <= of(&before), "{:?} became {:?}", of(&before), of(&after));
    }

    #[test]
    fn a_node_that_is_faster_as_a_whole_is_thought_no_worse_of(report in node(), rules in rules(), by in 1.0f64..3.0) {
        let mut better = report.clone();
        let mut faster = |outcome: &mut Outcome<Figures>| if let Outcome::Measured(figures) = outcome { figures.median *= by };
        better.gpus.iter_mut().for_each(|gpu| gpu.figures.values_mut().for_each(&mut faster));
        better.pairs.iter_mut().for_each(|pair| { faster(&mut pair.direct); faster(&mut pair.staged); });
        prop_assert!(judge(&better, &rules).verdict <= judge(&report, &rules).verdict);
    }

    #[test]
    fn the_order_of_gpus_and_pairs_changes_nothing(report in node(), rules in rules(), seed in any::<u64>()) {
        let mut shuffled = report.clone();
        let mut random = crate::reference::Random::new(seed);
        shuffled.gpus.sort_by_cached_key(|_| random.bits());
        shuffled.pairs.sort_by_cached_key(|_| random.bits());
        let sorted = |report: &Report| {
            let mut judgement = judge(report, &rules);
            judgement.findings.sort_by(|left, right| (left.subject, &left.what).cmp(&(right.subject, &right.what)));
            judgement
        };
        prop_assert_eq!(sorted(&shuffled), sorted(&report));
    }

    #[test]
    fn the_numbers_that_gpus_have_change_nothing(report in node(), rules in rules(), by in 1u32..5) {
        let count = u32::try_from(report.gpus.len()).unwrap();
        let other = |index: u32| (index + by) % count;
        let mut turned = report.clone();
        turned.gpus.iter_mut().for_each(|gpu| gpu.index = other(gpu.index));
        turned.pairs.iter_mut().for_each(|pair| (pair.from, pair.to) = (other(pair.from), other(pair.to)));
        let turn = |subject| match subject {
            Subject::Node => Subject::Node,
            Subject::Gpu(index) => Subject::Gpu(other(index)),
            Subject::Pair(from, to) => Subject::Pair(other(from), other(to)),
        };
        let (before, after) = (judge(&report, &rules), judge(&turned, &rules));
        prop_assert_eq!(before.verdict, after.verdict);
        for finding in &before.findings {
            prop_assert_eq!(thought(&after, turn(finding.subject), &finding.what), Some(finding.verdict));
        }
    }

    #[test]
    fn what_is_missing_is_never_a_pass(count in 1u32..5, model in 0..MODELS.len(), gpu in any::<prop::sample::Index>(), which in 0usize..40) {
        let mut report = healthy(MODELS[model].name, count);
        prop_assert_eq!(judge(&report, &Rules::default()).verdict, Verdict::Pass);
        let at = gpu.index(report.gpus.len());
        let gpu = &mut report.gpus[at];
        let quantities: Vec<Quantity> = gpu.figures.keys().copied().collect();
        let answers: Vec<String> = gpu.answers.keys().cloned().collect();
        let what = match which.checked_sub(4) {
            Some(figure) if figure < quantities.len() => {
                let quantity = quantities[figure];
                gpu.figures.remove(&quantity);
                quantity.name().to_owned()
            }
            Some(more) => {
                let answer = answers[more % answers.len()].clone();
                gpu.answers.remove(&answer);
                format!("answers {answer}")
            }
            None => {
                match which {
                    0 => gpu.identity = Outcome::default(),
                    1 => gpu.pcie = Outcome::default(),
                    2 => gpu.memory = Outcome::default(),
                    _ => gpu.counters = Outcome::default(),
                }
                ["identity", "pcie", "memory", "ecc"][which].to_owned()
            }
        };
        let index = gpu.index;
        let judgement = judge(&report, &Rules::default());
        prop_assert_eq!(thought(&judgement, Subject::Gpu(index), &what), Some(Verdict::NotChecked));
        prop_assert_ne!(judgement.verdict, Verdict::Pass);
    }

    #[test]
    fn a_report_comes_back_from_json_as_it_was(report in node()) {
        let text = serde_json::to_string(&report).unwrap();
        let back: Report = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(judge(&back, &Rules::default()).verdict, judge(&report, &Rules::default()).verdict);
        prop_assert_eq!(back.gpus.len(), report.gpus.len());
    }
}
