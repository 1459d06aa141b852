//! `Sim::Endpoint`: what answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::kinds::Span;
use trueup_engine::kinds::endpoint::{Health, Runtime};

/// Its name in blueprints.
pub(crate) const SERVER: &str = "Sim::Endpoint";

/// What may be said of what answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {
    /// The cloud's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true, "x-shown" = true))]
    name: Option<String>,
    /// The id of its configuration.
    config: String,
    /// The id of the network that it is in.
    #[schemars(extend("x-immutable" = true))]
    network: String,
    /// What runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    runtime: Option<Runtime>,
    /// How it is told that a replica works.
    #[serde(default)]
    health: Health,
    /// How long one request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_timeout: Option<Span>,
    /// Whether everyone may call it.
    #[serde(default)]
    public: bool,
    /// Labels, for people and bills.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    tags: BTreeMap<String, String>,
}
