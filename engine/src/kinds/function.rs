//! `function`: a program that runs when it is called.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Options, Reference, Tags};
use crate::typed::Sealed;

super::kind! {
    /// The kind `function`.
    Function = "function", version 1, create_first false
}

/// A program that runs when it is called, and costs nothing in between.
/// Example: `{ kind: function, code: { image: "{{ retrain_image.ref }}" }, timeout: 10m, memory_mib: 2048 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-retrain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// The program. Example: `{ image: "{{ retrain_image.ref }}" }`.
    pub code: Code,

    /// What is called in an archive. Example: `main.handle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub handler: Option<String>,

    /// What runs an archive: a language and its version. Example: `python3.13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]+[a-z0-9.]*$"))]
    pub runtime: Option<String>,

    /// The memory that it has, in MiB. Default: 512. Example: `2048`.
    #[serde(default = "half_a_gib")]
    #[schemars(range(min = 128, max = 32768))]
    pub memory_mib: u32,

    /// How long one call may take. Default: `60s`. Example: `10m`.
    #[serde(default = "minute")]
    pub timeout: Span,

    /// Environment variables. A value may be a secret. Example: `{ LOG_LEVEL: info }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", extend("x-free" = true, "x-may-be-secret" = true))]
    pub env: BTreeMap<String, Sealed<String>>,

    /// As whom it acts at the provider: a role, a service account. It may write the function's log besides. Default: one
    /// that may do that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { architecture: arm64, log_retention_days: 90 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// The program of a function: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A container image in the provider's registry. Example: `{ image: "{{ retrain_image.ref }}" }`.
    Image(#[schemars(length(min = 1))] String),
    /// A zip archive in a bucket. Example: `{ archive: { bucket: "{{ code }}", file: retrain.zip } }`.
    Archive(Archive),
}

/// A zip archive in a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Archive {
    /// The bucket. Example: `"{{ code }}"`.
    #[schemars(extend("x-reference" = ["bucket"]))]
    pub bucket: Reference,
    /// Its path there. Who changes what it holds gives it another path, or another `version`. Example: `retrain-7.zip`.
    #[schemars(length(min = 1, max = 1024))]
    pub file: String,
    /// Which version of it, in a bucket that keeps versions. Default: the newest at the time. Example: `3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

fn half_a_gib() -> u32 {
    512
}

fn minute() -> Span {
    Span::seconds(60)
}

/// What is known of a function once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, for policies: an ARN, a resource name.
    pub resource_id: String,
    /// Where its log is.
    pub log: String,
    /// Where it is called, at a provider where that is an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
