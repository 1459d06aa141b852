//! What to make of what the program says: its exit code and the report that it prints.

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// The exit code of GPUs that fail, and that of there being no driver or no GPU.
const FAILED: i32 = 2;
const ABSENT: i32 = 3;

/// So many findings are told; of more, their number.
const TOLD: usize = 3;

/// What was found of a machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// Its GPUs are what was paid for; what is less than it should be all the same.
    Good(Option<String>),
    /// They are not; why.
    Bad(String),
    /// The program failed, which says nothing of them.
    Nothing(String),
}

/// What the program prints, as far as it is looked at here.
#[derive(Debug, Deserialize)]
struct Printed {
    judgement: Judgement,
}

#[derive(Debug, Deserialize)]
struct Judgement {
    findings: Vec<Finding>,
}

/// One thing that the program judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Finding {
    /// What it is about: `node`, `GPU 3`, `GPU 0 → 1`.
    #[serde(deserialize_with = "subject")]
    pub subject: String,
    /// What was looked at, by the program's name for it.
    pub what: String,
    /// What was measured, in words; none where it was not.
    #[serde(default)]
    pub measured: Option<String>,
    /// What was expected, in words.
    #[serde(default)]
    pub expected: Option<String>,
    /// `pass`, `not_checked`, `warn` or `fail`.
    pub verdict: String,
    /// Why.
    pub reason: String,
}

/// The findings of what the program printed; none where it printed nothing that can be read.
pub(crate) fn findings(printed: &Json) -> Vec<Finding> {
    Printed::deserialize(printed).map_or_else(|_| Vec::new(), |printed| printed.judgement.findings)
}

/// What the program's end says, and its report.
pub(crate) fn found(code: i32, text: &str) -> (Found, Option<Json>) {
    let last = || text.lines().last().unwrap_or("it says nothing").trim_start_matches("gpucheck: ").to_owned();
    match code {
        0 | FAILED => {}
        ABSENT => return (Found::Bad(last()), None),
        _ => return (Found::Nothing(format!("gpucheck failed with exit code {code}: {}", last())), None),
    }
    let report: Json = match serde_json::from_str(text) {
        Ok(report) => report,
        Err(error) => return (Found::Nothing(format!("gpucheck's report can't be read: {error}")), None),
    };
    let printed = match Printed::deserialize(&report) {
        Ok(printed) => printed,
        Err(error) => return (Found::Nothing(format!("gpucheck's report can't be read: {error}")), None),
    };
    let of = |verdict: &str| told(&printed.judgement.findings, verdict);
    let found = if code == FAILED {
        Found::Bad(of("fail").unwrap_or_else(|| "it does not say why".to_owned()))
    } else {
        Found::Good(of("warn"))
    };
    (found, Some(report))
}

/// Findings of a verdict in one line; none where there is none.
fn told(findings: &[Finding], verdict: &str) -> Option<String> {
    let all: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == verdict).collect();
    let words: Vec<String> = all
        .iter()
        .take(TOLD)
        .map(|finding| format!("{}: {}: {}", finding.subject, finding.what, finding.reason))
        .collect();
    let more = all.len().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    (!words.is_empty()).then(|| format!("{}{more}", words.join("; ")))
}

/// What a finding is about, in words.
fn subject<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let subject = Json::deserialize(deserializer)?;
    Ok(match (subject.as_str(), subject.get("gpu"), subject.get("pair").and_then(Json::as_array)) {
        (_, Some(gpu), _) => format!("GPU {gpu}"),
        (_, _, Some(pair)) if pair.len() == 2 => format!("GPU {} → {}", pair[0], pair[1]),
        (Some(text), _, _) => text.to_owned(),
        _ => "machine".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(findings: &Json) -> String {
        json!({ "judgement": { "verdict": "fail", "findings": findings }, "report": {} }).to_string()
    }

    fn finding(subject: &Json, verdict: &str) -> Json {
        json!({ "subject": subject, "what": "fp8", "verdict": verdict, "reason": "half of it" })
    }

    #[test]
    fn what_fails_is_told_in_a_line() {
        let findings = [
            finding(&json!("node"), "pass"),
            finding(&json!({ "gpu": 3 }), "fail"),
            finding(&json!({ "pair": [0, 1] }), "fail"),
        ];
        let (found, kept) = found(FAILED, &report(&json!(findings)));
        assert_eq!(found, Found::Bad("GPU 3: fp8: half of it; GPU 0 → 1: fp8: half of it".to_owned()));
        assert!(kept.is_some());
    }

    #[test]
    fn of_many_only_the_number_is_told() {
        let findings: Vec<Json> = (0..5).map(|gpu| finding(&json!({ "gpu": gpu }), "fail")).collect();
        let (Found::Bad(why), _) = found(FAILED, &report(&json!(findings))) else { panic!("it is not good") };
        assert!(why.ends_with("; and 2 more"), "{why}");
    }

    #[test]
    fn a_warning_is_good_and_a_failure_of_the_program_says_nothing() {
        let warned = report(&json!([finding(&json!({ "gpu": 0 }), "warn")]));
        assert_eq!(found(0, &warned).0, Found::Good(Some("GPU 0: fp8: half of it".to_owned())));
        assert_eq!(found(0, &report(&json!([]))).0, Found::Good(None));
        assert!(matches!(found(1, "gpucheck: no such level").0, Found::Nothing(why) if why.contains("no such level")));
        assert!(matches!(found(0, "{").0, Found::Nothing(_)));
        assert_eq!(
            found(ABSENT, "gpucheck: nothing to check: no driver").0,
            Found::Bad("nothing to check: no driver".to_owned())
        );
    }
}
