//! Figures of a model that were measured before, kept in a file: the best there is to hold a GPU against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::thresholds::{BASELINE, Expectation};
use super::{Judgement, Verdict};
use crate::models::{Model, identify};
use crate::report::{FORMAT, Figures, Quantity, Report, median};

/// Medians over the GPUs of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The form of the file: as a report's.
    pub format: u32,
    /// Our name for the model.
    pub model: String,
    /// The driver it was measured with.
    pub driver: Option<String>,
    /// When, in seconds since 1970.
    pub measured: Option<u64>,
    /// How many GPUs the medians are of.
    pub gpus: u32,
    /// By name: of [`Quantity`], `direct`, `staged`. In their units.
    pub figures: BTreeMap<String, f64>,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The text is none.
    #[error("the baseline can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the baseline has form {0}, and this program knows form {FORMAT}")]
    Form(u32),
    /// A figure in it is none.
    #[error("the baseline's `{0}` is no positive number")]
    Figure(String),
    /// Nothing that is measured has this name.
    #[error("the baseline has a figure `{0}`, and nothing that is measured has that name")]
    Name(String),
    /// The GPUs are not of one known model.
    #[error("a baseline is of one model, and these GPUs are not of one that is known")]
    Mixed,
    /// The node failed.
    #[error("a node that fails makes no baseline")]
    Failed,
}

impl Baseline {
    /// Reads one.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text)?;
        if baseline.format != FORMAT {
            return Err(BaselineError::Form(baseline.format));
        }
        let is_known = |name: &str| name.parse::<Quantity>().is_ok() || ["direct", "staged"].contains(&name);
        if let Some(name) = baseline.figures.keys().find(|name| !is_known(name)) {
            return Err(BaselineError::Name(name.clone()));
        }
        match baseline.figures.iter().find(|(_, figure)| !figure.is_finite() || **figure <= 0.0) {
            Some((name, _)) => Err(BaselineError::Figure(name.clone())),
            None => Ok(baseline),
        }
    }

    /// Makes one of a node that did not fail.
    pub fn of(report: &Report, judgement: &Judgement) -> Result<Self, BaselineError> {
        if judgement.verdict == Verdict::Fail {
            return Err(BaselineError::Failed);
        }
        let models: Option<Vec<&Model>> =
            report.gpus.iter().map(|gpu| gpu.identity.measured().and_then(identify)).collect();
        let models = models.ok_or(BaselineError::Mixed)?;
        let Some(model) = models.first().filter(|first| models.iter().all(|model| model == *first)) else {
            return Err(BaselineError::Mixed);
        };
        let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut put = |name, figures: Option<&Figures>| {
            figures.into_iter().for_each(|figures| all.entry(name).or_default().push(figures.median));
        };
        for quantity in Quantity::ALL {
            report
                .gpus
                .iter()
                .for_each(|gpu| put(quantity.name(), gpu.figures.get(&quantity).and_then(|found| found.measured())));
        }
        report.pairs.iter().for_each(|pair| put("direct", pair.direct.measured()));
        report.pairs.iter().for_each(|pair| put("staged", pair.staged.measured()));
        let middle = |(name, mut figures): (&str, Vec<f64>)| {
            figures.sort_by(f64::total_cmp);
            (name.to_owned(), median(&figures))
        };
        Ok(Self {
            format: FORMAT,
            model: model.name.into(),
            driver: report.driver.clone(),
            measured: report.started,
            gpus: u32::try_from(report.gpus.len()).unwrap_or(u32::MAX),
            figures: all.into_iter().map(middle).collect(),
        })
    }

    /// What it says of a figure, for a GPU of its model.
    pub(super) fn expectation(&self, model: Option<&Model>, name: &str) -> Option<Expectation> {
        let is_its = model.is_some_and(|model| model.name == self.model);
        let peak = *self.figures.get(name).filter(|_| is_its)?;
        Some(Expectation { peak, band: BASELINE })
    }
}
