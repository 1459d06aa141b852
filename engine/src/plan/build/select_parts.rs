//! A part of what is composed is selected with that.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{Address, Record};

use super::Builder;
use crate::compose::is_shared;
use crate::plan::select::choice::Selected;
use crate::plan::select::links::Links;

impl Builder<'_> {
    /// What parts, and what is made of them, come after, from the earlier to the later one.
    pub(super) fn part_links(&self) -> Vec<(Address, Address)> {
        let wholes: BTreeSet<&Address> = self.parts.wanted_by.values().flatten().collect();
        let composed = self.planned.iter().filter(|one| {
            let address = &one.change.address;
            one.verdict.is_some() && (self.is_part(address) || wholes.contains(address))
        });
        let links = composed.flat_map(|one| {
            one.declared.dependencies.iter().map(|before| (before.clone(), one.change.address.clone()))
        });
        links.collect()
    }

    /// Selects the parts of what is selected. One that several share goes with the last of them.
    pub(super) fn select_parts(&self, links: &Links, selected: &mut Selected) {
        let mut wanted_by: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
        for (part, wholes) in &self.parts.wanted_by {
            wanted_by.insert(part, wholes.iter().collect());
        }
        let records = || self.input.state.into_iter().flat_map(|state| state.records.values());
        let composed = |record: &&Record| {
            let object = record.current.as_ref();
            object.is_some_and(|object| self.input.estate.parted(&object.scope, &record.kind).is_some())
        };
        for whole in records().filter(composed) {
            let is_part = |part: &&Address| part.is_in(&whole.address) || is_shared(part);
            for part in whole.declared.dependencies.iter().filter(is_part) {
                wanted_by.entry(part).or_default().insert(&whole.address);
            }
        }
        for (part, wholes) in wanted_by {
            let Some(node) = links.index.get(part) else { continue };
            let nodes: BTreeSet<usize> =
                wholes.into_iter().filter_map(|whole| links.index.get(whole)).copied().collect();
            if let Some(targets) = selected.targets.as_mut().filter(|targets| nodes.is_subset(targets)) {
                targets.insert(*node);
            }
            if nodes.is_subset(&selected.excludes) {
                selected.excludes.insert(*node);
            }
        }
    }
}
