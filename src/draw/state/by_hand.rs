//! What was done to a state by hand, and what was found of it, as people and machines read it.

use std::path::Path;

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_engine::by_hand::{Rekeyed, Renaming, Settlement};
use trueup_state::document::{Document, Owner};
use trueup_state::soundness::{Finding, Severity, Verified};
use trueup_state::{Address, Object, Record, Serial, Stack, Verb};

use super::repair::FROM_A_COPY;
use crate::draw::{count, safe};

/// What moved where, one a line.
pub(crate) fn moved(moved: &[Renaming]) -> String {
    let lines: Vec<(String, String)> =
        moved.iter().map(|Renaming { from, to }| (safe::line(from), safe::line(to))).collect();
    let width = lines.iter().map(|(from, _)| from.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (from, to) in &lines {
        text.push_str(&format!("  {from:width$}  →  {to}\n"));
    }
    let them = if moved.len() == 1 { "it" } else { "them" };
    text.push_str(&format!(
        "\n{} {}. Name {them} so in the blueprint too, before the next apply.\n",
        "Moved:".green().bold(),
        count(moved.len(), "resource")
    ));
    text
}

/// The same for machines.
pub(crate) fn moved_json(moved: &[Renaming]) -> Json {
    json!({ "moved": moved.iter().map(|Renaming { from, to }| json!({ "from": from, "to": to })).collect::<Vec<_>>() })
}

/// What is to be forgotten, with the ids of the things that stay.
pub(crate) fn to_forget(records: &[&Record], stack: &Stack) -> String {
    let mut text = format!("{}\n\n", stack.to_string().bold());
    let width = records.iter().map(|record| safe::line(&record.address).chars().count()).max().unwrap_or(0);
    let kinds = records.iter().map(|record| record.kind.as_str().len()).max().unwrap_or(0);
    for record in records {
        let ids: Vec<String> = record.objects().map(whereabouts).collect();
        let address = safe::line(&record.address);
        text.push_str(&format!("  {address:width$}  {:kinds$}  {}\n", record.kind, ids.join(", ")));
    }
    text
}

/// An object's id, and who has it.
fn whereabouts(object: &Object) -> String {
    format!("{} at {}", safe::line(object.id.as_deref().unwrap_or("-")), object.scope.provider)
}

/// What was forgotten.
pub(crate) fn forgotten(records: &[Record]) -> String {
    format!(
        "\n{} {}. The things are still there, and nothing here manages them. What the blueprint still declares, the next apply makes anew.\n",
        "Forgotten:".green().bold(),
        count(records.len(), "resource")
    )
}

/// The same for machines, with the ids of the things that stay.
pub(crate) fn forgotten_json(records: &[Record]) -> Json {
    let object = |object: &Object| json!({ "id": object.id, "provider": object.scope.provider, "generation": object.generation });
    let record = |record: &Record| {
        let objects: Vec<Json> = record.objects().map(object).collect();
        json!({ "address": record.address, "kind": record.kind, "objects": objects })
    };
    json!({ "forgotten": records.iter().map(record).collect::<Vec<_>>() })
}

/// What was found of a state, one a line.
pub(crate) fn verified(verified: &Verified, stack: &Stack) -> String {
    let mut text = format!("{}   {}\n\n", stack.to_string().bold(), format!("serial {}", verified.serial).dimmed());
    text.push_str(&findings(&verified.findings));
    let looked = format!("{}, {}", count(verified.resources, "resource"), entries(verified.entries));
    if verified.is_sound() {
        text.push_str(&format!("{} {looked}.\n", "Sound:".green().bold()));
    } else {
        text.push_str(&format!(
            "{} {looked} could be followed. Nothing was changed.\n  {} `trueup state repair` puts in order what it can, and keeps a copy; or {FROM_A_COPY}\n",
            "Damaged:".red().bold(),
            "help:".cyan()
        ));
    }
    text
}

/// What was found after a repair, which can't put it in order.
pub(crate) fn damaged_still(verified: &Verified) -> String {
    format!(
        "{}{} this is as it was.\n  {} {FROM_A_COPY}\n",
        findings(&verified.findings),
        "Damaged:".red().bold(),
        "help:".cyan()
    )
}

fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { severity, serial, address, message } in findings {
        let mark = match severity {
            Severity::Damage => "damage".red().bold().to_string(),
            Severity::Note => "note  ".yellow().to_string(),
        };
        let entry = serial.map(|serial| format!("entry {serial}: ")).unwrap_or_default();
        let address = address.as_ref().map(|address| format!("{}: ", safe::line(address))).unwrap_or_default();
        text.push_str(&format!("  {mark}  {entry}{address}{}\n", safe::line(message)));
    }
    if !findings.is_empty() {
        text.push('\n');
    }
    text
}

fn entries(number: usize) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// The same for machines.
pub(crate) fn verified_json(verified: &Verified) -> Json {
    json!({
        "sound": verified.is_sound(),
        "serial": verified.serial,
        "entries": verified.entries,
        "resources": verified.resources,
        "findings": verified.findings,
    })
}

/// How an operation was settled.
pub(crate) fn settled(address: &Address, settled: &Settlement) -> String {
    let address = safe::line(address);
    let Some(id) = &settled.id else {
        return match settled.verb {
            Verb::Delete => format!("{address} is gone, and so is its record.\n"),
            _ => format!("Nothing was made of {address}. The next apply makes it.\n"),
        };
    };
    let mut text = format!("{address} is recorded as {}.\n", safe::line(id));
    if !settled.differs.is_empty() {
        let fields: Vec<String> = settled.differs.iter().map(|path| format!("`{}`", safe::line(path))).collect();
        text.push_str(&format!(
            "It is not what was asked for in {}: the next plan shows that as drift.\n",
            fields.join(", ")
        ));
    }
    text
}

/// The same for machines.
pub(crate) fn settled_json(address: &Address, settled: &Settlement) -> Json {
    let differs: Vec<String> = settled.differs.iter().map(ToString::to_string).collect();
    json!({ "address": address, "verb": settled.verb, "id": settled.id, "differs": differs })
}

/// What was sealed for which key.
pub(crate) fn rekeyed(rekeyed: &Rekeyed, key: &Path, stack: &Stack) -> String {
    let several = |number: usize, noun: &str| (number > 0).then(|| count(number, noun));
    let parts = [
        several(rekeyed.resources, "resource"),
        several(rekeyed.outputs, "output"),
        several(rekeyed.open, "operation"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "nothing yet".to_owned() } else { parts.join(", ") };
    let key = safe::line(key.display());
    format!(
        "{} {parts} of {stack} sealed for the key in {key}.\n  {} set TRUEUP_KEY to {key} for this stack from now on, and keep a copy. Every other stack and environment of \
         this directory is sealed for the former key until it is rekeyed, too. The journal still has what was sealed for the former key: where that is in other hands, change the secrets themselves, too\n",
        "Rekeyed:".green().bold(),
        "help:".cyan()
    )
}

/// The same for machines.
pub(crate) fn rekeyed_json(rekeyed: &Rekeyed, key: &Path, recipient: &str) -> Json {
    json!({
        "serial": rekeyed.serial,
        "resources": rekeyed.resources,
        "outputs": rekeyed.outputs,
        "open": rekeyed.open,
        "key": key,
        "recipient": recipient,
    })
}

/// What was written where.
pub(crate) fn exported(document: &Document, path: &Path) -> String {
    format!(
        "{} has the state at serial {}: {}. Its secrets open with the same key alone: keep that too.\n",
        safe::line(path.display()).bold(),
        document.state.serial,
        count(document.state.records.len(), "resource")
    )
}

/// The same for machines.
pub(crate) fn exported_json(document: &Document, path: &Path) -> Json {
    json!({ "file": path, "serial": document.state.serial, "resources": document.state.records.len() })
}

/// What was put back.
pub(crate) fn imported(document: &Document, stack: &Stack) -> String {
    let mut text = format!(
        "{} {} of {stack}, as they were at serial {}.\n",
        "Restored:".green().bold(),
        count(document.state.records.len(), "resource"),
        document.state.serial
    );
    if !document.state.open.is_empty() {
        let open = count(document.state.open.len(), "operation");
        text.push_str(&format!("{open} had not ended; the next apply settles what it can.\n"));
    }
    text
}

/// What is recorded in a second stack.
pub(crate) fn copied(document: &Document, lineage: &str, stack: &Stack) -> String {
    let Owner { blueprint, environment } = &document.stack;
    let owner = safe::line(format!("{blueprint} · {environment}"));
    format!(
        "{} {} of {owner}, as they were at serial {}, under {stack} with the lineage {lineage}.\n  {} both record the same things now: let go of \
         them in one of the two, by `trueup state forget`, before either is applied. They bear the tags of the lineage {} until an update of \
         this stack writes its own; a provider may leave what bears another's tags to that\n",
        "Copied:".green().bold(),
        count(document.state.records.len(), "resource"),
        document.state.serial,
        "help:".cyan(),
        document.state.lineage
    )
}

/// The same for machines. `lineage`: the stack's from now on.
pub(crate) fn imported_json(document: &Document, lineage: &str, serial: Serial) -> Json {
    let state = &document.state;
    json!({
        "lineage": lineage,
        "serial": serial,
        "resources": state.records.len(),
        "open": state.open.len(),
        "exported_at": state.serial,
    })
}
