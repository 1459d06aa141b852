//! `network`: a VPC, a subnet in each zone, a way to S3 that is not the internet's, and where it is wanted one to the internet.
//!
//! A machine reaches the internet by an address of its own: nothing comes in by that which its security group does not let in.

mod locate;

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::ID;
use super::{Known, attributes};
use crate::settings::Settings;
use trueup_parts::{Native, addresses, changed, field};

pub(crate) use locate::LISTED;
pub(super) use locate::locate;

const VPC: &str = "AWS::EC2::VPC";
const SUBNET: &str = "AWS::EC2::Subnet";
const GATEWAY: &str = "AWS::EC2::InternetGateway";
const ATTACHMENT: &str = "AWS::EC2::VPCGatewayAttachment";
const TABLE: &str = "AWS::EC2::RouteTable";
const ROUTE: &str = "AWS::EC2::Route";
const ASSOCIATION: &str = "AWS::EC2::SubnetRouteTableAssociation";
const ENDPOINT: &str = "AWS::EC2::VPCEndpoint";
pub(super) const PARTS: [&str; 8] = [VPC, SUBNET, GATEWAY, ATTACHMENT, TABLE, ROUTE, ASSOCIATION, ENDPOINT];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<1> = [("resource_id", "vpc", ID)];

/// The whole internet.
const EVERYWHERE: &str = "0.0.0.0/0";

/// A zone that has a subnet.
struct Zone<'a> {
    name: &'a str,
    /// The last letter of its name, which keeps its share of the addresses whatever other zones come and go.
    letter: char,
    at: String,
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let zones = zones(wanted)?;
    let internet = *field(wanted, "internet").revealed() == Value::Bool(true);
    let vpc = Native::new(wanted, "vpc", VPC)
        .taking("CidrBlock", "cidr")
        .with("EnableDnsSupport", true)
        .with("EnableDnsHostnames", true)
        .named_by_tag("Name");
    // What leads to the internet can only be routed to once it is attached.
    let table_of = if internet { "attachment" } else { "vpc" };
    let table = Native::new(wanted, "routes", TABLE).reads("VpcId", table_of, "VpcId").named_by_tag("Name");
    let mut parts = vec![vpc.part(), table.part(), store(wanted)];
    if internet {
        parts.extend(way_out(wanted));
    }
    let cidr = field(wanted, "cidr");
    let mut known = attributes(KNOWN);
    for zone in &zones {
        known.insert(format!("subnets.{}", zone.name), Read::of(format!("subnet_{}", zone.letter), "SubnetId"));
        parts.extend(subnet(wanted, zone, cidr));
    }
    Ok(Composition { parts, attributes: known })
}

fn zones<'a>(wanted: &'a Wanted<'_>) -> Result<Vec<Zone<'a>>, Vec<Problem>> {
    let said = field(wanted, "zones");
    let (mut zones, mut problems): (Vec<Zone<'a>>, Vec<Problem>) = (Vec::new(), Vec::new());
    for (index, name) in said.revealed().as_list().unwrap_or_default().iter().enumerate() {
        let (name, at) = (name.revealed().as_str().unwrap_or_default(), format!("zones[{index}]"));
        let mut refuse = |message: String| problems.push(Problem::new(FieldPath::parse(&at), message));
        match name.chars().last().filter(|letter| ('a'..='p').contains(letter)) {
            None => refuse("a zone of AWS ends with a letter, as `us-east-1a` does".to_owned()),
            Some(letter) if zones.iter().any(|zone| zone.letter == letter) => {
                refuse(format!("there is a zone `{letter}` in it already"));
            }
            Some(letter) => zones.push(Zone { name, letter, at }),
        }
    }
    if problems.is_empty() { Ok(zones) } else { Err(problems) }
}

/// What leads to S3 without the internet: it costs nothing, and weights go that way.
fn store(wanted: &Wanted<'_>) -> Part {
    let region = Settings::of(wanted.scope).region.unwrap_or_default();
    let store = Native::new(wanted, "store", ENDPOINT)
        .with("VpcEndpointType", "Gateway")
        .with("ServiceName", format!("com.amazonaws.{region}.s3"))
        .reads("VpcId", "vpc", "VpcId")
        .with("RouteTableIds", vec![Value::Unknown])
        .reads("RouteTableIds[0]", "routes", "RouteTableId");
    store.named_by_tag("Name").part()
}

fn way_out(wanted: &Wanted<'_>) -> [Part; 3] {
    let gateway = Native::new(wanted, "gateway", GATEWAY).named_by_tag("Name");
    let attachment = Native::new(wanted, "attachment", ATTACHMENT).reads("VpcId", "vpc", "VpcId").reads(
        "InternetGatewayId",
        "gateway",
        "InternetGatewayId",
    );
    let route = Native::new(wanted, "route", ROUTE)
        .reads("RouteTableId", "routes", "RouteTableId")
        .with("DestinationCidrBlock", EVERYWHERE)
        .reads("GatewayId", "gateway", "InternetGatewayId");
    [gateway, attachment, route].map(Native::part)
}

fn subnet(wanted: &Wanted<'_>, zone: &Zone<'_>, cidr: &Value) -> [Part; 2] {
    let name = format!("subnet_{}", zone.letter);
    let number = u32::from(zone.letter) - u32::from('a');
    let subnet = Native::new(wanted, name.clone(), SUBNET)
        .reads("VpcId", "vpc", "VpcId")
        .from("AvailabilityZone", &zone.at, zone.name)
        .from("CidrBlock", "cidr", changed(cidr, |cidr| addresses::sixteenth(cidr, number)))
        .named_by_tag("Name");
    let routes = Native::new(wanted, format!("{name}_routes"), ASSOCIATION).reads("SubnetId", &name, "SubnetId").reads(
        "RouteTableId",
        "routes",
        "RouteTableId",
    );
    [subnet.part(), routes.part()]
}
