//! `alert`: an alarm of `CloudWatch`, and where it is to reach people a topic with a subscription for each.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::{Known, attributes, endpoint};
use trueup_parts::{Native, field, is_said, map, option};
use trueup_parts::{Whole, changed};

pub(super) const ALARM: &str = "AWS::CloudWatch::Alarm";
const TOPIC: &str = "AWS::SNS::Topic";
const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
pub(super) const PARTS: [&str; 3] = [ALARM, TOPIC, SUBSCRIPTION];
pub(super) const OPTIONS: [&str; 1] = ["variant"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<2> = [("name", "alarm", "AlarmName"), ("resource_id", "alarm", "Arn")];

/// What is measured.
struct Metric {
    /// The field that says it.
    at: String,
    namespace: Value,
    name: Value,
    dimensions: Value,
    /// What several measurements come to where nothing is said.
    statistic: &'static str,
    /// How many of its units go into one of the threshold's.
    units: u64,
}

/// What is measured of endpoints and of functions: name, statistic, units in a millisecond.
const MEASURES: [(&str, &str, &str, &str, u64); 6] = [
    ("errors", "endpoint", "Invocation5XXErrors", "sum", 1),
    ("latency", "endpoint", "ModelLatency", "p95", 1000),
    ("calls", "endpoint", "Invocations", "sum", 1),
    ("errors", "function", "Errors", "sum", 1),
    ("latency", "function", "Duration", "p95", 1),
    ("calls", "function", "Invocations", "sum", 1),
];

fn dimension(name: &str, value: Value) -> Value {
    map([("Name", name.into()), ("Value", value)])
}

impl Metric {
    fn of(wanted: &Wanted<'_>) -> Result<Self, Problem> {
        if is_said(field(wanted, "watch.metric")) {
            return Ok(Self::in_own_words(wanted));
        }
        for word in ["errors", "latency", "calls"] {
            let of = field(wanted, &format!("watch.{word}"));
            if is_said(of) {
                return Self::of_calls(wanted, word, &Whole::of(of));
            }
        }
        Self::of_queue(wanted)
    }

    fn in_own_words(wanted: &Wanted<'_>) -> Self {
        let dimensions = match field(wanted, "watch.metric.dimensions").revealed() {
            Value::Map(said) => Value::List(said.iter().map(|(name, value)| dimension(name, value.clone())).collect()),
            Value::Null => Value::List(Vec::new()),
            _ => Value::Unknown,
        };
        Self {
            at: "watch.metric".to_owned(),
            namespace: field(wanted, "watch.metric.namespace").clone(),
            name: field(wanted, "watch.metric.name").clone(),
            dimensions,
            statistic: "average",
            units: 1,
        }
    }

    fn of_calls(wanted: &Wanted<'_>, word: &str, of: &Whole<'_>) -> Result<Self, Problem> {
        let at = format!("watch.{word}");
        if let Some(problem) = of.foreign(wanted, &at, "watch") {
            return Err(problem);
        }
        let measure = MEASURES.iter().find(|(what, kind, ..)| *what == word && of.kind == Some(*kind));
        let Some((_, kind, name, statistic, units)) = measure else {
            let message = "what it watches has to be known when the plan is made";
            return Err(Problem::new(FieldPath::parse(&at), message));
        };
        let (namespace, dimensions) = match *kind {
            "endpoint" => {
                // The end of an endpoint's ARN is its name.
                let name =
                    changed(&of.attribute("resource_id"), |arn| arn.rsplit('/').next().unwrap_or_default().to_owned());
                let variant = option(wanted, "variant");
                let variant = if is_said(variant) { variant.clone() } else { endpoint::VARIANT.into() };
                ("AWS/SageMaker", vec![dimension("EndpointName", name), dimension("VariantName", variant)])
            }
            _ => ("AWS/Lambda", vec![dimension("FunctionName", of.attribute("name"))]),
        };
        let dimensions = Value::List(dimensions);
        Ok(Self { at, namespace: namespace.into(), name: (*name).into(), dimensions, statistic, units: *units })
    }

    fn of_queue(wanted: &Wanted<'_>) -> Result<Self, Problem> {
        let (at, of) = ("watch.waiting", Whole::of(field(wanted, "watch.waiting")));
        if let Some(problem) = of.foreign(wanted, at, "watch") {
            return Err(problem);
        }
        if of.kind.is_some_and(|kind| kind != "AWS::SQS::Queue") {
            return Err(Problem::new(FieldPath::parse(at), "what waits at AWS waits in an AWS::SQS::Queue"));
        }
        let name = changed(&of.attribute("Arn"), |arn| arn.rsplit(':').next().unwrap_or_default().to_owned());
        Ok(Self {
            at: at.to_owned(),
            namespace: "AWS/SQS".into(),
            name: "ApproximateNumberOfMessagesVisible".into(),
            dimensions: Value::List(vec![dimension("QueueName", name)]),
            statistic: "maximum",
            units: 1,
        })
    }
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let metric = Metric::of(wanted).map_err(|problem| vec![problem])?;
    let (period, emails) = (period(wanted)?, emails(wanted));
    let mut alarm = Native::new(wanted, "alarm", ALARM)
        .taking("AlarmName", "name")
        .from("Namespace", &metric.at, metric.namespace.clone())
        .from("MetricName", &metric.at, metric.name.clone())
        .from("Dimensions", &metric.at, metric.dimensions.clone())
        .from("ComparisonOperator", "comparison", comparison(field(wanted, "comparison")))
        .from("Threshold", "threshold", scaled(field(wanted, "threshold"), metric.units))
        .from("Period", "period", period)
        .taking("EvaluationPeriods", "periods")
        .from("TreatMissingData", "no_data", no_data(field(wanted, "no_data")));
    let said = field(wanted, "statistic").revealed().as_str();
    let statistic = said.unwrap_or(metric.statistic);
    alarm = match statistic {
        percentile if percentile.starts_with('p') => alarm.from("ExtendedStatistic", "statistic", percentile),
        word => alarm.from("Statistic", "statistic", capital(word)),
    };
    let mut told: Vec<Value> = match field(wanted, "topics").revealed() {
        Value::List(topics) => topics.clone(),
        _ => Vec::new(),
    };
    let mut parts = Vec::new();
    if !emails.is_empty() {
        told.insert(0, Value::Unknown);
        alarm = alarm.reads("AlarmActions[0]", "topic", "TopicArn");
        // Keys of AWS's own let no alarm publish, and what it says is no secret.
        parts.push(Native::new(wanted, "topic", TOPIC).tagged().part());
        parts.extend(emails.iter().map(|email| {
            let mail = Native::new(wanted, part_name(email), SUBSCRIPTION)
                .reads("TopicArn", "topic", "TopicArn")
                .with("Protocol", "email")
                .from("Endpoint", "emails", email.as_str());
            mail.part()
        }));
    }
    parts.push(alarm.from("AlarmActions", "topics", told).tagged().part());
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// The part that is a subscription: one that stays when others come and go.
fn part_name(email: &str) -> String {
    format!("mail_{}", &hex::encode(Sha256::digest(email))[..8])
}

/// Who is told by e-mail, each once.
fn emails(wanted: &Wanted<'_>) -> BTreeSet<String> {
    let said = field(wanted, "emails").revealed().as_list().unwrap_or_default();
    said.iter().filter_map(|email| email.revealed().as_str().map(str::to_owned)).collect()
}

fn period(wanted: &Wanted<'_>) -> Result<Value, Vec<Problem>> {
    let Some(text) = field(wanted, "period").revealed().as_str() else { return Ok(Value::Unknown) };
    let seconds = text.parse::<Span>().map_or(0, |span| span.duration().as_secs());
    if seconds == 0 || seconds % 60 != 0 || seconds > 86_400 {
        let message = "one measurement at AWS covers whole minutes, and at most `1d`";
        return Err(vec![Problem::new(FieldPath::parse("period"), message)]);
    }
    Ok(Value::Number(seconds.into()))
}

/// A bound in the unit that AWS measures in.
fn scaled(threshold: &Value, units: u64) -> Value {
    match threshold.revealed() {
        Value::Number(number) if units > 1 => {
            let scaled = number.as_f64().unwrap_or_default() * f64::from(u32::try_from(units).unwrap_or(1));
            serde_json::Number::from_f64(scaled).map_or(Value::Unknown, Value::Number)
        }
        _ => threshold.clone(),
    }
}

fn comparison(of: &Value) -> Value {
    changed(of, |word| {
        let operator = match word {
            "above" => "GreaterThanThreshold",
            "at_least" => "GreaterThanOrEqualToThreshold",
            "below" => "LessThanThreshold",
            _ => "LessThanOrEqualToThreshold",
        };
        operator.to_owned()
    })
}

fn no_data(of: &Value) -> Value {
    changed(of, |word| {
        let treatment = match word {
            "alert" => "breaching",
            "ignore" => "ignore",
            _ => "notBreaching",
        };
        treatment.to_owned()
    })
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
