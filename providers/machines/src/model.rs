//! GPUs by the names that blueprints, makers and drivers have for them.

use crate::MachineType;

/// Words that a maker's or a driver's name of a GPU has besides the model.
const BESIDES: [&str; 16] = [
    "NVIDIA",
    "TESLA",
    "TENSOR",
    "CORE",
    "GPU",
    "BLACKWELL",
    "SERVER",
    "EDITION",
    "SXM",
    "SXM2",
    "SXM4",
    "SXM5",
    "PCIE",
    "HBM2",
    "HBM3",
    "HBM3E",
];

/// A GPU as a blueprint names it: `A100`, `A100-80GB`, `NVIDIA RTX PRO 6000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    model: String,
    memory_gb: Option<u32>,
}

impl Named {
    pub(crate) fn of(text: &str) -> Self {
        let upper = text.to_uppercase();
        let (mut model, mut memory_gb) = (String::new(), None);
        for word in upper.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !BESIDES.contains(word)) {
            match word.strip_suffix("GB").and_then(|number| number.parse().ok()) {
                Some(number) => memory_gb = Some(number),
                None => model.push_str(word),
            }
        }
        Self { model, memory_gb }
    }

    /// Whether a type has such GPUs. What is sold as so many GB shows some less.
    pub(crate) fn is(&self, of: &MachineType) -> bool {
        let fits = |gb: u32| gb.saturating_mul(1024).abs_diff(of.gpu_mib) <= of.gpu_mib / 8;
        self.model == of.model && self.memory_gb.is_none_or(fits)
    }
}
