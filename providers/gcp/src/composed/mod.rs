//! The portable kinds that Google has no one thing for, or that its REST APIs make: what native kinds each is composed of, one file a kind.

mod alert;
mod budget;
mod build;
mod channels;
mod endpoint;
mod function;
mod grants;
mod identity;
mod network;
mod registry;
mod schedule;
mod secret;
mod vertex;
mod volume;

use sha2::{Digest, Sha256};
use trueup_engine::compose::{Composed, Composition, Wanted};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::schema::Problem;
use trueup_parts::Recipe;
use trueup_state::{KindName, Scope};

use crate::labels;

/// The kinds that are composed.
pub(crate) const KINDS: [&str; 11] = [
    kinds::Alert::NAME,
    kinds::Budget::NAME,
    kinds::Build::NAME,
    kinds::Endpoint::NAME,
    kinds::Function::NAME,
    kinds::Identity::NAME,
    kinds::Network::NAME,
    kinds::Registry::NAME,
    kinds::Schedule::NAME,
    kinds::Secret::NAME,
    kinds::Volume::NAME,
];

fn recipe(kind: &str) -> Option<Recipe> {
    Some(match kind {
        kinds::Alert::NAME => Recipe {
            schema: kinds::Alert::schema(),
            parts: &alert::PARTS,
            options: &alert::OPTIONS,
            shape: &["watch", "statistic", "topics"],
            whole: &["emails"],
            compose: alert::compose,
        },
        kinds::Budget::NAME => Recipe {
            schema: kinds::Budget::schema(),
            parts: &budget::PARTS,
            options: &budget::OPTIONS,
            shape: &[],
            whole: &["emails", "options.gcp.billing_account"],
            compose: budget::compose,
        },
        kinds::Build::NAME => Recipe {
            schema: kinds::Build::schema(),
            parts: &build::PARTS,
            options: &build::OPTIONS,
            shape: &["source", "args", "tags"],
            whole: &[],
            compose: build::compose,
        },
        kinds::Endpoint::NAME => Recipe {
            schema: kinds::Endpoint::schema(),
            parts: &endpoint::PARTS,
            options: &endpoint::OPTIONS,
            shape: &["replicas", "replicas.target", "secrets"],
            whole: &["gpu", "public", "runtime", "replicas.target.metric", "options.gcp.machine_type"],
            compose: endpoint::compose,
        },
        kinds::Function::NAME => Recipe {
            schema: kinds::Function::schema(),
            parts: &function::PARTS,
            options: &function::OPTIONS,
            shape: &["code"],
            whole: &["runtime"],
            compose: function::compose,
        },
        kinds::Identity::NAME => Recipe {
            schema: kinds::Identity::schema(),
            parts: &identity::PARTS,
            options: &[],
            shape: &["can"],
            whole: &[],
            compose: identity::compose,
        },
        kinds::Network::NAME => Recipe {
            schema: kinds::Network::schema(),
            parts: &network::PARTS,
            options: &network::OPTIONS,
            shape: &[],
            whole: &["internet", "zones", "options.gcp.addresses"],
            compose: network::compose,
        },
        kinds::Registry::NAME => Recipe {
            schema: kinds::Registry::schema(),
            parts: &registry::PARTS,
            options: &registry::OPTIONS,
            shape: &["encryption"],
            whole: &["format"],
            compose: registry::compose,
        },
        kinds::Schedule::NAME => Recipe {
            schema: kinds::Schedule::schema(),
            parts: &schedule::PARTS,
            options: &schedule::OPTIONS,
            shape: &["starts"],
            whole: &["enabled"],
            compose: schedule::compose,
        },
        kinds::Secret::NAME => Recipe {
            schema: kinds::Secret::schema(),
            parts: &secret::PARTS,
            options: &secret::OPTIONS,
            shape: &["value", "encryption"],
            whole: &["options.gcp.replicas"],
            compose: secret::compose,
        },
        kinds::Volume::NAME => Recipe {
            schema: kinds::Volume::schema(),
            parts: &volume::PARTS,
            options: &volume::OPTIONS,
            shape: &["encryption", "reachable"],
            whole: &["type", "options.gcp.disk_type"],
            compose: volume::compose,
        },
        _ => return None,
    })
}

/// The native kinds that a kind may be made of.
pub(crate) fn parts_of(kind: &str) -> &'static [&'static str] {
    recipe(kind).map(|recipe| recipe.parts).unwrap_or_default()
}

/// The project that a resource is in.
fn project<'a>(wanted: &'a Wanted<'_>) -> &'a str {
    wanted.scope.settings.get("project").and_then(|project| project.as_str()).unwrap_or_default()
}

/// The name of a part that is for something: its address, or another name. What an address may not have in a part's name is left out, and a
/// digest tells it from others that come to the same.
fn part_name(what: &str, of: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if of.chars().all(fits) {
        return format!("{what}-{of}");
    }
    let plain: String = of.chars().filter(|letter| fits(*letter)).collect();
    format!("{what}-{plain}-{}", hex::encode(&Sha256::digest(of)[..3]))
}

/// How a kind is composed in a scope; none where it is not.
pub(crate) fn composed(scope: &Scope, kind: &KindName) -> Option<Composed> {
    Some(recipe(kind.as_str())?.composed(scope))
}

/// What a resource is made of.
pub(crate) fn compose(wanted: &Wanted<'_>) -> Option<Result<Composition, Vec<Problem>>> {
    Some(recipe(wanted.kind.as_str())?.compose(wanted, labels::problems(wanted.spec)))
}
