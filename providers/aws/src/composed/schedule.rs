//! `schedule`: one of `EventBridge` Scheduler, and a role that may start what it starts and nothing else.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::policy::{ROLE, ROLE_POLICY, account_of, allow, document, own_role, trust};
use super::{Known, attributes, cron};
use crate::settings::Settings;
use trueup_parts::{Native, field, is_said, option};
use trueup_parts::{Whole, changed};

pub(super) const SCHEDULE: &str = "AWS::Scheduler::Schedule";
pub(super) const PARTS: [&str; 3] = [SCHEDULE, ROLE, ROLE_POLICY];
pub(super) const OPTIONS: [&str; 2] = ["flexible_minutes", "message_group"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<2> = [("name", "schedule", "Name"), ("resource_id", "schedule", "Arn")];

/// What is started, and the field that says it.
struct Target {
    at: &'static str,
    arn: Value,
}

impl Target {
    fn of(wanted: &Wanted<'_>) -> Result<Self, Problem> {
        let function = field(wanted, "starts.function");
        if !is_said(function) {
            return Ok(Self { at: "starts.queue", arn: field(wanted, "starts.queue").clone() });
        }
        let function = Whole::of(function);
        match function.foreign(wanted, "starts.function", "start") {
            Some(problem) => Err(problem),
            None => Ok(Self { at: "starts.function", arn: function.attribute("resource_id") }),
        }
    }

    /// What its role must be allowed; none where nothing is known that could be started so.
    fn action(&self) -> Option<Value> {
        let Some(arn) = self.arn.revealed().as_str() else {
            let is_function = self.at == "starts.function";
            return Some(if is_function { "lambda:InvokeFunction".into() } else { Value::Unknown });
        };
        match arn.split(':').nth(2)? {
            "lambda" => Some("lambda:InvokeFunction".into()),
            "sqs" => Some("sqs:SendMessage".into()),
            "sns" => Some("sns:Publish".into()),
            _ => None,
        }
    }
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let at = |path: &str, message: String| vec![Problem::new(FieldPath::parse(path), message)];
    let target = Target::of(wanted).map_err(|problem| vec![problem])?;
    let action = target.action().ok_or_else(|| {
        at(target.at, "a schedule starts a function, or sends a message to a queue or a topic: name its ARN".to_owned())
    })?;
    let (source, when) = when(wanted).map_err(|(path, message)| at(path, message))?;
    let state = match field(wanted, "enabled").revealed() {
        Value::Bool(true) => "ENABLED".into(),
        Value::Bool(false) => "DISABLED".into(),
        _ => Value::Unknown,
    };
    let mut schedule = Native::new(wanted, "schedule", SCHEDULE)
        .taking("Name", "name")
        .from("ScheduleExpression", source, when)
        .taking("ScheduleExpressionTimezone", "time_zone")
        .from("State", "enabled", state)
        .from("Target.Arn", target.at, target.arn.clone())
        .taking("Target.Input", "input")
        .option("Target.SqsParameters.MessageGroupId", "message_group");
    schedule = match option(wanted, "flexible_minutes") {
        Value::Null => schedule.with("FlexibleTimeWindow.Mode", "OFF"),
        _ => schedule
            .with("FlexibleTimeWindow.Mode", "FLEXIBLE")
            .option("FlexibleTimeWindow.MaximumWindowInMinutes", "flexible_minutes"),
    };
    let mut parts = Vec::new();
    if is_said(field(wanted, "identity")) {
        schedule = schedule.taking("Target.RoleArn", "identity");
    } else {
        let mut statement = allow(&[], vec![target.arn.clone()]);
        statement.put(&["Action"].into_iter().collect(), Value::List(vec![action]));
        let account = Settings::of(wanted.scope).account.map(Value::from);
        let trust = trust(&["scheduler"], Some(account.unwrap_or_else(|| account_of(&target.arn))));
        parts.extend(own_role(wanted, trust, document(Value::List(vec![statement]))));
        schedule = schedule.reads("Target.RoleArn", "role", "Arn");
    }
    parts.push(schedule.part());
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// When, in Scheduler's words, and the field that says it. The error is the field and what is wrong there.
fn when(wanted: &Wanted<'_>) -> Result<(&'static str, Value), (&'static str, String)> {
    let (told, every) = (field(wanted, "cron"), field(wanted, "every"));
    if is_said(told) {
        let Some(text) = told.revealed().as_str() else { return Ok(("cron", Value::Unknown)) };
        return cron::expression(text).map(|told| ("cron", told.into())).map_err(|why| ("cron", why));
    }
    let span = every.revealed().as_str().and_then(|text| text.parse::<trueup_engine::kinds::Span>().ok());
    let seconds = span.map(|span| span.duration().as_secs());
    match seconds {
        Some(seconds) if seconds % 60 != 0 || seconds == 0 => {
            Err(("every", "a schedule at AWS counts in whole minutes".to_owned()))
        }
        Some(60) => Ok(("every", "rate(1 minute)".into())),
        Some(seconds) => Ok(("every", format!("rate({} minutes)", seconds / 60).into())),
        None => Ok(("every", changed(every, str::to_owned))),
    }
}
