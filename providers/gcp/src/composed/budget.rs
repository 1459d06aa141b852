//! `budget`: one of Cloud Billing, which counts by the calendar month.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, field, map, option};
use trueup_state::{FieldPath, Value};

use super::{channels, project};

pub(super) const BUDGET: &str = "billingbudgets.v1.billingAccounts.budgets";
pub(super) const PARTS: [&str; 2] = [BUDGET, channels::CHANNEL];
pub(super) const OPTIONS: [&str; 1] = ["billing_account"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<1> = [("resource_id", "budget", "resource_id")];

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let Some(account) = option(wanted, "billing_account").revealed().as_str() else {
        let message =
            "a budget at Google is of a billing account: say `options.gcp.billing_account`, as `01ABCD-234567-89EFAB`";
        return Err(vec![Problem::new(FieldPath::parse("options.gcp.billing_account"), message)]);
    };
    if field(wanted, "only_tagged").revealed().as_map().is_some_and(|tags| tags.len() > 1) {
        let message = "a budget at Google counts what bears one label";
        return Err(vec![Problem::new(FieldPath::parse("only_tagged"), message)]);
    }
    let account = account.strip_prefix("billingAccounts/").unwrap_or(account);
    let project = project(wanted);
    let channels = channels::of(wanted);
    let name = field(wanted, "name").revealed().as_str().map_or_else(|| wanted.address.to_string(), str::to_owned);
    let mut budget = Native::new(wanted, "budget", BUDGET)
        .set("parent", format!("billingAccounts/{account}"))
        .from("displayName", "name", name)
        .with("budgetFilter.calendarPeriod", "MONTH")
        .with("budgetFilter.projects", Value::List(vec![format!("projects/{project}").into()]))
        .with("amount.specifiedAmount.currencyCode", "USD");
    let (units, nanos) = money(field(wanted, "amount_usd"));
    budget = budget.from("amount.specifiedAmount.units", "amount_usd", units);
    if let Some(nanos) = nanos {
        budget = budget.from("amount.specifiedAmount.nanos", "amount_usd", nanos);
    }
    if let Some(labels) = labels(field(wanted, "only_tagged")) {
        budget = budget.from("budgetFilter.labels", "only_tagged", labels);
    }
    budget = budget.from("thresholdRules", "alerts", rules(field(wanted, "alerts")));
    budget = channels::told(budget, "notificationsRule.monitoringNotificationChannels", &channels);
    let mut parts = channels::parts(wanted, &channels);
    parts.push(budget.part());
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// An amount in whole dollars, as text, and billionths of one where there are any.
fn money(amount: &Value) -> (Value, Option<Value>) {
    let Value::Number(number) = amount.revealed() else { return (Value::Unknown, None) };
    let amount = number.as_f64().unwrap_or_default();
    #[allow(clippy::cast_possible_truncation)] // Budgets are far below 2^53 cents.
    let cents = (amount * 100.0).round() as i64;
    let rest = cents % 100;
    ((cents / 100).to_string().into(), (rest != 0).then(|| (rest * 10_000_000).into()))
}

/// What counts: what bears the label. None where everything does.
fn labels(tags: &Value) -> Option<Value> {
    let Value::Map(tags) = tags.revealed() else { return (*tags == Value::Unknown).then_some(Value::Unknown) };
    let one = |(key, value): (&String, &Value)| (key.clone(), Value::List(vec![value.clone()]));
    (!tags.is_empty()).then(|| Value::Map(tags.iter().map(one).collect()))
}

fn rules(alerts: &Value) -> Value {
    let Value::List(alerts) = alerts.revealed() else { return Value::Unknown };
    let rule = |alert: &Value| {
        let basis = match alert.get("of").and_then(|of| of.revealed().as_str()) {
            Some("forecast") => "FORECASTED_SPEND".into(),
            Some(_) => "CURRENT_SPEND".into(),
            None => Value::Unknown,
        };
        let percent = match alert.get("percent").map(Value::revealed) {
            Some(Value::Number(number)) => serde_json::json!(number.as_f64().unwrap_or_default() / 100.0).into(),
            _ => Value::Unknown,
        };
        map([("thresholdPercent", percent), ("spendBasis", basis)])
    };
    Value::List(alerts.iter().map(rule).collect())
}
