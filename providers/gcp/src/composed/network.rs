//! `network`: a VPC with a subnet for each zone. Its machines reach each other, and Google's own services without an address on the internet.
//!
//! What is not let in stays out: a network without rules takes nothing in (*VPC firewall rules*, implied rules).

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, addresses, attributes, changed, field, map, option, texts};
use trueup_state::{FieldPath, Value};

use super::project;

const NETWORK: &str = "compute.v1.networks";
const SUBNET: &str = "compute.v1.subnetworks";
const RULE: &str = "compute.v1.firewalls";
const ANSWERS: &str = "dns.v1.responsePolicies";
const ANSWER: &str = "dns.v1.responsePolicyRules";
pub(super) const PARTS: [&str; 5] = [NETWORK, SUBNET, RULE, ANSWERS, ANSWER];
pub(super) const OPTIONS: [&str; 2] = ["addresses", "mtu"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<1> = [("resource_id", "network", "resource_id")];

/// Where Google's own services answer without the internet (*Configure Private Google Access*, `private.googleapis.com`).
const PRIVATE: &str = "199.36.153.8/30";
const PRIVATE_ADDRESSES: [&str; 4] = ["199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"];
/// The names that are answered so.
const NAMES: [(&str, &str); 6] = [
    ("apis", "*.googleapis.com."),
    ("images", "*.pkg.dev."),
    ("images-apex", "pkg.dev."),
    ("registry", "*.gcr.io."),
    ("registry-apex", "gcr.io."),
    ("run", "*.run.app."),
];
/// Addresses that are nobody's on the internet (RFC 1918).
const NOT_INTERNET: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
/// What goes before what, the smaller first. Machines reach each other before a rule closes each of them (1000).
const INSIDE: i64 = 950;
/// What may go out, before what keeps all else in.
const OUT: (i64, i64) = (64_000, 65_000);

/// A zone that has a subnet.
struct Zone<'a> {
    name: &'a str,
    region: &'a str,
    addresses: Value,
    at: String,
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let zones = zones(wanted)?;
    let network = Native::new(wanted, "network", NETWORK)
        .beside("name", "name")
        .with("autoCreateSubnetworks", false)
        .with("routingConfig.routingMode", "REGIONAL")
        .option("mtu", "mtu");
    let inside = rule(wanted, "inside", "Machines of the network reach each other")
        .with("direction", "INGRESS")
        .with("priority", INSIDE)
        .from("sourceRanges", "cidr", Value::List(vec![field(wanted, "cidr").clone()]))
        .with("allowed", all());
    let mut parts = vec![network.part(), inside.part()];
    if *field(wanted, "internet").revealed() == Value::Bool(false) {
        parts.extend(kept_in(wanted));
        parts.extend(answers(wanted));
    }
    let mut known = attributes(KNOWN);
    for zone in &zones {
        let name = format!("subnet-{}", zone.name);
        known.insert(format!("subnets.{}", zone.name), Read::of(&name, "resource_id"));
        let subnet = Native::new(wanted, name, SUBNET)
            .set("parent", format!("projects/{}/regions/{}", project(wanted), zone.region))
            .reads("network", "network", "selfLink")
            .from("ipCidrRange", &zone.at, zone.addresses.clone())
            .with("privateIpGoogleAccess", true);
        parts.push(subnet.part());
    }
    Ok(Composition { parts, attributes: known })
}

/// Every kind of traffic.
fn all() -> Value {
    Value::List(vec![map([("IPProtocol", "all".into())])])
}

fn rule<'a>(wanted: &'a Wanted<'a>, name: &str, about: &str) -> Native<'a> {
    Native::new(wanted, name, RULE).with("description", about).reads("network", "network", "selfLink")
}

/// What keeps machines from the internet: they reach each other, and Google's own services.
fn kept_in(wanted: &Wanted<'_>) -> [Part; 2] {
    let out = |name: &str, about: &str, priority: i64| {
        rule(wanted, name, about).with("direction", "EGRESS").with("priority", priority)
    };
    let near = NOT_INTERNET.into_iter().chain([PRIVATE]).map(Value::from);
    let near = [field(wanted, "cidr").clone()].into_iter().chain(near).collect();
    let own = out("out", "Out to what is no internet, and to Google's own services", OUT.0)
        .from("destinationRanges", "cidr", Value::List(near))
        .with("allowed", all());
    let rest = out("closed", "And nowhere else", OUT.1)
        .from("destinationRanges", "internet", texts(["0.0.0.0/0"]))
        .with("denied", all());
    [own.part(), rest.part()]
}

/// What has the names of Google's own services lead to where they answer without the internet.
fn answers(wanted: &Wanted<'_>) -> Vec<Part> {
    let network = Value::List(vec![map([("networkUrl", Value::Unknown)])]);
    let policy = Native::new(wanted, "answers", ANSWERS)
        .with("description", format!("Made by Trueup for `{}`", wanted.address))
        .from("networks", "internet", network)
        .reads("networks[0].networkUrl", "network", "selfLink")
        .tagged();
    let answer = |(name, of): (&str, &str)| {
        let addresses = map([
            ("name", of.into()),
            ("type", "A".into()),
            ("ttl", 300.into()),
            ("rrdatas", texts(PRIVATE_ADDRESSES)),
        ]);
        let rule = Native::new(wanted, format!("answer-{name}"), ANSWER)
            .from("dnsName", "internet", of)
            .with("localData.localDatas", Value::List(vec![addresses]));
        let mut part = rule.part();
        part.reads.insert(FieldPath::parse("parent"), Read::of("answers", "resource_id"));
        part
    };
    [policy.part()].into_iter().chain(NAMES.into_iter().map(answer)).collect()
}

/// The zones, each with its share of the addresses: what is said of it in `options.gcp.addresses`, or the sixteenth of its letter.
fn zones<'a>(wanted: &'a Wanted<'_>) -> Result<Vec<Zone<'a>>, Vec<Problem>> {
    let (said, own) = (field(wanted, "zones"), option(wanted, "addresses"));
    let (mut zones, mut problems, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    for (index, name) in said.revealed().as_list().unwrap_or_default().iter().enumerate() {
        let (name, at) = (name.revealed().as_str().unwrap_or_default(), format!("zones[{index}]"));
        let mut refuse = |message: String| problems.push(Problem::new(FieldPath::parse(&at), message));
        let parted = name.rsplit_once('-').and_then(|(region, letter)| Some((region, addresses::letter(letter)?)));
        let Some((region, letter)) = parted else {
            refuse("a zone of Google's is a region and a letter, as `europe-west4-a` is".to_owned());
            continue;
        };
        if let Some(addresses) = own.get(name).filter(|addresses| !matches!(addresses.revealed(), Value::Null)) {
            let at = format!("options.gcp.addresses.{name}");
            zones.push(Zone { name, region, addresses: addresses.clone(), at });
        } else if letters.contains(&letter) {
            refuse(format!(
                "another zone has the addresses of the letter `{}`: say which ones this one has, as `options.gcp.addresses: {{ {name}: 10.0.240.0/20 }}`",
                char::from(b'a' + u8::try_from(letter).unwrap_or_default())
            ));
        } else {
            letters.push(letter);
            let addresses = changed(field(wanted, "cidr"), |cidr| addresses::sixteenth(cidr, letter));
            zones.push(Zone { name, region, addresses, at });
        }
    }
    for name in own.revealed().as_map().into_iter().flat_map(|map| map.keys()) {
        if !zones.iter().any(|zone| zone.name == name) {
            let at = FieldPath::parse("options.gcp.addresses").field(name);
            problems.push(Problem::new(at, "there is no such zone in `zones`"));
        }
    }
    if problems.is_empty() { Ok(zones) } else { Err(problems) }
}
