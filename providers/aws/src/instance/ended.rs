//! Why a machine came to an end that nobody has terminated, in words.

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use crate::error::class_of;

/// Whether a machine is at its end, or there already. What was terminated stays listed for about an hour.
pub(super) fn is_over(machine: &Instance) -> bool {
    matches!(state(machine), Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated))
}

/// The state of a machine.
pub(super) fn state(machine: &Instance) -> Option<&InstanceStateName> {
    machine.state().and_then(|state| state.name())
}

/// Why a machine came to an end, where nobody has terminated it: by the codes of EC2's `StateReason`.
pub(super) fn why(machine: &Instance) -> Option<String> {
    let reason = machine.state_reason()?;
    let code = reason.code().filter(|code| !code.is_empty())?;
    Some(match code {
        "Client.UserInitiatedShutdown" | "Client.UserInitiatedHibernate" | "Client.InstanceTerminated" => return None,
        "Server.SpotInstanceTermination" | "Server.SpotInstanceShutdown" => {
            format!("was a spot instance, and AWS took it back ({code})")
        }
        "Client.InstanceInitiatedShutdown" => format!("shut itself down ({code})"),
        _ => format!("was ended by AWS: {} ({code})", message(reason.message().unwrap_or_default(), code)),
    })
}

/// Why a spot instance came to an end that is listed no more: by the codes of EC2's *Spot request status*.
pub(super) fn why_spot(status: &str) -> Option<String> {
    let why = match status {
        "instance-terminated-by-price" => "the spot price rose above its limit",
        "instance-terminated-no-capacity" => "there was no capacity left for it",
        "instance-terminated-capacity-oversubscribed" => "more was asked for than there was",
        "instance-terminated-by-service" | "instance-terminated-by-schedule" => "AWS ended it",
        "instance-terminated-launch-group-constraint" => "another one of its launch group was ended",
        _ => return None,
    };
    Some(format!("was a spot instance, and AWS took it back: {why} ({status})"))
}

/// The error of a machine that ended before it ran.
pub(super) fn failure(machine: &Instance) -> ProviderError {
    let reason = machine.state_reason();
    let code = reason.and_then(|reason| reason.code()).unwrap_or("Unknown");
    // Their ends are codes of answers too: `Server.InsufficientInstanceCapacity`.
    let bare = code.split_once('.').map_or(code, |(_, bare)| bare);
    let class = match code {
        // So ends what may not use the key of its disk.
        "Client.InternalError" => Class::Invalid { field: None },
        "Client.UserInitiatedShutdown" => Class::Conflict,
        _ => class_of(bare).unwrap_or(Class::Invalid { field: None }),
    };
    let says = message(reason.and_then(|reason| reason.message()).unwrap_or("it gave no reason"), code).to_owned();
    ProviderError::new(class, format!("the machine ended before it ran: {says}")).code(code)
}

/// A reason without its code, which many begin with.
fn message<'a>(text: &'a str, code: &str) -> &'a str {
    text.strip_prefix(code).map_or(text, |text| text.trim_start_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::StateReason;

    use super::*;

    fn ended(code: &str, message: &str) -> Instance {
        Instance::builder().state_reason(StateReason::builder().code(code).message(message).build()).build()
    }

    #[test]
    fn what_aws_took_back_is_no_strangers_deletion() {
        let why = |code: &str| super::why(&ended(code, &format!("{code}: so it was")));
        assert_eq!(why("Client.UserInitiatedShutdown"), None);
        assert!(why("Server.SpotInstanceTermination").unwrap().contains("AWS took it back"));
        assert_eq!(why("Server.InternalError").unwrap(), "was ended by AWS: so it was (Server.InternalError)");
        assert_eq!(super::why(&Instance::builder().build()), None);
        assert!(why_spot("instance-terminated-by-price").unwrap().contains("spot price"));
        assert_eq!(why_spot("instance-terminated-by-user"), None);
    }

    #[test]
    fn a_machine_that_never_ran_failed_as_an_answer_would_have_said() {
        for (code, class) in [
            ("Server.InsufficientInstanceCapacity", Class::NoCapacity),
            ("Server.SpotInstanceTermination", Class::NoCapacity),
            ("Client.VolumeLimitExceeded", Class::Quota),
            ("Client.InternalError", Class::Invalid { field: None }),
            ("Client.InvalidSnapshot.NotFound", Class::NotFound),
            ("Client.UserInitiatedShutdown", Class::Conflict),
        ] {
            assert_eq!(failure(&ended(code, "")).class, class, "{code}");
        }
        let error = failure(&ended("Server.InternalError", "Server.InternalError: broken"));
        assert_eq!(error.to_string(), "the machine ended before it ran: broken (Server.InternalError)");
    }
}
