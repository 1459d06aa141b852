//! What EC2's machine types have and cost: facts, and what follows from them alone.

use trueup_machines::{Catalog, MachineType};

/// The machine types of EC2.
pub(super) const EC2: Catalog = Catalog {
    maker: "EC2",
    types: TYPES,
    without_gpu: "t3.medium",
    priced_in: "us-east-1",
    priced_at: "2026-07-20",
    attaches: |_, _| false,
};

const fn row(
    name: &'static str,
    model: &'static str,
    count: u32,
    gpu_mib: u32,
    vcpus: u32,
    memory_gib: u32,
    price: Option<f64>,
) -> MachineType {
    MachineType { name, model, count, gpu_mib, vcpus, memory_gib, price }
}

/// All of them, by model; of each model and count the smallest first.
///
/// From `docs/reference/instance-types.md` and `zz_generated.pricing_aws.go` of aws/karpenter-provider-aws, as they were on 2026-07-20. Types
/// with a part of a GPU are left out: no count says them.
const TYPES: &[MachineType] = &[
    row("p4d.24xlarge", "A100", 8, 40_960, 96, 1152, Some(21.9576)),
    row("p4de.24xlarge", "A100", 8, 81_920, 96, 1152, Some(27.4471)),
    row("g5.xlarge", "A10G", 1, 22_938, 4, 16, Some(1.006)),
    row("g5.2xlarge", "A10G", 1, 22_938, 8, 32, Some(1.212)),
    row("g5.4xlarge", "A10G", 1, 22_938, 16, 64, Some(1.624)),
    row("g5.8xlarge", "A10G", 1, 22_938, 32, 128, Some(2.448)),
    row("g5.16xlarge", "A10G", 1, 22_938, 64, 256, Some(4.096)),
    row("g5.12xlarge", "A10G", 4, 22_938, 48, 192, Some(5.672)),
    row("g5.24xlarge", "A10G", 4, 22_938, 96, 384, Some(8.144)),
    row("g5.48xlarge", "A10G", 8, 22_938, 192, 768, Some(16.288)),
    row("p6-b200.48xlarge", "B200", 8, 183_398, 192, 2048, Some(113.933)),
    row("p6-b300.48xlarge", "B300", 8, 275_046, 192, 4096, Some(142.416)),
    row("p5.4xlarge", "H100", 1, 81_920, 16, 256, Some(6.88)),
    row("p5.48xlarge", "H100", 8, 81_920, 192, 2048, Some(55.04)),
    row("p5en.48xlarge", "H200", 8, 144_384, 192, 2048, Some(63.296)),
    row("p5e.48xlarge", "H200", 8, 144_384, 192, 2048, None),
    row("g6.xlarge", "L4", 1, 22_938, 4, 16, Some(0.8048)),
    row("g6.2xlarge", "L4", 1, 22_938, 8, 32, Some(0.9776)),
    row("g6.4xlarge", "L4", 1, 22_938, 16, 64, Some(1.3232)),
    row("gr6.4xlarge", "L4", 1, 22_938, 16, 128, Some(1.5392)),
    row("g6.8xlarge", "L4", 1, 22_938, 32, 128, Some(2.0144)),
    row("gr6.8xlarge", "L4", 1, 22_938, 32, 256, Some(2.4464)),
    row("g6.16xlarge", "L4", 1, 22_938, 64, 256, Some(3.3968)),
    row("g6.12xlarge", "L4", 4, 22_938, 48, 192, Some(4.6016)),
    row("g6.24xlarge", "L4", 4, 22_938, 96, 384, Some(6.6752)),
    row("g6.48xlarge", "L4", 8, 22_938, 192, 768, Some(13.3504)),
    row("g6e.xlarge", "L40S", 1, 45_773, 4, 32, Some(1.861)),
    row("g6e.2xlarge", "L40S", 1, 45_773, 8, 64, Some(2.24208)),
    row("g6e.4xlarge", "L40S", 1, 45_773, 16, 128, Some(3.00424)),
    row("g6e.8xlarge", "L40S", 1, 45_773, 32, 256, Some(4.52856)),
    row("g6e.16xlarge", "L40S", 1, 45_773, 64, 512, Some(7.57719)),
    row("g6e.12xlarge", "L40S", 4, 45_773, 48, 384, Some(10.4926)),
    row("g6e.24xlarge", "L40S", 4, 45_773, 96, 768, Some(15.0656)),
    row("g6e.48xlarge", "L40S", 8, 45_773, 192, 1536, Some(30.1312)),
    row("g7.2xlarge", "RTXPRO4500", 1, 32_768, 8, 32, Some(2.52)),
    row("g7.4xlarge", "RTXPRO4500", 1, 32_768, 16, 64, Some(3.04208)),
    row("g7.8xlarge", "RTXPRO4500", 1, 32_768, 32, 128, Some(4.08624)),
    row("g7.12xlarge", "RTXPRO4500", 2, 32_768, 48, 192, Some(7.12832)),
    row("g7.24xlarge", "RTXPRO4500", 4, 32_768, 96, 384, Some(14.2566)),
    row("g7.48xlarge", "RTXPRO4500", 8, 32_768, 192, 768, Some(28.5133)),
    row("g7e.2xlarge", "RTXPRO6000", 1, 98_304, 8, 64, Some(3.36312)),
    row("g7e.4xlarge", "RTXPRO6000", 1, 98_304, 16, 128, Some(3.99816)),
    row("g7e.8xlarge", "RTXPRO6000", 1, 98_304, 32, 256, Some(5.26824)),
    row("g7e.12xlarge", "RTXPRO6000", 2, 98_304, 48, 512, Some(8.28608)),
    row("g7e.24xlarge", "RTXPRO6000", 4, 98_304, 96, 1024, Some(16.5722)),
    row("g7e.48xlarge", "RTXPRO6000", 8, 98_304, 192, 2048, Some(33.1443)),
    row("g4dn.xlarge", "T4", 1, 16_384, 4, 16, Some(0.526)),
    row("g4dn.2xlarge", "T4", 1, 16_384, 8, 32, Some(0.752)),
    row("g4dn.4xlarge", "T4", 1, 16_384, 16, 64, Some(1.204)),
    row("g4dn.8xlarge", "T4", 1, 16_384, 32, 128, Some(2.176)),
    row("g4dn.16xlarge", "T4", 1, 16_384, 64, 256, Some(4.352)),
    row("g4dn.12xlarge", "T4", 4, 16_384, 48, 192, Some(3.912)),
    row("g4dn.metal", "T4", 8, 16_384, 96, 384, Some(7.824)),
    row("g5g.xlarge", "T4G", 1, 16_384, 4, 8, Some(0.42)),
    row("g5g.2xlarge", "T4G", 1, 16_384, 8, 16, Some(0.556)),
    row("g5g.4xlarge", "T4G", 1, 16_384, 16, 32, Some(0.828)),
    row("g5g.8xlarge", "T4G", 1, 16_384, 32, 64, Some(1.372)),
    row("g5g.16xlarge", "T4G", 2, 16_384, 64, 128, Some(2.744)),
    row("g5g.metal", "T4G", 2, 16_384, 64, 128, Some(2.744)),
    row("p3.2xlarge", "V100", 1, 16_384, 8, 61, Some(3.06)),
    row("p3.8xlarge", "V100", 4, 16_384, 32, 244, Some(12.24)),
    row("p3.16xlarge", "V100", 8, 16_384, 64, 488, Some(24.48)),
    row("p3dn.24xlarge", "V100", 8, 32_768, 96, 768, Some(31.212)),
];

/// The architectures of processors that images are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    X86,
    Arm,
}

impl Architecture {
    /// What EC2 calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// What a type has, by its name: behind the number of its generation, a `g` stands for Graviton.
    pub(super) fn of(name: &str) -> Self {
        let family = name.split('.').next().unwrap_or_default();
        let rest = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let traits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_arm = family == "a1" || rest.len() > traits.len() && traits.contains('g');
        if is_arm { Self::Arm } else { Self::X86 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_type_that_has_exactly_the_gpus_is_taken() {
        for (model, count, name) in [
            ("A10G", 1, Some("g5.xlarge")),
            ("a10g-24gb", 4, Some("g5.12xlarge")),
            ("A10G", 2, None),
            ("L4", 1, Some("g6.xlarge")),
            ("L40S", 8, Some("g6e.48xlarge")),
            ("T4", 8, Some("g4dn.metal")),
            ("A100", 8, Some("p4d.24xlarge")),
            ("A100-80GB", 8, Some("p4de.24xlarge")),
            ("NVIDIA A100-SXM4-40GB", 8, Some("p4d.24xlarge")),
            ("NVIDIA H100 80GB HBM3", 1, Some("p5.4xlarge")),
            ("H200", 8, Some("p5en.48xlarge")),
            ("RTX PRO 6000", 2, Some("g7e.12xlarge")),
            ("T4G", 2, Some("g5g.16xlarge")),
            ("RadeonProV520", 1, None),
            ("A100-60GB", 8, None),
        ] {
            assert_eq!(EC2.smallest(model, count).map(|one| one.name), name, "{model} {count}");
        }
    }

    #[test]
    fn every_type_is_there_once_and_the_table_is_in_order() {
        for (at, one) in TYPES.iter().enumerate() {
            assert_eq!(TYPES.iter().position(|other| other.name == one.name), Some(at));
            assert!(one.price.is_none_or(|price| price > 0.0));
        }
        let models = EC2.models();
        assert!(models.contains(&"A100-80GB".to_owned()) && models.contains(&"L4".to_owned()), "{models:?}");
        assert!(models.iter().all(|model| EC2.with(model).next().is_some()));
    }

    #[test]
    fn a_name_tells_the_architecture() {
        for name in
            ["g5g.xlarge", "m7g.large", "c6gn.large", "t4g.small", "im4gn.large", "a1.large", "p6e-gb200.36xlarge"]
        {
            assert_eq!(Architecture::of(name), Architecture::Arm, "{name}");
        }
        for name in [
            "g5.xlarge",
            "g4dn.xlarge",
            "gr6.4xlarge",
            "p5en.48xlarge",
            "p6-b200.48xlarge",
            "t3.small",
            "u-6tb1.112xlarge",
        ] {
            assert_eq!(Architecture::of(name), Architecture::X86, "{name}");
        }
    }
}
