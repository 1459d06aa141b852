//! Whoever asks for what is recorded is who the blueprint names now: a profile may have got another name since, or a role taken its place.

use std::collections::BTreeSet;

use trueup_state::{Record, Scope, State};

use crate::blueprint::Program;
use crate::estate::{self, Providers};

/// Has each object that a state knows asked for as the blueprint says of its place. What it says nothing of stays as it is recorded, and so
/// does what two of its providers could mean.
pub(crate) fn reach(state: &mut State, program: &Program, providers: &Providers) {
    let now = estate::places(providers, program);
    let is_any_named = state.records.values().flat_map(Record::objects).any(|object| !object.scope.access.is_empty());
    if !is_any_named && now.iter().all(|scope| scope.access.is_empty()) {
        return;
    }
    let addresses: Vec<_> = state.records.keys().cloned().collect();
    for address in addresses {
        let Some(record) = state.records.get_mut(&address) else { continue };
        for object in record.current.iter_mut().chain(&mut record.deposed) {
            if let Some(scope) = meant(&object.scope, &now) {
                object.scope = scope.clone();
            }
        }
    }
}

/// The scope that a recorded one is called now: of the same alias, or the only one of the place.
fn meant<'a>(recorded: &Scope, now: &'a BTreeSet<Scope>) -> Option<&'a Scope> {
    let there: Vec<&Scope> = now.iter().filter(|scope| recorded.apart_from(scope).is_none()).collect();
    if there.contains(&recorded) {
        return None;
    }
    let namesakes: Vec<&&Scope> = there.iter().filter(|scope| scope.provider == recorded.provider).collect();
    match (&namesakes[..], &there[..]) {
        ([one], _) => Some(one),
        (_, [one]) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(alias: &str, access: &[(&str, &str)]) -> Scope {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), json!(value));
        let access: std::collections::BTreeMap<_, _> = access.iter().map(text).collect();
        Scope { access: access.into(), ..Scope::at(alias, [("region".to_owned(), json!("us-east-1"))]) }
    }

    #[test]
    fn the_same_alias_is_meant_or_the_only_one_there() {
        let recorded = scope("aws", &[("profile", "old")]);
        let now = [scope("aws", &[("profile", "new")]), scope("aws.b", &[("profile", "other")])];
        assert_eq!(meant(&recorded, &now.clone().into()), Some(&now[0]));
        assert_eq!(meant(&scope("aws.old", &[]), &[now[0].clone()].into()), Some(&now[0]));
        assert_eq!(meant(&scope("aws.old", &[]), &now.clone().into()), None, "it may be either");
        assert_eq!(meant(&now[0], &now.clone().into()), None, "it is called so still");
    }

    #[test]
    fn another_place_or_account_is_never_meant() {
        let of = |account: &str| scope("aws", &[("account", account)]);
        assert_eq!(meant(&of("1"), &[of("2")].into()), None);
        assert_eq!(meant(&scope("aws", &[]), &[of("2")].into()), Some(&of("2")));
        let elsewhere = Scope::at("aws", [("region".to_owned(), json!("eu-west-1"))]);
        assert_eq!(meant(&elsewhere, &[of("2")].into()), None);
    }
}
