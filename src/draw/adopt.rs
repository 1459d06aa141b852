//! What was found to be adopted, and what became of it, as people and machines read it.

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_engine::blueprint::terraform::Draft;
use trueup_engine::by_hand::{AdoptError, Adoption, Match, MatchedBy};

use crate::arguments::View;
use crate::draw::plan::{Shown, adoption};
use crate::draw::{count, safe, terraform};

/// What was found, what was not and why, and what an apply would change of it.
pub(crate) fn found(found: &Adoption, view: View) -> String {
    let shown = Shown {
        plan: &found.plan,
        program: Some(&found.program),
        location: &found.snapshot.location,
        serial: found.snapshot.serial(),
        view,
    };
    adoption(&shown, &list(found))
}

fn list(found: &Adoption) -> String {
    let matches = &found.matches;
    let width =
        |text: &dyn Fn(&Match) -> String| matches.iter().map(|one| text(one).chars().count()).max().unwrap_or(0);
    let address = |one: &Match| safe::line(&one.address);
    let (addresses, kinds) = (width(&address), width(&|one| safe::line(&one.kind)));
    let mut text = String::new();
    for one in matches {
        let (address, kind) = (address(one), safe::line(&one.kind));
        let id = if one.by == MatchedBy::Parts { "its parts".to_owned() } else { safe::line(&one.id) };
        let (provider, by) = (&one.scope.provider, by(&one.by));
        text.push_str(&format!(
            "  {} {address:addresses$}  {kind:kinds$}  {id} at {provider}{}\n",
            "→".cyan(),
            by.dimmed()
        ));
        if let Some(lineage) = &one.taken_from {
            let lineage = safe::line(lineage);
            text.push_str(&format!(
                "      its tags name another stack, with the lineage {lineage}: it must not manage it any more\n"
            ));
        }
    }
    if !found.left.is_empty() {
        text.push_str(if matches.is_empty() { "" } else { "\n" });
        text.push_str(&format!("{}\n", "Not adopted:".bold()));
        for left in &found.left {
            text.push_str(&format!("  {} {}\n", "-".dimmed(), safe::line(left)));
        }
    }
    text
}

fn by(by: &MatchedBy) -> &'static str {
    match by {
        MatchedBy::Id(_) | MatchedBy::Parts => "",
        MatchedBy::Name(_) => ", by its name",
        MatchedBy::Tags(_) => ", by its tags",
    }
}

/// What became of it.
pub(crate) fn adopted(adoption: &Adoption) -> String {
    if adoption.matches.is_empty() {
        return "\nNothing was found to adopt.\n".to_owned();
    }
    let changes = if adoption.plan.changes_nothing() {
        "It is what the blueprint says."
    } else {
        "The next apply makes the changes above."
    };
    let mut text =
        format!("\n{} {}. {changes}\n", "Adopted:".green().bold(), count(adoption.matches.len(), "resource"));
    let untagged = adoption.matches.iter().filter(|one| !one.is_tagged).count();
    if untagged > 0 {
        text.push_str(&format!("Without this stack's tags until an update writes them: {untagged}.\n"));
    }
    text
}

/// What was adopted, for machines: with what was not and why, and the next plan of it.
pub(crate) fn adopted_json(adoption: &Adoption) -> Json {
    let by = |by: &MatchedBy| match by {
        MatchedBy::Id(_) => "id",
        MatchedBy::Name(_) => "name",
        MatchedBy::Tags(_) => "tags",
        MatchedBy::Parts => "parts",
    };
    let one = |one: &Match| {
        json!({
            "address": one.address, "kind": one.kind, "provider": one.scope.provider, "id": Some(&one.id).filter(|id| !id.is_empty()), "by": by(&one.by),
            "tagged": one.is_tagged, "taken_from": one.taken_from,
        })
    };
    let left =
        |left: &AdoptError| json!({ "address": left.address(), "reason": left.to_string(), "help": left.help() });
    json!({
        "adopted": adoption.matches.iter().map(one).collect::<Vec<_>>(),
        "left": adoption.left.iter().map(left).collect::<Vec<_>>(),
        "plan": terraform::plan(&adoption.plan, Some(&adoption.program)),
    })
}

/// What is to be known of a blueprint that was written from Terraform's state: what of that is not as it was there, or not in it.
pub(crate) fn drafted(draft: &Draft) -> String {
    let mut text = String::new();
    for (title, list) in [("To be known:", &draft.notes), ("Not taken:", &draft.left)] {
        if !list.is_empty() {
            text.push_str(&format!("\n{}\n", title.bold()));
        }
        for (theirs, words) in list {
            text.push_str(&format!("  {} {}: {}\n", "-".dimmed(), safe::line(theirs), safe::line(words)));
        }
    }
    text
}

/// The same for machines, with the blueprint.
pub(crate) fn draft_json(draft: &Draft) -> Json {
    let list = |list: &[(String, String)]| -> Vec<Json> {
        list.iter().map(|(theirs, words)| json!({ "terraform": theirs, "reason": words })).collect()
    };
    json!({ "blueprint": draft.text, "ids": draft.ids, "notes": list(&draft.notes), "left": list(&draft.left) })
}
