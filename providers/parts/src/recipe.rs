//! What a kind is composed of, and what has to be known of a resource for that.

use std::collections::BTreeMap;

use trueup_engine::compose::{Composed, Composition, Read, Wanted};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{FieldPath, KindName, Scope, Value};

use crate::part::field;

/// How a kind is composed.
pub struct Recipe {
    /// The schema of the kind.
    pub schema: &'static Schema,
    /// The kinds that its parts may have.
    pub parts: &'static [&'static str],
    /// The options that there are under the provider's name.
    pub options: &'static [&'static str],
    /// The fields that decide which parts and properties there are: that one is there has to be known, what is in it need not be.
    pub shape: &'static [&'static str],
    /// The fields that have to be known whole.
    pub whole: &'static [&'static str],
    /// What a resource is made of.
    pub compose: fn(&Wanted<'_>) -> Result<Composition, Vec<Problem>>,
}

impl Recipe {
    /// The kind as it is composed in a scope.
    pub fn composed(&self, scope: &Scope) -> Composed {
        let parts = self.parts.iter().map(|part| (scope.clone(), KindName::from(part)));
        Composed { schema: self.schema, parts: parts.collect() }
    }

    /// What a resource is made of. `also`: what else its provider can't take.
    ///
    /// # Errors
    ///
    /// What can't be taken, and what has to be known.
    pub fn compose(&self, wanted: &Wanted<'_>, also: Vec<Problem>) -> Result<Composition, Vec<Problem>> {
        let provider = wanted.scope.provider.provider();
        let mut problems = unknown_options(provider, wanted.kind.as_str(), self.options, wanted.spec);
        problems.extend(also);
        problems.extend(self.undecided(wanted));
        if problems.is_empty() { (self.compose)(wanted) } else { Err(problems) }
    }

    /// The fields without which it can't be told what a resource is made of.
    fn undecided(&self, wanted: &Wanted<'_>) -> Vec<Problem> {
        let own = format!("options.{}", wanted.scope.provider.provider());
        let open = |path: &&str| *field(wanted, path) == Value::Unknown;
        let shape = ["options", own.as_str()].into_iter().chain(self.shape.iter().copied()).filter(|path| open(path));
        let whole = self.whole.iter().copied().filter(|path| field(wanted, path).has_unknown());
        let message = "this has to be known when the plan is made: it decides what there is to make";
        shape.chain(whole).map(|path| Problem::new(FieldPath::parse(path), message)).collect()
    }
}

/// Attributes, each as it is of a part: name, part, attribute there.
pub type Known<const N: usize> = [(&'static str, &'static str, &'static str); N];

/// Attributes of a composition.
pub fn attributes<const N: usize>(of: Known<N>) -> BTreeMap<String, Read> {
    of.map(|(name, part, attribute)| (name.to_owned(), Read::of(part, attribute))).into()
}
