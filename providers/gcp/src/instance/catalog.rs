//! What Compute Engine's machine types have and cost: facts, and what follows from them alone.

use trueup_machines::{Catalog, MachineType};

/// The machine types of Compute Engine.
pub(crate) const COMPUTE: Catalog = Catalog {
    maker: "Compute Engine",
    types: TYPES,
    without_gpu: "e2-standard-2",
    priced_in: "us-central1",
    priced_at: "2026-08-03",
    attaches: |name, model| name.starts_with("n1-") && accelerator(model).is_some(),
};

const fn row(
    name: &'static str,
    model: &'static str,
    count: u32,
    gpu_gib: u32,
    vcpus: u32,
    memory_gib: u32,
    price: Option<f64>,
) -> MachineType {
    MachineType { name, model, count, gpu_mib: gpu_gib * 1024, vcpus, memory_gib, price }
}

/// All of them, by model; of each model and count the smallest first.
///
/// Types and zones from `tools/machinetypes.csv` of Cyclenerd/google-cloud-pricing-cost-calculator (2026-08-20), prices from
/// `pkg/providers/pricing/initial-prices.json` of cloudpilot-ai/karpenter-provider-gcp (2026-08-03). Types with a part of a GPU are left out: no
/// count says them. What is attached to a machine of the family N1 is not in its type: Google's *GPU machine types* says how many there may be.
const TYPES: &[MachineType] = &[
    row("a2-highgpu-1g", "A100", 1, 40, 12, 85, Some(3.67339)),
    row("a2-highgpu-2g", "A100", 2, 40, 24, 170, Some(7.34677)),
    row("a2-highgpu-4g", "A100", 4, 40, 48, 340, Some(14.6935)),
    row("a2-highgpu-8g", "A100", 8, 40, 96, 680, Some(29.3871)),
    row("a2-megagpu-16g", "A100", 16, 40, 96, 1360, Some(55.7395)),
    row("a2-ultragpu-1g", "A100", 1, 80, 12, 170, Some(5.0688)),
    row("a2-ultragpu-2g", "A100", 2, 80, 24, 340, Some(10.1376)),
    row("a2-ultragpu-4g", "A100", 4, 80, 48, 680, Some(20.2752)),
    row("a2-ultragpu-8g", "A100", 8, 80, 96, 1360, Some(40.5504)),
    row("a4-highgpu-8g", "B200", 8, 180, 224, 3968, None),
    row("a4x-highgpu-4g", "GB200", 4, 186, 140, 884, None),
    row("a4x-maxgpu-4g-metal", "GB300", 4, 279, 144, 960, None),
    row("a3-highgpu-1g", "H100", 1, 80, 26, 234, Some(11.0612)),
    row("a3-highgpu-2g", "H100", 2, 80, 52, 468, Some(22.1225)),
    row("a3-highgpu-4g", "H100", 4, 80, 104, 936, Some(44.245)),
    row("a3-highgpu-8g", "H100", 8, 80, 208, 1872, Some(88.49)),
    row("a3-megagpu-8g", "H100", 8, 80, 208, 1872, None),
    row("a3-edgegpu-8g", "H100", 8, 80, 208, 1872, None),
    row("a3-ultragpu-8g", "H200", 8, 141, 224, 2952, None),
    row("g2-standard-4", "L4", 1, 24, 4, 16, Some(0.706_832)),
    row("g2-standard-8", "L4", 1, 24, 8, 32, Some(0.853_624)),
    row("g2-standard-12", "L4", 1, 24, 12, 48, Some(1.00042)),
    row("g2-standard-16", "L4", 1, 24, 16, 64, Some(1.14721)),
    row("g2-standard-32", "L4", 1, 24, 32, 128, Some(1.73438)),
    row("g2-standard-24", "L4", 2, 24, 24, 96, Some(2.00083)),
    row("g2-standard-48", "L4", 4, 24, 48, 192, Some(4.00167)),
    row("g2-standard-96", "L4", 8, 24, 96, 384, Some(8.00333)),
    row("n1-standard-4", "P100", 1, 16, 4, 15, None),
    row("n1-standard-8", "P100", 2, 16, 8, 30, None),
    row("n1-standard-16", "P100", 4, 16, 16, 60, None),
    row("n1-standard-4", "P4", 1, 8, 4, 15, None),
    row("n1-standard-8", "P4", 2, 8, 8, 30, None),
    row("n1-standard-16", "P4", 4, 8, 16, 60, None),
    row("g4-standard-48", "RTXPRO6000", 1, 96, 48, 180, Some(4.49993)),
    row("g4-standard-96", "RTXPRO6000", 2, 96, 96, 360, Some(8.99986)),
    row("g4-standard-192", "RTXPRO6000", 4, 96, 192, 720, Some(17.9997)),
    row("g4-standard-384", "RTXPRO6000", 8, 96, 384, 1440, Some(35.9994)),
    row("n1-standard-4", "T4", 1, 16, 4, 15, None),
    row("n1-standard-8", "T4", 2, 16, 8, 30, None),
    row("n1-standard-16", "T4", 4, 16, 16, 60, None),
    row("n1-standard-4", "V100", 1, 16, 4, 15, None),
    row("n1-standard-8", "V100", 2, 16, 8, 30, None),
    row("n1-standard-16", "V100", 4, 16, 16, 60, None),
    row("n1-standard-32", "V100", 8, 16, 32, 120, None),
];

/// What can be attached to machines of the family N1: the model, and Google's name for it.
const ATTACHED: [(&str, &str); 4] = [
    ("P100", "nvidia-tesla-p100"),
    ("P4", "nvidia-tesla-p4"),
    ("T4", "nvidia-tesla-t4"),
    ("V100", "nvidia-tesla-v100"),
];

/// Google's name for GPUs of a model that are attached; none for those that are a type's own.
pub(super) fn accelerator(model: &str) -> Option<&'static str> {
    ATTACHED.iter().find(|(ours, _)| *ours == model).map(|(_, theirs)| *theirs)
}

/// The type in the table that stands for attached GPUs, by Google's name.
pub(super) fn attached(accelerator: &str, count: u32) -> Option<&'static MachineType> {
    let (model, _) = ATTACHED.iter().find(|(_, theirs)| *theirs == accelerator)?;
    let is_it = |one: &&MachineType| one.model == *model && one.count == count;
    TYPES.iter().find(is_it).or_else(|| TYPES.iter().find(|one| one.model == *model))
}

/// Whether a type takes Hyperdisks alone, by its name.
pub(super) fn takes_hyperdisks_alone(name: &str) -> bool {
    const FAMILIES: [&str; 12] =
        ["a3-ultragpu", "a4-", "a4x-", "c4-", "c4a-", "c4d-", "g4-", "h4d-", "m4-", "n4-", "n4a-", "n4d-"];
    FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether a type's processors are Arm's.
pub(super) fn is_arm(name: &str) -> bool {
    ["a4x-", "c4a-", "n4a-", "t2a-"].iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_type_that_has_exactly_the_gpus_is_taken() {
        for (model, count, name) in [
            ("L4", 1, Some("g2-standard-4")),
            ("L4", 2, Some("g2-standard-24")),
            ("A100", 1, Some("a2-highgpu-1g")),
            ("A100-80GB", 1, Some("a2-ultragpu-1g")),
            ("NVIDIA H100 80GB HBM3", 8, Some("a3-highgpu-8g")),
            ("H200", 8, Some("a3-ultragpu-8g")),
            ("B200", 8, Some("a4-highgpu-8g")),
            ("T4", 4, Some("n1-standard-16")),
            ("RTX PRO 6000", 2, Some("g4-standard-96")),
            ("H100", 3, None),
            ("A10G", 1, None),
        ] {
            assert_eq!(COMPUTE.smallest(model, count).map(|one| one.name), name, "{model} {count}");
        }
    }

    #[test]
    fn gpus_are_attached_to_one_family_alone() {
        let problems = |spec: serde_json::Value| -> Vec<String> {
            COMPUTE.problems(&spec.into()).into_iter().map(|problem| problem.path.to_string()).collect()
        };
        let of = |model: &str, name: &str| serde_json::json!({ "gpu": { "model": model, "count": 1 }, "machine_type": name });
        assert_eq!(problems(of("T4", "n1-highmem-8")), [""; 0]);
        assert_eq!(problems(of("T4", "g2-standard-4")), ["machine_type"]);
        assert_eq!(problems(of("L4", "n1-standard-8")), ["machine_type"]);
        assert_eq!(problems(serde_json::json!({ "gpu": "none", "machine_type": "n1-standard-4" })), [""; 0]);
        assert_eq!(problems(serde_json::json!({ "gpu": "none", "machine_type": "g2-standard-4" })), ["machine_type"]);
    }

    #[test]
    fn every_type_is_there_once_for_a_model() {
        for (at, one) in TYPES.iter().enumerate() {
            let is_same = |other: &MachineType| (other.name, other.model) == (one.name, one.model);
            assert_eq!(TYPES.iter().position(is_same), Some(at));
            assert_eq!(accelerator(one.model).is_some(), one.name.starts_with("n1-"), "{}", one.name);
        }
        assert_eq!(attached("nvidia-tesla-t4", 2).map(|one| (one.model, one.count)), Some(("T4", 2)));
    }
}
