//! The cloud's way with one kind in one region.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use trueup_engine::kinds::Span;
use trueup_engine::naming::TAG_STACK;
use trueup_engine::provider::{
    By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target, unknown_options,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{Handle, Request, Value};

use crate::cloud::{Asked, Cloud, Key, Page, Place};

/// For how long after its first use a token answers the same: as long as EC2's do at least.
pub(crate) const VALID_FOR: Duration = Duration::from_hours(48);

/// The manager of one kind in one region.
pub(crate) struct Objects {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) place: Place,
    pub(crate) schema: &'static Schema,
}

impl Objects {
    fn is(&self, kinds: &[String]) -> bool {
        kinds.contains(&self.place.kind)
    }

    /// What is found of the targets, by their ids; and objects of the same owner that none of them is.
    ///
    /// The first page of targets is asked for by their ids, which tells whose they are; the rest come by lists of that owner, as far as
    /// that takes no more calls than asking for each page of ids would.
    async fn by_ids(&self, ids: &[&str], sent: &BTreeMap<&str, &Value>) -> Result<(Seen, Vec<Found>), ProviderError> {
        let size = self.place.settings.page_size();
        let mut seen = Seen::new();
        let (first, rest) = ids.split_at(ids.len().min(size));
        self.describe(first, sent, &mut seen).await?;
        let owner = seen.values().flatten().find_map(|found| found.owner.get(TAG_STACK).cloned());
        let mut orphans = Vec::new();
        if let Some(lineage) = owner.filter(|_| !self.is(&self.place.settings.unlistable)) {
            let asked: BTreeSet<&str> = ids.iter().copied().collect();
            let mut take = |page: &Page| {
                for found in page.found(sent) {
                    if asked.contains(found.id.as_str()) {
                        seen.insert(found.id.clone(), Some(found));
                    } else {
                        orphans.push(found);
                    }
                }
            };
            let mut page = self.cloud.list(&self.place, &lineage, "").await?;
            for _ in 0..ids.len() / size {
                let Some(from) = page.next.clone() else { break };
                // While the next is on its way, this one is read.
                let (next, ()) = tokio::join!(self.cloud.list(&self.place, &lineage, &from), async { take(&page) });
                page = next?;
            }
            take(&page);
        }
        // What a list does not show may be there all the same.
        let missing: Vec<&str> = rest.iter().copied().filter(|id| !seen.contains_key(*id)).collect();
        for some in missing.chunks(size) {
            self.describe(some, sent, &mut seen).await?;
        }
        Ok((seen, orphans))
    }

    async fn describe(
        &self,
        ids: &[&str],
        sent: &BTreeMap<&str, &Value>,
        seen: &mut Seen,
    ) -> Result<(), ProviderError> {
        if ids.is_empty() {
            return Ok(());
        }
        let asked: Vec<Asked<'_>> = ids.iter().map(|id| (Key::Id(id), sent.get(id).copied())).collect();
        let found = self.cloud.describe(&self.place, &asked).await?;
        seen.extend(ids.iter().map(|id| (*id).to_owned()).zip(found));
        Ok(())
    }

    /// Objects by tokens and names, one a call, as a search has it.
    async fn search(&self, target: &Target<'_>) -> Result<Option<Found>, ProviderError> {
        let key = match target.by {
            By::Id(id) => Key::Id(id),
            By::Token(token) => Key::Token(token),
            By::Name(name) => Key::Name(name),
        };
        let found = self.cloud.describe(&self.place, &[(key, target.sent)]).await?;
        Ok(found.into_iter().flatten().next())
    }
}

/// What was found by id; none of what is not there.
type Seen = BTreeMap<String, Option<Found>>;

#[async_trait]
impl Manager for Objects {
    fn schema(&self) -> &Schema {
        self.schema
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        unknown_options("sim", &self.place.kind, &[], spec)
    }

    fn retry_safety(&self) -> RetrySafety {
        let settings = &self.place.settings;
        if self.is(&settings.named_by_caller) {
            RetrySafety::NamedByCaller
        } else if !self.is(&settings.tokenless) {
            RetrySafety::ClientToken { valid_for: VALID_FOR }
        } else if self.is(&settings.untaggable) {
            RetrySafety::None
        } else {
            RetrySafety::OwnerTag { grace: self.lag() }
        }
    }

    /// This cloud knows names wherever it takes tokens.
    fn is_alone_of_its_name(&self) -> bool {
        let settings = &self.place.settings;
        self.is(&settings.named_by_caller) || !self.is(&settings.tokenless)
    }

    fn lag(&self) -> Duration {
        self.place.settings.list_lag.as_ref().map(Span::duration).unwrap_or_default()
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let id = |target: &Target<'_>| match target.by {
            By::Id(id) => Some(id.to_owned()),
            By::Token(_) | By::Name(_) => None,
        };
        let owned: Vec<Option<String>> = targets.iter().map(id).collect();
        let ids: Vec<&str> = owned.iter().flatten().map(String::as_str).collect();
        let sent = targets.iter().zip(&owned).filter_map(|(target, id)| Some((id.as_deref()?, target.sent?))).collect();
        let (mut seen, orphans) = self.by_ids(&ids, &sent).await?;
        let mut observations = Vec::with_capacity(targets.len());
        for (target, id) in targets.iter().zip(&owned) {
            let found = match id {
                Some(id) => seen.remove(id).flatten(),
                None => self.search(target).await?,
            };
            observations.push(found.map_or(Observation::Absent, |found| Observation::Present(Box::new(found))));
        }
        Ok(Observed { observations, orphans })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.create(&self.place, request).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.update(&self.place, request).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.delete(&self.place, request).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.cloud.poll(&self.place, request, handle).await
    }

    async fn left(&self, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
        self.cloud.left(&self.place, request.id.as_deref().unwrap_or_default()).await
    }
}
