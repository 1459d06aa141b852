//! What is composed is adopted part by part; of itself there is only a record.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{Address, FieldPath, Map, Value, Verb};

use super::find::{Branch, Finder, Matched, Wanted};
use super::{AManager, AdoptError, Ground, Match, MatchedBy};
use crate::compose::{self, Read, address_of};
use crate::provider::Found;

impl Ground<'_> {
    /// Whether what is wanted is composed.
    pub(super) fn is_composed(&self, wanted: &Wanted) -> bool {
        let composer = |branch: &Branch| self.estate.composer(&branch.scope, &wanted.kind);
        wanted.branches.iter().any(|branch| composer(branch).is_some())
    }

    /// The parts of a resource that the plan makes anew.
    fn parts(&self, of: &Address) -> BTreeSet<&Address> {
        let made = self.plan.operations.iter().filter(|one| one.verb == Verb::Create);
        made.filter(|one| one.part_of.as_ref() == Some(of)).map(|one| &one.address).collect()
    }

    /// All parts that the plan makes anew.
    pub(super) fn all_parts(&self) -> impl Iterator<Item = &Address> {
        let made = self.plan.operations.iter().filter(|one| one.verb == Verb::Create);
        made.filter(|one| one.part_of.is_some()).map(|one| &one.address)
    }

    /// Finds the parts of a resource by the id of the whole, as its provider knows it.
    pub(super) async fn parts_by_id(
        &self,
        wanted: &Wanted,
        finder: &mut Finder<'_>,
        id: &str,
        force: bool,
    ) -> Result<Matched, AdoptError> {
        let address = || wanted.address.clone();
        let branch = wanted.branches.first().ok_or_else(|| AdoptError::Nameless(address()))?;
        let composer = self.estate.composer(&branch.scope, &wanted.kind);
        let composer = composer.ok_or_else(|| AdoptError::Nameless(address()))?;
        let located = composer.provider.locate(&branch.scope, &wanted.kind, id).await;
        let located =
            located.map_err(|error| AdoptError::Unanswered { address: address(), reason: error.to_string() })?;
        let located = located.ok_or_else(|| super::find::nothing(wanted, &MatchedBy::Id(id.to_owned())))?;
        let mut matches = Vec::new();
        for (name, part) in &located.parts {
            let at = address_of(&wanted.address, &wanted.kind, name, part.shared.as_ref());
            // One that others share may be recorded already.
            if self.creates.contains_key(&at) {
                matches.push(finder.by_id(&self.wanted(&at)?, &part.id, force).await?);
            }
        }
        self.whole(wanted, &mut matches);
        Ok((matches, Vec::new()))
    }

    /// Finds the parts of a resource by their names, and the tags on them.
    pub(super) async fn parts_by_identity(
        &self,
        wanted: &Wanted,
        finder: &mut Finder<'_>,
    ) -> Result<Matched, AdoptError> {
        let parts: Vec<Wanted> =
            self.parts(&wanted.address).into_iter().map(|part| self.wanted(part)).collect::<Result<_, _>>()?;
        let (mut matches, mut left) = finder.by_identity(&parts).await;
        if matches.is_empty() {
            return Err(left.pop().unwrap_or_else(|| AdoptError::Nameless(wanted.address.clone())));
        }
        self.whole(wanted, &mut matches);
        Ok((matches, left))
    }

    /// Puts a resource with its parts, if all that are its own are there: else the next apply makes those that are missing, and it.
    pub(super) fn whole(&self, wanted: &Wanted, matches: &mut Vec<Match>) {
        let found: BTreeSet<&Address> = matches.iter().map(|one| &one.address).collect();
        let own = self.parts(&wanted.address).into_iter().filter(|part| part.is_in(&wanted.address));
        let (Some(branch), true) = (wanted.branches.first(), own.into_iter().all(|part| found.contains(part))) else {
            return;
        };
        matches.push(Match {
            address: wanted.address.clone(),
            kind: wanted.kind.clone(),
            scope: branch.scope.clone(),
            id: String::new(),
            by: MatchedBy::Parts,
            taken_from: None,
            is_tagged: true,
            generation: wanted.generation,
            declared: wanted.declared.clone(),
            wanted: branch.spec.clone(),
            manager: AManager(branch.manager.clone()),
            found: Found {
                id: String::new(),
                spec: known(&branch.spec),
                attributes: self.attributes(wanted, branch, matches),
                owner: BTreeMap::new(),
                pending: None,
            },
        });
        matches.sort_by(|one, other| one.address.cmp(&other.address));
    }
}

impl Ground<'_> {
    /// What is known of a resource through its parts: those that were found, and those that were recorded before.
    fn attributes(&self, wanted: &Wanted, branch: &Branch, matches: &[Match]) -> Value {
        let candidate = self.program.resources.get(&wanted.address).and_then(|resource| resource.candidates.first());
        let Wanted { address, kind, .. } = wanted;
        let (spec, scope) = (&branch.spec, &branch.scope);
        let whole = compose::Wanted { address, kind, spec, scope, candidate, validate: None };
        let composer = self.estate.composer(&branch.scope, kind);
        let Some(arranged) = composer.and_then(|composer| composer.compose(&whole).ok()) else {
            return Value::Map(Map::new());
        };
        let of_part = |part: &Address| {
            let found = matches.iter().find(|one| one.address == *part).map(|one| &one.found.attributes);
            let recorded = || self.state.records.get(part)?.current.as_ref().map(|object| &object.attributes);
            found.or_else(recorded)
        };
        let taken = |read: &Read| {
            let attributes = of_part(arranged.address_of(&read.part)?)?;
            Some(read.taken(attributes.get(&read.attribute)?))
        };
        let mut known = Value::Map(Map::new());
        for (path, value) in arranged.attributes.iter().filter_map(|(path, read)| Some((path, taken(read)?))) {
            known.put(&FieldPath::parse(path), value);
        }
        known
    }
}

impl Match {
    /// Whether it is what parts are of, which nobody but the blueprint says anything of.
    pub(super) fn is_whole(&self) -> bool {
        self.by == MatchedBy::Parts
    }
}

/// A value without what is unknown in it.
pub(super) fn known(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let known = map.iter().filter(|(_, value)| !matches!(value.revealed(), Value::Unknown));
            Value::Map(known.map(|(name, value)| (name.clone(), self::known(value))).collect())
        }
        other if other.has_unknown() => Value::Null,
        other => other.clone(),
    }
}
