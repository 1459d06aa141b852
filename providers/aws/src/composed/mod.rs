//! The portable kinds that AWS has no one thing for, or that Cloud Control makes: what native kinds each is composed of, one file a kind.

mod alert;
mod budget;
mod cron;
mod endpoint;
mod function;
mod grants;
mod identity;
mod locate;
mod network;
mod policy;
mod registry;
mod schedule;
mod secret;
mod volume;

pub(crate) use locate::locate;
pub(crate) use network::LISTED as IN_A_NETWORK;

use trueup_engine::compose::{Composed, Composition, Wanted};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Recipe, attributes};
use trueup_state::{KindName, Scope};

use crate::tags;

/// The attribute that is the identifier of every native type.
const ID: &str = "resource_id";

/// The kinds that are composed.
pub(crate) const KINDS: [&str; 10] = [
    kinds::Alert::NAME,
    kinds::Budget::NAME,
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
            options: &[],
            shape: &[],
            whole: &[],
            compose: |wanted| Ok(budget::compose(wanted)),
        },
        kinds::Endpoint::NAME => Recipe {
            schema: kinds::Endpoint::schema(),
            parts: &endpoint::PARTS,
            options: &endpoint::OPTIONS,
            shape: &["replicas", "replicas.target"],
            whole: &["options.aws.variant_name", "replicas.target.metric"],
            compose: endpoint::compose,
        },
        kinds::Function::NAME => Recipe {
            schema: kinds::Function::schema(),
            parts: &function::PARTS,
            options: &function::OPTIONS,
            shape: &["code"],
            whole: &[],
            compose: function::compose,
        },
        kinds::Identity::NAME => Recipe {
            schema: kinds::Identity::schema(),
            parts: &identity::PARTS,
            options: &identity::OPTIONS,
            shape: &["can"],
            whole: &["used_by"],
            compose: identity::compose,
        },
        kinds::Network::NAME => Recipe {
            schema: kinds::Network::schema(),
            parts: &network::PARTS,
            options: &[],
            shape: &[],
            whole: &["internet", "zones"],
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
            whole: &[],
            compose: schedule::compose,
        },
        kinds::Secret::NAME => Recipe {
            schema: kinds::Secret::schema(),
            parts: &secret::PARTS,
            options: &[],
            shape: &["encryption"],
            whole: &[],
            compose: |wanted| Ok(secret::compose(wanted)),
        },
        kinds::Volume::NAME => Recipe {
            schema: kinds::Volume::schema(),
            parts: &volume::PARTS,
            options: &volume::OPTIONS,
            shape: &["encryption", "reachable", "reachable.subnets"],
            whole: &["type"],
            compose: volume::compose,
        },
        _ => return None,
    })
}

/// The native types that a kind may be made of.
pub(crate) fn parts_of(kind: &str) -> &'static [&'static str] {
    recipe(kind).map(|recipe| recipe.parts).unwrap_or_default()
}

/// How a kind is composed in a scope; none where it is not.
pub(crate) fn composed(scope: &Scope, kind: &KindName) -> Option<Composed> {
    Some(recipe(kind.as_str())?.composed(scope))
}

/// What a resource is made of.
pub(crate) fn compose(wanted: &Wanted<'_>) -> Option<Result<Composition, Vec<Problem>>> {
    Some(recipe(wanted.kind.as_str())?.compose(wanted, tags::problems(wanted.spec)))
}

#[cfg(test)]
mod tests;
