//! A plan as it is kept: JSON, every secret sealed. Whatever a file holds, it is read as a plan that can be shown and carried out, or
//! refused.

use std::collections::btree_map::Entry;
use std::io;
use std::path::Path;
use std::sync::Arc;

use petgraph::algo::is_cyclic_directed;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Deserialize;
use serde_json::Value as Json;
use trueup_state::Value;
use trueup_state::codec::{self, Seal, SealedValue, VaultError};

use super::{FORMAT, Plan};
use crate::blueprint::expand::load;
use crate::blueprint::{Catalog, Given, Inputs, Loader, Program};
use crate::diagnostic::{Diagnostics, Sources};

/// What every saved plan begins with.
pub const MARK: &[u8] = br#"{"format":"#;

/// Why a saved plan can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It is no plan.
    #[error("{0}")]
    NoPlan(String),
    /// Another Trueup saved it.
    #[error("its format is {found}, and this Trueup reads {FORMAT}")]
    OtherFormat {
        /// The plan's format; `none` where it names none.
        found: String,
    },
    /// It contradicts itself: no plan was ever saved so.
    #[error("{0}")]
    Damaged(String),
    /// One of its secrets can't be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What every saved plan has, whatever its format.
#[derive(Deserialize)]
struct Head {
    format: Option<Json>,
}

/// The bytes of a plan, its secrets sealed.
///
/// # Errors
/// There is no key to seal them with.
pub fn write(plan: &Plan, vault: &dyn Seal) -> Result<Vec<u8>, SavedError> {
    let mut has_secrets = plan.sources.0.iter().any(|source| source.text.contains("secret"));
    let mut seal = |value: Value| {
        has_secrets |= value.has_secret();
        codec::seal(&value, vault)
    };
    let mut sealed = plan.clone().try_map(&mut seal)?;
    // A secret may be written down anywhere: as what a module is given, or in a field that is one.
    if has_secrets {
        for (file, source) in plan.sources.0.iter().enumerate() {
            if let Entry::Vacant(text) = sealed.texts.entry(file) {
                text.insert(codec::seal(&Value::secret(source.text.as_ref().into()), vault)?);
                sealed.sources.mask(file);
            }
        }
    }
    serde_json::to_vec(&sealed).map_err(|error| SavedError::NoPlan(error.to_string()))
}

/// The plan in some bytes. What is sealed for a key that is not here stays sealed.
///
/// # Errors
/// They hold no plan, one of another format, or one that contradicts itself.
pub fn read(bytes: &[u8], vault: &dyn Seal) -> Result<Plan, SavedError> {
    let no_plan = |error: serde_json::Error| SavedError::NoPlan(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(no_plan)?;
    let format = head.format.as_ref().and_then(Json::as_u64);
    if format != Some(u64::from(FORMAT)) {
        let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
        return Err(SavedError::OtherFormat { found });
    }
    let sealed: Plan<SealedValue> = serde_json::from_slice(bytes).map_err(no_plan)?;
    if let Some(flaw) = flaw(&sealed) {
        return Err(SavedError::Damaged(flaw));
    }
    let mut plan = sealed.try_map(&mut |value| codec::open(&value, vault))?;
    for (file, text) in std::mem::take(&mut plan.texts) {
        match (plan.sources.0.get_mut(file), text.revealed()) {
            (Some(source), Value::String(text)) => *source = source.unmasked(text),
            _ => {
                plan.texts.insert(file, text);
            }
        }
    }
    Ok(plan)
}

/// Loads the blueprint that a plan carries, as it was expanded for the plan.
///
/// # Errors
/// Something is wrong with it: another Trueup made the plan, or it is damaged.
pub fn reload(plan: &Plan, catalog: &Arc<Catalog>) -> Result<Program, Diagnostics> {
    let origin = || "the saved plan".to_owned();
    let given = |value: &Value| Given { value: value.clone(), is_text: false, origin: origin() };
    let variables = plan.variables.iter().map(|(name, value)| (name.clone(), given(value))).collect();
    // Where none is chosen, the environment is called so.
    let environment = Some(plan.stack.environment.clone()).filter(|name| name != "default");
    let program = load(&plan.stack.file, &Inputs { environment, variables }, &Carried(&plan.sources), catalog)?;
    // What resources there are may depend on what the plan knew of others.
    if plan.known.is_empty() { Ok(program) } else { program.with_known(plan.known.clone()) }
}

/// Reads the files that a plan carries.
struct Carried<'a>(&'a Sources);

impl Loader for Carried<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let source = self.0.0.iter().find(|source| *source.path == *path);
        source.map(|source| source.text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What of a plan's graph of operations contradicts the rest.
fn flaw<V>(plan: &Plan<V>) -> Option<String> {
    let operations = plan.operations.len();
    if let Some(partner) = plan.operations.iter().filter_map(|one| one.partner).find(|partner| *partner >= operations) {
        return Some(format!("it names an operation {partner}, and has {operations}"));
    }
    // Nothing waits for a joint that nothing leads to.
    if plan.joints > plan.edges.len() {
        return Some(format!("it has {} joints, and {} edges", plan.joints, plan.edges.len()));
    }
    let nodes = operations + plan.joints;
    if let Some((from, to)) = plan.edges.iter().find(|(from, to)| *from >= nodes || *to >= nodes) {
        return Some(format!("it has an edge from {from} to {to}, and {nodes} that one may lead to"));
    }
    (!is_acyclic(nodes, &plan.edges)).then(|| "its operations wait for each other in a circle".to_owned())
}

fn is_acyclic(nodes: usize, edges: &[(usize, usize)]) -> bool {
    let mut graph = DiGraph::<(), ()>::with_capacity(nodes, edges.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), ());
    }
    !is_cyclic_directed(&graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_from_what_meets_again() {
        assert!(is_acyclic(4, &[(0, 1), (0, 2), (1, 3), (2, 3), (2, 3)]));
        assert!(!is_acyclic(3, &[(0, 1), (1, 2), (2, 1)]));
        assert!(!is_acyclic(1, &[(0, 0)]));
        assert!(is_acyclic(0, &[]));
    }
}
