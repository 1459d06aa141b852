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
mod part;
mod policy;
mod registry;
mod schedule;
mod secret;
mod volume;
mod whole;

pub(crate) use locate::locate;
pub(crate) use network::LISTED as IN_A_NETWORK;

use std::collections::BTreeMap;

use trueup_engine::compose::{Composed, Composition, Read, Wanted};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{FieldPath, KindName, Scope, Value};

use crate::tags;

/// How a kind is composed.
struct Recipe {
    schema: &'static Schema,
    /// The kinds that its parts may have.
    parts: &'static [&'static str],
    /// The options that there are under `aws`.
    options: &'static [&'static str],
    /// The fields that decide which parts and properties there are: that one is there has to be known, what is in it need not be.
    shape: &'static [&'static str],
    /// The fields that have to be known whole.
    whole: &'static [&'static str],
    compose: fn(&Wanted<'_>) -> Result<Composition, Vec<Problem>>,
}

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
    let recipe = recipe(kind.as_str())?;
    let parts = recipe.parts.iter().map(|part| (scope.clone(), KindName::from(part)));
    Some(Composed { schema: recipe.schema, parts: parts.collect() })
}

/// What a resource is made of.
pub(crate) fn compose(wanted: &Wanted<'_>) -> Option<Result<Composition, Vec<Problem>>> {
    let recipe = recipe(wanted.kind.as_str())?;
    let mut problems = unknown_options("aws", wanted.kind.as_str(), recipe.options, wanted.spec);
    problems.extend(tags::problems(wanted.spec));
    problems.extend(undecided(&recipe, wanted));
    Some(if problems.is_empty() { (recipe.compose)(wanted) } else { Err(problems) })
}

/// The fields without which it can't be told what a resource is made of.
fn undecided(recipe: &Recipe, wanted: &Wanted<'_>) -> Vec<Problem> {
    let open = |path: &&str| *part::field(wanted, path) == Value::Unknown;
    let shape = ["options", "options.aws"].iter().chain(recipe.shape).filter(|path| open(path));
    let whole = recipe.whole.iter().filter(|path| part::field(wanted, path).has_unknown());
    let message = "this has to be known when the plan is made: it decides what there is to make";
    shape.chain(whole).map(|path| Problem::new(FieldPath::parse(path), message)).collect()
}

/// Attributes, each as it is of a part: name, part, attribute there.
type Known<const N: usize> = [(&'static str, &'static str, &'static str); N];

fn attributes<const N: usize>(of: Known<N>) -> BTreeMap<String, Read> {
    of.map(|(name, part, attribute)| (name.to_owned(), Read::of(part, attribute))).into()
}

#[cfg(test)]
mod tests;
