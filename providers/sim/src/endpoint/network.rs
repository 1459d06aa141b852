//! `Sim::Network`: what the endpoints of a stack in one region are in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Its name in blueprints.
pub(crate) const NETWORK: &str = "Sim::Network";

/// What may be said of a network: nothing but that there is one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {}
