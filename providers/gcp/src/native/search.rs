//! Looks at things of a kind: by their ids, and for what bears owner labels and is asked for by none.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value as Json;
use trueup_engine::naming::{TAG_STACK, TAG_TOKEN};
use trueup_engine::provider::{By, Found, Identity, Observation, Observed, ProviderError, Target};
use trueup_state::{Class, Value};

use super::{Natives, prose};
use crate::clients::AT_ONCE;

/// How many things in one parent are asked for by one list, and not each by itself.
const SEVERAL: usize = 3;

impl Natives {
    /// By what a thing is known: its name, where whoever makes it gives it one; else the labels on it.
    pub(super) fn known_by(&self) -> Identity {
        let of = &self.of.collection;
        match (of.is_named(), of.labels.is_some() && of.list.is_some()) {
            (true, _) => Identity::Name,
            (false, true) => Identity::Tags,
            (false, false) => Identity::Id,
        }
    }

    /// What is there of each target, and, where one is looked for by its labels, what bears such and is asked for by none.
    pub(super) async fn look_at(&self, targets: &[Target<'_>]) -> Observed {
        let listed = self.listed(targets).await;
        let looks: Vec<_> = targets.iter().map(|target| self.look_at_one(target, &listed)).collect();
        let mut observations: Vec<Observation> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let mut orphans = Vec::new();
        let is_by_tags =
            |target: &Target<'_>| matches!(target.by, By::Name(_) | By::Token(_)) && self.known_by() == Identity::Tags;
        if targets.iter().any(is_by_tags) {
            let found = self.search(targets).await;
            for (target, observation) in targets.iter().zip(&mut observations).filter(|(target, _)| is_by_tags(target))
            {
                match (&found, target.by) {
                    (Ok(found), By::Token(token)) => {
                        let made = found
                            .iter()
                            .find(|found| found.owner.get(TAG_TOKEN).is_some_and(|tag| tag == token.as_str()));
                        *observation =
                            made.map_or(Observation::Absent, |made| Observation::Present(Box::new(made.clone())));
                    }
                    (Ok(_), _) => {}
                    (Err(error), _) => *observation = Observation::Indeterminate(error.to_string()),
                }
            }
            orphans = found.unwrap_or_default();
        }
        Observed { observations, orphans }
    }

    /// What lists show, by id, of targets of which several are in one parent, where a list shows all of each. What is not in it is asked for
    /// by itself: a list may lag.
    async fn listed(&self, targets: &[Target<'_>]) -> BTreeMap<String, Found> {
        if !self.of.collection.list.as_ref().is_some_and(|list| list.is_whole) {
            return BTreeMap::new();
        }
        let mut parents: BTreeMap<&str, usize> = BTreeMap::new();
        for target in targets {
            if let By::Id(id) = target.by
                && let Some((parent, _)) = id.rsplit_once('/').and_then(|(above, _)| above.rsplit_once('/'))
            {
                *parents.entry(parent).or_default() += 1;
            }
        }
        let mut listed = BTreeMap::new();
        for (parent, _) in parents.into_iter().filter(|(_, count)| *count >= SEVERAL) {
            // Whoever may not list may read.
            for shown in self.list(parent).await.unwrap_or_default() {
                if let Some(id) = self.named(&shown) {
                    listed.insert(id.clone(), self.found(&id, &shown));
                }
            }
        }
        listed
    }

    async fn look_at_one(&self, target: &Target<'_>, listed: &BTreeMap<String, Found>) -> Observation {
        let id = match target.by {
            By::Id(id) => Some(id.to_owned()),
            // What it is shows when it is made again.
            By::Name(_) if target.sent.is_some_and(|sent| self.is_ours_by_name(sent)) => None,
            By::Name(name) if self.of.collection.is_named() => {
                self.id_of(name, target.sent.unwrap_or(&Value::Null)).ok()
            }
            By::Name(_) | By::Token(_) => None,
        };
        let Some(id) = id else { return Observation::Absent };
        if let Some(found) = listed.get(&id) {
            return Observation::Present(Box::new(found.clone()));
        }
        match self.look(&id).await {
            Ok(Some(found)) => Observation::Present(Box::new(found)),
            Ok(None) => Observation::Absent,
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }

    /// What bears owner labels, anybody's, in all that the targets are in.
    async fn search(&self, targets: &[Target<'_>]) -> Result<Vec<Found>, ProviderError> {
        let known: BTreeSet<&str> = targets
            .iter()
            .filter_map(|target| match target.by {
                By::Id(id) => Some(id),
                _ => None,
            })
            .collect();
        let parents = targets.iter().filter_map(|target| self.parent(target.sent.unwrap_or(&Value::Null)).ok());
        let parents: BTreeSet<String> = parents.collect();
        let mut found = Vec::new();
        for parent in parents {
            for shown in self.list(&parent).await? {
                let Some(id) = self.named(&shown) else { continue };
                if !known.contains(id.as_str()) && self.found(&id, &shown).owner.contains_key(TAG_STACK) {
                    found.extend(self.look(&id).await?);
                }
            }
        }
        Ok(found)
    }

    /// All that is in a parent, as lists show it.
    pub(super) async fn list(&self, parent: &str) -> Result<Vec<Json>, ProviderError> {
        let Some(list) = &self.of.collection.list else { return Ok(Vec::new()) };
        let path = self.path(&list.path, parent)?;
        let (mut items, mut page): (Vec<Json>, Option<String>) = (Vec::new(), None);
        loop {
            let mut query = self.demanded(&list.method);
            query.extend(page.take().map(|token| ("pageToken".to_owned(), token)));
            let doing = format!("list {}", self.name());
            let call = self.call(&doing, Method::GET, path.clone(), query, None);
            let mut answer = match self.clients.read(&call).await {
                Ok(answer) => answer,
                // What it is in is gone.
                Err(error) if error.class == Class::NotFound => return Ok(items),
                Err(error) => return Err(error),
            };
            if let Some(Json::Array(mut some)) = answer.get_mut(&list.items).map(Json::take) {
                some.iter_mut().for_each(prose::respell);
                items.extend(some);
            }
            page =
                answer.get("nextPageToken").and_then(Json::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
            if page.is_none() {
                return Ok(items);
            }
        }
    }
}
