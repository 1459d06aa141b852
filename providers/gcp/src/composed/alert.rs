//! `alert`: a policy of Cloud Monitoring with one condition, and a channel for each address.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::diagnostic::with_article;
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, Whole, attributes, changed, field, is_said};
use trueup_state::{FieldPath, Value};

use super::channels;
use super::vertex::is_of_vertex;

pub(super) const POLICY: &str = "monitoring.v3.projects.alertPolicies";
pub(super) const PARTS: [&str; 2] = [POLICY, channels::CHANNEL];
pub(super) const OPTIONS: [&str; 1] = ["filter"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("name", "policy", "resource_id"), ("resource_id", "policy", "resource_id")];
/// Where the one condition stands.
const CONDITION: &str = "conditions[0].conditionThreshold";
/// For how long a condition holds at least, in seconds, that says what missing data mean.
const LEAST_GAP: i64 = 60;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let at = |path: &str, message: &str| Problem::new(FieldPath::parse(path), message);
    let mut problems = Vec::new();
    if field(wanted, "topics").revealed().as_list().is_some_and(|topics| !topics.is_empty()) {
        problems.push(at("topics", "at Google addresses are told, in `emails`"));
    }
    let comparison = match field(wanted, "comparison").revealed().as_str() {
        Some("above" | "at_least") => "COMPARISON_GT",
        _ => "COMPARISON_LT",
    };
    if matches!(field(wanted, "comparison").revealed().as_str(), Some("at_least" | "at_most")) {
        problems.push(at("comparison", "Cloud Monitoring knows `above` and `below`"));
    }
    if field(wanted, "statistic").revealed().as_str() == Some("p90") {
        problems.push(at("statistic", "Cloud Monitoring knows `p50`, `p95` and `p99`"));
    }
    let seconds = seconds(field(wanted, "period"));
    let duration =
        seconds.zip(count(field(wanted, "periods"))).map(|(seconds, periods)| seconds * (periods - 1).max(0));
    let is_told_of_gaps = field(wanted, "no_data").revealed().as_str() == Some("alert");
    if is_told_of_gaps && duration.is_some_and(|duration| duration < LEAST_GAP) {
        problems.push(at(
            "no_data",
            "Cloud Monitoring alerts of missing data where `periods` is 2 or more, a minute in all",
        ));
    }
    let watched = watched(wanted).map_err(|problem| problems.push(problem)).ok();
    let (Some(watched), true) = (watched, problems.is_empty()) else { return Err(problems) };
    let channels = channels::of(wanted);
    let name = field(wanted, "name").revealed().as_str().map_or_else(|| wanted.address.to_string(), str::to_owned);
    let span = |seconds: Option<i64>| seconds.map_or(Value::Unknown, |seconds| format!("{seconds}s").into());
    let mut policy = Native::new(wanted, "policy", POLICY)
        .from("displayName", "name", name.as_str())
        .with("combiner", "OR")
        .with("conditions", Value::List(vec![Value::Map([].into())]))
        .with("conditions[0].displayName", name.as_str())
        .from(&format!("{CONDITION}.filter"), "watch", watched.filter)
        .from(&format!("{CONDITION}.comparison"), "comparison", comparison)
        .taking(&format!("{CONDITION}.thresholdValue"), "threshold")
        .from(&format!("{CONDITION}.duration"), "periods", span(duration))
        .from(&format!("{CONDITION}.aggregations"), "period", Value::List(vec![Value::Map([].into())]))
        .from(&format!("{CONDITION}.aggregations[0].alignmentPeriod"), "period", span(seconds))
        .from(&format!("{CONDITION}.aggregations[0].perSeriesAligner"), "statistic", watched.statistic)
        .tagged();
    if watched.is_summed {
        policy = policy.with(&format!("{CONDITION}.aggregations[0].crossSeriesReducer"), "REDUCE_SUM");
    }
    // Only what holds for a while has to say what a gap in it is (monitoring.v3, `MetricThreshold`).
    if duration.is_none_or(|duration| duration >= LEAST_GAP) {
        policy =
            policy.from(&format!("{CONDITION}.evaluationMissingData"), "no_data", missing(field(wanted, "no_data")));
    }
    policy = channels::told(policy, "notificationChannels", &channels);
    let mut parts = channels::parts(wanted, &channels);
    parts.push(policy.part());
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// What is measured of endpoints and of queues: the kind, what a metric is of there and how that is told by its name, the metric, of which
/// of its labels, and what several measurements come to where nobody says. By Google's *metrics list*.
struct Measure {
    word: &'static str,
    kind: &'static str,
    of: (&'static str, &'static str),
    metric: &'static str,
    label: Option<(&'static str, &'static str)>,
    statistic: &'static str,
}

const OF_SERVICES: (&str, &str) = ("cloud_run_revision", "service_name");
const REQUESTS: &str = "run.googleapis.com/request_count";
const fn of_service(word: &'static str, kind: &'static str) -> Measure {
    let (metric, label, statistic) = match word.as_bytes() {
        b"latency" => ("run.googleapis.com/request_latencies", None, "p95"),
        b"errors" => (REQUESTS, Some(("response_code_class", "5xx")), "sum"),
        _ => (REQUESTS, None, "sum"),
    };
    Measure { word, kind, of: OF_SERVICES, metric, label, statistic }
}

const MEASURES: [Measure; 7] = [
    of_service("errors", "endpoint"),
    of_service("latency", "endpoint"),
    of_service("calls", "endpoint"),
    // The service that runs a function has its name.
    of_service("errors", "function"),
    of_service("latency", "function"),
    of_service("calls", "function"),
    Measure {
        word: "waiting",
        kind: "pubsub.v1.projects.subscriptions",
        of: ("pubsub_subscription", "subscription_id"),
        metric: "pubsub.googleapis.com/subscription/num_undelivered_messages",
        label: None,
        statistic: "maximum",
    },
];

/// A pair of words that a filter compares.
type Pair = (&'static str, &'static str);

/// What Vertex AI measures of its endpoints: of what and by which of its labels, the metric, and which of that metric's labels.
fn of_vertex(word: &str) -> (Pair, &'static str, Option<Pair>) {
    let metric = match word {
        "errors" => "aiplatform.googleapis.com/prediction/online/error_count",
        "latency" => "aiplatform.googleapis.com/prediction/online/prediction_latencies",
        _ => "aiplatform.googleapis.com/prediction/online/prediction_count",
    };
    (("aiplatform.googleapis.com/Endpoint", "endpoint_id"), metric, None)
}

/// What is watched: the words of a filter, and what several measurements come to.
struct Watched {
    filter: Value,
    statistic: Value,
    /// Whether what several sources measured is one sum.
    is_summed: bool,
}

fn watched(wanted: &Wanted<'_>) -> Result<Watched, Problem> {
    let said = field(wanted, "statistic");
    let metric = field(wanted, "watch.metric");
    if is_said(metric) {
        return Ok(Watched { filter: in_own_words(metric), statistic: aligner(said), is_summed: false });
    }
    let (word, of) = MEASURES
        .iter()
        .map(|measure| (measure.word, field(wanted, &format!("watch.{}", measure.word))))
        .find(|(_, of)| is_said(of))
        .unwrap_or(("metric", metric));
    let (at, whole) = (format!("watch.{word}"), Whole::of(of));
    if let Some(problem) = whole.foreign(wanted, &at, "watch") {
        return Err(problem);
    }
    let Some(kind) = whole.kind else {
        let message = "what is watched has to be known when a plan is made: it decides what is measured of it";
        return Err(Problem::new(FieldPath::parse(&at), message));
    };
    let Some(measure) = MEASURES.iter().find(|measure| measure.word == word && measure.kind == kind) else {
        let message = format!("at Google `{word}` is not measured of {}", with_article(kind));
        return Err(Problem::new(FieldPath::parse(&at), message));
    };
    let filter = changed(&whole.attribute("resource_id"), |id| {
        let (of, metric, label) =
            if is_of_vertex(id) { of_vertex(word) } else { (measure.of, measure.metric, measure.label) };
        let name = id.rsplit('/').next().unwrap_or_default();
        let label = label.map(|(name, value)| format!(" AND metric.labels.{name} = {}", quoted(value)));
        let named = format!(" AND resource.labels.{} = {}", of.1, quoted(name));
        format!("{}{named}{}", source(metric, of.0), label.unwrap_or_default())
    });
    let statistic = if is_said(said) { aligner(said) } else { aligner(&measure.statistic.into()) };
    Ok(Watched { filter, statistic, is_summed: measure.statistic == "sum" })
}

/// A metric in Google's own words.
fn in_own_words(metric: &Value) -> Value {
    if metric.has_unknown() {
        return Value::Unknown;
    }
    let text = |name: &str| metric.get(name).and_then(|text| text.revealed().as_str()).unwrap_or_default();
    let mut filter = source(text("name"), text("namespace"));
    let dimensions = metric.get("dimensions").and_then(|all| all.revealed().as_map());
    for (name, value) in dimensions.into_iter().flatten() {
        let value = value.revealed().as_str().unwrap_or_default();
        filter.push_str(&format!(" AND resource.labels.{name} = {}", quoted(value)));
    }
    filter.into()
}

fn source(metric: &str, of: &str) -> String {
    format!("metric.type = {} AND resource.type = {}", quoted(metric), quoted(of))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What a period comes to, by Google's words.
fn aligner(statistic: &Value) -> Value {
    let name = match statistic.revealed().as_str() {
        Some("sum") => "ALIGN_SUM",
        Some("minimum") => "ALIGN_MIN",
        Some("maximum") => "ALIGN_MAX",
        Some("p50") => "ALIGN_PERCENTILE_50",
        Some("p95") => "ALIGN_PERCENTILE_95",
        Some("p99") => "ALIGN_PERCENTILE_99",
        _ => "ALIGN_MEAN",
    };
    name.into()
}

fn missing(no_data: &Value) -> Value {
    match no_data.revealed().as_str() {
        Some("alert") => "EVALUATION_MISSING_DATA_ACTIVE".into(),
        Some("ignore") => "EVALUATION_MISSING_DATA_NO_OP".into(),
        Some(_) => "EVALUATION_MISSING_DATA_INACTIVE".into(),
        None => Value::Unknown,
    }
}

fn seconds(span: &Value) -> Option<i64> {
    let span = span.revealed().as_str()?.parse::<trueup_engine::kinds::Span>().ok()?;
    i64::try_from(span.duration().as_secs()).ok()
}

fn count(number: &Value) -> Option<i64> {
    match number.revealed() {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}
