//! What resources want: evaluated on all processors, where none of them waits for another.

use std::sync::Arc;
use std::thread;

use super::Builder;
use crate::blueprint::Resource;
use crate::desired::{described, desired, unfit};
use crate::diagnostic::Diagnostic;
use crate::plan::operations::Branch;
use crate::provider::Manager;
use trueup_state::{Scope, Value};

/// So many resources are worth a thread of their own.
const SHARE: usize = 256;

/// So many are evaluated at once.
pub(super) const MOST: usize = 8192;

/// What a resource wants at each candidate.
pub(super) struct Wants {
    /// Where it may go.
    pub(super) scopes: Vec<Scope>,
    /// What it is to be there, as far as it could be evaluated.
    pub(super) branches: Vec<Branch>,
    /// Who makes it at the first of them.
    pub(super) manager: Option<Arc<dyn Manager>>,
    /// What is wrong with it.
    pub(super) problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Evaluates what resources want that don't depend on each other; few are left to be evaluated when it is their turn.
    pub(super) fn look_ahead<'r>(&self, resources: Vec<&'r Resource>) -> Vec<(&'r Resource, Option<Wants>)> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = resources.len().div_ceil(threads).max(SHARE);
        if resources.len() <= share {
            return resources.into_iter().map(|resource| (resource, None)).collect();
        }
        thread::scope(|scope| {
            let evaluate = |share: &[&'r Resource]| -> Vec<_> {
                share.iter().map(|resource| (*resource, Some(self.wants(resource)))).collect()
            };
            let threads: Vec<_> = resources.chunks(share).map(|share| scope.spawn(move || evaluate(share))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Vec<_>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().flat_map(join).collect()
        })
    }

    /// What one resource wants.
    pub(super) fn wants(&self, resource: &Resource) -> Wants {
        let (estate, program) = (self.input.estate, self.input.program);
        let scopes = estate.scopes.get(&resource.address).cloned().unwrap_or_default();
        let mut wants = Wants { scopes, branches: Vec::new(), manager: None, problems: Vec::new() };
        for (position, scope) in wants.scopes.iter().enumerate() {
            let Some(manager) = estate.manager(scope, &resource.kind) else {
                let message = format!("the provider `{}` does not make a {}", scope.provider, resource.kind);
                wants.problems.push(Diagnostic::error(message).at(resource.span, resource.address.to_string()));
                continue;
            };
            let candidate = resource.candidates.get(position);
            let (maker, contents) = (manager.as_ref(), &self.input.contents);
            let taken = self.taken(resource, scope);
            match desired(program, resource, candidate, maker, &self.world, contents, taken) {
                Ok(spec) => {
                    wants.branches.push(Branch { candidate: candidate.cloned(), scope: scope.clone(), spec });
                }
                Err(problems) => wants.problems.extend(problems),
            }
            wants.manager.get_or_insert_with(|| manager.clone());
        }
        wants
    }

    /// What a scope took of a resource when its object there was made or changed.
    fn taken(&self, resource: &Resource, scope: &Scope) -> Option<&Value> {
        let record = self.record(&resource.address).filter(|record| record.kind == resource.kind)?;
        let object = record.current.as_ref().filter(|object| object.scope.apart_from(scope).is_none())?;
        Some(&object.sent)
    }

    /// Checks what is made anew, though it is wanted as it was taken once: a provider may have learned since what it can't make.
    pub(super) fn check_again(&mut self, resource: &Resource, branches: &[Branch]) {
        for branch in branches {
            if self.taken(resource, &branch.scope) != Some(&branch.spec) {
                continue;
            }
            let Some(manager) = self.input.estate.manager(&branch.scope, &resource.kind) else { continue };
            self.problems.extend(described(unfit(manager.as_ref(), &branch.spec), resource));
        }
    }
}
