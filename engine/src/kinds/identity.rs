//! `identity`: as whom programs act at a provider, and what they may do there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `identity`.
    Identity = "identity", version 1, create_first false
}

/// As whom programs act at a provider, and what they may do there: nothing but what is said.
/// Example: `{ kind: identity, can: [{ read: "{{ weights }}" }, { call: "{{ chat }}" }] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-trainer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// What it may do, and with what. Default: nothing. Example: `[{ read: "{{ weights }}" }, { write: "{{ results }}" }]`.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub can: Vec<Grant>,

    /// What may act as it. Default: `[endpoint, gpu_instance]`. Example: `[function]`.
    #[serde(default = "what_runs_models")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub used_by: Vec<User>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { permissions_boundary: arn:aws:iam::123456789012:policy/ml } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// One thing that is allowed: exactly one of these. Native kinds are taken as far as the provider knows what the word means for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// To read what is in it: files, the value of a secret, the messages of a queue. Example: `{ read: "{{ weights }}" }`.
    Read(#[schemars(extend("x-reference" = ["artifact", "bucket", "secret", "native kind"]))] Reference),
    /// To put something into it, and to change and remove what is there. Example: `{ write: "{{ results }}" }`.
    Write(#[schemars(extend("x-reference" = ["artifact", "bucket", "secret", "native kind"]))] Reference),
    /// To fetch images from it. Example: `{ pull: "{{ images }}" }`.
    Pull(#[schemars(extend("x-reference" = ["registry", "native kind"]))] Reference),
    /// To put images into it, and to fetch them. Example: `{ push: "{{ images }}" }`.
    Push(#[schemars(extend("x-reference" = ["registry", "native kind"]))] Reference),
    /// To ask it something, or to start it. Example: `{ call: "{{ chat }}" }`.
    Call(#[schemars(extend("x-reference" = ["endpoint", "function", "native kind"]))] Reference),
}

impl Grant {
    /// Its word, as blueprints have it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Write(_) => "write",
            Self::Pull(_) => "pull",
            Self::Push(_) => "push",
            Self::Call(_) => "call",
        }
    }

    /// What it is about.
    pub fn of(&self) -> &Reference {
        match self {
            Self::Read(of) | Self::Write(of) | Self::Pull(of) | Self::Push(of) | Self::Call(of) => of,
        }
    }
}

/// What may act as an identity: things of these kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// An endpoint.
    Endpoint,
    /// A function.
    Function,
    /// A machine.
    GpuInstance,
    /// A schedule.
    Schedule,
}

fn what_runs_models() -> Vec<User> {
    vec![User::Endpoint, User::GpuInstance]
}

/// What is known of an identity once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it, which a `gpu_instance` takes as its `identity`.
    pub name: String,
    /// The provider's full identifier, which everything else takes as its `identity`: an ARN, a service account.
    pub resource_id: String,
}
