//! `Sim::Network`: what the endpoints of a stack in one region are in.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::schema::Schema;

/// Its name in blueprints.
pub(crate) const NETWORK: &str = "Sim::Network";

/// What may be said of a network: nothing but that there is one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {}

/// What is known of a network once it exists.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) struct Attributes {
    /// The cloud's id for it.
    resource_id: String,
    /// The cloud's name for it.
    name: String,
}

/// Its schema.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Spec, Attributes>(1, false));
    &SCHEMA
}
