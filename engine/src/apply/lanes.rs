//! The ways to the APIs: how many calls may be under way on each, and how fast they follow each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use trueup_state::{Applied, Class};

use super::pace::Pace;
use crate::provider::{Api, ProviderError};

/// How many operations may be under way at once where nothing else is said.
pub const PARALLELISM: usize = 32;

/// The lanes of a run, one an API: all its calls share them.
#[derive(Debug)]
pub struct Lanes {
    all: Arc<Semaphore>,
    by_provider: BTreeMap<String, Arc<Semaphore>>,
    by_api: Mutex<BTreeMap<(String, String), Arc<Lane>>>,
    freed: Arc<Notify>,
}

/// The way to one API. Pending work, and what waits for its turn, is not on it, so that it holds up nothing else.
#[derive(Debug)]
pub struct Lane {
    /// Places at the API, at its provider, and in all; taken in this order, whoever waits for one keeps none from another API.
    places: Vec<Arc<Semaphore>>,
    pace: Mutex<Pace>,
    freed: Arc<Notify>,
}

/// A place on a lane for one call, held until it is dropped.
#[derive(Debug)]
pub struct Slot {
    permits: Vec<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permits.clear();
        self.freed.notify_one();
    }
}

fn limited(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)))
}

impl Lanes {
    /// So many places in all, and for each provider its own number.
    pub fn new(parallelism: usize, by_provider: impl IntoIterator<Item = (String, usize)>) -> Self {
        Self {
            all: limited(parallelism),
            by_provider: by_provider.into_iter().map(|(name, count)| (name, limited(count))).collect(),
            by_api: Mutex::default(),
            freed: Arc::default(),
        }
    }

    /// The lane to an API of a provider: the same one for the whole run.
    pub fn lane(&self, provider: &str, api: &Api) -> Arc<Lane> {
        let mut lanes = self.by_api.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry((provider.to_owned(), api.name.clone())).or_insert_with(|| {
            let at_provider = self.by_provider.get(provider).cloned();
            Arc::new(Lane {
                places: [limited(api.concurrency)].into_iter().chain(at_provider).chain([self.all.clone()]).collect(),
                pace: Mutex::default(),
                freed: self.freed.clone(),
            })
        });
        lane.clone()
    }

    /// Returns once a place has become free since this was last asked.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Lane {
    /// A place and the next turn, if both are to be had now.
    pub fn try_take(&self, now: Duration) -> Option<Slot> {
        let places = self.places.iter().map(|places| places.clone().try_acquire_owned().ok());
        let permits = places.collect::<Option<_>>()?;
        let mut pace = self.pace();
        if pace.opens(now) > now {
            return None;
        }
        pace.turn(now);
        drop(pace);
        Some(Slot { permits, freed: self.freed.clone() })
    }

    /// A place, as soon as one is free. None once the lanes are closed, which they never are.
    pub async fn take(&self) -> Option<Slot> {
        let mut permits = Vec::with_capacity(self.places.len());
        for places in &self.places {
            permits.push(places.clone().acquire_owned().await.ok()?);
        }
        Some(Slot { permits, freed: self.freed.clone() })
    }

    /// The lane's pace.
    pub fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in how a call went that was sent at `sent`. No answer says nothing of the API.
    pub fn answered(&self, now: Duration, sent: Duration, error: Option<&ProviderError>) {
        match error {
            Some(ProviderError { class: Class::Throttled { retry_after }, .. }) => {
                self.pace().refused(now, sent, *retry_after);
            }
            Some(ProviderError { applied: Applied::Unknown, .. }) => {}
            Some(_) | None => self.pace().took(now, sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::PATIENCE;
    use super::*;

    const BRIEF: Duration = Duration::from_secs(1);

    #[test]
    fn places_are_bounded_in_all_at_each_provider_and_at_each_api() {
        let lanes = Lanes::new(4, [("a".to_owned(), 3)]);
        let lane =
            |provider, name: &str, concurrency| lanes.lane(provider, &Api { name: name.to_owned(), concurrency });
        let take = |lane: &Lane| lane.try_take(Duration::ZERO);
        let (narrow, wide, other) = (lane("a", "narrow", 1), lane("a", "wide", 9), lane("b", "", 9));
        let first = take(&narrow).unwrap();
        assert!(take(&lane("a", "narrow", 1)).is_none(), "it is the same lane");
        let _second = take(&wide).unwrap();
        let _third = take(&wide).unwrap();
        assert!(take(&wide).is_none(), "the provider is full");
        let _fourth = take(&other).unwrap();
        assert!(take(&other).is_none(), "all places are taken");
        drop(first);
        assert!(take(&narrow).is_some());
    }

    #[test]
    fn only_an_answer_tells_of_the_pace() {
        let lane = Lanes::new(1, []).lane("a", &Api::default());
        let answered = |error: ProviderError| lane.answered(Duration::ZERO, Duration::ZERO, Some(&error));
        answered(ProviderError::new(Class::Throttled { retry_after: None }, "x"));
        assert!((0..9).any(|_| lane.try_take(Duration::ZERO).is_none()), "it is paced now");
        answered(ProviderError::new(Class::Transient, "x").outcome_unknown());
        assert!(!lane.pace().is_worth_waiting(PATIENCE, BRIEF));
        answered(ProviderError::new(Class::Denied, "x"));
        assert!(lane.pace().is_worth_waiting(PATIENCE, BRIEF));
    }
}
