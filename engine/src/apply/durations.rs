//! How long operations take, learned from what the journal says of earlier ones.

use std::collections::BTreeMap;
use std::time::Duration;

use trueup_state::entry::{Entry, Event, Serial};
use trueup_state::{KindName, Token, Verb};

use crate::plan::Operation;

/// How many entries are read for each operation that is planned: what is learned costs no more than in proportion to what is done.
const ENTRIES_AN_OPERATION: u64 = 64;

/// How many entries are read at most: some thousand operations are more than enough for what is typical of a few dozen kinds, the newest of
/// them, since clouds change; and each secret in an entry costs a decryption.
const MOST_ENTRIES: u64 = 2_048;

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
        let known = self.typical(operation.scope.provider.provider(), &operation.kind, operation.verb);
        known.map_or_else(|| unknown(operation.verb), |known| known.max(Duration::from_millis(1)))
    }

    /// How long a provider typically takes for a kind; none where that was not learned.
    pub fn typical(&self, provider: &str, kind: &KindName, verb: Verb) -> Option<Duration> {
        self.0.get(&(provider.to_owned(), kind.clone(), verb)).copied()
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

#[cfg(test)]
mod tests {
    use trueup_state::entry::{Class, Request};
    use trueup_state::{Address, Applied, Declared, Scope, Timestamp, Value};

    use super::*;

    fn entry(second: i64, event: Event) -> Entry {
        Entry { at: Timestamp(second * 1_000), address: Some(Address::root("a")), event }
    }

    fn begin(second: i64, token: &str, kind: &str, verb: Verb) -> Entry {
        let request = Request {
            token: token.into(),
            address: Address::root("a"),
            kind: kind.into(),
            schema_version: 1,
            generation: 1,
            scope: Scope::of("toy.eu"),
            name: String::new(),
            id: None,
            spec: Value::Null,
            before: Value::Null,
            attributes: Value::Null,
            check: None,
            owner: BTreeMap::new(),
        };
        entry(second, Event::Begin { verb, request: Box::new(request), declared: Box::new(Declared::default()) })
    }

    fn done(second: i64, token: &str) -> Entry {
        entry(second, Event::Succeeded { token: token.into(), object: None })
    }

    fn typical(entries: &[Entry], kind: &str, verb: Verb) -> Option<u64> {
        Durations::learned(entries).typical("toy", &kind.into(), verb).map(|took| took.as_secs())
    }

    #[test]
    fn the_middle_of_what_succeeded_is_typical() {
        let entries = [
            begin(0, "1", "box", Verb::Create),
            begin(0, "2", "box", Verb::Create),
            begin(0, "3", "box", Verb::Create),
            begin(0, "4", "box", Verb::Delete),
            begin(0, "5", "tin", Verb::Create),
            done(5, "4"),
            done(10, "1"),
            done(12, "3"),
            done(900, "2"),
        ];
        assert_eq!(typical(&entries, "box", Verb::Create), Some(12));
        assert_eq!(typical(&entries, "box", Verb::Delete), Some(5));
        assert_eq!(typical(&entries, "tin", Verb::Create), None, "it has not ended");
        assert_eq!(Durations::learned(&entries).typical("other", &"box".into(), Verb::Create), None);
    }

    #[test]
    fn what_failed_lay_waiting_or_began_before_the_entries_teaches_nothing() {
        let message = "x".to_owned();
        let failed = Event::Failed { token: "1".into(), class: Class::Denied, message, applied: Applied::No };
        let entries = [
            begin(0, "1", "box", Verb::Create),
            begin(0, "2", "box", Verb::Create),
            entry(1, failed),
            done(2, "of a beginning that is not read"),
            done(24 * 3_600, "2"),
        ];
        assert_eq!(Durations::learned(&entries), Durations::default());
    }

    #[test]
    fn what_is_read_is_bounded_and_in_proportion() {
        assert_eq!([0, 1, 2].map(worth_reading), [0, 64, 128]);
        assert_eq!(worth_reading(1_000_000), MOST_ENTRIES);
    }
}
