//! Where a resource may go, and where it is.

use trueup_state::{Object, Scope, Value};

use super::operations::Branch;
use crate::provider::Candidate;

/// The candidate that a recorded object stands in: a recorded placement stays while one of the candidates is what it was made in,
/// whatever prices do.
///
/// Candidates may share a scope and differ only in fields: of those, it is the one whose fields were sent, and where none were, as they
/// were edited since, the first.
pub fn recorded(scopes: &[Scope], candidates: &[Candidate], object: &Object) -> Option<usize> {
    let fits = |position: &usize| object.scope.apart_from(&scopes[*position]).is_none();
    let was_sent = |position: &usize| {
        let fields = candidates.get(*position).into_iter().flat_map(|candidate| &candidate.fields);
        fields.into_iter().all(|(name, value)| {
            let sent = object.sent.get(name);
            // What was never sent is a setting of the provider: the scope has it.
            sent.is_none_or(|sent| holds(sent, &value.clone().into()))
        })
    };
    let here = || (0..scopes.len()).filter(fits);
    here().find(was_sent).or_else(|| here().next())
}

/// Whether a value has all that another says; defaults that were filled in since count for nothing.
fn holds(sent: &Value, said: &Value) -> bool {
    match (sent.revealed(), said.revealed()) {
        (Value::Map(sent), Value::Map(said)) => {
            said.iter().all(|(name, said)| sent.get(name).is_some_and(|sent| holds(sent, said)))
        }
        (sent, said) => sent.same(said),
    }
}

/// Branches in the order in which they are tried: those after the candidate of what failed its check first, and that one last.
pub fn elsewhere_first(mut branches: Vec<Branch>, failed: Option<&Candidate>) -> Vec<Branch> {
    let is_it = |branch: &Branch| branch.candidate.as_ref().map(|candidate| candidate.position);
    let failed = failed.and_then(|failed| branches.iter().position(|branch| is_it(branch) == Some(failed.position)));
    if let Some(failed) = failed {
        branches.rotate_left(failed + 1);
    }
    branches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trueup_state::{Timestamp, Token};

    use super::*;

    fn scope(region: &str) -> Scope {
        Scope::at("sim", [("region".to_owned(), region.into())])
    }

    #[test]
    fn an_object_stays_where_it_is() {
        let object = |sent: serde_json::Value| Object {
            id: None,
            scope: scope("b"),
            generation: 0,
            token: Token::from("t"),
            sent: sent.into(),
            seen: Value::Null,
            attributes: Value::Null,
            made_at: Timestamp(0),
            price_at_launch: None,
        };
        let none = object(serde_json::json!({}));
        assert_eq!(recorded(&[scope("a"), scope("b")], &[], &none), Some(1));
        assert_eq!(recorded(&[scope("a")], &[], &none), None);
        let candidate = |position, gpu: serde_json::Value| Candidate {
            position,
            provider: "sim".into(),
            fields: BTreeMap::from([("gpu".to_owned(), gpu)]),
        };
        let candidates = [candidate(0, serde_json::json!({ "model": "H100" })), candidate(1, "none".into())];
        let both = [scope("b"), scope("b")];
        for (sent, stands) in [
            (serde_json::json!({ "gpu": { "model": "H100", "count": 1 } }), 0),
            (serde_json::json!({ "gpu": "none" }), 1),
            (serde_json::json!({ "gpu": { "model": "L4" } }), 0),
        ] {
            assert_eq!(recorded(&both, &candidates, &object(sent)), Some(stands));
        }
    }
}
