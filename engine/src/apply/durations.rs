//! How long operations take, learned from what the journal says of earlier ones.

use std::collections::BTreeMap;
use std::time::Duration;

use trueup_state::entry::{Entry, Event, Serial};
use trueup_state::{KindName, Token, Verb};

use crate::plan::Operation;

/// How many entries are read for each operation that is planned: what is learned costs no more than in proportion to what is done.
const ENTRIES_AN_OPERATION: u64 = 64;

/// How many entries are read at most: some two thousand operations, more than enough for what is typical of a few dozen kinds, and
/// the newest of them, since clouds change.
const MOST_ENTRIES: u64 = 4_096;

/// What took longer lay waiting for a run to settle it.
const LONGEST: Duration = Duration::from_hours(2);

/// How long operations typically take from beginning to end, by provider, kind and verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(BTreeMap<(String, KindName, Verb), Duration>);

/// How many of a journal's last entries are worth reading for so many operations.
pub fn worth_reading(operations: usize) -> Serial {
    u64::try_from(operations).unwrap_or(u64::MAX).saturating_mul(ENTRIES_AN_OPERATION).min(MOST_ENTRIES)
}

impl Durations {
    /// The median of what succeeded. Operations of which the beginning or the end is not among the entries don't count, and neither do
    /// failures, which say nothing of how long the work takes.
    pub fn learned(entries: &[Entry]) -> Self {
        let mut begun: BTreeMap<&Token, (&Entry, (String, KindName, Verb))> = BTreeMap::new();
        let mut took: BTreeMap<(String, KindName, Verb), Vec<Duration>> = BTreeMap::new();
        for entry in entries {
            match &entry.event {
                Event::Begin { verb, request, .. } => {
                    let key = (request.scope.provider.provider().to_owned(), request.kind.clone(), *verb);
                    begun.insert(&request.token, (entry, key));
                }
                Event::Succeeded { token, .. } => {
                    if let Some((begin, key)) = begun.remove(token) {
                        took.entry(key).or_default().push(entry.at.since(begin.at));
                    }
                }
                _ => {}
            }
        }
        let typical = took.into_iter().filter_map(|(key, mut took)| {
            took.retain(|took| *took < LONGEST);
            let middle = took.len() / 2;
            (!took.is_empty()).then(|| (key, *took.select_nth_unstable(middle).1))
        });
        Self(typical.collect())
    }

    /// How long an operation is likely to take; never nothing, so that of two chains the one of more operations is the longer.
    pub fn of(&self, operation: &Operation) -> Duration {
        let provider = operation.scope.provider.provider().to_owned();
        let known = self.0.get(&(provider, operation.kind.clone(), operation.verb));
        known.map_or_else(|| unknown(operation.verb), |known| (*known).max(Duration::from_millis(1)))
    }
}

/// What an operation is taken to need of which nothing is known. Beside what is known this is long: begun early, what turns out to be
/// short costs nothing, while what turns out to be long would come last.
fn unknown(verb: Verb) -> Duration {
    Duration::from_secs(match verb {
        Verb::Check => 120,
        Verb::Create => 90,
        Verb::Update => 60,
        Verb::Delete => 30,
    })
}
