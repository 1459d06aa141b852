//! What a composed resource is made of that is there already, as far as its id names the parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use trueup_engine::compose::{Located, LocatedPart, Read};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::provider::{By, Found, Manager, Observation, ProviderError, Target};
use trueup_state::{Address, Class, FieldPath, KindName, Scope};

use super::{
    alert, attributes, budget, endpoint, function, identity, network, policy, registry, schedule, secret, volume,
};

/// The managers of the parts, by kind.
pub(super) type Managers = BTreeMap<KindName, Arc<dyn Manager>>;

/// The part that an id is of, and what is known of the whole then.
fn main_part(kind: &str, id: &str) -> Option<(&'static str, &'static str, String, BTreeMap<String, Read>)> {
    // Names are the ends of ARNs.
    let name = |after: &str| id.rsplit_once(after).map_or(id, |(_, name)| name).to_owned();
    Some(match kind {
        kinds::Alert::NAME => ("alarm", alert::ALARM, name(":alarm:"), attributes(alert::KNOWN)),
        kinds::Budget::NAME => ("budget", budget::BUDGET, id.to_owned(), attributes(budget::KNOWN)),
        kinds::Function::NAME => ("function", function::FUNCTION, name(":function:"), attributes(function::KNOWN)),
        kinds::Identity::NAME => ("role", policy::ROLE, role_name(id), attributes(identity::KNOWN)),
        kinds::Registry::NAME if id.contains(":sagemaker:") => {
            ("group", registry::GROUP, id.to_owned(), attributes(registry::KNOWN_OF_MODELS))
        }
        kinds::Registry::NAME => {
            let name = id.rsplit_once(":repository/").or_else(|| id.split_once(".amazonaws.com/"));
            let name = name.map_or(id, |(_, name)| name).to_owned();
            ("repository", registry::REPOSITORY, name, attributes(registry::KNOWN))
        }
        kinds::Schedule::NAME => ("schedule", schedule::SCHEDULE, name("/"), attributes(schedule::KNOWN)),
        kinds::Secret::NAME => ("secret", secret::SECRET, id.to_owned(), attributes(secret::KNOWN)),
        kinds::Volume::NAME if id.starts_with("vol-") => {
            ("disk", volume::DISK, id.to_owned(), attributes(volume::KNOWN))
        }
        kinds::Volume::NAME => ("files", volume::FILES, id.to_owned(), attributes(volume::KNOWN_SHARED)),
        _ => return None,
    })
}

/// The name of a role, from its ARN or its name.
pub(super) fn role_name(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

/// The parts that another names, or that are called by its name.
fn further(kind: &str, main: &Found) -> Vec<(&'static str, &'static str, String)> {
    let said = |path: &str| {
        let value = main.spec.at(&FieldPath::parse(&format!("properties.{path}")))?;
        value.revealed().as_str().map(str::to_owned)
    };
    let role = |arn: String| {
        let name = role_name(&arn);
        let policy = format!("{}|{name}", policy::POLICY_NAME);
        vec![("role", policy::ROLE, name), ("policy", policy::ROLE_POLICY, policy)]
    };
    match kind {
        kinds::Function::NAME => {
            let log = said("LoggingConfig.LogGroup").map(|name| ("log", function::LOG, name));
            said("Role").map(role).into_iter().flatten().chain(log).collect()
        }
        kinds::Schedule::NAME => said("Target.RoleArn").map(role).unwrap_or_default(),
        kinds::Identity::NAME => {
            let policy = format!("{}|{}", policy::POLICY_NAME, main.id);
            vec![("policy", policy::ROLE_POLICY, policy), ("profile", identity::PROFILE, main.id.clone())]
        }
        _ => Vec::new(),
    }
}

/// What is found of a resource by its id; none where its main part is not there. `there`: everything of the types that a network is found by.
pub(crate) async fn locate(
    scope: &Scope,
    managers: &Managers,
    kind: &KindName,
    id: &str,
    there: &BTreeMap<&str, Vec<Found>>,
) -> Result<Option<Located>, ProviderError> {
    if kind.as_str() == kinds::Network::NAME {
        return network::locate(scope, managers, id, there).await;
    }
    if kind.as_str() == kinds::Endpoint::NAME {
        return endpoint::locate(scope, managers, id).await;
    }
    let Some((name, of, part, known)) = main_part(kind.as_str(), id) else { return Ok(None) };
    let Some(main) = find(managers, of, &part).await? else { return Ok(None) };
    let further = further(kind.as_str(), &main);
    let mut parts = BTreeMap::new();
    let located = |kind: &str, id: String| LocatedPart { kind: kind.into(), scope: scope.clone(), id, shared: None };
    parts.insert(name.to_owned(), located(of, main.id));
    for (name, of, part) in further {
        if let Some(found) = find(managers, of, &part).await? {
            parts.insert(name.to_owned(), located(of, found.id));
        }
    }
    let mut known = known;
    known.retain(|_, read| parts.contains_key(&read.part));
    Ok(Some(Located { parts, attributes: known }))
}

pub(super) async fn find(managers: &Managers, kind: &str, id: &str) -> Result<Option<Found>, ProviderError> {
    let Some(manager) = managers.get(&KindName::from(kind)) else { return Ok(None) };
    let nowhere = Address::root("located");
    let target = Target { address: &nowhere, generation: 0, by: By::Id(id), sent: None };
    match manager.observe(&[target]).await?.observations.into_iter().next() {
        Some(Observation::Present(found)) => Ok(Some(*found)),
        Some(Observation::Indeterminate(reason)) => Err(ProviderError::new(Class::Transient, reason)),
        Some(Observation::Absent | Observation::Ended(_)) | None => Ok(None),
    }
}
