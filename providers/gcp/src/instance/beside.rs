//! What machines need beside them, one for all of a stack that ask for the same in a network: firewall rules that let in what is asked for and
//! nothing else. Google's default network lets anybody connect to SSH, so that a rule closes it first.
//!
//! A rule is about the machines that bear its network tag, and a tag says what its rules do: what two stacks mean by one is the same.

use std::collections::{BTreeMap, BTreeSet};

use hex::encode;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::compose::{Companions, Part, Shared, Wanted};
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::schema::Problem;
use trueup_machines::{Rules, SSH, startup};
use trueup_state::{FieldPath, KindName, Scope, Value};

use super::options::{self, OPTIONS};
use crate::clients::everywhere;

/// The kind of a firewall rule.
const RULE: &str = "compute.v1.firewalls";
/// The network where none is said.
pub(super) const NETWORK: &str = "default";
/// The tag of all machines.
const CLOSED: &str = "trueup-closed";
/// What a network is known as that is said by its path: one machine's own, made with it perhaps.
const OWN: &str = "of ";
/// What the tag of what lets somebody in for checks begins with.
const CHECKS: &str = "trueup-checks-";
/// What our network tags begin with.
pub(super) const OURS: &str = "trueup-";
/// What goes before what: the smaller first. What lets in goes before what closes, and both before the rules of the default network (65534).
const PRIORITIES: (u32, u32) = (900, 1000);
/// What says who may connect where that is known later.
const INSTEAD: &str = "in a rule of your own for a tag of `options.gcp.network_tags`";

/// The kinds of what machines may need in a scope.
pub(crate) fn kinds(scope: &Scope) -> BTreeSet<(Scope, KindName)> {
    [(everywhere(scope), KindName::from(RULE)), (scope.clone(), KindName::from(Bucket::NAME))].into()
}

/// What a machine needs beside it.
pub(crate) fn companions(wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
    let (network, known_as) = network(wanted)?;
    let follows = known_as.starts_with(OWN);
    let rules = Rules::of(wanted.spec, wanted.validate, INSTEAD)?;
    if rules.from.iter().any(|from| from.contains(':')) && rules.from.iter().any(|from| !from.contains(':')) {
        let message = "a rule of Google's is of IPv4 or of IPv6: who may connect has addresses of one of them";
        return Err(vec![Problem::new(FieldPath::parse("ssh.ingress"), message)]);
    }
    let companion = |name: &str, key: String, properties: Value| Part {
        name: name.to_owned(),
        kind: RULE.into(),
        scope: everywhere(wanted.scope),
        shared: Some(Shared {
            name: name.to_owned(),
            key: format!("{}{key}", place(wanted.scope, &known_as)),
            follows,
        }),
        spec: Value::Map([("properties".to_owned(), properties)].into()),
        reads: BTreeMap::new(),
        after: [].into(),
        create_first: None,
        origins: BTreeMap::new(),
    };
    let rule = |tag: &str, allowed: Option<(&BTreeSet<String>, &BTreeSet<u64>)>| rule(&network, tag, allowed);
    let mut parts = vec![companion("closed", String::new(), rule(CLOSED, None))];
    if let Some(tag) = tag(&rules) {
        let (from, to) = (joined(&rules.from), joined(&rules.ports));
        let open = rule(&tag, Some((&rules.from, &rules.ports)));
        parts.push(companion("firewall", format!(" {to} from {from}"), open));
    }
    if let Some(from) = &rules.checks_from {
        let open = rule(&checks_tag(from), Some((&[from.clone()].into(), &[SSH].into())));
        parts.push(companion("firewall-checks", format!(" checks from {from}"), open));
    }
    let mut all = startup::companions(wanted, bucket_place(wanted.scope), &OPTIONS);
    all.parts.extend(parts);
    Ok(all)
}

/// The network of a machine, as Google writes it, and which of a stack's it is, in words. That of a subnet has to be said; what is said by
/// its path may be known later: a machine in such a one has rules of its own.
fn network(wanted: &Wanted<'_>) -> Result<(Value, String), Vec<Problem>> {
    let project = wanted.scope.settings.get("project").and_then(Json::as_str).unwrap_or_default();
    let address = |network: &str| {
        let path = options::network_path(project, network);
        Value::from(format!("https://www.googleapis.com/compute/v1/{path}"))
    };
    let own = || format!("{OWN}{}", wanted.address.to_string().replace('"', ""));
    match options::text(wanted.spec, "network") {
        Some(network) if network.contains('/') => return Ok((address(network), own())),
        Some(network) => return Ok((address(network), network.to_owned())),
        None => {}
    }
    let is_said = |at: &FieldPath| wanted.spec.at(at).is_some_and(|value| !matches!(value.revealed(), Value::Null));
    if is_said(&OPTIONS.field("network")) {
        return Ok((Value::Unknown, own()));
    }
    if is_said(&FieldPath::parse("network.subnet")) {
        let message = "which network it is in does not tell a rule whom it is for: say `options.gcp.network`, as `\"{{ net.resource_id }}\"`";
        return Err(vec![Problem::new(FieldPath::parse("network.subnet"), message)]);
    }
    Ok((address(NETWORK), NETWORK.to_owned()))
}

/// A rule for a tag: what it lets in, or that it lets in nobody.
fn rule(network: &Value, tag: &str, allowed: Option<(&BTreeSet<String>, &BTreeSet<u64>)>) -> Value {
    let mut rule = json!({
        "direction": "INGRESS",
        "targetTags": [tag],
    });
    if let Some((from, ports)) = allowed {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        rule["description"] = "Who may connect to machines made by Trueup".into();
        rule["priority"] = PRIORITIES.0.into();
        rule["sourceRanges"] = json!(from);
        rule["allowed"] = json!([{ "IPProtocol": "tcp", "ports": ports }]);
    } else {
        rule["description"] = "Nobody else may connect to machines made by Trueup".into();
        rule["priority"] = PRIORITIES.1.into();
        rule["sourceRanges"] = json!(["0.0.0.0/0"]);
        rule["denied"] = json!([{ "IPProtocol": "all" }]);
    }
    let mut rule = Value::from(rule);
    rule.put(&FieldPath::parse("network"), network.clone());
    rule
}

/// The network tags that a machine of a spec bears for its rules. `checks_from`: who may connect for checks, as the machine's request has it.
pub(super) fn tags(spec: &Value, checks_from: Option<&str>) -> BTreeSet<String> {
    // What is not known is told by the plan, which comes before.
    let rules = Rules::of(spec, None, INSTEAD).ok();
    let is_new = |from: &&str| rules.as_ref().is_none_or(|rules| !rules.from.contains(*from));
    let open = rules.as_ref().and_then(tag);
    [CLOSED.to_owned()].into_iter().chain(open).chain(checks_from.filter(is_new).map(checks_tag)).collect()
}

/// Whether a tag is one that lets somebody in for checks: no spec says it.
pub(super) fn is_for_checks(tag: &str) -> bool {
    tag.starts_with(CHECKS)
}

/// The tag of those who let the same in; none where nobody may connect.
fn tag(rules: &Rules) -> Option<String> {
    let said = format!("{} from {}", joined(&rules.ports), joined(&rules.from));
    (!rules.from.is_empty()).then(|| format!("trueup-in-{}", digest(&said)))
}

fn checks_tag(from: &str) -> String {
    format!("{CHECKS}{}", digest(from))
}

fn digest(text: &str) -> String {
    encode(&Sha256::digest(text)[..6])
}

fn joined<T: ToString>(all: &BTreeSet<T>) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Which of a stack's buckets for checks it is: that of a region.
fn bucket_place(scope: &Scope) -> String {
    place(scope, scope.settings.get("region").and_then(Json::as_str).unwrap_or_default())
}

/// Where what machines share is, in words.
fn place(scope: &Scope, network: &str) -> String {
    let project = scope.settings.get("project").and_then(Json::as_str);
    // Whoever is asked as another may see another project of this name.
    let access = ["credentials", "impersonate"].into_iter().filter_map(|name| scope.access.get(name)?.as_str());
    project.into_iter().chain([network]).chain(access).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use trueup_state::Address;

    use super::*;

    fn of(spec: &Value) -> Result<Vec<Part>, Vec<Problem>> {
        checked(spec, None)
    }

    fn with(spec: Json, validate: Option<Json>) -> Result<Vec<Part>, Vec<Problem>> {
        checked(&spec.into(), validate)
    }

    fn checked(spec: &Value, validate: Option<Json>) -> Result<Vec<Part>, Vec<Problem>> {
        let place = [("project", "acme"), ("region", "europe-west4"), ("zone", "europe-west4-a")];
        let scope = Scope::at("gcp", place.map(|(name, value)| (name.to_owned(), value.into())));
        let (address, kind) = (Address::root("m"), KindName::from("gpu_instance"));
        let validate = validate.map(Value::from);
        let (scope, validate) = (&scope, validate.as_ref());
        let wanted = Wanted { address: &address, kind: &kind, spec, scope, candidate: None, validate };
        companions(&wanted).map(|made| made.parts)
    }

    fn properties(part: &Part) -> Json {
        trueup_state::codec::reveal(part.spec.get("properties").unwrap()).unwrap()
    }

    #[test]
    fn nobody_may_connect_but_who_is_said() {
        let [closed] = &with(json!({ "network": { "ports": [8080] } }), None).unwrap()[..] else { panic!() };
        assert_eq!(properties(closed)["denied"], json!([{ "IPProtocol": "all" }]));
        assert_eq!(closed.scope.settings.get("zone"), None, "a rule is in no zone");
        let open = json!({ "ssh": { "ingress": ["10.0.0.0/8"] }, "network": { "ports": [8080] } });
        let [_, rule] = &with(open.clone(), None).unwrap()[..] else { panic!() };
        let said = properties(rule);
        assert_eq!(said["allowed"], json!([{ "IPProtocol": "tcp", "ports": ["22", "8080"] }]));
        assert_eq!(said["sourceRanges"], json!(["10.0.0.0/8"]));
        assert!(said["priority"].as_u64() < properties(closed)["priority"].as_u64());
        // A machine bears the tags that its rules are for.
        let tags = tags(&open.into(), None);
        assert!(tags.contains(CLOSED) && tags.contains(said["targetTags"][0].as_str().unwrap()), "{tags:?}");
    }

    #[test]
    fn for_a_check_one_block_may_reach_ssh_and_nothing_else() {
        let from = |block: &str| Some(json!({ "via": "ssh", "from": block }));
        let [_, rule] = &with(json!({}), from("203.0.113.7/32")).unwrap()[..] else { panic!() };
        assert_eq!(properties(rule)["allowed"], json!([{ "IPProtocol": "tcp", "ports": ["22"] }]));
        let tag = properties(rule)["targetTags"][0].as_str().unwrap().to_owned();
        assert!(is_for_checks(&tag) && tags(&json!({}).into(), Some("203.0.113.7/32")).contains(&tag));
        let known = json!({ "ssh": { "ingress": ["203.0.113.7/32"] } });
        assert_eq!(with(known.clone(), from("203.0.113.7/32")).unwrap().len(), 2, "it may connect anyway");
        assert!(!tags(&known.into(), Some("203.0.113.7/32")).contains(&tag));
        assert!(with(json!({}), from("anybody")).is_err());
    }

    #[test]
    fn what_checks_itself_has_a_bucket_for_that() {
        for validate in [json!({}), json!({ "via": "startup" })] {
            let [bucket, _] = &with(json!({}), Some(validate)).unwrap()[..] else { panic!() };
            assert_eq!((bucket.kind.as_str(), bucket.spec.get("force_destroy")), ("bucket", Some(&true.into())));
            assert_eq!(bucket.shared.as_ref().map(|shared| shared.key.as_str()), Some("acme europe-west4"));
        }
    }

    #[test]
    fn which_network_it_is_has_to_be_known() {
        let path = |spec: Json| with(spec, None).unwrap_err()[0].path.to_string();
        assert_eq!(path(json!({ "network": { "subnet": "research" } })), "network.subnet");
        let both = json!({ "network": { "subnet": "research" }, "options": { "gcp": { "network": "research" } } });
        let parts = with(both, None).unwrap();
        assert!(
            properties(&parts[0])["network"].as_str().unwrap().ends_with("/projects/acme/global/networks/research")
        );
        assert_eq!(parts[0].shared.as_ref().map(|shared| shared.key.as_str()), Some("acme research"));
        // By its path it may be known later, and what it is called does not depend on that.
        let later = |network: Value| {
            let mut spec = Value::from(json!({ "network": { "subnet": "research" } }));
            spec.put(&OPTIONS.field("network"), network);
            let part = of(&spec).unwrap().remove(0);
            (part.shared.map(|shared| shared.key), part.spec.at(&FieldPath::parse("properties.network")).cloned())
        };
        let (before, unknown) = later(Value::Unknown);
        let (after, known) = later("projects/acme/global/networks/research".into());
        assert_eq!((before, unknown), (Some("acme of m".to_owned()), Some(Value::Unknown)));
        assert_eq!(after.as_deref(), Some("acme of m"));
        assert!(known.unwrap().as_str().unwrap().ends_with("/compute/v1/projects/acme/global/networks/research"));
    }
}
