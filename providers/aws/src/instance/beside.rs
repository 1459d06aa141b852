//! What machines need beside them, one for all of a stack that ask for the same in a region: a security group that lets in what is asked
//! for and nothing else, and a key pair.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use trueup_engine::compose::{Companions, Part, Read, Shared, Wanted};
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::schema::Problem;
use trueup_machines::{Rules, SSH, startup};
use trueup_state::{FieldPath, KindName, Scope, Value};

use super::OPTIONS;
use super::key_pair;

/// The type of a security group.
const GROUP: &str = "AWS::EC2::SecurityGroup";
/// Its name as a part.
const NAME: &str = "firewall";
/// What says who may connect where that is known later.
const INSTEAD: &str = "in a group of `options.aws.security_groups`";

/// The kinds of what machines may need in a scope.
pub(crate) fn kinds(scope: &Scope) -> BTreeSet<(Scope, KindName)> {
    [GROUP, key_pair::PAIR, Bucket::NAME].into_iter().map(|kind| (scope.clone(), KindName::from(kind))).collect()
}

/// What a machine needs beside it. The problems of both are told.
pub(crate) fn companions(wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
    match (firewall(wanted), key_pair::companions(wanted)) {
        (Ok(mut both), Ok(pair)) => {
            for more in [pair, startup::companions(wanted, place(wanted.scope), &OPTIONS)] {
                both.parts.extend(more.parts);
                both.reads.extend(more.reads);
            }
            Ok(both)
        }
        (group, pair) => Err([group.err(), pair.err()].into_iter().flatten().flatten().collect()),
    }
}

/// Whether a blueprint says one of AWS's own options.
pub(super) fn is_said(spec: &Value, at: &FieldPath) -> bool {
    spec.at(at).is_some_and(|value| !matches!(value.revealed(), Value::Null))
}

/// A group, unless the blueprint gives the machine some.
fn firewall(wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
    let at = OPTIONS.field("security_groups");
    if is_said(wanted.spec, &at) {
        return Ok(Companions::default());
    }
    let vpc = wanted.spec.at(&OPTIONS.field("vpc")).filter(|vpc| !matches!(vpc.revealed(), Value::Null));
    let is_in_subnet = is_said(wanted.spec, &FieldPath::parse("network.subnet"));
    if vpc.is_none() && is_in_subnet {
        let message = "which network it is in does not tell whose groups it may have: say `options.aws.vpc` or `options.aws.security_groups`";
        return Err(vec![Problem::new(FieldPath::parse("network.subnet"), message)]);
    }
    let rules = Rules::of(wanted.spec, wanted.validate, INSTEAD)?;
    let part = Part {
        name: NAME.to_owned(),
        kind: GROUP.into(),
        scope: wanted.scope.clone(),
        shared: Some(Shared {
            name: NAME.to_owned(),
            key: key(wanted, is_in_subnet, vpc, &rules),
            follows: is_in_subnet,
        }),
        spec: Value::Map([("properties".to_owned(), properties(vpc, &rules))].into()),
        reads: BTreeMap::new(),
        after: [].into(),
        create_first: Some(true),
        origins: BTreeMap::new(),
    };
    Ok(Companions { parts: vec![part], reads: [(at, Read::of(NAME, "GroupId"))].into() })
}

/// Which of a stack's groups it is: where it is, and whom it lets in. Which network a subnet is in may be known later: a machine in one has
/// a group of its own.
fn key(wanted: &Wanted<'_>, is_in_subnet: bool, vpc: Option<&Value>, rules: &Rules) -> String {
    let whose = match vpc.and_then(|vpc| vpc.revealed().as_str()) {
        _ if is_in_subnet => format!(" of {}", wanted.address.to_string().replace('"', "")),
        Some(vpc) => format!(" {vpc}"),
        None => String::new(),
    };
    let mut key = place(wanted.scope) + &whose;
    if !rules.from.is_empty() {
        let ports: Vec<String> = rules.ports.iter().map(ToString::to_string).collect();
        let from: Vec<&str> = rules.from.iter().map(String::as_str).collect();
        key.push_str(&format!(" {} from {}", ports.join(","), from.join(",")));
    }
    if let Some(from) = &rules.checks_from {
        key.push_str(&format!(" checks from {from}"));
    }
    key
}

/// Where what machines share is, in words.
pub(super) fn place(scope: &Scope) -> String {
    let region = scope.settings.get("region").and_then(|region| region.as_str());
    // Whoever is asked as another may be in another account.
    let access = ["account", "profile", "role"].into_iter().filter_map(|name| scope.access.get(name)?.as_str());
    region.into_iter().chain(access).collect::<Vec<_>>().join(" ")
}

fn properties(vpc: Option<&Value>, rules: &Rules) -> Value {
    let rule = |block: &String, port: &u64| {
        let family = if block.contains(':') { "CidrIpv6" } else { "CidrIp" };
        json!({ "IpProtocol": "tcp", "FromPort": port, "ToPort": port, family: block })
    };
    let asked = rules.from.iter().flat_map(|block| rules.ports.iter().map(move |port| rule(block, port)));
    let ingress: Vec<Json> = asked.chain(rules.checks_from.iter().map(|block| rule(block, &SSH))).collect();
    let mut properties: Value = json!({
        "GroupDescription": "Machines made by Trueup, and who may connect to them",
        "SecurityGroupIngress": ingress,
        "SecurityGroupEgress": [{ "IpProtocol": "-1", "CidrIp": "0.0.0.0/0" }],
    })
    .into();
    if let Some(vpc) = vpc {
        properties.put(&FieldPath::parse("VpcId"), vpc.clone());
    }
    properties
}

#[cfg(test)]
mod tests {
    use trueup_state::Address;

    use super::*;

    fn of(spec: Json) -> Result<Companions, Vec<Problem>> {
        with(&spec.into())
    }

    fn with(spec: &Value) -> Result<Companions, Vec<Problem>> {
        checked(spec, None)
    }

    fn checked(spec: &Value, validate: Option<&Value>) -> Result<Companions, Vec<Problem>> {
        let scope = Scope::at("aws", [("region".to_owned(), "us-east-1".into())]);
        let (address, kind) = (Address::root("m"), KindName::from("gpu_instance"));
        companions(&Wanted { address: &address, kind: &kind, spec, scope: &scope, candidate: None, validate })
    }

    fn key_of(spec: Json) -> String {
        of(spec).unwrap().parts.remove(0).shared.unwrap().key
    }

    #[test]
    fn a_group_lets_in_what_is_asked_for_and_nothing_else() {
        let closed = of(json!({ "network": { "ports": [8080] } })).unwrap();
        let ingress =
            |of: &Companions| of.parts[0].spec.at(&FieldPath::parse("properties.SecurityGroupIngress")).cloned();
        assert_eq!(ingress(&closed), Some(json!([]).into()), "nobody may connect");
        let open =
            of(json!({ "ssh": { "ingress": ["10.0.0.0/8", "fd00::/8"] }, "network": { "ports": [8080] } })).unwrap();
        let rules = ingress(&open).unwrap();
        assert_eq!(rules.as_list().map(<[Value]>::len), Some(4));
        assert_eq!(rules.at(&FieldPath::root().index(0).field("FromPort")), Some(&22.into()));
        assert_eq!(rules.at(&FieldPath::root().index(2).field("CidrIpv6")), Some(&"fd00::/8".into()));
    }

    #[test]
    fn for_a_check_one_block_may_reach_ssh_and_nothing_else() {
        let spec: Value = json!({ "network": { "ports": [8080] } }).into();
        let of = |from: &str| checked(&spec, Some(&json!({ "via": "ssh", "from": from }).into()));
        let made = of("203.0.113.7/32").unwrap();
        let rules = made.parts[0].spec.at(&FieldPath::parse("properties.SecurityGroupIngress")).cloned().unwrap();
        let rule = json!({ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "203.0.113.7/32" });
        assert_eq!(rules, json!([rule]).into());
        let key = made.parts[0].shared.as_ref().map(|shared| shared.key.clone());
        assert_eq!(key.as_deref(), Some("us-east-1 checks from 203.0.113.7/32"));
        assert_eq!(of("anybody").unwrap_err()[0].path.to_string(), "validate.from");
        // Who may connect anyway needs no rule of its own.
        let open: Value = json!({ "ssh": { "ingress": ["203.0.113.7/32"] } }).into();
        let both = checked(&open, Some(&json!({ "from": "203.0.113.7/32" }).into())).unwrap();
        let rules = both.parts[0].spec.at(&FieldPath::parse("properties.SecurityGroupIngress")).cloned().unwrap();
        assert_eq!(rules.as_list().map(<[Value]>::len), Some(1));
    }

    #[test]
    fn who_asks_for_the_same_shares_a_group() {
        assert_eq!(key_of(json!({})), "us-east-1");
        assert_eq!(key_of(json!({ "network": { "ports": [1] } })), "us-east-1");
        let one = json!({ "ssh": { "ingress": ["10.0.0.0/8", "192.168.0.0/16"] }, "network": { "ports": [2, 1] } });
        let other = json!({ "ssh": { "ingress": ["192.168.0.0/16", "10.0.0.0/8"] }, "network": { "ports": [1, 2] } });
        assert_eq!(key_of(one.clone()), key_of(other));
        assert_eq!(key_of(one), "us-east-1 1,2,22 from 10.0.0.0/8,192.168.0.0/16");
    }

    #[test]
    fn who_has_groups_needs_none_and_what_can_not_be_known_is_told() {
        assert_eq!(
            of(json!({ "options": { "aws": { "security_groups": ["sg-1"] } } })).unwrap(),
            Companions::default()
        );
        let path = |made: Result<Companions, Vec<Problem>>| made.unwrap_err()[0].path.to_string();
        assert_eq!(path(of(json!({ "network": { "subnet": "subnet-1" } }))), "network.subnet");
        let vpc = json!({ "network": { "subnet": "subnet-1" }, "options": { "aws": { "vpc": "vpc-1" } } });
        assert_eq!(key_of(vpc), "us-east-1 of m", "another machine may be in another network");
        let mut later: Value = json!({ "network": { "subnet": "subnet-1" }, "options": { "aws": {} } }).into();
        later.put(&OPTIONS.field("vpc"), Value::Unknown);
        let later = with(&later).unwrap();
        assert_eq!(later.parts[0].shared.as_ref().map(|shared| shared.key.as_str()), Some("us-east-1 of m"));
        assert_eq!(later.parts[0].spec.at(&FieldPath::parse("properties.VpcId")), Some(&Value::Unknown));
        let mut unknown: Value = json!({ "ssh": {} }).into();
        unknown.put(&FieldPath::parse("ssh.ingress"), Value::List(vec![Value::Unknown]));
        assert_eq!(path(with(&unknown)), "ssh.ingress");
    }
}
