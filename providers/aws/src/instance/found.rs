//! A machine as EC2 shows it, in the shape of a spec.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{HttpTokensState, Instance, InstanceLifecycleType};
use trueup_engine::kinds::gpu_instance::{AllottedGpu, Attributes};
use trueup_engine::provider::Found;
use trueup_engine::typed::to_value;
use trueup_machines::{Gpus, MachineType, gpus};
use trueup_state::Value;
use trueup_state::map::Map;

use super::catalog::EC2;
use super::look::{Seen, id, pairs};
use super::{NAME, OPTIONS, disk, ended};
use crate::tags;

/// What is seen where a machine answers those who have no token: no spec's `options` are that.
const WITHOUT_TOKEN: &str = "instance metadata is given without a token (IMDSv1)";

/// A machine as it is found. `sent`: what its spec says, whose words are kept where they mean what is there; what nobody can see of a
/// machine is not told, and never drifts.
pub(super) fn found(region: &str, seen: &Seen, sent: Option<&Value>) -> Found {
    let machine = &seen.machine;
    let (owner, mut tags) = tags::apart(pairs(machine.tags()));
    let mut fields = Map::from([
        ("gpu".to_owned(), gpu(machine, sent)),
        ("machine_type".to_owned(), type_of(machine).into()),
        ("image".to_owned(), image(machine, sent)),
        ("market".to_owned(), market(machine)),
        ("network".to_owned(), network(machine, sent)),
        ("options".to_owned(), options(machine, sent)),
    ]);
    fields.extend(tags.remove(NAME).map(|name| ("name".to_owned(), name)));
    fields.insert("tags".to_owned(), Value::Map(tags));
    let said = |field: &str| sent.and_then(|sent| sent.get(field));
    fields.extend(seen.disk.as_ref().map(|there| ("disk".to_owned(), disk::spec(there, said("disk")))));
    fields.extend(identity(machine, said("identity")).map(|identity| ("identity".to_owned(), identity)));
    // Who may log in nobody sees: without keys it is of no account who that would be.
    let user = said("ssh").and_then(|ssh| ssh.get("user")).map(|user| ("user".to_owned(), user.clone()));
    fields.extend(user.map(|user| ("ssh".to_owned(), Value::Map([user].into()))));
    Found {
        id: id(machine).to_owned(),
        spec: Value::Map(fields),
        attributes: to_value(&attributes(region, machine)),
        owner,
        pending: None,
    }
}

/// The machine type.
pub(super) fn type_of(machine: &Instance) -> &str {
    machine.instance_type().map(aws_sdk_ec2::types::InstanceType::as_str).unwrap_or_default()
}

/// The GPUs that its type has, by the name that the spec has for them.
fn gpu(machine: &Instance, sent: Option<&Value>) -> Value {
    let Some(MachineType { model, count, .. }) = EC2.named(type_of(machine)) else { return "none".into() };
    let said = sent.and_then(gpus).and_then(|gpus| match gpus {
        Gpus::Of { model, .. } => EC2.named(type_of(machine)).filter(|one| EC2.is_model(one, model)).map(|_| model),
        Gpus::None => None,
    });
    let model = ("model".to_owned(), said.unwrap_or(model).into());
    Value::Map([model, ("count".to_owned(), Value::from(i64::from(*count)))].into())
}

/// The image that was chosen, beside the words by which it was: a newer one that they lead to is another machine's.
fn image(machine: &Instance, sent: Option<&Value>) -> Value {
    let mut fields = Map::from([("id".to_owned(), machine.image_id().unwrap_or_default().into())]);
    let said = sent.and_then(|sent| sent.get("image")).and_then(|image| image.revealed().as_map());
    let words = said.into_iter().flatten().filter(|(name, _)| *name != "id");
    fields.extend(words.map(|(name, value)| (name.clone(), value.clone())));
    Value::Map(fields)
}

fn market(machine: &Instance) -> Value {
    let of = |name: &str, id: &str| Value::Map([(name.to_owned(), id.into())].into());
    let target = machine.capacity_reservation_specification();
    let target =
        target.and_then(|said| said.capacity_reservation_target()).and_then(|target| target.capacity_reservation_id());
    match (machine.instance_lifecycle(), target) {
        (Some(InstanceLifecycleType::Spot), _) => "spot".into(),
        (Some(InstanceLifecycleType::CapacityBlock), target) => {
            of("capacity_block", target.or(machine.capacity_reservation_id()).unwrap_or_default())
        }
        (_, Some(target)) => of("reservation", target),
        _ => "on_demand".into(),
    }
}

/// The network it is in. A machine that is stopped has no address on the internet, whatever it will have.
fn network(machine: &Instance, sent: Option<&Value>) -> Value {
    let said = |name: &str| sent.and_then(|sent| sent.get("network")).and_then(|network| network.get(name));
    let is_stopped = ended::state(machine).is_some_and(|state| state.as_str().starts_with("stop"));
    let public = match said("public_ip") {
        Some(said) if is_stopped => said.clone(),
        _ => machine.public_ip_address().is_some_and(|ip| !ip.is_empty()).into(),
    };
    let mut fields = Map::from([("public_ip".to_owned(), public)]);
    // One that was found by its name is not looked for again.
    let named = said("subnet").filter(|said| said.revealed().as_str().is_some_and(|said| !said.starts_with("subnet-")));
    let subnet = named.cloned().or_else(|| machine.subnet_id().map(Value::from));
    fields.extend(subnet.map(|subnet| ("subnet".to_owned(), subnet)));
    Value::Map(fields)
}

/// The instance profile, by its name where the spec says that.
fn identity(machine: &Instance, said: Option<&Value>) -> Option<Value> {
    let arn = machine.iam_instance_profile()?.arn()?;
    let said = said.and_then(|said| said.revealed().as_str()).filter(|said| is_profile(arn, said));
    Some(said.unwrap_or(arn).into())
}

/// Whether an instance profile is the one that a spec names, by its ARN or its name.
pub(super) fn is_profile(arn: &str, said: &str) -> bool {
    arn == said || !said.starts_with("arn:") && arn.rsplit('/').next() == Some(said)
}

/// Whether a machine's metadata is given only to those who have a token.
pub(super) fn asks_for_token(machine: &Instance) -> bool {
    machine.metadata_options().and_then(|options| options.http_tokens()) == Some(&HttpTokensState::Required)
}

/// The security groups of a machine.
pub(super) fn groups(machine: &Instance) -> Vec<&str> {
    machine.security_groups().iter().filter_map(|group| group.group_id()).collect()
}

/// Of AWS's own options those that the spec says.
fn options(machine: &Instance, sent: Option<&Value>) -> Value {
    if !asks_for_token(machine) {
        return WITHOUT_TOKEN.into();
    }
    let placement = machine.placement();
    let hops = machine
        .metadata_options()
        .and_then(aws_sdk_ec2::types::InstanceMetadataOptionsResponse::http_put_response_hop_limit);
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let mut groups = groups(machine);
    // They are a set, which a list in an option can't say.
    let said = sent.map(said_groups).unwrap_or_default();
    let position = |group: &str| said.iter().position(|one| *one == group).unwrap_or(usize::MAX);
    groups.sort_by_key(|group| (position(group), (*group).to_owned()));
    let is_one = sent.and_then(|sent| text_option(sent, "security_groups")).is_some();
    let groups = match groups[..] {
        [one] if is_one => one.into(),
        _ => Value::List(groups.into_iter().map(Value::from).collect()),
    };
    let all = [
        ("security_groups", groups),
        ("key_name", text(machine.key_name())),
        ("placement_group", text(placement.and_then(|placement| placement.group_name()))),
        ("zone", text(placement.and_then(|placement| placement.availability_zone()))),
        ("hop_limit", hops.map_or(Value::Null, |hops| i64::from(hops).into())),
        ("root_device", text(machine.root_device_name())),
        ("vpc", text(machine.vpc_id())),
        // No machine tells it: it is as it was said.
        ("checks_bucket", text(sent.and_then(|sent| text_option(sent, "checks_bucket")))),
    ];
    let is_said = |name: &str| sent.is_none_or(|sent| sent.at(&OPTIONS.field(name)).is_some());
    let said = all.into_iter().filter(|(name, value)| is_said(name) && *value != Value::Null);
    let said: Map = said.map(|(name, value)| (name.to_owned(), value)).collect();
    if said.is_empty() { Value::Map(Map::new()) } else { Value::Map([("aws".to_owned(), Value::Map(said))].into()) }
}

fn attributes(region: &str, machine: &Instance) -> Attributes {
    let one = EC2.named(type_of(machine));
    let count = one.map_or(0, |one| one.count);
    let gpu = |one: &MachineType| AllottedGpu {
        uuid: String::new(),
        model: one.model.to_owned(),
        memory_mib: one.gpu_mib.into(),
    };
    let private = machine.private_ip_address().unwrap_or_default();
    let public = machine.public_ip_address().filter(|ip| !ip.is_empty());
    let is_on_demand = market(machine).as_str() == Some("on_demand");
    let visible: Vec<String> = (0..count).map(|index| index.to_string()).collect();
    let environment = BTreeMap::from([("CUDA_VISIBLE_DEVICES".to_owned(), visible.join(","))]);
    Attributes {
        ip: public.unwrap_or(private).to_owned(),
        ssh: None,
        private_ip: private.to_owned(),
        hostname: machine.private_dns_name().unwrap_or_default().to_owned(),
        zone: machine.placement().and_then(|placement| placement.availability_zone()).unwrap_or_default().to_owned(),
        instance_type: type_of(machine).to_owned(),
        gpus: one.into_iter().flat_map(|one| (0..one.count).map(move |_| gpu(one))).collect(),
        price_per_hour: one.and_then(|one| one.price).filter(|_| is_on_demand && region == EC2.priced_in),
        status: ended::state(machine).map(aws_sdk_ec2::types::InstanceStateName::as_str).unwrap_or_default().to_owned(),
        environment: if count == 0 { BTreeMap::new() } else { environment },
    }
}

/// What a spec says of one of AWS's own options.
pub(super) fn option<'a>(spec: &'a Value, name: &str) -> Option<&'a Value> {
    spec.at(&OPTIONS.field(name)).map(Value::revealed).filter(|value| **value != Value::Null)
}

/// A text that a spec says in one of AWS's own options.
pub(super) fn text_option<'a>(spec: &'a Value, name: &str) -> Option<&'a str> {
    option(spec, name)?.as_str()
}

/// The security groups that a spec says: a list, or one.
pub(super) fn said_groups(spec: &Value) -> Vec<&str> {
    match option(spec, "security_groups") {
        Some(Value::List(groups)) => groups.iter().filter_map(|group| group.revealed().as_str()).collect(),
        Some(group) => group.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

/// The hops that an answer of the metadata may make: one, which no container is behind, unless a spec says more.
pub(super) fn said_hops(spec: &Value) -> i32 {
    let said = option(spec, "hop_limit").and_then(|hops| match hops {
        Value::Number(number) => number.as_i64().and_then(|hops| i32::try_from(hops).ok()),
        _ => None,
    });
    said.unwrap_or(1)
}
