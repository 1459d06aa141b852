//! What may go wrong with a call before anything is done: too many calls, and what a blueprint asks to go wrong.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use trueup_engine::provider::ProviderError;
use trueup_state::{Address, Class, Entropy, Timestamp};

use super::{Session, unavailable};
use crate::settings::{CallName, Fault, RateLimit, What};
use crate::storage::Table;

/// The tokens of a rate limit.
#[derive(Debug, Serialize, Deserialize)]
struct Tokens {
    left: f64,
    at: Timestamp,
}

/// Lets a call in, or says why not. What is to go wrong with it later is noted in the session.
pub(super) async fn admit(
    session: &mut Session<'_>,
    call: CallName,
    address: Option<&Address>,
    entropy: &dyn Entropy,
) -> Result<(), ProviderError> {
    let place = session.place;
    if let Some(limit) = &place.settings.rate_limit {
        take_token(session, limit).await?;
    }
    for fault in &place.settings.faults {
        if is_about(fault, call, &place.kind, address) && is_due(session, fault, entropy).await? {
            return befall(session, fault);
        }
    }
    Ok(())
}

async fn take_token(session: &mut Session<'_>, limit: &RateLimit) -> Result<(), ProviderError> {
    let key = format!("rate/{}", session.place.region);
    let burst = limit.burst.unwrap_or(limit.per_second).max(1.0);
    let known = session.rows.get::<Tokens>(Table::Meta, &key).await.map_err(unavailable)?;
    let now = session.now;
    let left =
        known.map_or(burst, |tokens| (tokens.left + now.since(tokens.at).as_secs_f64() * limit.per_second).min(burst));
    if left < 1.0 {
        let wait = ((1.0 - left) / limit.per_second.max(1e-3)).min(3600.0);
        // The cloud's clock goes by milliseconds: whoever came back within one would be as early as before.
        let wait = Duration::from_secs_f64((wait * 1e3).ceil() / 1e3);
        let class = Class::Throttled { retry_after: Some(wait) };
        return Err(ProviderError::new(class, "too many calls").code("ThrottlingException"));
    }
    session.rows.put(Table::Meta, &key, &Tokens { left: left - 1.0, at: now }).await.map_err(unavailable)
}

fn is_about(fault: &Fault, call: CallName, kind: &str, address: Option<&Address>) -> bool {
    let mutates = matches!(call, CallName::Create | CallName::Update | CallName::Delete);
    let can = match fault.fault {
        What::Partly => call == CallName::Create,
        What::NoCapacity => matches!(call, CallName::Create | CallName::Update),
        What::Lost | What::Stuck => mutates,
        What::Throttled | What::Transient | What::Denied => true,
    };
    can && fault.call.is_none_or(|about| about == call)
        && fault.kind.as_deref().is_none_or(|about| about == kind)
        && fault
            .address
            .as_deref()
            .is_none_or(|about| address.is_some_and(|address| is_of(&address.to_string(), about)))
}

/// Whether an address is the one that was named, or that of a part of it.
fn is_of(address: &str, named: &str) -> bool {
    address.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether it goes wrong this time. A script counts the calls that it is about.
async fn is_due(session: &mut Session<'_>, fault: &Fault, entropy: &dyn Entropy) -> Result<bool, ProviderError> {
    if let Some(rate) = fault.rate {
        return Ok(entropy.share() < rate);
    }
    let key = format!("fault/{}", hex::encode(Sha256::digest(json!(fault).to_string())));
    let number = session.rows.next(&key).await.map_err(unavailable)?;
    let last = fault.after.saturating_add(fault.times.unwrap_or(1));
    Ok(number > fault.after && number <= last)
}

fn befall(session: &mut Session<'_>, fault: &Fault) -> Result<(), ProviderError> {
    let (class, message, code) = match fault.fault {
        What::Throttled => {
            let retry_after = fault.retry_after.as_ref().map(trueup_engine::kinds::Span::duration);
            (Class::Throttled { retry_after }, "too many calls", "ThrottlingException")
        }
        What::Transient => (Class::Transient, "the cloud is out of order for a moment", "ServiceUnavailable"),
        What::Denied => (Class::Denied, "permission is missing", "AccessDenied"),
        later @ (What::NoCapacity | What::Lost | What::Stuck | What::Partly) => {
            session.fault = Some(later);
            return Ok(());
        }
    };
    Err(ProviderError::new(class, message).code(code))
}
