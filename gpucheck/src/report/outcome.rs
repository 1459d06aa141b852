//! What came of looking at something: a figure, answers, or why there is none.

use serde::{Deserialize, Serialize};

use super::Unit;

/// What came of looking at something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome<T> {
    /// This was found.
    Measured(T),
    /// It was not looked at, or could not be. That is never a pass.
    NotChecked {
        /// Why not.
        reason: String,
    },
    /// The attempt went wrong.
    Failed {
        /// What the driver said.
        error: String,
    },
    /// There is nothing of the kind here: one GPU has no pairs, a chip no FP8.
    Inapplicable {
        /// Why there is none.
        reason: String,
    },
}

impl<T> Outcome<T> {
    /// Not looked at, for this reason.
    pub fn not_checked(reason: impl Into<String>) -> Self {
        Self::NotChecked { reason: reason.into() }
    }

    /// What was found, if anything was.
    pub fn measured(&self) -> Option<&T> {
        match self {
            Self::Measured(found) => Some(found),
            _ => None,
        }
    }
}

impl<T> Outcome<Outcome<T>> {
    /// One that came of another.
    pub(crate) fn flat(self) -> Outcome<T> {
        match self {
            Self::Measured(inner) => inner,
            Self::NotChecked { reason } => Outcome::NotChecked { reason },
            Self::Failed { error } => Outcome::Failed { error },
            Self::Inapplicable { reason } => Outcome::Inapplicable { reason },
        }
    }
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self::not_checked("the run did not come to it")
    }
}

/// One figure, of several repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What it counts.
    pub unit: Unit,
    /// How often it was measured.
    pub repetitions: u32,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The slowest.
    pub least: f64,
    /// The fastest.
    pub most: f64,
    /// (most - least) / median.
    pub spread: f64,
    /// What did the work: an instruction, a copy engine, a library's shape.
    pub by: String,
}

impl Figures {
    /// Sums up repetitions; none where there is none, or one is no positive number.
    pub fn of(unit: Unit, by: impl Into<String>, mut samples: Vec<f64>) -> Option<Self> {
        if samples.is_empty() || samples.iter().any(|sample| !sample.is_finite() || *sample <= 0.0) {
            return None;
        }
        samples.sort_by(f64::total_cmp);
        let (least, most, median) = (samples[0], samples[samples.len() - 1], median(&samples));
        let repetitions = u32::try_from(samples.len()).ok()?;
        Some(Self { unit, repetitions, median, least, most, spread: (most - least) / median, by: by.into() })
    }
}

/// The middle of sorted numbers, of which there is one at least.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// How many answers were compared, and how many were wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correctness {
    /// Answers that were compared bit for bit with the CPU's.
    pub compared: u64,
    /// How many of them differed.
    pub wrong: u64,
    /// Where the first of them is, and what it was and should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_wrong: Option<String>,
    /// Different inputs that were tried.
    pub seeds: u32,
    /// On how many multiprocessors it ran, where that was told, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiprocessors: Option<(u32, u32)>,
}
