//! `volume`: a disk that outlives the machine it is attached to, or a file system that several machines share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::Encryption;
use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `volume`.
    Volume = "volume", version 1, create_first false
}

/// A disk that outlives the machine it is attached to, or a file system that several machines share. It is encrypted.
/// Example: `{ kind: volume, size_gb: 500, type: fast, zone: us-east-1a }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, it has none or one is made up. Example: `acme-checkpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// Its size, in GB. Default: 100. It can grow, and not shrink. What is `shared` grows by itself where the provider can. Example: `500`.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 65536))]
    pub size_gb: u32,

    /// What it is: a disk that is `balanced` (the default) or `fast`, or a file system that is `shared`.
    #[serde(default, rename = "type")]
    #[schemars(extend("x-immutable" = true))]
    pub kind: Type,

    /// Reads and writes a second, of a disk whose type lets them be chosen. Default: the provider's. Example: `6000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub iops: Option<u32>,

    /// The zone that a disk is in. What is `shared` is in all of its region unless one is said. Example: `us-east-1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-immutable" = true))]
    pub zone: Option<String>,

    /// Who holds the key that its data is encrypted with: `provider_managed` (the default), or `{ kms_key: ID }`.
    /// Example: `{ kms_key: alias/checkpoints }`.
    #[serde(default)]
    #[schemars(extend("x-immutable" = true))]
    pub encryption: Encryption,

    /// From where what is `shared` can be reached. Default: from nowhere yet.
    /// Example: `{ network: "{{ net }}", subnets: ["{{ net.subnets['us-east-1a'] }}"] }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<Reachable>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { throughput_mib: 500 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What a volume is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A disk for most uses (EBS gp3, Google's pd-balanced).
    #[default]
    Balanced,
    /// A disk for many reads and writes a second (EBS io2, Google's pd-ssd).
    Fast,
    /// A file system that many machines use at once (EFS, Google's Filestore).
    Shared,
}

/// From where a file system can be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Reachable {
    /// The network whose machines can reach it. Example: `"{{ net }}"`.
    #[schemars(extend("x-reference" = ["network"]))]
    pub network: Reference,
    /// The subnets in which it has an address, at most one a zone. Example: `["{{ net.subnets['us-east-1a'] }}"]`.
    #[schemars(length(min = 1, max = 16))]
    pub subnets: Vec<String>,
    /// The addresses that may connect, as a CIDR block. Default: `10.0.0.0/16`, those of a network that says no others.
    /// Example: `10.64.0.0/16`.
    #[serde(default = "super::network::usual_addresses")]
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"))]
    pub from: String,
}

fn hundred() -> u32 {
    100
}

/// What is known of a volume once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's identifier of it, which machines attach or mount it by.
    pub resource_id: String,
}
