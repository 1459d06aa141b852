//! `budget`: one of AWS Budgets, which counts by the calendar month.

use trueup_engine::compose::{Composition, Wanted};
use trueup_state::Value;

use super::ID;
use super::{Known, attributes};
use trueup_parts::{Native, field, map, texts};

pub(super) const BUDGET: &str = "AWS::Budgets::Budget";
pub(super) const PARTS: [&str; 1] = [BUDGET];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<1> = [("resource_id", "budget", ID)];

pub(super) fn compose(wanted: &Wanted<'_>) -> Composition {
    let mut budget = Native::new(wanted, "budget", BUDGET)
        .taking("Budget.BudgetName", "name")
        .with("Budget.BudgetType", "COST")
        .with("Budget.TimeUnit", "MONTHLY")
        .taking("Budget.BudgetLimit.Amount", "amount_usd")
        .with("Budget.BudgetLimit.Unit", "USD");
    if let Some(filter) = filter(field(wanted, "only_tagged")) {
        budget = budget.from("Budget.FilterExpression", "only_tagged", filter);
    }
    if let Some(notices) = notices(field(wanted, "alerts"), field(wanted, "emails")) {
        budget = budget.from("NotificationsWithSubscribers", "alerts", notices);
    }
    Composition { parts: vec![budget.tagged().part()], attributes: attributes(KNOWN) }
}

/// What counts: what bears all of the tags. None where everything does.
fn filter(tags: &Value) -> Option<Value> {
    let Value::Map(tags) = tags.revealed() else { return (*tags == Value::Unknown).then_some(Value::Unknown) };
    let one = |(key, value): (&String, &Value)| {
        let tag = [
            ("Key", key.as_str().into()),
            ("Values", Value::List(vec![value.clone()])),
            ("MatchOptions", texts(["EQUALS"])),
        ];
        map([("Tags", map(tag))])
    };
    let mut all: Vec<Value> = tags.iter().map(one).collect();
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(map([("And", Value::List(all))])),
    }
}

/// Who is told of what. None where nobody is.
fn notices(alerts: &Value, emails: &Value) -> Option<Value> {
    let (Value::List(alerts), Value::List(emails)) = (alerts.revealed(), emails.revealed()) else {
        return Some(Value::Unknown);
    };
    let subscriber = |address: &Value| map([("SubscriptionType", "EMAIL".into()), ("Address", address.clone())]);
    let subscribers = Value::List(emails.iter().map(subscriber).collect());
    let notice = |alert: &Value| {
        let of = match alert.get("of").and_then(|of| of.revealed().as_str()) {
            Some("forecast") => "FORECASTED".into(),
            Some(_) => "ACTUAL".into(),
            None => Value::Unknown,
        };
        let notification = [
            ("NotificationType", of),
            ("ComparisonOperator", "GREATER_THAN".into()),
            ("Threshold", alert.get("percent").cloned().unwrap_or(Value::Unknown)),
            ("ThresholdType", "PERCENTAGE".into()),
        ];
        map([("Notification", map(notification)), ("Subscribers", subscribers.clone())])
    };
    (!alerts.is_empty() && !emails.is_empty()).then(|| Value::List(alerts.iter().map(notice).collect()))
}
