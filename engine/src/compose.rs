//! A portable kind that a provider makes out of other resources.

use std::collections::BTreeMap;

use trueup_state::{FieldPath, KindName, Scope, Value};

/// What a resource is made of at one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Its parts, in no order: what they read of each other orders them.
    pub parts: Vec<Part>,
    /// The resource's attributes, each an expression over its parts by name: `model.arn`.
    pub attributes: BTreeMap<String, String>,
}

/// One part of a composition.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name under the resource's address: `model` of `chat/model`.
    pub name: String,
    /// What sort of thing it is.
    pub kind: KindName,
    /// Where it is made.
    pub scope: Scope,
    /// The address it has instead where several resources share it, such as one security group for a stack and region.
    pub shared: Option<String>,
    /// Its spec; text in `{{ }}` reads other parts by name.
    pub spec: Value,
    /// For each field of the spec, the field of the resource that it came from: reasons, `ignore`, `drift` and `protect` follow it.
    pub origins: BTreeMap<FieldPath, FieldPath>,
}
