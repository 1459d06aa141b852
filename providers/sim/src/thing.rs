//! `Sim::Thing`: the native kind, with something of everything that a field can be.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::schema::Schema;
use trueup_engine::typed::Sealed;

/// Its name in blueprints.
pub(crate) const THING: &str = "Sim::Thing";

/// What may be said of a thing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Spec {
    /// What it is.
    #[serde(default)]
    properties: Properties,
    /// Labels, for people and bills.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    tags: BTreeMap<String, String>,
}

/// What a thing is.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct Properties {
    /// Some text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// How large it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    size: Option<i64>,
    /// What can't be changed once it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    shape: Option<String>,
    /// Texts in no order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-unordered" = true))]
    items: Vec<String>,
    /// Texts by names of one's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-free" = true))]
    labels: BTreeMap<String, String>,
    /// What nobody may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("x-secret" = true))]
    secret: Option<Sealed<String>>,
}

/// What is known of a thing once it exists.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) struct Attributes {
    /// The cloud's id for it.
    resource_id: String,
    /// The cloud's name for it.
    name: String,
    /// How often it was changed.
    #[schemars(extend("x-volatile" = true))]
    revision: u64,
}

/// Its schema.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Spec, Attributes>(1, false));
    &SCHEMA
}
