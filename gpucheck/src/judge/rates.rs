//! Figures: against a stored baseline, or else the specification; against what was asked for; against the median of the node.

use std::collections::BTreeMap;

use super::thresholds::{self, Band, Expectation};
use super::{Finding, Known, Rules, Subject, Verdict};
use crate::models::{Fabric, Model};
use crate::report::{Figures, Outcome, Pair, PcieLink, Quantity, Report, least_capability, median};

/// What one figure is held against.
struct Yardsticks {
    /// A peak, or a baseline, and what of it is enough.
    expectation: Option<Expectation>,
    /// The median of all that are alike in the node, where there are two at least.
    node: Option<f64>,
    /// The fraction of what is expected that was asked for.
    minimum: Option<f64>,
}

/// Every figure of every GPU.
pub(super) fn figures(known: &[Known], rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for quantity in Quantity::ALL {
        // GPUs of one model are each other's measure.
        let alike = grouped(known.iter().filter_map(|known| Some((model_name(known)?, figure(known, quantity)?))));
        for known in known.iter().filter(|known| applies(known, quantity)) {
            let link = known.gpu.pcie.measured();
            let of_model = known.model.and_then(|model| thresholds::expectation(model, quantity, link));
            let yardsticks = Yardsticks {
                expectation: rules
                    .baseline
                    .as_ref()
                    .and_then(|baseline| baseline.expectation(known.model, quantity.name()))
                    .or(of_model),
                node: model_name(known).and_then(|name| alike.get(&name).copied().flatten()),
                minimum: rules.minimum,
            };
            let outcome = known.gpu.figures.get(&quantity);
            findings.push(one(Subject::Gpu(known.gpu.index), quantity.name(), outcome, &yardsticks));
        }
    }
    findings
}

/// The name that groups a GPU with its like: the driver's.
fn model_name(known: &Known) -> Option<String> {
    known.gpu.identity.measured().map(|identity| identity.name.clone())
}

fn figure(known: &Known, quantity: Quantity) -> Option<f64> {
    known.gpu.figures.get(&quantity)?.measured().map(|figures| figures.median).filter(|median| median.is_finite())
}

/// Whether a chip has a figure. A library's counts where it was looked for with success.
fn applies(known: &Known, quantity: Quantity) -> bool {
    let outcome = known.gpu.figures.get(&quantity);
    if quantity.is_library() {
        return matches!(outcome, Some(Outcome::Measured(_) | Outcome::Failed { .. }));
    }
    if matches!(outcome, Some(Outcome::Inapplicable { .. })) {
        return false;
    }
    let Some(kind) = quantity.tensor() else { return true };
    match known.gpu.identity.measured() {
        Some(identity) => identity.compute_capability >= least_capability(kind),
        // Of a chip that could not be asked, nothing is known to be lacking.
        None => outcome.is_some(),
    }
}

/// The median of each group of two at least.
fn grouped<K: Ord>(figures: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, Option<f64>> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    figures.for_each(|(key, figure)| groups.entry(key).or_default().push(figure));
    let middle = |mut group: Vec<f64>| {
        group.sort_by(f64::total_cmp);
        (group.len() > 1).then(|| median(&group))
    };
    groups.into_iter().map(|(key, group)| (key, middle(group))).collect()
}

/// Every pair, each way, without the host and through it.
pub(super) fn pairs(report: &Report, known: &[Known], rules: &Rules) -> Vec<Finding> {
    let at = |index: u32| known.iter().find(|known| known.gpu.index == index);
    let medians = |outcome: fn(&Pair) -> &Outcome<Figures>| {
        let figures = report.pairs.iter().filter_map(|pair| outcome(pair).measured());
        grouped(figures.filter(|figures| figures.median.is_finite()).map(|figures| ((), figures.median)))
            .remove(&())
            .flatten()
    };
    let (direct, staged) = (medians(|pair| &pair.direct), medians(|pair| &pair.staged));
    let mut findings = Vec::new();
    for pair in &report.pairs {
        let subject = Subject::Pair(pair.from, pair.to);
        let (from, to) = (at(pair.from), at(pair.to));
        let model = from.zip(to).and_then(|(from, to)| from.model.filter(|model| Some(*model) == to.model));
        let links = [from, to].map(|known| known.and_then(|known| known.gpu.pcie.measured()));
        let baseline = |what| rules.baseline.as_ref().and_then(|baseline| baseline.expectation(model, what));
        findings.extend(direct_pair(subject, pair, (model, links), direct, baseline("direct"), rules));
        let yardsticks = Yardsticks {
            expectation: baseline("staged").or_else(|| model.map(|model| thresholds::staged(model, links))),
            node: staged,
            minimum: rules.minimum,
        };
        findings.push(one(subject, "staged", Some(&pair.staged), &yardsticks));
        findings.push(super::answers::compared(subject, "answers copies", &pair.intact));
    }
    findings.extend(missing_pairs(report));
    findings
}

/// A pair without the host. Where NVLink joins all, that it can't be done is a failure; where PCIe does, it often can't.
fn direct_pair(
    subject: Subject,
    pair: &Pair,
    (model, links): (Option<&'static Model>, [Option<&PcieLink>; 2]),
    node: Option<f64>,
    baseline: Option<Expectation>,
    rules: &Rules,
) -> Option<Finding> {
    let joined = model.is_some_and(|model| matches!(model.fabric, Fabric::NvLink(_)));
    if let Outcome::Inapplicable { reason } = &pair.direct {
        let reason = format!("NVLink should join these two: {reason}");
        return joined.then(|| Finding::new(subject, "direct", Verdict::Fail, reason));
    }
    // In a mesh some pairs have more links than others: they are no measure for each other.
    let node = node.filter(|_| joined);
    let expectation = baseline.filter(|_| joined).or_else(|| model.map(|model| thresholds::direct(model, links)));
    Some(one(subject, "direct", Some(&pair.direct), &Yardsticks { expectation, node, minimum: rules.minimum }))
}

/// Pairs of GPUs that are there, of which the report has nothing.
fn missing_pairs(report: &Report) -> Vec<Finding> {
    let indices = || report.gpus.iter().map(|gpu| gpu.index);
    let all = indices().flat_map(|from| indices().filter(move |to| *to != from).map(move |to| (from, to)));
    let is_missing = |(from, to): &(u32, u32)| !report.pairs.iter().any(|pair| (pair.from, pair.to) == (*from, *to));
    let reason = "the run did not come to it";
    all.filter(is_missing)
        .flat_map(|(from, to)| {
            ["direct", "staged"].map(|what| Finding::new(Subject::Pair(from, to), what, Verdict::NotChecked, reason))
        })
        .collect()
}

/// One figure.
fn one(subject: Subject, what: &str, outcome: Option<&Outcome<Figures>>, yardsticks: &Yardsticks) -> Finding {
    let figures = match outcome {
        Some(Outcome::Measured(figures)) => figures,
        Some(Outcome::Failed { error }) => return Finding::new(subject, what, Verdict::Fail, error),
        Some(Outcome::NotChecked { reason } | Outcome::Inapplicable { reason }) => {
            return Finding::new(subject, what, Verdict::NotChecked, reason);
        }
        None => return Finding::new(subject, what, Verdict::NotChecked, "the run did not come to it"),
    };
    let measured = format!("{} {}", rounded(figures.median), figures.unit);
    if !figures.median.is_finite() || figures.median <= 0.0 {
        return Finding::new(subject, what, Verdict::Fail, "that is no figure").measured(measured);
    }
    let (verdict, reason) = weigh(figures.median, yardsticks);
    let mut finding = Finding::new(subject, what, verdict, reason).measured(measured);
    if let Some(expectation) = yardsticks.expectation {
        finding.expected = Some(format!("{} {}", rounded(expectation.expected()), figures.unit));
        finding.fraction = Some(figures.median / expectation.expected());
    }
    finding
}

fn weigh(figure: f64, yardsticks: &Yardsticks) -> (Verdict, String) {
    let mut reasons = Vec::new();
    let mut against = |whole: f64, band: &Band, of: &str| {
        let share = figure / whole;
        let verdict = band.verdict(share);
        if verdict > Verdict::Pass {
            let bound = if verdict == Verdict::Fail { band.fail } else { band.warn };
            reasons.push((verdict, format!("{:.1} % of {of}, below {:.0} %", share * 100.0, bound * 100.0)));
        }
    };
    if let Some(Expectation { peak, band }) = yardsticks.expectation {
        let of = if band.source == thresholds::BASELINE.source {
            band.source.into()
        } else {
            format!("the peak ({})", band.source)
        };
        against(peak, &band, &of);
    }
    if let Some(node) = yardsticks.node {
        against(node, &thresholds::NODE, thresholds::NODE.source);
    }
    if let Some((minimum, expectation)) = yardsticks.minimum.zip(yardsticks.expectation) {
        let share = figure / expectation.expected();
        if share < minimum {
            let reason =
                format!("{:.1} % of what is expected, where {:.0} % are asked for", share * 100.0, minimum * 100.0);
            reasons.push((Verdict::Fail, reason));
        }
    }
    let worst = reasons.iter().map(|(verdict, _)| *verdict).max();
    match (worst, yardsticks.expectation, yardsticks.node) {
        (Some(worst), _, _) => (worst, reasons.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; ")),
        (None, Some(expectation), _) => (Verdict::Pass, format!("enough by {}", expectation.band.source)),
        (None, None, Some(_)) => (Verdict::NotChecked, "as its neighbours; what it should be is not known".into()),
        (None, None, None) => (Verdict::NotChecked, "what it should be is not known".into()),
    }
}

impl Band {
    /// What a share of the whole counts as.
    pub(super) fn verdict(&self, share: f64) -> Verdict {
        if share < self.fail {
            Verdict::Fail
        } else if share < self.warn {
            Verdict::Warn
        } else {
            Verdict::Pass
        }
    }
}

/// To three significant digits, or whole.
fn rounded(figure: f64) -> String {
    match figure {
        ..10.0 => format!("{figure:.2}"),
        ..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}
