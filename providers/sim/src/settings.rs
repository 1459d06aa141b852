//! What may stand under `sim` in a blueprint's `providers`: which cloud it is, and how that behaves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use trueup_engine::kinds::{Endpoint, Kind, Span};
use trueup_engine::schema::Schema;

use crate::endpoint::SERVER;

/// The settings of a cloud to rehearse on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct Settings {
    /// The file that the cloud is in, as an absolute path. Default: `.trueup/sim.db` beside the stack's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// Keeps the cloud in memory alone: it ends with the process, and a later run finds nothing of it. It is for measuring.
    #[serde(default)]
    pub(crate) memory: bool,

    /// Where things are made. Default: `us-east-1`. Example: `eu-west-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9-]+$"))]
    pub(crate) region: Option<String>,

    /// How long each call takes: a span, or two to choose from evenly, or a median and the 99th percentile of a long tail.
    /// Default: none at all. Example: `20ms`, `{ from: 10ms, to: 50ms }`, `{ median: 20ms, p99: 2s }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Latency>,

    /// How long the work that a kind needs goes on after its call has answered. Default: none. Example: `{ gpu_instance: 90s }`.
    #[schemars(extend("x-free" = true))]
    pub(crate) pending: BTreeMap<String, Span>,

    /// Machines that stand for those that are made, so that what is done on machines can be rehearsed too. Default: none; nothing answers.
    /// Example: `{ directory: /srv/hosts, ssh: ["127.0.0.1:2201", "127.0.0.1:2202"] }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hosts: Option<Hosts>,

    /// How many objects a call may ask for or list. Default: 1000.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) page_size: Option<u32>,

    /// How many calls a second a region takes; the rest are told when to come again. Default: any number. Example: `{ per_second: 100, burst: 200 }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit: Option<RateLimit>,

    /// The models of GPUs that a region has none of. Example: `{ us-east-1: [H100] }`.
    #[schemars(extend("x-free" = true))]
    pub(crate) stockouts: BTreeMap<String, Vec<String>>,

    /// How many of a kind, or GPUs of a model, a region allows. Example: `{ us-east-1: { bucket: 100, H100: 16 } }`.
    #[schemars(extend("x-free" = true))]
    pub(crate) quota: BTreeMap<String, BTreeMap<String, u32>>,

    /// What a GPU of a model costs, in US dollars an hour. Example: `{ H100: 4, L4: 0.7 }`.
    #[schemars(extend("x-free" = true))]
    pub(crate) prices: BTreeMap<String, f64>,

    /// What goes wrong, by rate or by script.
    pub(crate) faults: Vec<Fault>,

    /// How long a new object is missing from lists and searches. Default: not at all. Example: `2s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) list_lag: Option<Span>,

    /// What the cloud fills in where a field is left out, by kind. Example: `{ bucket: { storage_class: cool } }`.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Json>>", extend("x-free" = true))]
    pub(crate) defaults: BTreeMap<String, serde_json::Map<String, Json>>,

    /// How the cloud rewrites the text of a field, by kind. Example: `{ "Sim::Thing": { text: lower } }`.
    #[schemars(extend("x-free" = true))]
    pub(crate) normalise: BTreeMap<String, BTreeMap<String, Rewrite>>,

    /// Kinds that have no tags, so that nothing tells whose an object is.
    pub(crate) untaggable: Vec<String>,

    /// Kinds that can be asked for by their ids alone.
    pub(crate) unlistable: Vec<String>,

    /// Kinds whose names the caller chooses, by which a lost create is found again.
    pub(crate) named_by_caller: Vec<String>,

    /// Kinds whose creates take no token: one that is repeated makes another object.
    pub(crate) tokenless: Vec<String>,
}

/// Machines that stand for those that are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hosts {
    /// An absolute path. Who a new machine is, and what it starts with, is in the file of its host there: `0.json` for the first, and so
    /// on. It goes when the machine goes.
    pub(crate) directory: String,
    /// Where they answer SSH. Each new machine is the next of them, round and round.
    #[schemars(length(min = 1))]
    pub(crate) ssh: Vec<String>,
}

/// The longest that the long tail of a call is, in milliseconds: by then a cloud's front has let go of it, and it arrives no more.
const LONGEST_MS: f64 = 60_000.0;

/// How long a call takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Latency {
    /// Always the same.
    Fixed(Span),
    /// Evenly spread.
    Uniform(Uniform),
    /// Most near the median, few far above; none takes longer than a minute.
    Tailed(Tailed),
}

/// The bounds of an even spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Uniform {
    /// At least so long.
    pub(crate) from: Span,
    /// At most so long.
    pub(crate) to: Span,
}

/// A long tail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tailed {
    /// Half of the calls take no longer.
    pub(crate) median: Span,
    /// One call in a hundred takes longer.
    pub(crate) p99: Span,
}

/// A bucket of tokens: one a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// How many tokens come back a second.
    #[schemars(range(min = 0.001))]
    pub(crate) per_second: f64,
    /// How many there are at most. Default: those of one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(crate) burst: Option<f64>,
}

/// Something that goes wrong with calls.
#[allow(clippy::struct_field_names, reason = "it reads so in a blueprint")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct Fault {
    /// What goes wrong.
    pub(crate) fault: What,
    /// With which calls. Default: all that can go wrong so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<CallName>,
    /// Of which kind. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Of which resource, or what it is made of. Default: any. Example: `trainer["a"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// With how many of them, by chance. Left out, it is a script: `after` and `times` say which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) rate: Option<f64>,
    /// How many such calls go well first. Default: none.
    #[serde(default)]
    pub(crate) after: u64,
    /// With how many it goes wrong then. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u64>,
    /// When a throttled caller is told to come again. Default: it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<Span>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Too many requests: it takes no effect.
    Throttled,
    /// It fails, takes no effect, and may be repeated.
    Transient,
    /// Permission is missing.
    Denied,
    /// There is none left there.
    NoCapacity,
    /// It takes effect, and the reply is lost.
    Lost,
    /// The work goes on for ever.
    Stuck,
    /// A create fails, and leaves an object that is not whole.
    Partly,
}

/// The calls there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallName {
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
    /// Removes one.
    Delete,
    /// Asks after pending work.
    Poll,
    /// Asks for objects by their ids, names or tokens.
    Describe,
    /// Asks for a page of all objects of an owner.
    List,
}

impl CallName {
    /// As the audit log has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Poll => "poll",
            Self::Describe => "describe",
            Self::List => "list",
        }
    }
}

/// How a text is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rewrite {
    /// In lower case.
    Lower,
    /// Without the white space around it.
    Trim,
    /// A list, in order.
    Sort,
}

/// The schema of the settings.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Settings, BTreeMap<String, String>>(1, false));
    &SCHEMA
}

impl Settings {
    /// Where things are made.
    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// The same, where what is said of an endpoint is said of what answers: that is what waits, fails and has a name.
    pub(crate) fn of_parts(mut self) -> Self {
        let kind = |kind: &mut String| {
            if kind == Endpoint::NAME {
                SERVER.clone_into(kind);
            }
        };
        rename(&mut self.pending);
        self.quota.values_mut().for_each(rename);
        rename(&mut self.defaults);
        rename(&mut self.normalise);
        self.faults.iter_mut().filter_map(|fault| fault.kind.as_mut()).for_each(kind);
        for kinds in [&mut self.untaggable, &mut self.unlistable, &mut self.named_by_caller, &mut self.tokenless] {
            kinds.iter_mut().for_each(kind);
        }
        self
    }

    /// How many objects a call may ask for.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size.map_or(1000, |size| size as usize).max(1)
    }
}

fn rename<T>(by_kind: &mut BTreeMap<String, T>) {
    if let Some(said) = by_kind.remove(Endpoint::NAME) {
        by_kind.entry(SERVER.to_owned()).or_insert(said);
    }
}

impl Rewrite {
    /// Rewrites a value; one of another type stays.
    pub(crate) fn apply(self, value: &mut Json) {
        match (self, value) {
            (Self::Lower, Json::String(text)) => *text = text.to_lowercase(),
            (Self::Trim, Json::String(text)) => *text = text.trim().to_owned(),
            (Self::Sort, Json::Array(items)) => items.sort_by_key(ToString::to_string),
            _ => {}
        }
    }
}

impl Latency {
    /// How long one call takes, in milliseconds, from two random numbers between 0 and 1.
    pub(crate) fn sample(&self, first: f64, second: f64) -> f64 {
        let millis = |span: &Span| span.duration().as_secs_f64() * 1e3;
        match self {
            Self::Fixed(span) => millis(span),
            Self::Uniform(Uniform { from, to }) => millis(from) + first * (millis(to) - millis(from)).max(0.0),
            Self::Tailed(Tailed { median, p99 }) => {
                // A log-normal spread: 2.326 deviations above the middle lies one in a hundred.
                let deviation = (millis(p99) / millis(median).max(1e-9)).max(1.0).ln() / 2.326;
                let normal = (-2.0 * first.max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * second).cos();
                (millis(median) * (deviation * normal).exp()).min(LONGEST_MS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trueup_state::Entropy;
    use trueup_state::clock::SeededEntropy;

    use super::*;

    fn samples(latency: Json) -> Vec<f64> {
        let latency: Latency = serde_json::from_value(latency).unwrap();
        let entropy = SeededEntropy::new(7);
        let mut all: Vec<f64> = (0..10_000).map(|_| latency.sample(entropy.share(), entropy.share())).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn latencies_are_spread_as_they_say() {
        let fixed = samples(json!("20ms"));
        assert!((fixed[0] - 20.0).abs() < 1e-9 && (fixed[9_999] - 20.0).abs() < 1e-9);
        let uniform = samples(json!({ "from": "10ms", "to": "50ms" }));
        assert!(uniform[0] >= 10.0 && uniform[9_999] <= 50.0 && (uniform[5_000] - 30.0).abs() < 1.0);
        let tailed = samples(json!({ "median": "20ms", "p99": "2s" }));
        assert!((tailed[5_000] / 20.0 - 1.0).abs() < 0.1, "{}", tailed[5_000]);
        assert!((tailed[9_900] / 2_000.0 - 1.0).abs() < 0.3, "{}", tailed[9_900]);
        let slow = samples(json!({ "median": "100ms", "p99": "50s" }));
        assert!((slow[9_999] - LONGEST_MS).abs() < 1e-9, "{}", slow[9_999]);
    }

    #[test]
    fn the_example_of_the_language_is_valid() {
        let settings = json!({ "latency": "20ms", "page_size": 100, "stockouts": { "us-east-1": ["H100"] } });
        assert_eq!(schema().problems(&settings.clone().into()), []);
        let settings: Settings = serde_json::from_value(settings).unwrap();
        assert_eq!((settings.page_size(), settings.region()), (100, "us-east-1"));
        for wrong in [
            json!({ "latency": "fast" }),
            json!({ "page_size": 0 }),
            json!({ "faults": [{ "fault": "odd" }] }),
            json!({ "lag": 1 }),
        ] {
            assert_ne!(schema().problems(&wrong.clone().into()), [], "{wrong}");
        }
    }
}
