//! The PTX that is built in: one text for each kernel file and tier.

/// One compiled kernel file.
#[derive(Debug, Clone, Copy)]
pub struct Ptx {
    /// The kernel file: `fp16`.
    pub file: &'static str,
    /// The compute capability that it is for, and all later ones: 80 for 8.0.
    pub tier: u32,
    /// The text, which the driver compiles for its chip.
    pub text: &'static str,
}

macro_rules! bundled {
    ($($file:literal $tier:literal)*) => {
        &[$(Ptx { file: $file, tier: $tier, text: include_str!(concat!("../ptx/", $file, ".sm_", $tier, ".ptx")) }),*]
    };
}

/// All of them, newer tiers after older ones.
pub const BUNDLED: &[Ptx] = bundled!(
    "bandwidth" 70
    "memory" 70
    "fp32" 70
    "fp16" 70
    "fp16" 75
    "fp16" 80
    "fp16" 90
    "bf16" 80
    "bf16" 90
    "tf32" 80
    "tf32" 90
    "fp8" 89
    "fp8" 90
);

/// What a chip can load of a kernel file, the newest first. An old driver may refuse the newest.
pub fn candidates(file: &str, capability: (u32, u32)) -> impl Iterator<Item = &'static Ptx> {
    let tier = capability.0 * 10 + capability.1;
    BUNDLED.iter().rev().filter(move |ptx| ptx.file == file && ptx.tier <= tier)
}

impl Ptx {
    /// The version of PTX that a driver must know: `7.0`.
    pub fn version(&self) -> &'static str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(".version "));
        line.unwrap_or_default().trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_gets_the_newest_tier_that_is_no_newer_than_itself() {
        let tiers = |file, capability| candidates(file, capability).map(|ptx| ptx.tier).collect::<Vec<_>>();
        assert_eq!(tiers("fp16", (7, 0)), [70]);
        assert_eq!(tiers("fp16", (8, 6)), [80, 75, 70]);
        assert_eq!(tiers("fp8", (9, 0)), [90, 89]);
        assert_eq!(tiers("fp8", (8, 6)), [0; 0]);
        assert_eq!(tiers("memory", (12, 0)), [70]);
    }

    #[test]
    fn every_text_that_is_checked_in_is_built_in_and_is_what_it_is_said_to_be() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/ptx")).unwrap();
        assert_eq!(files.count(), BUNDLED.len());
        for ptx in BUNDLED {
            assert!(ptx.text.contains(&format!(".target sm_{}\n", ptx.tier)), "{} {}", ptx.file, ptx.tier);
            assert!(ptx.version().parse::<f32>().is_ok_and(|version| (6.0..=8.4).contains(&version)));
        }
    }
}
