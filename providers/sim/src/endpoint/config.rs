//! `Sim::EndpointConfig`: on what a model runs, and how many times.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::kinds::endpoint::Replicas;
use trueup_engine::kinds::gpu_instance::Gpu;

/// Its name in blueprints.
pub(crate) const CONFIG: &str = "Sim::EndpointConfig";

/// What may be said of a configuration.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {
    /// The id of the model that it runs.
    model: String,
    /// The GPUs of each replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpu: Option<Gpu>,
    /// The processor cores of each replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    /// The memory of each replica, in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_gib: Option<f64>,
    /// How many run.
    #[serde(default)]
    replicas: Replicas,
    /// Labels, for people and bills.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    tags: BTreeMap<String, String>,
}
