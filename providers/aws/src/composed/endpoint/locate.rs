//! What an endpoint is made of that is there already: from its ARN each part names the next.

use std::collections::BTreeMap;

use trueup_engine::compose::{Located, LocatedPart, Read};
use trueup_engine::provider::{Found, ProviderError};
use trueup_state::{FieldPath, Scope};

use super::{CONFIG, DIMENSION, ENDPOINT, MODEL, SERVICE, TARGET, known};
use crate::composed::locate::{Managers, find, role_name};
use crate::composed::policy::{POLICY_NAME, ROLE, ROLE_POLICY};

/// What an endpoint is made of; none where it is not there.
pub(in crate::composed) async fn locate(
    scope: &Scope,
    managers: &Managers,
    arn: &str,
) -> Result<Option<Located>, ProviderError> {
    let Some(endpoint) = find(managers, ENDPOINT, arn).await? else { return Ok(None) };
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, kind: &str, found: &Found| {
        let part = LocatedPart { kind: kind.into(), scope: scope.clone(), id: found.id.clone(), shared: None };
        parts.insert(name.to_owned(), part);
    };
    put("endpoint", ENDPOINT, &endpoint);
    let beside = |what: &str, name: &str| {
        let account = arn.split_once(":endpoint/").map_or(arn, |(account, _)| account);
        format!("{account}:{what}/{name}")
    };
    let mut variant = None;
    if let Some(name) = said(&endpoint, "EndpointConfigName")
        && let Some(config) = find(managers, CONFIG, &beside("endpoint-config", name)).await?
    {
        put("config", CONFIG, &config);
        variant = said(&config, "ProductionVariants[0].VariantName").map(str::to_owned);
        if let Some(name) = said(&config, "ProductionVariants[0].ModelName")
            && let Some(model) = find(managers, MODEL, &beside("model", name)).await?
        {
            put("model", MODEL, &model);
            let role = said(&model, "ExecutionRoleArn").map(role_name).unwrap_or_default();
            for (name, kind, id) in
                [("role", ROLE, role.clone()), ("policy", ROLE_POLICY, format!("{POLICY_NAME}|{role}"))]
            {
                if let Some(found) = find(managers, kind, &id).await? {
                    put(name, kind, &found);
                }
            }
        }
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let target = format!("endpoint/{name}/variant/{}|{DIMENSION}|{SERVICE}", variant.unwrap_or_default());
    if let Some(target) = find(managers, TARGET, &target).await? {
        put("target", TARGET, &target);
    }
    let mut attributes: BTreeMap<String, Read> = known(scope);
    attributes.retain(|_, read| parts.contains_key(&read.part));
    Ok(Some(Located { parts, attributes }))
}

fn said<'a>(found: &'a Found, property: &str) -> Option<&'a str> {
    found.spec.at(&FieldPath::parse(&format!("properties.{property}")))?.revealed().as_str()
}
