//! `Sim::Model`: a program and what it serves.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::typed::Sealed;

/// Its name in blueprints.
pub(crate) const MODEL: &str = "Sim::Model";

/// What may be said of a model.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {
    /// The container image that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    image: Option<String>,
    /// The program that serves, and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    /// The directory that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    /// Where the model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Environment variables.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", extend("x-free" = true))]
    env: BTreeMap<String, Sealed<String>>,
    /// Environment variables from the cloud's store of secrets, by their names there.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    secrets: BTreeMap<String, String>,
    /// As whom it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    /// The port that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    port: Option<u16>,
    /// Labels, for people and bills.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    tags: BTreeMap<String, String>,
}
