//! From what was selected to what is done and what is left: with what it needs, and without what needs what is left.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::Address;

use super::links::{Links, Way};
use super::{Along, Because, Left, SelectError};

/// What was selected, as nodes.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// What is to be done; none where that is everything.
    pub(crate) targets: Option<BTreeSet<usize>>,
    /// What is not.
    pub(crate) excludes: BTreeSet<usize>,
    /// What may have something of the targets in it, which only a further phase can tell.
    pub(crate) perhaps: BTreeSet<usize>,
}

/// What is done and what is left of all that there is to do.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) beside: Vec<Along>,
    pub(crate) left_out: Vec<Left>,
}

/// Follows a selection.
pub(crate) fn choose(links: &Links, selected: &Selected) -> Result<Choice, SelectError> {
    let to_do = |nodes: &BTreeSet<usize>| nodes.iter().copied().filter(|node| links.needs(*node)).collect();
    let excluded: BTreeSet<usize> = to_do(&selected.excludes);
    let held: BTreeMap<usize, usize> = links.reached(&excluded, Way::After);
    let all = || links.index.values().copied().filter(|node| links.needs(*node));
    let Some(targets) = &selected.targets else {
        let left = all().filter(|node| excluded.contains(node) || held.contains_key(node)).collect();
        return Ok(Choice { beside: Vec::new(), left_out: left_out(links, &left, &held) });
    };
    let roots: BTreeSet<usize> = to_do(targets).difference(&excluded).copied().collect();
    let along = links.reached(&roots, Way::Before);
    if let Some((node, cause)) = along.iter().find(|(node, _)| excluded.contains(*node)) {
        return Err(contradiction(links, *node, *cause, &along));
    }
    let mut chosen: BTreeSet<usize> = roots.iter().chain(along.keys()).copied().collect();
    for open in selected.perhaps.iter().filter(|node| links.needs(**node) && !selected.excludes.contains(*node)) {
        if !chosen.contains(open) && links.is_ready_with(*open, &chosen) {
            chosen.insert(*open);
        }
    }
    let left = all().filter(|node| !chosen.contains(node)).collect();
    let beside = along.iter().filter_map(|(node, cause)| {
        let because = bond(links, *node, *cause, true)?;
        Some(Along { address: links.address(*node)?.clone(), because })
    });
    let mut beside: Vec<Along> = beside.collect();
    beside.sort_by(|one, other| one.address.cmp(&other.address));
    Ok(Choice { beside, left_out: left_out(links, &left, &held) })
}

/// What is left, by address.
fn left_out(links: &Links, left: &BTreeSet<usize>, held: &BTreeMap<usize, usize>) -> Vec<Left> {
    let left = left.iter().filter_map(|node| {
        let because = held.get(node).and_then(|cause| bond(links, *node, *cause, false));
        Some(Left { address: links.address(*node)?.clone(), because })
    });
    let mut left: Vec<Left> = left.collect();
    left.sort_by(|one, other| one.address.cmp(&other.address));
    left
}

/// What binds a node to the one that led to it, where both are done or neither is.
fn bond(links: &Links, node: usize, cause: usize, done: bool) -> Option<Because> {
    let address: Address = links.address(cause)?.clone();
    Some(match (done, links.goes(if done { cause } else { node })) {
        (true, false) => Because::NeededBy { address },
        (true, true) => Because::Outlives { address },
        (false, false) => Because::Needs { address },
        (false, true) => Because::StillUsed { address },
    })
}

/// What is excluded and needed, with what was selected and leads to it.
fn contradiction(links: &Links, node: usize, cause: usize, along: &BTreeMap<usize, usize>) -> SelectError {
    let chosen = std::iter::successors(Some(cause), |node| along.get(node).copied()).last();
    let named = |node: usize| links.address(node).cloned().unwrap_or_else(|| Address::root("?"));
    let because = bond(links, node, cause, true);
    SelectError::Excluded {
        excluded: named(node),
        chosen: named(chosen.unwrap_or(cause)),
        because: because.unwrap_or_else(|| Because::NeededBy { address: named(cause) }),
    }
}
