//! What is in the way of a plan's deletes: asked of the providers once the plan is made, so that it is told before anything is deleted.

use std::collections::BTreeMap;

use trueup_state::{KindName, Scope, State, Verb};

use crate::apply::remedy::to_delete;
use crate::blueprint::Program;
use crate::desired::declared;
use crate::estate::Estate;
use crate::plan::echo::scrub;
use crate::plan::{Operation, Plan, Refusal};
use crate::provider::{By, Target};
use crate::schema::Problem;

/// Refuses the plan for each delete that its provider knows to be impossible. Left out is what may not come to it, because only apply can
/// tell whether it is replaced, and what a replacement superseded: it is in nobody's way, and its delete is tried by every run.
pub(crate) async fn refuse(plan: &mut Plan, program: &Program, state: &State, estate: &Estate) {
    let mut groups: BTreeMap<(Scope, KindName), Vec<&Operation>> = BTreeMap::new();
    for operation in
        plan.operations.iter().filter(|operation| is_certain(operation, plan) && is_of_current(operation, state))
    {
        groups.entry((operation.scope.clone(), operation.kind.clone())).or_default().push(operation);
    }
    let asked = groups.into_values().map(|group| async move {
        let manager = group.first().and_then(|first| estate.manager(&first.scope, &first.kind));
        let Some(manager) = manager else { return Vec::new() };
        let targets: Vec<Target<'_>> = group.iter().map(|operation| target(operation)).collect();
        let answers = manager.obstacles(&targets).await;
        let found = group.into_iter().zip(answers).filter_map(|(operation, answer)| Some((operation, answer?)));
        found.map(|(operation, problem)| refusal(operation, &problem, program, manager.schema())).collect::<Vec<_>>()
    });
    let mut refusals: Vec<Refusal> = futures::future::join_all(asked).await.into_iter().flatten().collect();
    refusals.retain(|refusal| !plan.refusals.iter().any(|known| known.address == refusal.address));
    plan.refusals.extend(refusals);
}

fn is_of_current(operation: &Operation, state: &State) -> bool {
    let current = state.records.get(&operation.address).and_then(|record| record.current.as_ref());
    operation.verb == Verb::Delete && current.is_some_and(|object| object.generation == operation.generation)
}

/// Whether a delete is carried out, whatever the apply finds.
fn is_certain(operation: &Operation, plan: &Plan) -> bool {
    let partner = operation.partner.and_then(|partner| plan.operations.get(partner));
    partner.is_none_or(|partner| !partner.spec.has_unknown())
}

fn target(operation: &Operation) -> Target<'_> {
    Target {
        address: &operation.address,
        generation: operation.generation,
        by: By::Id(operation.id.as_deref().unwrap_or_default()),
        sent: Some(&operation.spec),
    }
}

fn refusal(operation: &Operation, problem: &Problem, program: &Program, schema: &crate::schema::Schema) -> Refusal {
    let resource = declared(program, &operation.address, &operation.kind);
    let message = scrub(&problem.message, &[&operation.spec, &operation.attributes]);
    let help = if schema.is("x-on-delete", &problem.path) {
        to_delete(&problem.path, &operation.spec, resource.is_some())
    } else {
        "see to that first".to_owned()
    };
    let place = resource.and_then(|resource| resource.place(&program.sources, &problem.path));
    Refusal {
        address: operation.address.clone(),
        message: format!("{} can't be deleted: {message}", operation.address),
        help,
        source: place.or_else(|| operation.declared.source.clone()),
    }
}
