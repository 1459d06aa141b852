//! `budget`: what may be spent in a month, and who is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Tags};

super::kind! {
    /// The kind `budget`.
    Budget = "budget", version 1, create_first false
}

/// What may be spent in a calendar month, and who is told on the way there. It stops nothing.
/// Example: `{ kind: budget, amount_usd: 500, alerts: [{ percent: 80 }], emails: [ml@example.com] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made up. Example: `acme-search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// How much, in US dollars a calendar month. Example: `500`.
    #[schemars(range(min = 0.01, max = 1_000_000_000))]
    pub amount_usd: f64,

    /// At which shares of it somebody is told. Default: at 80 and 100 percent of what is spent. Example: `[{ percent: 100, of: forecast }]`.
    #[serde(default = "usual_alerts")]
    #[schemars(length(max = 10), extend("x-unordered" = true))]
    pub alerts: Vec<Alert>,

    /// Who is told, by e-mail. Default: nobody. Example: `[ml@example.com]`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[^@\s]+@[^@\s]+$")), length(max = 10), extend("x-unordered" = true))]
    pub emails: Vec<String>,

    /// Count only what bears all of these tags. Default: all that the account pays. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub only_tagged: Tags,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ gcp: { billing_account: 012345-678901-ABCDEF } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// A share of a budget at which somebody is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Alert {
    /// The share, in percent of the amount. Example: `80`.
    #[schemars(range(min = 1, max = 1000))]
    pub percent: u32,
    /// Of what: `actual` (the default), what the month has cost so far, or `forecast`, what the month will have cost as the provider reckons.
    #[serde(default)]
    pub of: Basis,
}

/// What is held against a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What the month has cost so far.
    #[default]
    Actual,
    /// What the month will have cost, as the provider reckons.
    Forecast,
}

fn usual_alerts() -> Vec<Alert> {
    [80, 100].map(|percent| Alert { percent, of: Basis::Actual }).into()
}

/// What is known of a budget once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The provider's full identifier.
    pub resource_id: String,
}
