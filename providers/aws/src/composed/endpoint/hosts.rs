//! What `SageMaker` hosts endpoints on: facts, and the smallest of them that will do.

/// A type of instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Host {
    /// `SageMaker`'s name for it.
    pub(super) name: &'static str,
    /// The model of its GPUs and how many it has; none of one without.
    gpus: Option<(&'static str, u32)>,
    vcpus: u32,
    memory_gib: u32,
}

const fn gpu(name: &'static str, model: &'static str, count: u32, vcpus: u32, memory_gib: u32) -> Host {
    Host { name, gpus: Some((model, count)), vcpus, memory_gib }
}

const fn plain(name: &'static str, vcpus: u32, memory_gib: u32) -> Host {
    Host { name, gpus: None, vcpus, memory_gib }
}

/// All of them that are told apart, the smaller before the larger.
///
/// Which there are is from `ProductionVariantInstanceType` of botocore 1.44.8's `sagemaker/2017-07-24/service-2.json`; what each with GPUs has is
/// from aws/karpenter-provider-aws, `docs/reference/instance-types.md`, of 2026-07-20. Without GPUs, the two families of the last generation
/// for x86: 2 and 4 GiB a core, from <https://aws.amazon.com/ec2/instance-types/c7i> and `/m7i`.
const HOSTS: &[Host] = &[
    plain("ml.c7i.large", 2, 4),
    plain("ml.m7i.large", 2, 8),
    plain("ml.c7i.xlarge", 4, 8),
    plain("ml.m7i.xlarge", 4, 16),
    plain("ml.c7i.2xlarge", 8, 16),
    plain("ml.m7i.2xlarge", 8, 32),
    plain("ml.c7i.4xlarge", 16, 32),
    plain("ml.m7i.4xlarge", 16, 64),
    plain("ml.c7i.8xlarge", 32, 64),
    plain("ml.m7i.8xlarge", 32, 128),
    plain("ml.c7i.12xlarge", 48, 96),
    plain("ml.m7i.12xlarge", 48, 192),
    plain("ml.c7i.16xlarge", 64, 128),
    plain("ml.m7i.16xlarge", 64, 256),
    plain("ml.c7i.24xlarge", 96, 192),
    plain("ml.m7i.24xlarge", 96, 384),
    plain("ml.c7i.48xlarge", 192, 384),
    plain("ml.m7i.48xlarge", 192, 768),
    gpu("ml.g4dn.xlarge", "T4", 1, 4, 16),
    gpu("ml.g4dn.2xlarge", "T4", 1, 8, 32),
    gpu("ml.g4dn.4xlarge", "T4", 1, 16, 64),
    gpu("ml.g4dn.8xlarge", "T4", 1, 32, 128),
    gpu("ml.g4dn.12xlarge", "T4", 4, 48, 192),
    gpu("ml.g4dn.16xlarge", "T4", 1, 64, 256),
    gpu("ml.p3.2xlarge", "V100", 1, 8, 61),
    gpu("ml.p3.8xlarge", "V100", 4, 32, 244),
    gpu("ml.p3.16xlarge", "V100", 8, 64, 488),
    gpu("ml.g5.xlarge", "A10G", 1, 4, 16),
    gpu("ml.g5.2xlarge", "A10G", 1, 8, 32),
    gpu("ml.g5.4xlarge", "A10G", 1, 16, 64),
    gpu("ml.g5.8xlarge", "A10G", 1, 32, 128),
    gpu("ml.g5.12xlarge", "A10G", 4, 48, 192),
    gpu("ml.g5.16xlarge", "A10G", 1, 64, 256),
    gpu("ml.g5.24xlarge", "A10G", 4, 96, 384),
    gpu("ml.g5.48xlarge", "A10G", 8, 192, 768),
    gpu("ml.g6.xlarge", "L4", 1, 4, 16),
    gpu("ml.g6.2xlarge", "L4", 1, 8, 32),
    gpu("ml.g6.4xlarge", "L4", 1, 16, 64),
    gpu("ml.g6.8xlarge", "L4", 1, 32, 128),
    gpu("ml.g6.12xlarge", "L4", 4, 48, 192),
    gpu("ml.g6.16xlarge", "L4", 1, 64, 256),
    gpu("ml.g6.24xlarge", "L4", 4, 96, 384),
    gpu("ml.g6.48xlarge", "L4", 8, 192, 768),
    gpu("ml.g6e.xlarge", "L40S", 1, 4, 32),
    gpu("ml.g6e.2xlarge", "L40S", 1, 8, 64),
    gpu("ml.g6e.4xlarge", "L40S", 1, 16, 128),
    gpu("ml.g6e.8xlarge", "L40S", 1, 32, 256),
    gpu("ml.g6e.12xlarge", "L40S", 4, 48, 384),
    gpu("ml.g6e.16xlarge", "L40S", 1, 64, 512),
    gpu("ml.g6e.24xlarge", "L40S", 4, 96, 768),
    gpu("ml.g6e.48xlarge", "L40S", 8, 192, 1536),
    gpu("ml.g7.2xlarge", "RTX PRO 4500", 1, 8, 32),
    gpu("ml.g7.4xlarge", "RTX PRO 4500", 1, 16, 64),
    gpu("ml.g7.8xlarge", "RTX PRO 4500", 1, 32, 128),
    gpu("ml.g7.12xlarge", "RTX PRO 4500", 2, 48, 192),
    gpu("ml.g7.24xlarge", "RTX PRO 4500", 4, 96, 384),
    gpu("ml.g7.48xlarge", "RTX PRO 4500", 8, 192, 768),
    gpu("ml.g7e.2xlarge", "RTX PRO 6000", 1, 8, 64),
    gpu("ml.g7e.4xlarge", "RTX PRO 6000", 1, 16, 128),
    gpu("ml.g7e.8xlarge", "RTX PRO 6000", 1, 32, 256),
    gpu("ml.g7e.12xlarge", "RTX PRO 6000", 2, 48, 512),
    gpu("ml.g7e.24xlarge", "RTX PRO 6000", 4, 96, 1024),
    gpu("ml.g7e.48xlarge", "RTX PRO 6000", 8, 192, 2048),
    gpu("ml.p4d.24xlarge", "A100-40GB", 8, 96, 1152),
    gpu("ml.p4de.24xlarge", "A100-80GB", 8, 96, 1152),
    gpu("ml.p5.4xlarge", "H100", 1, 16, 256),
    gpu("ml.p5.48xlarge", "H100", 8, 192, 2048),
    gpu("ml.p5en.48xlarge", "H200", 8, 192, 2048),
    gpu("ml.p6-b200.48xlarge", "B200", 8, 192, 2048),
    gpu("ml.p6-b300.48xlarge", "B300", 8, 192, 4096),
];

/// What a replica needs. Of what is none, any will do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need<'a> {
    /// The model of its GPUs, and how many.
    pub(super) gpus: Option<(&'a str, u32)>,
    /// At least so many processor cores.
    pub(super) cpu: f64,
    /// At least so much memory.
    pub(super) memory_gib: f64,
}

/// The smallest host that has exactly the GPUs, and the processors and memory.
pub(super) fn smallest(need: &Need<'_>) -> Option<&'static Host> {
    HOSTS.iter().find(|host| {
        let gpus = match (need.gpus, host.gpus) {
            (None, None) => true,
            (Some((model, count)), Some((has, how_many))) => count == how_many && is_model(has, model),
            _ => false,
        };
        gpus && need.cpu <= f64::from(host.vcpus) && need.memory_gib <= f64::from(host.memory_gib)
    })
}

/// The models of GPU that there are.
pub(super) fn models() -> Vec<&'static str> {
    let mut models: Vec<&str> = HOSTS.iter().filter_map(|host| host.gpus).map(|(model, _)| model).collect();
    models.dedup();
    models
}

/// How many GPUs of a model an instance may have.
pub(super) fn counts(model: &str) -> Vec<u32> {
    let counts = HOSTS.iter().filter_map(|host| host.gpus).filter(|(has, _)| is_model(has, model));
    let mut counts: Vec<u32> = counts.map(|(_, count)| count).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// Whether GPUs are what a blueprint calls so: `a100` is the first A100 that there is.
fn is_model(has: &str, called: &str) -> bool {
    let plain = |text: &str| -> String {
        let upper = text.to_uppercase();
        upper.trim_start_matches("NVIDIA").chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let (has, called) = (plain(has), plain(called));
    has == called || has.strip_suffix("40GB") == Some(&called)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(gpus: Option<(&str, u32)>, cpu: f64, memory_gib: f64) -> Option<&'static str> {
        smallest(&Need { gpus, cpu, memory_gib }).map(|host| host.name)
    }

    #[test]
    fn the_smallest_that_will_do_is_taken() {
        assert_eq!(name(Some(("L4", 1)), 0.0, 0.0), Some("ml.g6.xlarge"));
        assert_eq!(name(Some(("NVIDIA L4", 1)), 6.0, 0.0), Some("ml.g6.2xlarge"));
        assert_eq!(name(Some(("l40s", 1)), 0.0, 100.0), Some("ml.g6e.4xlarge"));
        assert_eq!(name(Some(("A100", 8)), 0.0, 0.0), Some("ml.p4d.24xlarge"));
        assert_eq!(name(Some(("A100-80GB", 8)), 0.0, 0.0), Some("ml.p4de.24xlarge"));
        assert_eq!(name(Some(("RTX PRO 6000", 2)), 0.0, 0.0), Some("ml.g7e.12xlarge"));
        assert_eq!(name(None, 0.0, 0.0), Some("ml.c7i.large"));
        assert_eq!(name(None, 4.0, 10.0), Some("ml.m7i.xlarge"));
        for nowhere in [name(Some(("L4", 2)), 0.0, 0.0), name(Some(("TPU", 1)), 0.0, 0.0), name(None, 500.0, 0.0)] {
            assert_eq!(nowhere, None);
        }
    }

    #[test]
    fn each_is_there_once_and_the_smaller_comes_first() {
        for (at, host) in HOSTS.iter().enumerate() {
            assert_eq!(HOSTS.iter().position(|other| other.name == host.name), Some(at));
            let alike = HOSTS[at..].iter().filter(|other| other.gpus == host.gpus);
            assert!(alike.clone().all(|other| other.vcpus >= host.vcpus), "{}", host.name);
        }
        assert_eq!(counts("A10G"), [1, 4, 8]);
        assert!(models().contains(&"H100"));
    }
}
