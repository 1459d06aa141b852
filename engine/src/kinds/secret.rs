//! `secret`: a value in a provider's own store of secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::Encryption;
use super::{Options, Tags};
use crate::typed::Sealed;

super::kind! {
    /// The kind `secret`.
    Secret = "secret", version 1, create_first false
}

/// A value in a provider's own store of secrets, for what runs there to read. The value is sent, and never read back.
/// Example: `{ kind: secret, value: "{{ var.token }}" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme/hf-token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// The value. Left out, it has none until somebody gives it one. Example: `"{{ var.token }}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-write-only" = true))]
    pub value: Option<Sealed<String>>,

    /// What it is for. Example: `To fetch models from the hub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,

    /// Who holds the key that it is encrypted with: `provider_managed` (the default), or `{ kms_key: ID }`.
    /// Example: `{ kms_key: alias/secrets }`.
    #[serde(default)]
    pub encryption: Encryption,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ gcp: { replicas: [europe-west1] } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What is known of a secret once it exists: never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, which what reads it names it by: an ARN, a resource name.
    pub resource_id: String,
}
