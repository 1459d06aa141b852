//! What each kind needs to be allowed to do, as documents and tests have it.

/// What one kind needs.
#[derive(Clone, Copy, Debug)]
pub struct Permissions {
    /// The kind; `any native type` for all of those.
    pub kind: &'static str,
    /// What a plan and a drift run need.
    pub look: &'static [&'static str],
    /// What an apply needs besides.
    pub change: &'static [&'static str],
    /// What only some fields need: which, and the actions.
    pub fields: &'static [(&'static str, &'static [&'static str])],
}

/// The table as Markdown.
pub fn table(all: &[Permissions]) -> String {
    let mut text = String::from(
        "| kind | to plan and to find drift | to apply, besides | where this is said |\n| --- | --- | --- | --- |\n",
    );
    let list = |actions: &[&str]| {
        let quoted = actions
            .iter()
            .map(|action| if action.contains(' ') { (*action).to_owned() } else { format!("`{action}`") });
        quoted.collect::<Vec<_>>().join(", ")
    };
    for Permissions { kind, look, change, fields } in all {
        let fields: Vec<String> = fields.iter().map(|(field, actions)| format!("{field}: {}", list(actions))).collect();
        text.push_str(&format!("| {kind} | {} | {} | {} |\n", list(look), list(change), fields.join("; ")));
    }
    text
}

/// Of which native kinds each composed kind is made, as Markdown: it needs what they need.
pub fn parts_table(kinds: &[&str], parts_of: impl Fn(&str) -> &'static [&'static str]) -> String {
    let mut text = String::from("| kind | is made of |\n| --- | --- |\n");
    for kind in kinds {
        let parts: Vec<String> = parts_of(kind).iter().map(|part| format!("`{part}`")).collect();
        text.push_str(&format!("| {kind} | {} |\n", parts.join(", ")));
    }
    text
}
