//! What Google answers where it refuses, in the engine's terms: one table of codes, and what a call that failed left behind.

use std::time::Duration;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use serde_json::{Value as Json, json};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

/// A code's class. What is not here is told by the status of the answer.
///
/// From *Error model* (AIP-193), and the errors' pages of Compute Engine, Cloud Storage and the APIs on `google.rpc.Code`.
const CODES: &[(Class, &[&str])] = &[
    (
        Class::NoCapacity,
        &[
            "RESOURCE_POOL_EXHAUSTED",
            "STOCKOUT",
            "UNSUPPORTED_MACHINE_TYPE_IN_ZONE",
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        ],
    ),
    (Class::Quota, &["GPUS_ALL_REGIONS", "LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "limitExceeded", "quotaExceeded"]),
    (
        Class::Throttled { retry_after: None },
        &[
            "RATE_LIMIT_EXCEEDED",
            "RESOURCE_OPERATION_RATE_EXCEEDED",
            "concurrentRateLimitExceeded",
            "rateLimitExceeded",
            "userRateLimitExceeded",
        ],
    ),
    (
        Class::Denied,
        &[
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "BILLING_DISABLED",
            "CONSUMER_INVALID",
            "IAM_PERMISSION_DENIED",
            "PERMISSION_DENIED",
            "PERMISSIONS_ERROR",
            "SERVICE_DISABLED",
            "UNAUTHENTICATED",
            "accessNotConfigured",
            "authError",
            "forbidden",
        ],
    ),
    (Class::AlreadyExists, &["ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS", "alreadyExists", "duplicate"]),
    (Class::NotFound, &["NOT_FOUND", "RESOURCE_NOT_FOUND", "notFound"]),
    (
        Class::Conflict,
        &[
            "ABORTED",
            "CONDITION_NOT_MET",
            "FAILED_PRECONDITION",
            "RESOURCE_IN_USE",
            "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
            "RESOURCE_NOT_READY",
            "conditionNotMet",
            "conflict",
            "resourceInUseByAnotherResource",
            "resourceNotReady",
        ],
    ),
    (
        Class::Invalid { field: None },
        &["INVALID_ARGUMENT", "INVALID_FIELD_VALUE", "OUT_OF_RANGE", "badRequest", "invalid"],
    ),
    (Class::Transient, &["DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED", "backendError", "SERVICE_UNAVAILABLE"]),
    (Class::Internal, &["DATA_LOSS", "INTERNAL", "INTERNAL_ERROR", "UNKNOWN", "internalError"]),
];

/// The codes of `google.rpc.Code`, by their numbers.
const NUMBERS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn known(code: &str) -> Option<Class> {
    CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(class, _)| class.clone())
}

/// The class of a status, where no code says more.
fn of_status(status: u16) -> Class {
    match status {
        400 | 411 | 413 | 422 => Class::Invalid { field: None },
        401 | 403 => Class::Denied,
        404 | 410 => Class::NotFound,
        409 | 412 => Class::Conflict,
        408 | 502..=504 => Class::Transient,
        429 => Class::Throttled { retry_after: None },
        _ => Class::Internal,
    }
}

/// An answer that refuses. `after`: how long it asks to wait.
pub(crate) fn refused(doing: &str, status: u16, body: &Json, after: Option<Duration>) -> ProviderError {
    let error = body.get("error").unwrap_or(body);
    let said = of(doing, error, || of_status(status), &status.to_string());
    let class = match said.class {
        Class::Throttled { .. } => Class::Throttled { retry_after: after },
        class => class,
    };
    let error = ProviderError { class, ..said };
    // What failed on its side may have been done all the same.
    if status >= 500 { error.outcome_unknown() } else { error }
}

/// A call of Google's own clients that failed.
pub(crate) fn failed(doing: &str, error: &Error) -> ProviderError {
    let after = error.http_headers().and_then(crate::clients::after);
    if let Some(said) = error.status() {
        let details = serde_json::to_value(&said.details).unwrap_or_default();
        let mut error_of = json!({ "message": said.message, "details": details });
        // Older APIs say no code: what stands for it says less than the status of the answer.
        if said.code != Code::Unknown || error.http_status_code().is_none() {
            error_of["status"] = said.code.name().into();
        }
        let status = error.http_status_code().unwrap_or_else(|| status_of(said.code.name()));
        return refused(doing, status, &json!({ "error": error_of }), after);
    }
    if let (Some(status), Some(body)) = (error.http_status_code(), error.http_payload()) {
        return refused(doing, status, &serde_json::from_slice(body).unwrap_or_default(), after);
    }
    let mut message = format!("{doing}: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    if error.is_authentication() {
        return ProviderError::new(Class::Denied, format!("the credentials can't be used: {message}"));
    }
    if error.is_binding() || error.is_serialization() {
        return ProviderError::new(Class::Internal, message);
    }
    let error_of = ProviderError::new(Class::Transient, message);
    // Where nobody was reached, nothing was done.
    if error.is_connect() || error.is_transient_and_before_rpc() { error_of } else { error_of.outcome_unknown() }
}

/// The status that stands for a code where none came with it, as in gRPC (AIP-193).
fn status_of(code: &str) -> u16 {
    match code {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" | "UNIMPLEMENTED" => 404,
        "ALREADY_EXISTS" | "ABORTED" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        _ => 503,
    }
}

/// Work that failed, as an operation tells it: the error is that of `google.rpc.Status`, or a list as Compute Engine has it.
pub(crate) fn of_operation(doing: &str, error: &Json, status: Option<u64>) -> ProviderError {
    let status = status.and_then(|status| u16::try_from(status).ok());
    let class = || status.map_or(Class::Internal, of_status);
    of(doing, error, class, "")
}

/// How long an account may not be known yet after it was made.
const PATIENCE: Duration = Duration::from_mins(2);

fn of(doing: &str, error: &Json, otherwise: impl FnOnce() -> Class, unnamed: &str) -> ProviderError {
    let codes = codes(error);
    let class = codes.iter().find_map(|code| known(code)).unwrap_or_else(otherwise);
    let class = if codes.iter().any(|code| code == "RESOURCE_EXHAUSTED") && known(&codes[0]).is_none() {
        exhausted(error)
    } else {
        class
    };
    let of_list = || error.get("errors")?.as_array()?.first()?.get("message")?.as_str();
    let message = error.get("message").and_then(Json::as_str).or_else(of_list);
    let message = message.unwrap_or("Google does not say why").trim().to_owned();
    let code = codes.into_iter().next().unwrap_or_else(|| unnamed.to_owned());
    let patience = if is_too_soon(&class, &message) { PATIENCE } else { Duration::ZERO };
    let class = if patience.is_zero() { class } else { Class::Conflict };
    ProviderError { patience, ..ProviderError::new(class, format!("{doing}: {message}")).code(code) }
}

/// Whether what is refused names a service account that is not known: one that was just made is not known everywhere at once (*Eventual
/// consistency in IAM*).
fn is_too_soon(class: &Class, message: &str) -> bool {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    matches!(class, Class::Invalid { .. } | Class::Denied)
        && says(&["service account", "serviceaccount"])
        && says(&["does not exist", "may not exist", "was not found"])
}

/// All codes of an error, the most telling first: the reasons of its details and of its list, then its status.
fn codes(error: &Json) -> Vec<String> {
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(str::to_owned);
    let list = |name: &str| error.get(name).and_then(Json::as_array).into_iter().flatten();
    let details = list("details").filter_map(|detail| text(detail.get("reason")));
    let errors = list("errors").filter_map(|one| text(one.get("reason")).or_else(|| text(one.get("code"))));
    let number = error.get("code").and_then(Json::as_u64).and_then(|code| NUMBERS.get(usize::try_from(code).ok()?));
    let status = text(error.get("status")).or_else(|| number.map(|name| (*name).to_owned()));
    details.chain(errors).chain(status).collect()
}

/// What is exhausted: the rate of calls, where the answer says when to come again or names a rate; else a limit of the project's.
fn exhausted(error: &Json) -> Class {
    let mut details = error.get("details").and_then(Json::as_array).into_iter().flatten();
    let has_delay = details.any(|detail| detail.get("retryDelay").is_some());
    let message = error.get("message").and_then(Json::as_str).unwrap_or_default();
    if has_delay || message.contains("per minute") { Class::Throttled { retry_after: None } } else { Class::Quota }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_of_an_error_is_read() {
        let class = |status, body: &Json| {
            let error = refused("make it", status, body, None);
            (error.class, error.code, error.message)
        };
        let old = json!({ "error": { "code": 403, "message": "Rate", "errors": [{ "reason": "rateLimitExceeded" }] } });
        let (throttled, code, message) = class(403, &old);
        assert_eq!(
            (throttled, code.as_str(), message.as_str()),
            (Class::Throttled { retry_after: None }, "rateLimitExceeded", "make it: Rate")
        );
        let new = json!({ "error": { "code": 409, "status": "ALREADY_EXISTS", "message": "there" } });
        assert_eq!(class(409, &new).0, Class::AlreadyExists);
        let reason = json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "details": [{ "reason": "SERVICE_DISABLED" }] } });
        assert_eq!((class(403, &reason).0, class(403, &reason).1.as_str()), (Class::Denied, "SERVICE_DISABLED"));
        assert_eq!(class(404, &json!("<html>")).0, Class::NotFound);
        assert_eq!(class(412, &json!({})).0, Class::Conflict);
    }

    #[test]
    fn what_is_exhausted_is_a_rate_or_a_limit() {
        let of = |more: Json| {
            let mut error = json!({ "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded" });
            error.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            refused("x", 429, &json!({ "error": error }), None).class
        };
        assert_eq!(of(json!({})), Class::Quota);
        assert_eq!(of(json!({ "details": [{ "retryDelay": "3s" }] })), Class::Throttled { retry_after: None });
        assert_eq!(
            of(json!({ "details": [{ "reason": "RATE_LIMIT_EXCEEDED" }] })),
            Class::Throttled { retry_after: None }
        );
        assert_eq!(
            of(json!({ "message": "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'" })),
            Class::Throttled { retry_after: None }
        );
    }

    #[test]
    fn work_that_failed_tells_why_in_either_form() {
        let compute =
            json!({ "errors": [{ "code": "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "message": "no L4" }] });
        let error = of_operation("make it", &compute, Some(503));
        assert_eq!((error.class, error.message.as_str()), (Class::NoCapacity, "make it: no L4"));
        let rpc = json!({ "code": 9, "message": "in use" });
        assert_eq!(of_operation("x", &rpc, None).class, Class::Conflict);
        assert_eq!(of_operation("x", &json!({ "errors": [{ "code": "ODD" }] }), Some(404)).class, Class::NotFound);
    }

    #[test]
    fn what_failed_on_googles_side_may_have_been_done() {
        use trueup_state::Applied;
        assert_eq!(refused("x", 503, &json!({}), None).applied, Applied::Unknown);
        assert_eq!(refused("x", 429, &json!({}), None).applied, Applied::No);
    }
}
