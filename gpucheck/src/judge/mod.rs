//! What to make of a report. Pure code: the same report and rules give the same judgement, in the same order.

mod answers;
mod baseline;
mod counters;
mod identity;
mod rates;
pub mod thresholds;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::baseline::{Baseline, BaselineError};
use crate::models::{Model, identify, named};
use crate::report::{Gpu, Report};

/// What is thought of one finding, or of all, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It was not looked at. All together are a warning then, never a pass.
    NotChecked,
    /// It works, and is less than it should be.
    Warn,
    /// It is not what was paid for.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::NotChecked => "not checked",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The machine.
    Node,
    /// One GPU, as CUDA counts.
    Gpu(u32),
    /// From one GPU to another.
    Pair(u32, u32),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Gpu(index) => write!(f, "GPU {index}"),
            Self::Pair(from, to) => write!(f, "GPU {from} → {to}"),
        }
    }
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What was looked at: a figure's name, `memory`, `ecc`, …
    pub what: String,
    /// What was measured, in words or in its unit.
    pub measured: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// The one divided by the other, where both are figures.
    pub fraction: Option<f64>,
    /// What is thought of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl Finding {
    fn new(subject: Subject, what: impl Into<String>, verdict: Verdict, reason: impl Into<String>) -> Self {
        let (what, reason) = (what.into(), reason.into());
        Self { subject, what, measured: None, expected: None, fraction: None, verdict, reason }
    }

    fn measured(mut self, measured: impl Into<String>) -> Self {
        self.measured = Some(measured.into());
        self
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How many GPUs there must be.
    pub count: Option<u32>,
    /// The model that each must be, by our name (`H100-SXM5-80GB`) or the start of one (`H100`).
    pub model: Option<String>,
    /// The fraction of what is expected that every figure must reach, from 0 to 1.
    pub minimum: Option<f64>,
    /// What must have been looked at: what was not fails then. Names of findings.
    pub require: Vec<String>,
    /// Figures of the same model that were measured before.
    pub baseline: Option<Baseline>,
}

/// Rules that can't be followed.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// The minimum is no fraction.
    #[error("the minimum is a fraction from 0 to 1 of what is expected, and not {0}")]
    Minimum(f64),
    /// Nothing has this name.
    #[error("nothing that is measured is named `{0}`; there are {1}")]
    Name(String, String),
    /// No model begins so.
    #[error("no GPU model is named `{0}`; there are {1}")]
    Model(String, String),
}

/// What can be required, besides the figures.
pub const NAMES: &[&str] = &[
    "identity",
    "pcie",
    "memory",
    "answers",
    "burn",
    "ecc",
    "row_remap",
    "xid",
    "nvlink",
    "throttle",
    "direct",
    "staged",
];

impl Rules {
    /// Whether they can be followed.
    pub fn check(&self) -> Result<(), RulesError> {
        if let Some(minimum) = self.minimum.filter(|minimum| !(0.0..=1.0).contains(minimum)) {
            return Err(RulesError::Minimum(minimum));
        }
        for name in &self.require {
            if !NAMES.contains(&name.as_str()) && name.parse::<crate::report::Quantity>().is_err() {
                let all: Vec<&str> = crate::report::Quantity::ALL
                    .iter()
                    .map(|quantity| quantity.name())
                    .chain(NAMES.iter().copied())
                    .collect();
                return Err(RulesError::Name(name.clone(), all.join(", ")));
            }
        }
        if let Some(wanted) = self.model.as_ref().filter(|wanted| !is_some_model(wanted)) {
            let all: Vec<&str> = crate::models::MODELS.iter().map(|model| model.name).collect();
            return Err(RulesError::Model(wanted.clone(), all.join(", ")));
        }
        Ok(())
    }
}

fn is_some_model(wanted: &str) -> bool {
    named(wanted).is_some() || crate::models::MODELS.iter().any(|model| identity::is_wanted(model, wanted))
}

/// The judgement of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Of all: the worst of the findings, and a warning where one was not checked.
    pub verdict: Verdict,
    /// Whether all that is expected here was measured on hardware with these kernels.
    pub calibrated: bool,
    /// Everything that was judged: the node, then each GPU, then each pair.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// What is thought worst of a name, of all it is about.
    pub fn of(&self, what: &str) -> Option<Verdict> {
        self.findings.iter().filter(|finding| finding.what == what).map(|finding| finding.verdict).max()
    }
}

/// A GPU with the model that it is.
struct Known<'a> {
    gpu: &'a Gpu,
    model: Option<&'static Model>,
}

/// Judges a report.
pub fn judge(report: &Report, rules: &Rules) -> Judgement {
    let known: Vec<Known> =
        report.gpus.iter().map(|gpu| Known { gpu, model: gpu.identity.measured().and_then(identify) }).collect();
    let mut findings = identity::node(report, rules);
    findings.extend(known.iter().flat_map(|known| identity::gpu(known, rules)));
    findings.extend(rates::figures(&known, rules));
    findings.extend(known.iter().flat_map(|known| answers::gpu(known, report.level)));
    findings.extend(known.iter().flat_map(counters::gpu));
    findings.extend(rates::pairs(report, &known, rules));
    for finding in &mut findings {
        let is_required = |name: &String| finding.what == *name || finding.what.split(' ').next() == Some(name);
        if finding.verdict == Verdict::NotChecked && rules.require.iter().any(is_required) {
            finding.verdict = Verdict::Fail;
            finding.reason = format!("required, and not checked: {}", finding.reason);
        }
    }
    findings.extend(unmet(rules, &findings));
    findings.extend(unused(rules, &known));
    findings.sort_by_key(|finding| finding.subject);
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fail);
    let verdict = if worst == Verdict::NotChecked { Verdict::Warn } else { worst };
    Judgement { verdict, calibrated: uncalibrated(report).is_empty(), findings }
}

/// The models here, and the pairs, of which what is expected was not measured with these kernels.
pub fn uncalibrated(report: &Report) -> Vec<&'static str> {
    let models = report.gpus.iter().filter_map(|gpu| gpu.identity.measured().and_then(identify));
    let mut names: Vec<&str> = models.filter(|model| !model.calibrated).map(|model| model.name).collect();
    names.extend((!report.pairs.is_empty()).then_some("pairs"));
    names.sort_unstable();
    names.dedup();
    names
}

/// A baseline that is of no GPU here: nothing was held against it.
fn unused(rules: &Rules, known: &[Known<'_>]) -> Option<Finding> {
    let baseline = rules.baseline.as_ref()?;
    let is_its = |known: &Known<'_>| known.model.is_some_and(|model| model.name == baseline.model);
    let reason = format!("it is of {}, which no GPU here is: nothing was held against it", baseline.model);
    (!known.iter().any(is_its)).then(|| Finding::new(Subject::Node, "baseline", Verdict::Warn, reason))
}

/// What is required and of which there is no finding: a chip without FP8, a single GPU without a pair.
fn unmet(rules: &Rules, findings: &[Finding]) -> Vec<Finding> {
    let is_there = |name: &str| findings.iter().any(|finding| finding.what.split(' ').next() == Some(name));
    let missing = rules.require.iter().filter(|name| !is_there(name));
    missing
        .map(|name| Finding::new(Subject::Node, name, Verdict::Fail, "required, and there is nothing of the kind here"))
        .collect()
}
