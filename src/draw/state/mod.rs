//! Records and the journal as people and machines read them.

pub(crate) mod by_hand;
pub(crate) mod checks;
pub(crate) mod repair;

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_state::codec::{Redaction, redact};
use trueup_state::entry::{Event, Resolution};
use trueup_state::{Entry, Object, Record, Stack, State, Status, Value};

use super::{count, safe, time, value};

/// What is recorded, one a line.
pub(crate) fn list(state: &State, stack: &Stack, location: &str) -> String {
    let mut text = format!(
        "{}   {}\n\n",
        stack.to_string().bold(),
        format!("state: {}, serial {}", safe::line(location), state.serial).dimmed()
    );
    let width = state.records.keys().map(|address| safe::line(address).chars().count()).max().unwrap_or(0);
    let kinds = state.records.values().map(|record| record.kind.as_str().len()).max().unwrap_or(0);
    for record in state.records.values() {
        let id = safe::line(record.current.as_ref().and_then(|object| object.id.as_deref()).unwrap_or("-"));
        let deposed = match record.deposed.len() {
            0 => String::new(),
            more => format!("  and {more} deposed"),
        };
        let address = safe::line(&record.address);
        let gap = " ".repeat(width - address.chars().count());
        text.push_str(&format!("  {address}{gap}  {:kinds$}  {id}{}{deposed}\n", record.kind, status(record.status)));
    }
    if !state.records.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!("{}.\n", count(state.records.len(), "resource")));
    text
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Ready => "",
        Status::Tainted => "  tainted",
        Status::Unverified => "  unverified",
        Status::Parked => "  parked",
    }
}

/// Everything of one record.
pub(crate) fn record(record: &Record) -> String {
    let mut text = format!("{}  {}{}\n", safe::line(&record.address).bold(), record.kind, status(record.status));
    if let Some(place) = &record.declared.source {
        text.push_str(&format!("  declared in   {}\n", safe::line(place)));
    }
    if record.declared.protect {
        text.push_str("  protected     yes\n");
    }
    if !record.declared.dependencies.is_empty() {
        let names: Vec<String> = record.declared.dependencies.iter().map(safe::line).collect();
        text.push_str(&format!("  depends on    {}\n", names.join(", ")));
    }
    if let Some(object) = &record.current {
        text.push_str(&object_text(object, "current"));
    }
    for object in &record.deposed {
        text.push_str(&object_text(object, "deposed"));
    }
    text
}

fn object_text(object: &Object, role: &str) -> String {
    let mut text = format!(
        "\n  {role}, generation {}, made {} at {}\n  id            {}\n",
        object.generation,
        time(object.made_at),
        object.scope.provider,
        safe::line(object.id.as_deref().unwrap_or("-"))
    );
    text.push_str(&fields("spec", &object.sent));
    text.push_str(&fields("attributes", &object.attributes));
    text
}

fn fields(title: &str, values: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", values, &mut lines);
    if lines.is_empty() {
        return String::new();
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("  {}\n", title.bold());
    for (name, field) in lines {
        text.push_str(&format!("    {name:width$}  {}\n", value::whole(field)));
    }
    text
}

/// What maps hold, each with its path, so that a line has one value. Empty maps have nothing to show.
fn flatten<'a>(path: &str, value: &'a Value, lines: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Map(map) => {
            for (name, inner) in map {
                let name = safe::line(name);
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(&path, inner, lines);
            }
        }
        _ if path.is_empty() => {}
        _ => lines.push((path.to_owned(), value)),
    }
}

/// What happened, one a line.
pub(crate) fn history(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut is_broken = false;
    for (serial, entry) in (1..).zip(entries) {
        let address = entry.address.as_ref().map(ToString::to_string).or_else(|| begun(&entry.event));
        let subject = address.map(|address| format!("{}: ", safe::line(address))).unwrap_or_default();
        let words = match &entry.event {
            Event::Restored { state } if std::mem::take(&mut is_broken) => {
                format!("repaired: {}, as they are known to have been", count(state.records.len(), "resource"))
            }
            event => words(event),
        };
        is_broken |= matches!(entry.event, Event::Lost);
        let words = safe::line(words);
        text.push_str(&format!("{serial:>6}  {}  {subject}{words}\n", time(entry.at).dimmed()));
    }
    text
}

fn begun(event: &Event) -> Option<String> {
    match event {
        Event::Begin { request, .. } => Some(request.address.to_string()),
        _ => None,
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Begin { verb, request, .. } => format!("{} begins, generation {}", verb.as_str(), request.generation),
        Event::Submitted { id, .. } => match id {
            Some(id) => format!("the provider took it, as {id}"),
            None => "the provider took it".to_owned(),
        },
        Event::Succeeded { object, .. } => match object.as_ref().and_then(|object| object.id.as_deref()) {
            Some(id) => format!("done, {id}"),
            None => "done".to_owned(),
        },
        Event::Failed { message, .. } => format!("failed: {message}"),
        Event::Parked { message, .. } => format!("parked: {message}"),
        Event::Resolved { resolution: Resolution::Id(id), .. } => format!("settled by hand: it is {id}"),
        Event::Resolved { resolution: Resolution::Absent, .. } => "settled by hand: it is not there".to_owned(),
        Event::Moved { to } => format!("moved to {to}"),
        Event::Forgotten { generation } => format!("forgotten, generation {generation}"),
        Event::Adopted { object, .. } => match object.id.as_deref() {
            Some(id) => format!("adopted: it is {id}"),
            None => "adopted".to_owned(),
        },
        Event::Annotated { .. } => "record changed".to_owned(),
        Event::Outputs { outputs } => format!("{} set", count(outputs.len(), "output")),
        Event::Rekeyed { .. } => "secrets sealed for another key".to_owned(),
        Event::Lost => "lost: this could not be read when the state was repaired".to_owned(),
        Event::Restored { state } => format!("{} restored from an export", count(state.records.len(), "resource")),
    }
}

/// What is recorded, as JSON.
pub(crate) fn list_json(state: &State) -> Json {
    json!({
        "lineage": state.lineage,
        "serial": state.serial,
        "resources": state.records.values().map(record_json).collect::<Vec<_>>(),
        "open": state.open.values().map(|open| json!({
            "address": open.request.address, "verb": open.verb, "since": time(open.at), "parked": open.parked,
        })).collect::<Vec<_>>(),
    })
}

/// One record, as JSON; secrets read `(secret)`.
pub(crate) fn record_json(record: &Record) -> Json {
    redacted(record.clone().try_map(&mut hide))
}

/// One entry, as JSON; secrets read `(secret)`.
pub(crate) fn entry_json(entry: &Entry) -> Json {
    redacted(entry.clone().try_map(&mut hide))
}

#[expect(clippy::unnecessary_wraps, clippy::needless_pass_by_value, reason = "as `try_map` calls it")]
fn hide(value: Value) -> Result<Json, std::convert::Infallible> {
    Ok(redact(&value, Redaction::Words))
}

fn redacted<T: serde::Serialize>(hidden: Result<T, std::convert::Infallible>) -> Json {
    match hidden {
        // Types with string keys and no failing `Serialize` of their own always have a JSON form.
        Ok(hidden) => serde_json::to_value(hidden).unwrap_or_default(),
    }
}
