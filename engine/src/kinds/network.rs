//! `network`: where machines reach each other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Tags};

super::kind! {
    /// The kind `network`.
    Network = "network", version 1, create_first false
}

/// Where machines reach each other, with a subnet in each zone. Nothing comes in from outside unless a machine lets it.
/// Example: `{ kind: network, zones: [us-east-1a, us-east-1b] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, it has none or one is made up. Example: `acme-training`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// Its addresses, as a CIDR block: each zone has a sixteenth of them. Default: `10.0.0.0/16`. Example: `10.64.0.0/16`.
    #[serde(default = "usual_addresses")]
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/(1[6-9]|2[0-4])$"), extend("x-immutable" = true))]
    pub cidr: String,

    /// The zones in which it has a subnet. Example: `[us-east-1a, us-east-1b]`.
    #[schemars(inner(regex(pattern = r"^[a-z0-9-]+$")), length(min = 1, max = 16), extend("x-unordered" = true))]
    pub zones: Vec<String>,

    /// Whether what has an address on the internet can reach it from here. Default: true. Without it, only the provider's own store of files
    /// can be reached, and what is in the network.
    #[serde(default = "yes")]
    pub internet: bool,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ gcp: { mtu: 8896 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

pub(super) fn usual_addresses() -> String {
    "10.0.0.0/16".to_owned()
}

fn yes() -> bool {
    true
}

/// What is known of a network once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's identifier of it.
    pub resource_id: String,
    /// The subnet in each zone, by the provider's identifier.
    #[schemars(extend("x-volatile" = true))]
    pub subnets: BTreeMap<String, String>,
}
