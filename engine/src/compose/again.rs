//! Composes once more when an operation is finished: with what is known then.

use std::sync::Arc;

use trueup_state::{Address, Class, Scope, Value};

use super::origins::origin;
use super::{Arranged, Wanted};
use crate::blueprint::{Program, Resource, World};
use crate::desired::{described, desired, unfit};
use crate::diagnostic::Diagnostic;
use crate::estate::Estate;
use crate::plan::Contents;
use crate::provider::{Candidate, Manager, ProviderError};
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

fn missing(address: &Address, what: &str) -> Astray {
    Astray::Other(ProviderError::new(Class::Internal, format!("{address} {what}")))
}

impl Ground<'_> {
    /// What a resource is made of, its spec evaluated as it can be now.
    pub(crate) fn compose(&self, address: &Address) -> Result<Arranged, Astray> {
        let resource =
            self.program.resources.get(address).ok_or_else(|| missing(address, "is not in the blueprint"))?;
        let scope = self.estate.scopes.get(address).and_then(|scopes| scopes.first());
        let scope = scope.ok_or_else(|| missing(address, "is made of no parts there"))?;
        self.compose_at(resource, scope, resource.candidates.first())
    }

    fn compose_at(
        &self,
        resource: &Resource,
        scope: &Scope,
        candidate: Option<&Candidate>,
    ) -> Result<Arranged, Astray> {
        let (kind, address) = (&resource.kind, &resource.address);
        let found = self.estate.manager(scope, kind).zip(self.estate.parted(scope, kind));
        let (manager, composer) = found.ok_or_else(|| missing(address, "is made of no parts there"))?;
        let spec = desired(self.program, resource, candidate, manager.as_ref(), self.world, self.contents, None)
            .map_err(Astray::Blueprint)?;
        let wanted = Wanted { address, kind, spec: &spec, scope, candidate, validate: resource.validate.as_ref() };
        composer.compose(&wanted).map_err(|problems| Astray::Blueprint(described(problems, resource)))
    }

    /// What a resource is made of, or needs beside it at one of its candidates, that has a part.
    fn with_part(&self, resource: &Resource, part: &Address) -> Result<Option<(Arranged, usize)>, Astray> {
        let scopes = self.estate.scopes.get(&resource.address).into_iter().flatten().enumerate();
        for (position, scope) in scopes.filter(|(_, scope)| self.estate.parted(scope, &resource.kind).is_some()) {
            let arranged = self.compose_at(resource, scope, resource.candidates.get(position))?;
            if let Some(position) = arranged.parts.iter().position(|(address, _)| address == part) {
                return Ok(Some((arranged, position)));
            }
        }
        Ok(None)
    }

    /// The spec of a part as it is known now, complete and checked. What is wrong with it stands at the field that it came from.
    pub(crate) fn part(&self, of: &Address, part: &Address, manager: &dyn Manager) -> Result<Value, Astray> {
        let gone = || missing(of, &format!("is not made of {part} any more; plan again"));
        let resource = self.program.resources.get(of).ok_or_else(gone)?;
        let (arranged, position) = self.with_part(resource, part)?.ok_or_else(gone)?;
        let (_, found) = &arranged.parts[position];
        let mut spec = arranged.spec_of(found, self.world);
        manager.schema().complete(&mut spec);
        let problems = unfit(manager, &spec).into_iter();
        let at_origin = |problem: Problem| Problem { path: origin(&found.origins, &problem.path), ..problem };
        let problems: Vec<Problem> = problems.map(at_origin).collect();
        if problems.is_empty() { Ok(spec) } else { Err(Astray::Blueprint(described(problems, resource))) }
    }

    /// Puts what is known now of what a resource needs beside it in a scope into its own spec.
    pub(crate) fn fill(
        &self,
        resource: &Resource,
        scope: &Scope,
        candidate: Option<&Candidate>,
        spec: &mut Value,
    ) -> Result<(), Astray> {
        let Some(composer) = self.estate.parted(scope, &resource.kind).filter(|composer| !composer.is_of_parts())
        else {
            return Ok(());
        };
        let (address, kind, validate) = (&resource.address, &resource.kind, resource.validate.as_ref());
        let wanted = Wanted { address, kind, spec, scope, candidate, validate };
        let arranged =
            composer.compose(&wanted).map_err(|problems| Astray::Blueprint(described(problems, resource)))?;
        arranged.fill(spec, self.world);
        Ok(())
    }
}
