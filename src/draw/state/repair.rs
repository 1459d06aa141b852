//! What was put in order in a damaged state, as people and machines read it.

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_state::repair::{LostTail, Mended, Other, Repaired};
use trueup_state::soundness::Finding;
use trueup_state::{Serial, Stack};

use crate::draw::{count, safe};

/// What to do where a repair can't.
pub(crate) const FROM_A_COPY: &str = "put the file back from a copy, or move it away and `trueup state import` an export; `-wal` and `-shm` beside it go with it";

/// What was put in order, one a line, and what is left to do. `is_sound`: nothing that is left is damaged.
pub(crate) fn repaired(repaired: &Repaired, stack: &Stack, is_sound: bool) -> String {
    let help = "help:".cyan();
    if let Some(left) = repaired.left {
        return format!(
            "{}\n\n  {}  {}\n\n{} nothing was changed.\n  {help} {FROM_A_COPY}; or {}\n",
            stack.to_string().bold(),
            "lost  ".red().bold(),
            lost(left),
            "Not repaired:".red().bold(),
            going_back(left)
        );
    }
    let resources = count(repaired.resources, "resource");
    if !repaired.is_change() && !is_sound {
        return done(&stack.to_string(), repaired.serial, &[]);
    }
    if !repaired.is_change() {
        return format!("{} {resources}, serial {}. Nothing was changed.\n", "Sound:".green().bold(), repaired.serial);
    }
    let mut text = done(&stack.to_string(), repaired.serial, &repaired.done);
    for Other { blueprint, environment, serial, done: theirs, .. } in &repaired.others {
        text.push_str(&done(&safe::line(format!("{blueprint} · {environment}")), *serial, theirs));
    }
    text.push_str(&format!("{} {resources}", "Repaired:".green().bold()));
    if !repaired.others.is_empty() {
        let others = count(repaired.others.len(), "other stack");
        text.push_str(&format!(" of {stack}, and {others} in the same file, whose log it was too"));
    }
    text.push('.');
    if let Some(copy) = &repaired.copy {
        text.push_str(&format!(" What was there before is kept in {}.", safe::line(copy.display())));
    }
    text.push('\n');
    if !is_sound {
        text.push('\n');
    }
    if repaired.done.iter().any(|mended| matches!(mended, Mended::Tail(_))) {
        text.push_str(&format!(
            "  {help} look at `trueup plan` before the next apply: what was made since is not known, and what it shows as new may be there; \
             `trueup adopt` takes that in\n"
        ));
    }
    text
}

/// What was done to a stack.
fn done(stack: &str, serial: Serial, done: &[Mended]) -> String {
    let mut text = format!("{}   {}\n\n", stack.bold(), format!("serial {serial}").dimmed());
    for mended in done {
        text.push_str(&format!("  {}\n", line(mended)));
    }
    if !done.is_empty() {
        text.push('\n');
    }
    text
}

fn line(mended: &Mended) -> String {
    let (marked, done) = ("lost  ".yellow(), "mended".green());
    match mended {
        Mended::Checkpoint { reason } => {
            format!("{done}  the checkpoint, written anew from the entries: {}", safe::line(reason))
        }
        Mended::Head { found } => format!("{done}  the head, which named entry {found}"),
        Mended::Hashes { serials } => {
            let of = if serials.len() == 1 { "the hash of" } else { "the hashes of" };
            format!("{done}  {of} {}", entries(serials))
        }
        Mended::Entries { serials } => {
            format!("{marked}  what {} said; what they led to is known from the checkpoint", entries(serials))
        }
        Mended::Tail(tail) => format!("{marked}  {}", lost(*tail)),
    }
}

fn lost(LostTail { kept, last }: LostTail) -> String {
    match (kept, last) {
        (None, _) => "the end of the state's log, and what was committed there".to_owned(),
        (Some(0), _) => "every entry: nothing is known of what was recorded".to_owned(),
        (Some(kept), None) => format!("what came after entry {kept}, if anything did: the state is known up to there"),
        (Some(kept), Some(last)) => {
            let range =
                if kept + 1 == last { format!("entry {last}") } else { format!("entries {} to {last}", kept + 1) };
            format!("what {range} led to: the state is known up to entry {kept}")
        }
    }
}

/// What `--drop-tail` would do.
fn going_back(LostTail { kept, .. }: LostTail) -> String {
    let to = kept.map_or_else(|| "to the last commit that is whole".to_owned(), |kept| format!("to entry {kept}"));
    format!(
        "`trueup state repair --drop-tail` goes back {to}: what was made since is no longer known then, and `trueup adopt` takes it in"
    )
}

/// `entry 3`, `entries 3, 5 to 9`.
fn entries(serials: &[Serial]) -> String {
    let mut ranges: Vec<(Serial, Serial)> = Vec::new();
    for serial in serials {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *serial => *last = *serial,
            _ => ranges.push((*serial, *serial)),
        }
    }
    let range = |(first, last): &(Serial, Serial)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let text: Vec<String> = ranges.iter().map(range).collect();
    format!("{} {}", if serials.len() == 1 { "entry" } else { "entries" }, text.join(", "))
}

/// The same for machines.
pub(crate) fn repaired_json(repaired: &Repaired, is_sound: bool, findings: &[Finding]) -> Json {
    // What it is can be told only once the end of the log is dropped.
    let is_known = repaired.left.is_none_or(|left| left.kept.is_some());
    json!({
        "sound": is_sound,
        "serial": is_known.then_some(repaired.serial),
        "resources": is_known.then_some(repaired.resources),
        "done": repaired.done,
        "others": repaired.others,
        "left": repaired.left,
        "findings": findings,
        "copy": repaired.copy,
    })
}
