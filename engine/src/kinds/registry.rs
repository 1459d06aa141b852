//! `registry`: where container images and packaged models are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::Encryption;
use super::{Options, Tags};

super::kind! {
    /// The kind `registry`.
    Registry = "registry", version 1, create_first false
}

/// A place for container images, or for packaged models.
/// Example: `{ kind: registry, retention: { keep_last: 10 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made from the stack, the address and a hash. Example: `acme-chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 200), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// What it keeps: `container` (the default) or `model`.
    #[serde(default)]
    #[schemars(extend("x-immutable" = true))]
    pub format: Format,

    /// Refuse to move a tag to another image. Default: true.
    #[serde(default = "yes")]
    pub immutable_tags: bool,

    /// Look through images for known weaknesses as they arrive, where the provider can. Default: true.
    #[serde(default = "yes")]
    pub scan_on_push: bool,

    /// What is removed in time. Default: nothing. Example: `{ keep_last: 10 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,

    /// Who holds the key that its data is encrypted with: `provider_managed` (the default), or `{ kms_key: ID }`.
    /// Example: `{ kms_key: alias/images }`.
    #[serde(default)]
    #[schemars(extend("x-immutable" = true))]
    pub encryption: Encryption,

    /// Delete it even when images are in it. Default: false, which refuses. Example: `true`.
    #[serde(default)]
    #[schemars(extend("x-on-delete" = true))]
    pub force_destroy: bool,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { policy: { Statement: [] } } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What a registry keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Container images.
    #[default]
    Container,
    /// Packaged models (`SageMaker` model packages, Vertex models, OCI artifacts).
    Model,
}

/// What is removed in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Retention {
    /// Keep only this many of the newest images. Example: `10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub keep_last: Option<u32>,
    /// Remove images without a tag after this many days. Example: `14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expire_untagged_after_days: Option<u32>,
}

fn yes() -> bool {
    true
}

/// What is known of a registry once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// What the references of its images begin with: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `oci:/DIRECTORY`.
    pub uri: String,
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, for policies: an ARN, a resource name, a directory.
    pub resource_id: String,
}
