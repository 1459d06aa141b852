//! A machine as Compute Engine shows it, in the shape of a spec.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::scheduling::ProvisioningModel;
use google_cloud_compute_v1::model::{AttachedDisk, Instance};
use trueup_engine::kinds::gpu_instance::{AllottedGpu, Attributes};
use trueup_engine::provider::Found;
use trueup_engine::typed::to_value;
use trueup_machines::{Gpus, MachineType, gpus};
use trueup_state::Value;
use trueup_state::map::Map;

use super::beside::{self, OURS};
use super::catalog::{COMPUTE, attached};
use super::options::{self, OPTIONS};
use super::{effect, launch};
use crate::labels;
use crate::settings::region_of;

/// The last part of a path or an address.
pub(super) fn last(link: Option<&str>) -> &str {
    link.and_then(|link| link.rsplit('/').next()).unwrap_or_default()
}

/// The id of a machine: where it is.
pub(super) fn id(project: &str, machine: &Instance) -> String {
    let (zone, name) = (last(machine.zone.as_deref()), machine.name.as_deref().unwrap_or_default());
    format!("projects/{project}/zones/{zone}/instances/{name}")
}

/// Whether a machine is gone, or goes.
pub(super) fn is_over(machine: &Instance) -> bool {
    matches!(machine.status, Some(Status::Deprovisioning))
}

/// The disk that a machine started from.
pub(super) fn boot_disk(machine: &Instance) -> Option<&AttachedDisk> {
    machine.disks.iter().find(|disk| disk.boot == Some(true))
}

/// The machine type.
pub(super) fn type_of(machine: &Instance) -> &str {
    last(machine.machine_type.as_deref())
}

/// A machine as it is found. `sent`: what its spec says, whose words are kept where they mean what is there; what nobody can see of a
/// machine is not told, and never drifts.
pub(super) fn found(project: &str, machine: &Instance, sent: Option<&Value>) -> Found {
    let (owner, tags) = labels::apart(machine.labels.clone());
    let said = |field: &str| sent.and_then(|sent| sent.get(field));
    let mut fields = Map::from([
        ("name".to_owned(), machine.name.as_deref().unwrap_or_default().into()),
        ("gpu".to_owned(), gpu(machine, sent)),
        ("machine_type".to_owned(), type_of(machine).into()),
        ("market".to_owned(), market(machine)),
        ("tags".to_owned(), Value::Map(tags)),
        ("network".to_owned(), network(machine, sent)),
        ("options".to_owned(), options(machine, sent)),
    ]);
    let size = boot_disk(machine).and_then(|disk| disk.disk_size_gb);
    fields.extend(size.map(|size| ("disk".to_owned(), Value::Map([("size_gb".to_owned(), size.into())].into()))));
    let identity = identity(project, machine, said("identity").and_then(|said| said.revealed().as_str()));
    fields.extend(identity.map(|identity| ("identity".to_owned(), identity)));
    fields.extend(ssh(machine, sent).map(|ssh| ("ssh".to_owned(), ssh)));
    Found {
        id: id(project, machine),
        spec: Value::Map(fields),
        attributes: to_value(&attributes(project, machine)),
        owner,
        pending: None,
    }
}

/// The GPUs that it has: those of its type, or those that are attached.
fn allotted(machine: &Instance) -> Option<(&'static MachineType, u32)> {
    // A type with GPUs of its own is shown with those too, by names that say less.
    if !type_of(machine).starts_with("n1-") {
        return COMPUTE.named(type_of(machine)).map(|one| (one, one.count));
    }
    let config = machine.guest_accelerators.first()?;
    let count = u32::try_from(config.accelerator_count.unwrap_or_default()).ok()?;
    Some((attached(last(config.accelerator_type.as_deref()), count)?, count))
}

/// The GPUs, by the name that the spec has for them.
fn gpu(machine: &Instance, sent: Option<&Value>) -> Value {
    let Some((one, count)) = allotted(machine) else { return "none".into() };
    let said = sent.and_then(gpus).and_then(|gpus| match gpus {
        Gpus::Of { model, .. } => COMPUTE.is_model(one, model).then_some(model),
        Gpus::None => None,
    });
    let model = ("model".to_owned(), said.unwrap_or(one.model).into());
    Value::Map([model, ("count".to_owned(), Value::from(i64::from(count)))].into())
}

fn market(machine: &Instance) -> Value {
    let of = |name: &str, id: &str| Value::Map([(name.to_owned(), id.into())].into());
    let model = machine.scheduling.as_ref().and_then(|scheduling| scheduling.provisioning_model.as_ref());
    let reserved = machine.reservation_affinity.as_ref().and_then(|affinity| affinity.values.first());
    match (model, reserved) {
        (Some(ProvisioningModel::Spot), _) => "spot".into(),
        (Some(ProvisioningModel::ReservationBound), Some(id)) => of("capacity_block", id),
        (_, Some(id)) => of("reservation", id),
        _ => "on_demand".into(),
    }
}

/// Its network, in the words that were sent where they lead to it. Which ports are open is said of its rules.
fn network(machine: &Instance, sent: Option<&Value>) -> Value {
    let interface = machine.network_interfaces.first();
    let has_address = interface.is_some_and(|interface| !interface.access_configs.is_empty());
    let mut fields = Map::from([("public_ip".to_owned(), Value::from(has_address))]);
    let said = sent.and_then(|sent| sent.get("network")).map(Value::revealed);
    if let Some(subnet) = said.and_then(|said| said.get("subnet")).and_then(|subnet| subnet.revealed().as_str()) {
        let there = interface.and_then(|interface| interface.subnetwork.as_deref()).unwrap_or_default();
        let is_it = last(Some(there)) == last(Some(subnet));
        fields.insert("subnet".to_owned(), if is_it { subnet } else { there }.into());
    }
    Value::Map(fields)
}

/// As whom its programs act, as the spec says it where that is the same.
fn identity(project: &str, machine: &Instance, said: Option<&str>) -> Option<Value> {
    let email = machine.service_accounts.first().and_then(|account| account.email.as_deref())?;
    let said = said.filter(|said| launch::address(project, said) == email);
    Some(said.unwrap_or(email).into())
}

/// Who may connect, as it was said where the machine bears the tags of the rules for that. Who may log in nobody sees.
fn ssh(machine: &Instance, sent: Option<&Value>) -> Option<Value> {
    let sent = sent?;
    let there = network_tags(machine);
    let mut fields = Map::new();
    let said = sent.get("ssh").map(Value::revealed);
    fields.extend(said.and_then(|ssh| ssh.get("user")).map(|user| ("user".to_owned(), user.clone())));
    let is_as_said = beside::tags(sent, None).is_subset(&there);
    let ingress = said.and_then(|ssh| ssh.get("ingress")).filter(|_| is_as_said).cloned();
    let unknown = || Value::List(vec!["the network tags of its firewall rules are gone".into()]);
    let ingress = if is_as_said { ingress } else { Some(unknown()) };
    fields.extend(ingress.map(|ingress| ("ingress".to_owned(), ingress)));
    Some(Value::Map(fields))
}

pub(super) fn network_tags(machine: &Instance) -> BTreeSet<String> {
    machine.tags.iter().flat_map(|tags| tags.items.iter().cloned()).collect()
}

/// Of Google's own options those that the spec says.
fn options(machine: &Instance, sent: Option<&Value>) -> Value {
    let interface = machine.network_interfaces.first();
    let network = last(interface.and_then(|interface| interface.network.as_deref()));
    let said = sent.and_then(|sent| options::text(sent, "network"));
    let network = said.filter(|said| last(Some(said)) == network).unwrap_or(network);
    let model = machine.scheduling.as_ref().and_then(|scheduling| scheduling.provisioning_model.as_ref());
    let secure = machine.shielded_instance_config.as_ref().and_then(|shielded| shielded.enable_secure_boot);
    let mut tags: Vec<String> = network_tags(machine).into_iter().filter(|tag| !tag.starts_with(OURS)).collect();
    // They are a set, which a list in an option can't say.
    let said = sent.map(options::network_tags).unwrap_or_default();
    tags.sort_by_key(|tag| (said.iter().position(|one| one == tag).unwrap_or(usize::MAX), tag.clone()));
    let all = [
        ("checks_bucket", sent.and_then(|sent| options::text(sent, "checks_bucket")).map_or(Value::Null, Value::from)),
        ("network", network.into()),
        ("network_tags", Value::List(tags.iter().map(|tag| tag.as_str().into()).collect())),
        ("flex_start", Value::from(model == Some(&ProvisioningModel::FlexStart))),
        ("secure_boot", Value::from(secure.unwrap_or_default())),
    ];
    let is_said = |name: &str| sent.is_none_or(|sent| sent.at(&OPTIONS.field(name)).is_some());
    // Tags that nobody said may let somebody in.
    let is_told = |name: &str| is_said(name) || name == "network_tags" && !tags.is_empty();
    let told = all.into_iter().filter(|(name, _)| is_told(name)).map(|(name, value)| (name.to_owned(), value));
    let told: Map = told.collect();
    if told.is_empty() { Value::Map(Map::new()) } else { Value::Map([("gcp".to_owned(), Value::Map(told))].into()) }
}

/// What a machine is doing, in the words that all clouds' machines have.
fn status(machine: &Instance) -> &'static str {
    match machine.status {
        Some(Status::Running) => "running",
        Some(Status::Stopped | Status::Terminated | Status::Suspended) => "stopped",
        Some(Status::Stopping | Status::Suspending | Status::PendingStop) => "stopping",
        Some(Status::Repairing) => "repairing",
        _ => "pending",
    }
}

fn attributes(project: &str, machine: &Instance) -> Attributes {
    let interface = machine.network_interfaces.first();
    let private = interface.and_then(|interface| interface.network_ip.as_deref()).unwrap_or_default();
    let public = interface.and_then(|interface| interface.access_configs.first()?.nat_ip.as_deref());
    let (one, count) = allotted(machine).unzip();
    let count = count.unwrap_or_default();
    let gpu = |one: &MachineType| AllottedGpu {
        uuid: String::new(),
        model: one.model.to_owned(),
        memory_mib: one.gpu_mib.into(),
    };
    let visible: Vec<String> = (0..count).map(|index| index.to_string()).collect();
    let environment = BTreeMap::from([("CUDA_VISIBLE_DEVICES".to_owned(), visible.join(","))]);
    let zone = last(machine.zone.as_deref());
    let is_priced =
        market(machine).as_str() == Some("on_demand") && region_of(zone).as_deref() == Some(COMPUTE.priced_in);
    let name = machine.name.as_deref().unwrap_or_default();
    Attributes {
        ip: public.filter(|ip| !ip.is_empty()).unwrap_or(private).to_owned(),
        ssh: None,
        private_ip: private.to_owned(),
        hostname: machine.hostname.clone().unwrap_or_else(|| format!("{name}.{zone}.c.{project}.internal")),
        zone: zone.to_owned(),
        instance_type: type_of(machine).to_owned(),
        gpus: one.into_iter().flat_map(|one| (0..count).map(move |_| gpu(one))).collect(),
        price_per_hour: one.and_then(|one| one.price).filter(|_| is_priced),
        status: status(machine).to_owned(),
        environment: if count == 0 { BTreeMap::new() } else { environment },
    }
}

/// Whether a machine has the size of disk that a spec asks for, and does not need another.
pub(super) fn lacks_disk(machine: &Instance, spec: &Value) -> Option<i64> {
    let there = boot_disk(machine)?.disk_size_gb?;
    let wanted = i64::from(effect::size(spec)?);
    (wanted > there).then_some(wanted)
}
