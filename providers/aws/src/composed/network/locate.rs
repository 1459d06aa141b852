//! What a network is made of that is there already: all that names its VPC.

use std::collections::BTreeMap;

use trueup_engine::compose::{Located, LocatedPart, Read};
use trueup_engine::provider::{Found, ProviderError};
use trueup_state::{FieldPath, Scope};

use super::{ASSOCIATION, ATTACHMENT, ENDPOINT, EVERYWHERE, GATEWAY, KNOWN, ROUTE, SUBNET, TABLE, VPC};
use crate::composed::attributes;
use crate::composed::locate::{Managers, find};

/// The types of which everything is looked at.
pub(crate) const LISTED: [&str; 4] = [SUBNET, TABLE, ASSOCIATION, ENDPOINT];

/// What a network is made of; none where its VPC is not there.
pub(in crate::composed) async fn locate(
    scope: &Scope,
    managers: &Managers,
    id: &str,
    there: &BTreeMap<&str, Vec<Found>>,
) -> Result<Option<Located>, ProviderError> {
    let Some(vpc) = find(managers, VPC, id).await? else { return Ok(None) };
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, kind: &str, id: &str| {
        let part = LocatedPart { kind: kind.into(), scope: scope.clone(), id: id.to_owned(), shared: None };
        parts.entry(name.to_owned()).or_insert(part);
    };
    put("vpc", VPC, &vpc.id);
    let all = |kind: &str| there.get(kind).into_iter().flatten();
    let here = |kind: &str| all(kind).filter(|found| said(found, "VpcId") == Some(&vpc.id));
    let mut known = attributes(KNOWN);
    let mut table = None;
    for subnet in here(SUBNET) {
        let Some((zone, letter)) = said(subnet, "AvailabilityZone").and_then(|zone| Some((zone, zone.chars().last()?)))
        else {
            continue;
        };
        let name = format!("subnet_{letter}");
        put(&name, SUBNET, &subnet.id);
        known.insert(format!("subnets.{zone}"), Read::of(&name, "SubnetId"));
        if let Some(routes) = all(ASSOCIATION).find(|found| said(found, "SubnetId") == Some(&subnet.id)) {
            put(&format!("{name}_routes"), ASSOCIATION, &routes.id);
            table = table.or_else(|| said(routes, "RouteTableId"));
        }
    }
    // A VPC has a table of its own besides, which no subnet names.
    if let Some(table) = here(TABLE).find(|found| Some(found.id.as_str()) == table) {
        put("routes", TABLE, &table.id);
        if let Some(route) = find(managers, ROUTE, &format!("{}|{EVERYWHERE}", table.id)).await? {
            put("route", ROUTE, &route.id);
        }
    }
    if let Some(store) =
        here(ENDPOINT).find(|found| said(found, "ServiceName").and_then(|name| name.rsplit('.').next()) == Some("s3"))
    {
        put("store", ENDPOINT, &store.id);
    }
    if let Some(attachment) = find(managers, ATTACHMENT, &format!("IGW|{}", vpc.id)).await? {
        put("attachment", ATTACHMENT, &attachment.id);
        if let Some(gateway) = said(&attachment, "InternetGatewayId") {
            put("gateway", GATEWAY, gateway);
        }
    }
    Ok(Some(Located { parts, attributes: known }))
}

fn said<'a>(found: &'a Found, property: &str) -> Option<&'a str> {
    found.spec.at(&FieldPath::parse(&format!("properties.{property}")))?.revealed().as_str()
}
