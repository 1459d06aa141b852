//! The toy kinds: one schema, told apart by how a create whose reply was lost can be settled, and by the order of a replacement.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value as Json, json};
use trueup_engine::provider::RetrySafety;
use trueup_engine::schema::Schema;

/// How long the tokens of a `box` stay good.
pub(crate) const TOKENS_LAST: Duration = Duration::from_hours(1);

/// How long a `tagged` object may be missing from lists.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// A toy kind.
pub(crate) struct ToyKind {
    pub(crate) name: &'static str,
    pub(crate) safety: RetrySafety,
    pub(crate) create_first: bool,
}

/// All of them.
pub(crate) const KINDS: [ToyKind; 5] = [
    ToyKind { name: "box", safety: RetrySafety::ClientToken { valid_for: TOKENS_LAST }, create_first: false },
    ToyKind { name: "named", safety: RetrySafety::NamedByCaller, create_first: false },
    ToyKind { name: "tagged", safety: RetrySafety::OwnerTag { grace: GRACE }, create_first: false },
    ToyKind { name: "blind", safety: RetrySafety::None, create_first: false },
    ToyKind { name: "scarce", safety: RetrySafety::ClientToken { valid_for: TOKENS_LAST }, create_first: true },
];

/// One that needs others beside it: see [`super::guest`].
pub(crate) static GUEST: ToyKind =
    ToyKind { name: "guest", safety: RetrySafety::ClientToken { valid_for: TOKENS_LAST }, create_first: true };

pub(crate) fn kind(name: &str) -> &'static ToyKind {
    KINDS.iter().chain([&GUEST]).find(|kind| kind.name == name).unwrap()
}

pub(crate) fn schema(create_first: bool) -> &'static Schema {
    static PLAIN: LazyLock<Schema> = LazyLock::new(|| Schema::new(1, spec(), attributes(), false));
    static SCARCE: LazyLock<Schema> = LazyLock::new(|| Schema::new(1, spec(), attributes(), true));
    if create_first { &SCARCE } else { &PLAIN }
}

/// The settings of a toy provider.
pub(crate) fn settings() -> &'static Schema {
    static SETTINGS: LazyLock<Schema> = LazyLock::new(|| {
        let spec = json!({"type": "object", "properties": {"region": {"type": "string", "default": "r1"}}, "additionalProperties": false});
        Schema::new(1, spec, json!({}), false)
    });
    &SETTINGS
}

fn spec() -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "x-immutable": true},
            "size": {"type": "integer", "default": 1, "minimum": 0},
            "shape": {"type": "string", "x-immutable": true},
            "base": {"type": "string", "x-immutable": true},
            "host": {"type": "string"},
            "note": {"type": "string"},
            "label": {"type": "string"},
            "zone": {"type": "string"},
            "tags": {"type": "object", "x-free": true, "additionalProperties": {"type": "string"}},
            "ports": {"type": "array", "items": {"type": "integer"}, "x-unordered": true},
            "needs": {"type": "array", "items": {"type": "string"}},
            "password": {"type": "string", "x-secret": true},
            "force": {"type": "boolean", "x-on-delete": true},
        },
    })
}

fn attributes() -> Json {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "zone": {"type": "string"},
            "address": {"type": "string", "x-volatile": true},
            "echo": {"type": "string", "x-volatile": true},
        },
    })
}
