//! `schedule`: something that is started again and again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `schedule`.
    Schedule = "schedule", version 1, create_first false
}

/// Starts something again and again: a retraining, a report.
/// Example: `{ kind: schedule, cron: "30 3 * * 1-5", time_zone: Europe/Berlin, starts: { function: "{{ retrain }}" } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(extend("oneOf" = [{ "required": ["cron"] }, { "required": ["every"] }]))]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-nightly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// When, as `cron` has it: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Either this or `every` is given.
    /// Example: `30 3 * * 1-5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S+ \S+ \S+ \S+ \S+$"))]
    pub cron: Option<String>,

    /// How often, in whole minutes. Either this or `cron` is given. Example: `6h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,

    /// The time zone that `cron` is told in, as the tz database names it. Default: `UTC`. Example: `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: String,

    /// What it starts. Example: `{ function: "{{ retrain }}" }`.
    pub starts: Starts,

    /// What is given to it, as it is. Default: what the provider gives. Example: `'{"full": true}'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub input: Option<String>,

    /// Whether it does so now. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// As whom it acts at the provider: a role, a service account. Default: one that may start this alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { flexible_minutes: 15 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What a schedule starts: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// A function, which is called. Example: `{ function: "{{ retrain }}" }`.
    Function(#[schemars(extend("x-reference" = ["function"]))] Reference),
    /// A queue or a topic, by the provider's full identifier: it is sent a message. Example: `{ queue: "{{ events.Arn }}" }`.
    Queue(#[schemars(length(min = 1))] String),
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// What is known of a schedule once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, for policies: an ARN, a resource name.
    pub resource_id: String,
}
