//! What a change of a machine's spec comes to: in place, another machine, or nothing of it.

use std::collections::BTreeSet;

use trueup_engine::plan::diff::changed_paths;
use trueup_engine::schema::{Effect, Schema};
use trueup_state::{FieldPath, Step, Value};

/// What a change of one field comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing of the machine.
    Nothing,
    /// The machine is changed.
    InPlace,
    /// Another machine takes its place.
    Anew,
}

/// What a change from one spec to another comes to. `of`: what that of one field does, by the names on the way to it.
pub fn effect(schema: &Schema, (before, after): (&Value, &Value), of: impl Fn(&[&str]) -> Change) -> Effect {
    let all: Vec<(FieldPath, Change)> = changed_paths(schema, before, after)
        .into_iter()
        .map(|path| {
            let change = of(&names(&path));
            (path, change)
        })
        .collect();
    let anew: BTreeSet<FieldPath> =
        all.iter().filter(|(_, change)| *change == Change::Anew).map(|(path, _)| path.clone()).collect();
    if !anew.is_empty() {
        Effect::Replace(anew)
    } else if all.iter().any(|(_, change)| *change == Change::InPlace) {
        Effect::InPlace
    } else {
        Effect::None
    }
}

fn names(path: &FieldPath) -> Vec<&str> {
    let mut names = Vec::new();
    for step in path.steps() {
        if let Step::Field(name) = step {
            names.push(name.as_str());
        }
    }
    names
}

/// Whether a spec lets nobody log in by a key.
pub fn has_no_keys(spec: &Value) -> bool {
    let keys = spec.at(&FieldPath::parse("ssh.public_keys"));
    keys.is_none_or(|keys| keys.revealed().as_list().is_some_and(<[Value]>::is_empty))
}
