//! `gpu_instance`: a machine with GPUs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Options, Tags};
use crate::typed::Sealed;

super::kind! {
    /// The kind `gpu_instance`.
    GpuInstance = "gpu_instance", version 1, create_first true
}

/// A machine with GPUs, or one without. Which region and zone it is in, and who makes it, its `placement` says.
/// Example: `{ kind: gpu_instance, gpu: { model: H100, count: 8 }, env: { WEIGHTS: "{{ weights.uri }}" } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made from the stack, the address and a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// Its GPUs, or the word `none`. Example: `{ model: H100, count: 8 }`, `none`.
    #[schemars(extend("x-immutable" = true))]
    pub gpu: GpuChoice,

    /// The exact machine type, where the smallest that has the GPUs is not the one. Example: `p5.48xlarge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    pub machine_type: Option<String>,

    /// The machine image it starts from. Default: the provider's newest image with NVIDIA's driver. Example: `{ family: pytorch-latest-gpu }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    pub image: Option<MachineImage>,

    /// Its boot disk. Default: 100 GB, balanced. Example: `{ size_gb: 500, type: fast }`.
    #[serde(default)]
    pub disk: Disk,

    /// How it is bought: `on_demand` (the default), `spot`, `{ reservation: ID }` or `{ capacity_block: ID }`. Example: `spot`.
    #[serde(default)]
    #[schemars(extend("x-immutable" = true))]
    pub market: Market,

    /// What it may cost at most, in US dollars an hour. Offers above are not taken. Default: no limit. Example: `100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_price_per_hour: Option<f64>,

    /// A script or cloud-config that runs at the first start. It is sent, and never read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true, "x-write-only" = true))]
    pub user_data: Option<Sealed<String>>,

    /// Who may log in, and from where. Default: nobody.
    /// Example: `{ public_keys: [ssh-ed25519 AAAA… ada], ingress: [203.0.113.7/32] }`.
    #[serde(default)]
    pub ssh: Ssh,

    /// The environment of what runs on it. A value may be a secret. Example: `{ HF_TOKEN: "{{ var.token }}" }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", extend("x-free" = true, "x-may-be-secret" = true))]
    pub env: BTreeMap<String, Sealed<String>>,

    /// Stop it this long after its start; the machine itself sees to that. Default: never. Example: `8h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<Span>,

    /// The network it is in. Default: the provider's default network, with a public address for its own connections alone.
    /// Example: `{ public_ip: false }`.
    #[serde(default)]
    pub network: Network,

    /// As whom its programs act at the provider: an instance profile, a service account. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { placement_group: cluster } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// Which GPUs, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Gpu {
    /// The model, as its maker calls it. Example: `H100`, `A100-80GB`, `L4`.
    #[schemars(length(min = 1))]
    pub model: String,
    /// How many. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub count: u32,
}

/// GPUs, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum GpuChoice {
    /// GPUs of one model.
    Gpus(Gpu),
    /// No GPU.
    None(NoGpu),
}

/// The word for no GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoGpu {
    /// No GPU.
    None,
}

/// The machine image that a machine starts from: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineImage {
    /// The provider's id of it. Example: `{ id: ami-0abcdef1234567890 }`.
    Id(String),
    /// The newest of this name; `*` stands for anything. Example: `{ name: Deep Learning AMI GPU PyTorch * }`.
    Name(String),
    /// The newest of a family. Example: `{ family: pytorch-latest-gpu }`.
    Family(String),
}

/// A boot disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Disk {
    /// Its size, in GB. Default: 100. It can grow, and not shrink.
    #[schemars(range(min = 10, max = 65536))]
    pub size_gb: u32,
    /// How fast it is: `balanced` (the default), `fast`, or the provider's own word, such as `io2`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Reads and writes a second, where the type lets them be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { size_gb: 100, kind: "balanced".to_owned(), iops: None }
    }
}

/// How a machine is bought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// At the list price, for as long as it is wanted.
    #[default]
    OnDemand,
    /// At a lower price, until the provider takes it back.
    Spot,
    /// Out of a reservation, by its id.
    Reservation(String),
    /// Out of a block of capacity bought for a time, by its id.
    CapacityBlock(String),
}

/// Who may log in, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Ssh {
    /// The public keys that may log in. Example: `[ssh-ed25519 AAAA… ada]`.
    #[schemars(extend("x-unordered" = true))]
    pub public_keys: Vec<String>,
    /// The addresses that may connect, as CIDR blocks. Default: none. Example: `[203.0.113.7/32]`.
    #[schemars(extend("x-unordered" = true))]
    pub ingress: Vec<String>,
    /// The user to log in as. Default: `trueup`.
    pub user: String,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { public_keys: Vec::new(), ingress: Vec::new(), user: "trueup".to_owned() }
    }
}

/// The network that a machine is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Network {
    /// The subnet, by the provider's id or name. Default: one of the default network's in the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    pub subnet: Option<String>,
    /// Whether it has an address on the internet. What may connect to it, `ssh.ingress` and `ports` say. Default: true.
    #[schemars(extend("x-immutable" = true))]
    pub public_ip: bool,
    /// Further ports that the addresses in `ssh.ingress` may connect to. Default: none. Example: `[8080]`.
    #[schemars(extend("x-unordered" = true))]
    pub ports: Vec<u16>,
}

impl Default for Network {
    fn default() -> Self {
        Self { subnet: None, public_ip: true, ports: Vec::new() }
    }
}

fn one() -> u32 {
    1
}

/// What is known of a machine once it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// Its address for connections from outside; its private one where it has no other.
    #[schemars(extend("x-volatile" = true))]
    pub ip: String,
    /// Where it answers SSH, where that is not port 22 of its `ip`: `203.0.113.9:2222`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-volatile" = true))]
    pub ssh: Option<String>,
    /// Its address inside its network.
    pub private_ip: String,
    /// Its name in its network.
    pub hostname: String,
    /// The zone it is in.
    pub zone: String,
    /// The provider's machine type.
    #[schemars(extend("x-volatile" = true))]
    pub instance_type: String,
    /// The GPUs it was given.
    #[schemars(extend("x-volatile" = true))]
    pub gpus: Vec<AllottedGpu>,
    /// What it costs, in US dollars an hour; left out where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-volatile" = true))]
    pub price_per_hour: Option<f64>,
    /// What it is doing: `running`, `stopped`.
    #[schemars(extend("x-volatile" = true))]
    pub status: String,
    /// What programs on it need so as to find its GPUs: `CUDA_VISIBLE_DEVICES`.
    #[schemars(extend("x-volatile" = true))]
    pub environment: BTreeMap<String, String>,
}

/// A GPU that a machine was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct AllottedGpu {
    /// NVIDIA's identifier, where it is known: `GPU-…`.
    pub uuid: String,
    /// The model, as the driver calls it.
    pub model: String,
    /// Its memory in MiB.
    pub memory_mib: u64,
}
