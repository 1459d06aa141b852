//! An apply as it goes: bars on a terminal, a line an event when piped, a JSON object a line for machines.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_engine::apply::ApplyEvent;
use trueup_engine::provider::{Amount, Unit};
use trueup_state::{Address, Verb};

use super::{json_line, note, put, safe};

/// Draws events.
pub(crate) struct Progress {
    json: bool,
    bars: Option<MultiProgress>,
    under_way: BTreeMap<(Address, Verb), ProgressBar>,
    told: BTreeMap<(Address, Verb), String>,
}

impl Progress {
    /// Bars if the standard error stream is a terminal, lines otherwise; JSON if asked for.
    pub(crate) fn new(json: bool) -> Self {
        let bars = (!json && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { json, bars, under_way: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Draws one event.
    pub(crate) fn draw(&mut self, event: ApplyEvent) {
        if self.json {
            return json_line(&to_json(&event));
        }
        match event {
            ApplyEvent::Planned { .. } => {}
            ApplyEvent::Resuming { address, verb } => {
                let address = safe::line(address);
                self.line(&format!("  {address}: settling the {} of an earlier run", verb.as_str()));
            }
            ApplyEvent::Started { address, verb } => self.start(address, verb),
            ApplyEvent::Progress { address, verb, amount, note } => self.go_on(address, verb, amount, note),
            ApplyEvent::Retrying { address, verb, attempt, after, error } => {
                let (address, error, after) = (safe::line(address), safe::line(error), seconds(after));
                self.line(&format!("  {address}: {error}; try {attempt} of its {} in {after}", verb.as_str()));
            }
            ApplyEvent::NextCandidate { address, error } => {
                let (address, error) = (safe::line(address), safe::line(error));
                self.line(&format!("  {address}: {error}; the next candidate is tried"));
            }
            ApplyEvent::Finished { address, verb, took } => {
                self.end(&address, verb);
                let address = safe::line(address);
                self.line(&format!("  {} {address}  {} in {}", "✓".green(), past(verb), seconds(took)));
            }
            ApplyEvent::NotNeeded { address, verb } => {
                self.end(&address, verb);
                let address = safe::line(address);
                self.line(&format!("  {} {address}  needs no {} after all", "✓".green(), verb.as_str()));
            }
            ApplyEvent::Failed { address, verb, error } => {
                self.end(&address, verb);
                // The report has the rest of it.
                let (first, more) = error.split_once('\n').map_or((error.as_str(), ""), |(first, _)| (first, " …"));
                let (address, first) = (safe::line(address), safe::line(first));
                let failed = match verb {
                    Verb::Check => "its check failed".to_owned(),
                    _ => format!("could not {}", verb.as_str()),
                };
                self.line(&format!("  {} {address}  {failed}: {first}{more}", "✗".red()));
            }
        }
    }

    /// Takes all bars away.
    pub(crate) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.under_way).into_values() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| note(text)),
            None => put(&format!("{text}\n")),
        }
    }

    fn start(&mut self, address: Address, verb: Verb) {
        let Some(bars) = &self.bars else { return };
        let message = format!("{}  {}", safe::line(&address), present(verb));
        let bar = bars.add(ProgressBar::new_spinner().with_message(message));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.under_way.insert((address, verb), bar);
    }

    fn go_on(&mut self, address: Address, verb: Verb, amount: Option<Amount>, note: Option<String>) {
        let words = note.map_or_else(|| present(verb).to_owned(), safe::line);
        let key = (address, verb);
        if let Some(bar) = self.under_way.get(&key) {
            if let Some(amount) = amount {
                bar.set_style(style(amount.unit));
                bar.set_length(amount.total);
                bar.set_position(amount.done);
            }
            bar.set_message(format!("{}  {words}", safe::line(&key.0)));
        } else if self.bars.is_none() && self.told.get(&key) != Some(&words) {
            put(&format!("  {}: {words}\n", safe::line(&key.0)));
            self.told.insert(key, words);
        }
    }

    fn end(&mut self, address: &Address, verb: Verb) {
        let key = (address.clone(), verb);
        self.told.remove(&key);
        if let Some(bar) = self.under_way.remove(&key) {
            bar.finish_and_clear();
        }
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let template = match unit {
        Unit::Bytes => "{spinner} {msg}  {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
        Unit::Items => "{spinner} {msg}  {wide_bar} {pos}/{len}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

fn present(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "creating",
        Verb::Update => "updating",
        Verb::Delete => "deleting",
        Verb::Check => "checking",
    }
}

fn past(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Delete => "deleted",
        Verb::Check => "checked",
    }
}

/// `{"event": NAME, "address": …, "verb": …, …}`; spans in seconds.
fn to_json(event: &ApplyEvent) -> Json {
    let of = |name: &str, address: &Address, verb: &Verb, more: Json| {
        let mut object = json!({ "event": name, "address": address, "verb": verb });
        if let (Some(object), Json::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        object
    };
    match event {
        ApplyEvent::Planned { operations } => json!({ "event": "planned", "operations": operations }),
        ApplyEvent::Resuming { address, verb } => of("resuming", address, verb, json!({})),
        ApplyEvent::Started { address, verb } => of("started", address, verb, json!({})),
        ApplyEvent::Progress { address, verb, amount, note } => {
            of("progress", address, verb, json!({ "amount": amount, "note": note }))
        }
        ApplyEvent::Retrying { address, verb, attempt, after, error } => {
            of("retrying", address, verb, json!({ "attempt": attempt, "after": after.as_secs_f64(), "error": error }))
        }
        ApplyEvent::NextCandidate { address, error } => {
            json!({ "event": "next_candidate", "address": address, "error": error })
        }
        ApplyEvent::Finished { address, verb, took } => {
            of("finished", address, verb, json!({ "took": took.as_secs_f64() }))
        }
        ApplyEvent::NotNeeded { address, verb } => of("not_needed", address, verb, json!({})),
        ApplyEvent::Failed { address, verb, error } => of("failed", address, verb, json!({ "error": error })),
    }
}
