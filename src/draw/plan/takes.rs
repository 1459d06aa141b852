//! What a delete or a replacement takes with it: who depended on what goes, and what is lost that no blueprint brings back.

use std::collections::BTreeMap;

use trueup_engine::plan::{Action, Change, Mode, Operation, Plan};
use trueup_state::{Address, Value, Verb};

use super::names;
use super::why::{Whys, becomes};
use crate::draw::safe;

/// The field that lets a thing go with all that is in it, in each kind that can hold something.
const WITH_ALL: &str = "force_destroy";

/// The most resources that are named in one go.
const MOST: usize = 4;

/// Who goes or changes because of whom.
pub(crate) struct Takes<'a> {
    along: BTreeMap<&'a Address, BTreeMap<&'a Address, Action>>,
    /// What is sent to delete each resource.
    sent: BTreeMap<&'a Address, &'a Value>,
}

impl<'a> Takes<'a> {
    pub(crate) fn new(plan: &'a Plan, whys: &Whys<'a>) -> Self {
        let going = plan.changes.iter().filter(|change| goes(change));
        let along = going.map(|change| (&change.address, BTreeMap::new())).collect();
        let mut takes = Self { along, sent: BTreeMap::new() };
        if takes.along.is_empty() {
            return takes;
        }
        for delete in plan.operations.iter().filter(|operation| operation.verb == Verb::Delete) {
            takes.sent.entry(&delete.address).or_insert(&delete.spec);
        }
        for (from, to) in whys.dependants() {
            takes.add(from, to, whys);
        }
        // A delete waits for whoever depended on what goes. Where everything is to go, that is no news.
        for (before, delete) in if plan.mode == Mode::Destroy { Vec::new() } else { waits(plan) } {
            let mut around = before.address.around();
            let is_dependency = around.any(|around| delete.declared.dependencies.contains(&around));
            if delete.verb == Verb::Delete && before.address != delete.address && !is_dependency {
                takes.add(&delete.address, &before.address, whys);
            }
        }
        takes
    }

    fn add(&mut self, goes: &Address, follows: &'a Address, whys: &Whys<'a>) {
        if let (Some(along), Some(change)) = (self.along.get_mut(goes), whys.change(follows)) {
            along.insert(follows, change.action);
        }
    }

    /// Who goes or changes because a resource goes.
    pub(crate) fn along(&self, address: &Address) -> impl Iterator<Item = &'a Address> + '_ {
        self.along.get(address).into_iter().flatten().map(|(follows, _)| *follows)
    }

    /// The same in words: `because of it chat, report and 2 more change; old is deleted`.
    pub(super) fn words(&self, address: &Address) -> Option<String> {
        let mut by_action: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (follows, action) in self.along.get(address).into_iter().flatten() {
            by_action.entry(becomes(*action)).or_default().push(safe::line(follows));
        }
        let part = |(becomes, who): (&str, Vec<String>)| {
            let becomes = if who.len() == 1 { becomes.to_owned() } else { plural(becomes) };
            format!("{} {becomes}", names(who.into_iter(), MOST))
        };
        let parts: Vec<String> = by_action.into_iter().map(part).collect();
        (!parts.is_empty()).then(|| format!("because of it {}", parts.join("; ")))
    }

    /// What is lost with a thing that goes: one that holds others says whether they go too. What counts is what is sent to delete it.
    pub(super) fn lost(&self, change: &Change) -> Option<&'static str> {
        match self.sent.get(&change.address).filter(|_| goes(change))?.get(WITH_ALL)? {
            Value::Bool(true) => Some("it goes with all that is in it: force_destroy is true"),
            Value::Bool(false) => Some("it goes only if nothing is in it: force_destroy is false"),
            _ => None,
        }
    }
}

/// Which operation waits for which, through joints too: where many wait for many, that is left out.
fn waits(plan: &Plan) -> Vec<(&Operation, &Operation)> {
    const MOST_PAIRS: usize = 10_000;
    let mut joints = vec![(Vec::new(), Vec::new()); plan.joints];
    let mut waits = Vec::new();
    for (before, after) in &plan.edges {
        let joint = |node: &usize| node.checked_sub(plan.operations.len());
        match (plan.operations.get(*before), plan.operations.get(*after)) {
            (Some(before), Some(after)) => waits.push((before, after)),
            (Some(before), None) => joint(after).into_iter().for_each(|joint| joints[joint].0.push(before)),
            (None, Some(after)) => joint(before).into_iter().for_each(|joint| joints[joint].1.push(after)),
            (None, None) => {}
        }
    }
    for (before, after) in joints.iter().filter(|(before, after)| before.len() * after.len() <= MOST_PAIRS) {
        waits.extend(before.iter().flat_map(|before| after.iter().map(move |after| (*before, *after))));
    }
    waits
}

fn goes(change: &Change) -> bool {
    matches!(change.action, Action::Replace(_) | Action::Delete)
}

/// `is deleted` of one, `are deleted` of several.
fn plural(becomes: &str) -> String {
    match becomes.strip_prefix("is ") {
        Some(rest) => format!("are {rest}"),
        None => becomes.trim_end_matches('s').to_owned(),
    }
}
