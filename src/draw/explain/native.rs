//! What is told of a native kind beside its fields: what can be done with it, and what that needs to be allowed.

use owo_colors::OwoColorize;
use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::native::{Listed, Native};

use super::entry;

/// What can be done with it, a line each.
pub(super) fn facts(native: &Native) -> Vec<(String, String)> {
    let changes = if native.is_updatable { "in place, but for what replaces" } else { "any replaces it" };
    let tags = if native.has_tags { "yes" } else { "none: nothing on it tells whose it is" };
    let mut facts =
        vec![("changes", changes.to_owned()), ("tags", tags.to_owned()), ("listed", listed(&native.listed))];
    if !native.is_searched() {
        let note = "what was made of it and is not recorded is not searched for: `trueup adopt` takes its id";
        facts.push(("note", note.to_owned()));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn listed(listed: &Listed) -> String {
    match listed {
        Listed::No => "no".to_owned(),
        Listed::All => "yes".to_owned(),
        Listed::Under(sets) => {
            let quoted =
                |set: &Vec<String>| set.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
            format!("those of one {}", sets.iter().map(quoted).collect::<Vec<_>>().join(", or of one "))
        }
    }
}

/// What its cloud needs to be allowed on behalf of who asks, by what is done.
pub(super) fn permissions(native: &Native) -> String {
    if native.permissions.is_empty() {
        return String::new();
    }
    let width = native.permissions.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let mut text = format!("\n{}\n", "Permissions that it needs, by what is done".bold());
    for (what, needed) in &native.permissions {
        text.push_str(&entry(what, width, &needed.join(", ")));
    }
    text
}

/// All of it for machines.
pub(super) fn json(kind: &str, maker: &str, native: &Native) -> Json {
    let listed = match &native.listed {
        Listed::No => json!(false),
        Listed::All => json!(true),
        Listed::Under(sets) => json!(sets),
    };
    let permissions: JsonMap<_, _> =
        native.permissions.iter().map(|(what, needed)| (what.clone(), json!(needed))).collect();
    json!({
        "kind": kind, "providers": [maker], "description": native.description, "spec": native.spec,
        "attributes": native.attributes, "updatable": native.is_updatable, "taggable": native.has_tags, "listed": listed,
        "searched": native.is_searched(), "permissions": permissions,
    })
}
