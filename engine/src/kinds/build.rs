//! `build`: images that are built of a repository as it changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Options, Tags};

super::kind! {
    /// The kind `build`.
    Build = "build", version 1, create_first false
}

/// Builds a container image at the provider whenever a repository changes, and pushes it by the commit's short hash.
/// Example: `{ kind: build, source: { github: acme/chat }, image: "{{ images.uri }}/chat" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// What is built, and when. Example: `{ github: acme/chat, branch: main }`.
    pub source: Source,

    /// What is pushed, without a tag: that is the commit's short hash. Example: `"{{ images.uri }}/chat"`.
    #[schemars(length(min = 1))]
    pub image: String,

    /// The directory in the repository that is built. Default: `.`, all of it. Example: `serve`.
    #[serde(default = "here")]
    #[schemars(length(min = 1))]
    pub directory: String,

    /// The file that says how, from the top of the repository. Default: `Dockerfile` in `directory`. Example: `docker/serve.Dockerfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub dockerfile: Option<String>,

    /// Build arguments. Example: `{ CUDA: "12.8" }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub args: BTreeMap<String, String>,

    /// How long it may take. Default: `1h`. Example: `20m`.
    #[serde(default = "hour")]
    pub timeout: Span,

    /// Whether it does so now. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// As whom it builds at the provider: a role, a service account. Default: one that may push this image and write a log alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ gcp: { machine_type: E2_HIGHCPU_8 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What is built: a repository, at each commit to a branch or, where `tag` is said, at each tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Source {
    /// The repository at GitHub, which the provider has been let in to. Example: `acme/chat`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$"))]
    pub github: String,
    /// The branch. Default: `main`, unless `tag` is said. Example: `release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub branch: Option<String>,
    /// The tags, as a regular expression of RE2. Example: `v[0-9.]+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub tag: Option<String>,
}

fn here() -> String {
    ".".to_owned()
}

fn hour() -> Span {
    Span::seconds(3600)
}

fn yes() -> bool {
    true
}

/// What is known of a build once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier.
    pub resource_id: String,
}
