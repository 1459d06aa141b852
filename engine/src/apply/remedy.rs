//! What to do about a failure: told from its class, its field and what was tried, never from its message.

use trueup_state::{Class, FieldPath, Value, Verb};

use crate::plan::Mode;
use crate::provider::ProviderError;

/// What to do about a failure of a plan's operation.
pub(crate) fn remedy(error: &ProviderError, verb: Verb, mode: Mode) -> Option<String> {
    if let Some(help) = &error.help {
        return Some(help.clone());
    }
    let again = match mode {
        Mode::Apply => "apply again",
        Mode::Destroy | Mode::Correct => "run the same command again",
    };
    Some(match error.class {
        // A delete goes by what was sent.
        Class::Invalid { .. } if verb == Verb::Delete => format!("put that right, and {again}"),
        Class::Invalid { .. } if verb == Verb::Check => format!("{again}: another is made in its place"),
        Class::Invalid { .. } => format!("correct the blueprint, and {again}"),
        Class::Denied => format!("give these credentials the permission, and {again}"),
        Class::AlreadyExists => "choose another `name`, or adopt what is there".to_owned(),
        Class::Quota => "ask the provider for a higher quota, or add another candidate to `placement`".to_owned(),
        Class::NoCapacity => "try later, or add another candidate to `placement`".to_owned(),
        Class::Throttled { .. } | Class::Transient => format!("{again}: what is done stays done"),
        Class::NotFound | Class::Conflict | Class::Internal => return None,
    })
}

/// What to say of a field that matters to a delete alone, so that it goes through. `spec`: what it goes by as it is; `is_declared`:
/// whether the blueprint has the resource still.
pub(crate) fn to_delete(field: &FieldPath, spec: &Value, is_declared: bool) -> String {
    let said = match spec.at(field).map(Value::revealed) {
        Some(Value::Bool(is)) => format!("`{field}: {}`", !is),
        _ => format!("another `{field}`"),
    };
    if is_declared {
        format!("set {said} in the blueprint, and run the same command again")
    } else {
        format!("put its block back with {said}, apply, and take it out again")
    }
}
