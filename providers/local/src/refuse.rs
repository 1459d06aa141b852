//! What `local` can't take, told from a spec alone: asked when a plan is made, and again before anything is made. Of what is not known
//! nothing is said.

use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, ProviderName, Value};

use crate::home;

/// The name that blueprints have for this provider.
pub(crate) const LOCAL: &str = "local";

/// Says why a field can't be as it is. `field`: its path.
pub(crate) fn refuse(field: &str, message: impl Into<String>) -> Problem {
    Problem::new(FieldPath::parse(field), message)
}

/// What a field says, where that is known and text.
pub(crate) fn text<'a>(spec: &'a Value, field: &str) -> Option<&'a str> {
    spec.at(&FieldPath::parse(field))?.revealed().as_str()
}

/// Whether a field is certainly given.
pub(crate) fn is_given(spec: &Value, field: &str) -> bool {
    let value = spec.get(field).map(Value::revealed);
    value.is_some_and(|value| !matches!(value, Value::Unknown | Value::Null))
}

/// Whether a field is certainly the alternative of this name, whatever that holds: `kms_key` of `{ kms_key: … }`.
pub(crate) fn is_the(spec: &Value, field: &str, alternative: &str) -> bool {
    let map = spec.get(field).and_then(|value| value.revealed().as_map());
    map.is_some_and(|map| map.contains_key(alternative))
}

/// The entries of a map of texts.
pub(crate) fn entries<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let map = spec.get(field).and_then(|map| map.revealed().as_map());
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value.revealed().as_str()))
}

/// A name that no directory here can have.
pub(crate) fn name(spec: &Value) -> Option<Problem> {
    text(spec, "name").and_then(home::name_fault).map(|message| refuse("name", message))
}

/// A key of somebody's key service.
pub(crate) fn key(spec: &Value) -> Option<Problem> {
    let message = "`local` has no key service: say `provider_managed`, and let the disk itself be encrypted";
    is_the(spec, "encryption", "kms_key").then(|| refuse("encryption", message))
}

/// A whole resource that another provider makes, in a field that takes a `kind`.
pub(crate) fn foreign(spec: &Value, kind: &str) -> Option<Problem> {
    let maker =
        text(spec, &format!("{kind}.provider")).filter(|maker| ProviderName::from(*maker).provider() != LOCAL)?;
    let address = text(spec, &format!("{kind}.address")).unwrap_or_default();
    let plural = if kind == "registry" { "registries" } else { "buckets" };
    let message =
        format!("the {kind} `{address}` is made by `{maker}`, and `local` copies into {plural} of its own alone");
    Some(refuse(kind, message))
}
