//! What AWS answers where it refuses, in the engine's terms: one table of codes, and what a call that failed left behind.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::error::operation::BuildError;
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

/// A code's class. What is not here is told by the status of the answer.
///
/// From the *Common error codes* and *Client error codes* of the EC2, S3, ECR, Cloud Control, STS and IAM references.
const CODES: &[(Class, &[&str])] = &[
    (
        Class::NoCapacity,
        &[
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientCapacity",
            "InsufficientCapacityOnHost",
            "InsufficientFreeAddressesInSubnet",
            "InsufficientAddressCapacity",
            "InsufficientVolumeCapacity",
            "SpotInstanceShutdown",
            "SpotInstanceTermination",
            "SpotMaxPriceTooLow",
            "CapacityError",
            "CapacityReservationError",
            "ReservationCapacityExceeded",
            "UnfulfillableCapacity",
            // A type that is not there, in this zone or region.
            "Unsupported",
        ],
    ),
    (
        Class::Quota,
        &[
            "AddressLimitExceeded",
            "InstanceLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "SecurityGroupLimitExceeded",
            "ServiceLimitExceeded",
            "ServiceLimitExceededException",
            "ServiceQuotaExceededException",
            "LimitExceeded",
            "LimitExceededException",
            "ResourceLimitExceeded",
            "ResourceLimitExceededException",
            "TooManyBuckets",
            "VcpuLimitExceeded",
            "VolumeLimitExceeded",
        ],
    ),
    (
        Class::Denied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AllAccessDisabled",
            "AuthFailure",
            "Blocked",
            "ExpiredToken",
            "ExpiredTokenException",
            "Forbidden",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidCredentials",
            "InvalidCredentialsException",
            "InvalidToken",
            "MissingAuthenticationToken",
            "NotSignedUp",
            "OptInRequired",
            "PendingVerification",
            "SignatureDoesNotMatch",
            "UnauthorizedOperation",
            "UnrecognizedClientException",
        ],
    ),
    (
        Class::AlreadyExists,
        &[
            "AlreadyExists",
            "AlreadyExistsException",
            "BucketAlreadyExists",
            "BucketAlreadyOwnedByYou",
            "EntityAlreadyExists",
            "InvalidGroup.Duplicate",
            "InvalidKeyPair.Duplicate",
            "ResourceAlreadyExistsException",
            "ResourceExistsException",
        ],
    ),
    (
        Class::NotFound,
        &[
            "ImageNotFoundException",
            "NoSuchBucket",
            "NoSuchEntity",
            "NoSuchKey",
            "NoSuchUpload",
            "NotFound",
            "NotFoundException",
            "RepositoryNotFoundException",
            "RequestTokenNotFoundException",
            "ResourceNotFound",
            "ResourceNotFoundException",
            "TypeNotFoundException",
        ],
    ),
    (
        Class::Conflict,
        &[
            "BucketNotEmpty",
            "ConcurrentModificationException",
            "ConcurrentOperationException",
            "ConditionalRequestConflict",
            "ConflictException",
            "DependencyViolation",
            "IncorrectInstanceState",
            "IncorrectModificationState",
            "IncorrectState",
            "OperationAborted",
            "ResourceConflictException",
            "ResourceInUse",
            "ResourceInUseException",
            "VolumeModificationRateExceeded",
        ],
    ),
    (
        Class::Throttled { retry_after: None },
        &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ],
    ),
    (
        Class::Transient,
        &[
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "NetworkFailureException",
            "NotStabilizedException",
            "RequestTimeout",
            "RequestTimeoutException",
            "RequestTimeTooSkewed",
            "ServerInternal",
            "ServiceInternalErrorException",
            "ServiceTimeoutException",
            "ServiceUnavailable",
            "Unavailable",
        ],
    ),
    (
        Class::Invalid { field: None },
        &[
            "GeneralServiceException",
            "InvalidBucketState",
            "InvalidRequestException",
            "NotImplemented",
            "NotUpdatableException",
            "OperationNotPermitted",
            "PrivateTypeException",
            "UnsupportedActionException",
        ],
    ),
    // A token that was used for something else: whoever repeats it gets the same answer.
    (Class::Invalid { field: None }, &["ClientTokenConflictException", "IdempotentParameterMismatch"]),
];

/// What stands in the way of a call and goes by itself: another change of the same thing, or something that is being removed.
const PASSING: &[&str] = &[
    "ConcurrentModificationException",
    "ConcurrentOperationException",
    "DependencyViolation",
    "IncorrectInstanceState",
    "IncorrectModificationState",
    "IncorrectState",
    "OperationAborted",
    "ResourceConflictException",
    "ResourceInUse",
    "ResourceInUseException",
];
/// For how long that may take: network interfaces of what is deleted go within minutes.
const PATIENCE: Duration = Duration::from_mins(5);

/// The class of a code, where the table has it; EC2's `InvalidVolume.NotFound` and its like by their ends.
pub(crate) fn class_of(code: &str) -> Option<Class> {
    let listed = CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(class, _)| class.clone());
    listed.or_else(|| match code.rsplit_once('.')?.1 {
        "NotFound" => Some(Class::NotFound),
        "Duplicate" => Some(Class::AlreadyExists),
        "InUse" | "DependencyViolation" => Some(Class::Conflict),
        _ => None,
    })
}

/// The class of an answer that has no code of the table, by its status.
pub(crate) fn class_of_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 | 412 => Class::Conflict,
        429 | 503 => Class::Throttled { retry_after: None },
        400..500 => Class::Invalid { field: None },
        500.. => Class::Transient,
        // It answered well, and nobody can read it.
        _ => Class::Internal,
    }
}

/// What a builder made: what it lacks is our own mistake.
pub(crate) fn built<T>(built: Result<T, BuildError>) -> Result<T, ProviderError> {
    built.map_err(|error| ProviderError::new(Class::Internal, error.to_string()))
}

/// A call that failed. `doing`: what it was to do, for a person.
pub(crate) fn failed<E>(doing: &str, error: &SdkError<E, HttpResponse>) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => refused(doing, service.err().meta(), service.raw()),
        SdkError::ConstructionFailure(_) => unsent(doing, error),
        SdkError::DispatchFailure(_) if is_unsent(error) => unsent(doing, error),
        _ => {
            let message = format!("{doing}: no answer came: {}", innermost(error));
            ProviderError::new(Class::Transient, message).outcome_unknown()
        }
    }
}

fn refused(doing: &str, meta: &ErrorMetadata, response: &HttpResponse) -> ProviderError {
    let status = response.status().as_u16();
    let code = meta.code().unwrap_or_default();
    let mut class = class_of(code).unwrap_or_else(|| class_of_status(status));
    if let Class::Throttled { retry_after } = &mut class {
        *retry_after =
            response.headers().get("retry-after").and_then(|after| after.parse().ok()).map(Duration::from_secs);
    }
    // Whoever failed at it itself may have done it, or half of it.
    let unknown = class == Class::Internal || status >= 500 && class == Class::Transient;
    let bare = || format!("it answered with the status {status}");
    let says = meta.message().map(str::trim).filter(|message| !message.is_empty()).map_or_else(bare, str::to_owned);
    let mut error = ProviderError::new(class, format!("{doing}: {says}")).code(code);
    error.request_id = request_id(response);
    if PASSING.contains(&code) {
        error.patience = PATIENCE;
    }
    if unknown { error.outcome_unknown() } else { error }
}

/// The id that AWS's support asks for. Each protocol of theirs has a header of its own for it.
fn request_id(response: &HttpResponse) -> Option<String> {
    ["x-amzn-requestid", "x-amz-request-id"]
        .into_iter()
        .find_map(|name| response.headers().get(name))
        .map(str::to_owned)
}

/// What to do where there are no credentials.
const SIGN_IN: &str = "sign in with `aws configure` or `aws sso login`, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say a `profile` or a `role` \
    of the provider `aws`";

/// A call that never left.
fn unsent<E: Error + 'static>(doing: &str, error: &SdkError<E, HttpResponse>) -> ProviderError {
    let (class, why) = match error {
        _ if causes(error).any(lacks_credentials) => (Class::Denied, "there are no credentials that can be used"),
        SdkError::ConstructionFailure(_) => (Class::Internal, "the request can't be made"),
        _ => (Class::Transient, "it can't be reached"),
    };
    let is_nobody = class == Class::Denied;
    let error = ProviderError::new(class, format!("{doing}: {why}: {}", innermost(error)));
    if is_nobody { error.help(SIGN_IN) } else { error }
}

/// Whether a call that came to nothing was certainly not sent: nobody listened, or there was nothing to sign it with.
fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    let refused = |error: &(dyn Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    causes(error).any(|error| refused(error) || lacks_credentials(error))
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    error.is::<CredentialsError>()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// What is at the bottom of an error.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::list_buckets::ListBucketsError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use trueup_state::Applied;

    use super::*;

    fn answered(status: u16, code: &str, headers: &[(&'static str, &'static str)]) -> ProviderError {
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        let meta = ErrorMetadata::builder().code(code).message("said so").build();
        failed("list buckets", &SdkError::service_error(ListBucketsError::generic(meta), response))
    }

    #[test]
    fn every_code_is_in_the_table_once() {
        let mut all: Vec<&str> = CODES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_code_says_what_sort_of_failure_it_was() {
        for (status, code, class) in [
            (400, "InsufficientInstanceCapacity", Class::NoCapacity),
            (500, "InsufficientInstanceCapacity", Class::NoCapacity),
            (400, "VcpuLimitExceeded", Class::Quota),
            (403, "UnauthorizedOperation", Class::Denied),
            (409, "BucketAlreadyOwnedByYou", Class::AlreadyExists),
            (400, "IdempotentParameterMismatch", Class::Invalid { field: None }),
            (400, "InvalidInstanceID.NotFound", Class::NotFound),
            (400, "InvalidParameterValue", Class::Invalid { field: None }),
            (403, "SomethingNew", Class::Denied),
            (404, "SomethingNew", Class::NotFound),
            (503, "SomethingNew", Class::Throttled { retry_after: None }),
        ] {
            let error = answered(status, code, &[]);
            assert_eq!((error.class, error.applied), (class, Applied::No), "{status} {code}");
        }
    }

    #[test]
    fn an_answer_keeps_its_code_its_request_and_when_to_come_again() {
        let error = answered(503, "RequestLimitExceeded", &[("x-amzn-requestid", "r-1"), ("retry-after", "7")]);
        assert_eq!(error.class, Class::Throttled { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(error.to_string(), "list buckets: said so (RequestLimitExceeded) [request r-1]");
    }

    #[test]
    fn what_goes_by_itself_is_waited_for() {
        assert_eq!(answered(409, "OperationAborted", &[]).patience, PATIENCE);
        assert_eq!(answered(400, "DependencyViolation", &[]).patience, PATIENCE);
        assert_eq!(answered(409, "BucketNotEmpty", &[]).patience, Duration::ZERO);
        assert!(PASSING.iter().all(|code| class_of(code) == Some(Class::Conflict)));
    }

    #[test]
    fn of_a_call_that_failed_at_their_end_nothing_is_known() {
        let error = answered(500, "InternalError", &[]);
        assert_eq!((error.class, error.applied), (Class::Transient, Applied::Unknown));
    }

    #[test]
    fn a_call_that_nobody_took_was_not_sent() {
        let io =
            |kind| SdkError::<ListBucketsError, _>::dispatch_failure(ConnectorError::io(io::Error::from(kind).into()));
        let applied = |kind| failed("list buckets", &io(kind)).applied;
        assert_eq!(applied(io::ErrorKind::ConnectionRefused), Applied::No);
        assert_eq!(applied(io::ErrorKind::ConnectionReset), Applied::Unknown);
        let nameless = CredentialsError::not_loaded("nobody gave any");
        let error = SdkError::<ListBucketsError, _>::dispatch_failure(ConnectorError::other(nameless.into(), None));
        let error = failed("list buckets", &error);
        assert_eq!((error.class, error.applied), (Class::Denied, Applied::No));
        let help = error.help.unwrap();
        assert!(
            ["aws configure", "aws sso login", "AWS_ACCESS_KEY_ID", "`profile`"].iter().all(|way| help.contains(way))
        );
        assert_eq!(failed("list buckets", &io(io::ErrorKind::ConnectionRefused)).help, None);
    }
}
