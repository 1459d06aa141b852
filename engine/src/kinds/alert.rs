//! `alert`: a measurement that somebody is told of when it is not as it should be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `alert`.
    Alert = "alert", version 1, create_first false
}

/// Tells somebody when a measurement is not as it should be.
/// Example: `{ kind: alert, watch: { errors: "{{ chat }}" }, threshold: 10, emails: [ml@example.com] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-chat-errors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// What is measured. Example: `{ errors: "{{ chat }}" }`.
    pub watch: Watch,

    /// What the measurements of one `period` come to. Default: `sum` of calls and errors, `p95` of latency, `maximum` of what waits, and
    /// `average` of anything else. Example: `p99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<Statistic>,

    /// How that stands to `threshold` when something is wrong. Default: `above`.
    #[serde(default)]
    pub comparison: Comparison,

    /// The bound, in the unit that is measured: calls, milliseconds, messages. Example: `10`.
    pub threshold: f64,

    /// How long one measurement covers, in whole minutes. Default: `5m`. Example: `1m`.
    #[serde(default = "five_minutes")]
    pub period: Span,

    /// In how many periods in a row it has to be so. Default: 1. Example: `3`.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub periods: u32,

    /// What it means that nothing was measured. Default: `fine`.
    #[serde(default)]
    pub no_data: NoData,

    /// Who is told, by e-mail; each has to agree first. Default: nobody. Example: `[ml@example.com]`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[^@\s]+@[^@\s]+$")), length(max = 20), extend("x-unordered" = true))]
    pub emails: Vec<String>,

    /// What else is told: topics and channels, by the provider's full identifiers. Default: nothing.
    /// Example: `[arn:aws:sns:us-east-1:123456789012:oncall]`.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), length(max = 4), extend("x-unordered" = true))]
    pub topics: Vec<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { variant: primary } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What an alert measures: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// How many calls of it failed. Example: `{ errors: "{{ chat }}" }`.
    Errors(#[schemars(extend("x-reference" = ["endpoint", "function"]))] Reference),
    /// How long its calls took, in milliseconds. Example: `{ latency: "{{ chat }}" }`.
    Latency(#[schemars(extend("x-reference" = ["endpoint", "function"]))] Reference),
    /// How often it was called. Example: `{ calls: "{{ chat }}" }`.
    Calls(#[schemars(extend("x-reference" = ["endpoint", "function"]))] Reference),
    /// How many messages wait in a queue. Example: `{ waiting: "{{ events }}" }`.
    Waiting(#[schemars(extend("x-reference" = ["native kind"]))] Reference),
    /// Any measurement that the provider has, in its own words. Example: `{ metric: { namespace: AWS/S3, name: BucketSizeBytes } }`.
    Metric(Metric),
}

/// A measurement, in a provider's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Metric {
    /// Whose it is: a namespace, a service. Example: `AWS/S3`.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// Its name there. Example: `BucketSizeBytes`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Of what in particular. Default: of everything. Example: `{ BucketName: acme-weights }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub dimensions: BTreeMap<String, String>,
}

/// What several measurements come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Their mean.
    Average,
    /// All of them together.
    Sum,
    /// The least.
    Minimum,
    /// The most.
    Maximum,
    /// What half of them do not exceed.
    P50,
    /// What nine in ten do not exceed.
    P90,
    /// What 95 in a hundred do not exceed.
    P95,
    /// What 99 in a hundred do not exceed.
    P99,
}

/// How a measurement stands to a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// It is more.
    #[default]
    Above,
    /// It is as much or more.
    AtLeast,
    /// It is less.
    Below,
    /// It is as much or less.
    AtMost,
}

/// What it means that nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// All is well: nobody called.
    #[default]
    Fine,
    /// Something is wrong.
    Alert,
    /// Nothing: it stays as it was.
    Ignore,
}

fn five_minutes() -> Span {
    Span::seconds(300)
}

fn one() -> u32 {
    1
}

/// What is known of an alert once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, for policies: an ARN, a resource name.
    pub resource_id: String,
}
