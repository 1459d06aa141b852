//! Composes once more when an operation is finished: with what is known then.

use std::sync::Arc;

use trueup_state::{Address, Class, Value};

use super::origins::origin;
use super::{Arranged, Wanted};
use crate::blueprint::{Program, World};
use crate::desired::{described, desired, unfit};
use crate::diagnostic::Diagnostic;
use crate::estate::Estate;
use crate::plan::Contents;
use crate::provider::{Manager, ProviderError};
use crate::schema::Problem;

/// What is at hand when an operation is finished.
pub(crate) struct Ground<'a> {
    pub(crate) program: &'a Program,
    pub(crate) estate: &'a Estate,
    pub(crate) contents: &'a Contents,
    pub(crate) world: &'a Arc<World>,
}

/// Why nothing comes of it.
pub(crate) enum Astray {
    /// The blueprint says what can't be taken.
    Blueprint(Vec<Diagnostic>),
    /// The plan and what is at hand don't fit.
    Other(ProviderError),
}

impl Ground<'_> {
    /// What a resource is made of, its spec evaluated as it can be now.
    pub(crate) fn compose(&self, address: &Address) -> Result<Arranged, Astray> {
        let missing = |what: &str| Astray::Other(ProviderError::new(Class::Internal, format!("{address} {what}")));
        let resource = self.program.resources.get(address).ok_or_else(|| missing("is not in the blueprint"))?;
        let scope = self.estate.scopes.get(address).and_then(|scopes| scopes.first());
        let found = scope.and_then(|scope| {
            let (manager, composer) =
                (self.estate.manager(scope, &resource.kind)?, self.estate.composer(scope, &resource.kind)?);
            Some((scope, manager, composer))
        });
        let (scope, manager, composer) = found.ok_or_else(|| missing("is made of no parts there"))?;
        let candidate = resource.candidates.first();
        let spec = desired(self.program, resource, candidate, manager.as_ref(), self.world, self.contents, None)
            .map_err(Astray::Blueprint)?;
        let wanted = Wanted { address, kind: &resource.kind, spec: &spec, scope, candidate };
        composer.compose(&wanted).map_err(|problems| Astray::Blueprint(described(problems, resource)))
    }

    /// The spec of a part as it is known now, complete and checked. What is wrong with it stands at the field that it came from.
    pub(crate) fn part(&self, of: &Address, part: &Address, manager: &dyn Manager) -> Result<Value, Astray> {
        let arranged = self.compose(of)?;
        let found = arranged.parts.iter().find(|(address, _)| address == part).zip(self.program.resources.get(of));
        let ((_, found), resource) = found.ok_or_else(|| {
            let message = format!("{of} is not made of {part} any more; plan again");
            Astray::Other(ProviderError::new(Class::Internal, message))
        })?;
        let mut spec = arranged.spec_of(found, self.world);
        manager.schema().complete(&mut spec);
        let problems = unfit(manager, &spec).into_iter();
        let at_origin = |problem: Problem| Problem { path: origin(&found.origins, &problem.path), ..problem };
        let problems: Vec<Problem> = problems.map(at_origin).collect();
        if problems.is_empty() { Ok(spec) } else { Err(Astray::Blueprint(described(problems, resource))) }
    }
}
