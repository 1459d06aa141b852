//! What the toy cloud takes at once, and how long it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use trueup_state::entry::{Class, Request};

/// How long a call of a verb takes.
type Takes = Box<dyn Fn(&str, &Request) -> Duration + Send>;

/// A limit as clouds keep it: tokens that come back evenly, up to so many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How many calls a second.
    pub(crate) rate: f64,
    /// How many at once after a rest.
    pub(crate) burst: f64,
    /// Whether it asks to wait for whole seconds, as an HTTP header does.
    pub(crate) whole_seconds: bool,
}

#[derive(Debug)]
struct Bucket {
    limit: Limit,
    tokens: f64,
    at: Duration,
    refused: usize,
}

/// The limits by API, and how long calls take where the cloud's latency does not say.
#[derive(Default)]
pub(crate) struct Limits {
    buckets: BTreeMap<String, Bucket>,
    pub(crate) takes: Option<Takes>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.buckets.fmt(f)
    }
}

impl Limits {
    pub(crate) fn set(&mut self, api: &str, limit: Limit, now: Duration) {
        self.buckets.insert(api.to_owned(), Bucket { limit, tokens: limit.burst, at: now, refused: 0 });
    }

    /// How many calls were refused.
    pub(crate) fn refused(&self, api: &str) -> usize {
        self.buckets.get(api).map_or(0, |bucket| bucket.refused)
    }

    /// Takes a call, or says how it is refused.
    pub(crate) fn take(&mut self, api: &str, now: Duration) -> Result<(), Class> {
        let Some(bucket) = self.buckets.get_mut(api) else { return Ok(()) };
        let Limit { rate, burst, whole_seconds } = bucket.limit;
        bucket.tokens = (bucket.tokens + now.saturating_sub(bucket.at).as_secs_f64() * rate).min(burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        bucket.refused += 1;
        let missing = (1.0 - bucket.tokens) / rate.max(0.001);
        let retry_after = Duration::from_secs_f64(if whole_seconds { missing.ceil() } else { missing });
        Err(Class::Throttled { retry_after: Some(retry_after) })
    }
}
