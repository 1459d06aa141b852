//! What a blueprint's `validate` asks for.

use serde::Deserialize;
use trueup_engine::typed::from_value;
use trueup_state::{Request, Value};

/// What `validate` says, with what it leaves out filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Asked {
    /// How much is measured: a level of the program's.
    pub level: Level,
    /// How long to burn, in seconds, at the level `burn`.
    pub seconds: u64,
    /// The fraction of what is expected that every figure must reach; none for the program's own limits.
    pub minimum: Option<f64>,
    /// What must have been looked at, by the program's names.
    pub require: Vec<String>,
    /// What becomes of a machine that fails.
    pub on_failure: OnFailure,
    /// How many machines are tried at most in one apply.
    pub attempts: u32,
    /// How the machine is reached.
    pub via: Via,
    /// Who may connect for the check, as a CIDR block.
    pub from: Option<String>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Seconds.
    Quick,
    /// Minutes.
    Standard,
    /// As long as asked.
    Burn,
}

/// What becomes of a machine that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Another is made in its place.
    Replace,
    /// It stays, and nothing relies on it.
    Fail,
    /// It is said, and all goes on.
    Warn,
}

/// How a machine is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// It is this machine.
    Here,
    /// By SSH.
    Ssh,
    /// Not at all: it checks itself at its first start.
    Startup,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            level: Level::Quick,
            seconds: 600,
            minimum: None,
            require: Vec::new(),
            on_failure: OnFailure::Replace,
            attempts: 2,
            via: Via::Startup,
            from: None,
        }
    }
}

impl Asked {
    /// What a value of `validate` says of a provider's machine. The language has checked it: what can't be read is as if it were left out.
    pub fn of(validate: &Value, provider: &str) -> Self {
        let mut asked: Self = from_value(validate).unwrap_or_default();
        // Clouds run what they are told at a start, and need not be reachable for that.
        if validate.get("via").is_none() && provider == "local" {
            asked.via = Via::Here;
        }
        asked
    }

    /// What the request of a check says.
    pub(crate) fn by(request: &Request) -> Self {
        Self::of(request.check.as_ref().unwrap_or(&Value::Null), request.scope.provider.provider())
    }

    /// How many machines are tried in one apply: one, where a failure replaces none.
    pub fn tries(&self) -> u32 {
        if self.on_failure == OnFailure::Replace { self.attempts } else { 1 }
    }

    /// How long the program may take before the machine counts as hung, in seconds: a while longer than the program waits itself.
    pub(crate) fn limit(&self) -> u64 {
        600 + match self.level {
            Level::Quick => 180,
            Level::Standard => 720,
            Level::Burn => self.seconds.saturating_mul(2).saturating_add(720),
        }
    }

    /// The program's words for it, for a machine with so many GPUs of a model.
    pub(crate) fn words(&self, gpus: &Gpus) -> Vec<String> {
        let level = match self.level {
            Level::Quick => "quick",
            Level::Standard => "standard",
            Level::Burn => "burn",
        };
        let mut words: Vec<String> = ["--json", "--level", level].map(str::to_owned).into();
        if self.level == Level::Burn {
            words.extend(["--seconds".to_owned(), self.seconds.to_string()]);
        }
        words.extend(self.minimum.into_iter().flat_map(|minimum| ["--minimum".to_owned(), minimum.to_string()]));
        if !self.require.is_empty() {
            words.extend(["--require".to_owned(), self.require.join(",")]);
        }
        words.extend(["--count".to_owned(), gpus.count.to_string(), "--model".to_owned(), gpus.model.clone()]);
        words
    }
}

/// The GPUs that a machine is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpus {
    /// Of which model.
    pub(crate) model: String,
    /// How many.
    pub(crate) count: u64,
}

impl Gpus {
    /// Those of a machine's spec; none of a machine that is to have none.
    pub(crate) fn of(spec: &Value) -> Option<Self> {
        let gpu = spec.get("gpu")?.revealed();
        let model = gpu.get("model")?.revealed().as_str()?.to_owned();
        let count = match gpu.get("count").map(Value::revealed) {
            Some(Value::Number(count)) => count.as_u64(),
            _ => None,
        };
        Some(Self { model, count: count.unwrap_or(1) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        let of = |validate: serde_json::Value, provider| Asked::of(&validate.into(), provider);
        assert_eq!(of(json!({}), "aws"), Asked::default());
        assert_eq!((of(json!({}), "aws").tries(), of(json!({}), "aws").via), (2, Via::Startup));
        assert_eq!(of(json!({}), "local").via, Via::Here);
        assert_eq!(of(json!({ "via": "ssh" }), "local").via, Via::Ssh);
        let fails = of(json!({ "on_failure": "fail", "attempts": 5, "via": "here" }), "aws");
        assert_eq!((fails.tries(), fails.via), (1, Via::Here));
    }

    #[test]
    fn the_program_is_told_all_that_is_asked_for() {
        let gpus = Gpus::of(&json!({ "gpu": { "model": "H100", "count": 8 } }).into()).unwrap();
        let words = |validate: serde_json::Value| Asked::of(&validate.into(), "aws").words(&gpus).join(" ");
        assert_eq!(words(json!({})), "--json --level quick --count 8 --model H100");
        let all = json!({ "level": "burn", "seconds": 60, "minimum": 0.9, "require": ["ecc", "nvlink"] });
        assert_eq!(
            words(all),
            "--json --level burn --seconds 60 --minimum 0.9 --require ecc,nvlink --count 8 --model H100"
        );
        assert_eq!(Gpus::of(&json!({ "gpu": "none" }).into()), None);
    }
}
