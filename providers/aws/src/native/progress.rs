//! What Cloud Control tells of work that goes on, in the engine's terms.

use std::time::Duration;

use aws_sdk_cloudcontrol::types::{HandlerErrorCode, Operation, OperationStatus, ProgressEvent};
use serde_json::json;
use trueup_engine::provider::{Progress, ProviderError};
use trueup_state::{Class, Handle};

/// When work is asked after that says no time of its own.
const POLL: Duration = Duration::from_secs(2);

/// How far work is.
pub(crate) enum Step {
    /// It goes on.
    Pending(Progress),
    /// It is done, of the object with this identifier.
    Done(Option<String>),
    /// It failed; the identifier of what it may have left.
    Failed(ProviderError, Option<String>),
}

/// What an event says. `doing`: what the work is, for a person. `now`: seconds since 1970.
pub(crate) fn step(doing: &str, event: &ProgressEvent, now: i64) -> Step {
    let identifier = event.identifier().filter(|identifier| !identifier.is_empty()).map(str::to_owned);
    match event.operation_status() {
        Some(OperationStatus::Success) => Step::Done(identifier),
        Some(OperationStatus::Failed | OperationStatus::CancelComplete) => {
            Step::Failed(failure(doing, event), identifier)
        }
        _ => {
            let wait =
                event.retry_after().and_then(|after| u64::try_from(after.secs() - now).ok()).map(Duration::from_secs);
            Step::Pending(Progress::Pending {
                id: identifier,
                handle: handle(event),
                poll_after: wait.unwrap_or(POLL).clamp(Duration::from_millis(200), Duration::from_secs(15)),
                amount: None,
                note: event.status_message().map(str::to_owned),
            })
        }
    }
}

/// What to ask after: the token of the request, which Cloud Control knows for a week, and what it does to which object.
pub(crate) fn handle(event: &ProgressEvent) -> Handle {
    let operation = event.operation().map(Operation::as_str);
    Handle(json!({ "request": event.request_token(), "operation": operation, "id": event.identifier() }))
}

/// A text that a handle holds.
pub(crate) fn held<'a>(handle: &'a Handle, name: &str) -> Option<&'a str> {
    handle.0.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn failure(doing: &str, event: &ProgressEvent) -> ProviderError {
    let (code, why) = (event.error_code(), event.status_message().unwrap_or("it gave no reason"));
    let code = code.unwrap_or(&HandlerErrorCode::InternalFailure);
    let error = ProviderError::new(class(code), format!("{doing}: {why}")).code(code.as_str());
    let request_id = event.request_token().map(str::to_owned);
    ProviderError { request_id, ..error }
}

/// The class of a handler's error, by the codes of AWS's *Handler error codes*.
fn class(code: &HandlerErrorCode) -> Class {
    match code {
        HandlerErrorCode::AccessDenied
        | HandlerErrorCode::InvalidCredentials
        | HandlerErrorCode::UnauthorizedTaggingOperation => Class::Denied,
        HandlerErrorCode::AlreadyExists => Class::AlreadyExists,
        HandlerErrorCode::NotFound => Class::NotFound,
        HandlerErrorCode::ResourceConflict => Class::Conflict,
        HandlerErrorCode::ServiceLimitExceeded => Class::Quota,
        HandlerErrorCode::Throttling => Class::Throttled { retry_after: None },
        HandlerErrorCode::NetworkFailure
        | HandlerErrorCode::NotStabilized
        | HandlerErrorCode::ServiceInternalError
        | HandlerErrorCode::ServiceTimeout => Class::Transient,
        HandlerErrorCode::InternalFailure => Class::Internal,
        _ => Class::Invalid { field: None },
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(status: OperationStatus) -> aws_sdk_cloudcontrol::types::builders::ProgressEventBuilder {
        ProgressEvent::builder().operation_status(status).request_token("t")
    }

    #[test]
    fn work_is_asked_after_when_it_says() {
        let told = event(OperationStatus::InProgress).retry_after(DateTime::from_secs(107)).build();
        let Step::Pending(Progress::Pending { handle, poll_after, .. }) = step("create", &told, 100) else { panic!() };
        assert_eq!((held(&handle, "request"), poll_after), (Some("t"), Duration::from_secs(7)));
        let late = event(OperationStatus::Pending).retry_after(DateTime::from_secs(90)).build();
        let Step::Pending(Progress::Pending { poll_after, .. }) = step("create", &late, 100) else { panic!() };
        assert_eq!(poll_after, POLL);
    }

    #[test]
    fn a_failure_says_what_and_what_it_may_have_left() {
        let failed = event(OperationStatus::Failed).error_code(HandlerErrorCode::NotStabilized).status_message("slow");
        let Step::Failed(error, left) = step("create", &failed.identifier("q").build(), 0) else { panic!() };
        assert_eq!(error.to_string(), "create: slow (NotStabilized) [request t]");
        assert_eq!((error.class, left.as_deref()), (Class::Transient, Some("q")));
    }
}
