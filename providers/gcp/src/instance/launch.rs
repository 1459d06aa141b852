//! What a machine is launched with: one call, which names and labels it and its disk.

use std::collections::BTreeMap;

use google_cloud_compute_v1::model::access_config::Type;
use google_cloud_compute_v1::model::metadata::Items;
use google_cloud_compute_v1::model::reservation_affinity::ConsumeReservationType;
use google_cloud_compute_v1::model::scheduling::{InstanceTerminationAction, OnHostMaintenance, ProvisioningModel};
use google_cloud_compute_v1::model::{
    AcceleratorConfig, AccessConfig, Duration, Instance, Metadata, NetworkInterface, ReservationAffinity, Scheduling,
    ServiceAccount, ShieldedInstanceConfig, Tags,
};
use trueup_engine::kinds::gpu_instance::{Market, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::typed::from_value;
use trueup_machines::told;
use trueup_state::{Class, Request, Value};

use super::beside::{self, NETWORK};
use super::catalog::{COMPUTE, accelerator};
use super::{disk, image, options, startup};
use crate::clients::Clients;
use crate::labels;

/// The most bytes that Google takes of one value of metadata.
pub(super) const MOST_TOLD: usize = 256 * 1024;
/// What a service account may be used for: what IAM allows it is all that counts.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A refusal of a field.
pub(super) fn invalid(field: &str, message: impl Into<String>) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some(field.to_owned()) }, message)
}

/// The machine that a request asks for, in a zone.
pub(super) async fn machine(clients: &Clients, request: &Request, zone: &str) -> Result<Instance, ProviderError> {
    let spec: Spec = from_value(&request.spec)?;
    let none = || invalid("gpu", "no machine type of Compute Engine's has these GPUs");
    let machine_type = COMPUTE.machine_type(&request.spec).ok_or_else(none)?;
    let image = image::find(clients, spec.image.as_ref(), has_gpu(&request.spec)).await?;
    let labels = labels::all(request, &BTreeMap::new());
    let mut disk = disk::boot(&spec.disk, &image, (&clients.project, zone), machine_type);
    if let Some(made) = &mut disk.initialize_params {
        made.labels = labels.clone().into_iter().collect();
    }
    let told = told::document(&spec, request.check.as_ref(), startup::prepare(clients, request).await?.as_ref());
    if told.as_ref().is_some_and(|told| told.len() > MOST_TOLD) {
        return Err(invalid("user_data", format!("Google takes at most {MOST_TOLD} bytes of it, with `env`")));
    }
    let machine = Instance::new()
        .set_name(&request.name)
        .set_machine_type(format!("zones/{zone}/machineTypes/{machine_type}"))
        .set_labels(labels)
        .set_disks([disk])
        .set_network_interfaces([interface(clients, &request.spec, &spec)])
        .set_tags(Tags::new().set_items(wanted_tags(request)))
        .set_guest_accelerators(attached(&request.spec, machine_type, zone))
        .set_scheduling(scheduling(&request.spec, &spec))
        .set_or_clear_reservation_affinity(affinity(&request.spec, &spec))
        .set_service_accounts(spec.identity.iter().map(|identity| account(clients, identity)))
        .set_shielded_instance_config(shielded(&request.spec))
        .set_metadata(metadata(told));
    Ok(machine)
}

/// The network tags that a machine is to have: the blueprint's, and those that its rules are for.
pub(super) fn wanted_tags(request: &Request) -> Vec<String> {
    let ssh = request.check.as_ref().and_then(|check| check.get("ssh")).map(Value::revealed);
    let from = ssh.and_then(|ssh| ssh.get("from")).and_then(|from| from.revealed().as_str());
    options::network_tags(&request.spec).into_iter().chain(beside::tags(&request.spec, from)).collect()
}

/// The GPUs that are attached to it; none where they are its type's own.
fn attached(spec: &Value, machine_type: &str, zone: &str) -> Vec<AcceleratorConfig> {
    let Some(trueup_machines::Gpus::Of { model, count }) = trueup_machines::gpus(spec) else { return Vec::new() };
    if !machine_type.starts_with("n1-") {
        return Vec::new();
    }
    let name = COMPUTE.with(model).find_map(|one| accelerator(one.model));
    let config = |name: &str| {
        AcceleratorConfig::new()
            .set_accelerator_type(format!("zones/{zone}/acceleratorTypes/{name}"))
            .set_accelerator_count(i32::try_from(count).unwrap_or(i32::MAX))
    };
    name.map(config).into_iter().collect()
}

/// The network that it is in, and whether it has an address on the internet.
fn interface(clients: &Clients, whole: &Value, spec: &Spec) -> NetworkInterface {
    let network = options::text(whole, "network").unwrap_or(NETWORK);
    let region = clients.region.as_deref().unwrap_or_default();
    let path = |subnet: &str| format!("projects/{}/regions/{region}/subnetworks/{subnet}", clients.project);
    let subnet = spec.network.subnet.as_deref();
    let subnet = subnet.map(|subnet| if subnet.contains('/') { subnet.to_owned() } else { path(subnet) });
    let address = AccessConfig::new().set_type(Type::OneToOneNat).set_name("External NAT");
    NetworkInterface::new()
        .set_network(options::network_path(&clients.project, network))
        .set_or_clear_subnetwork(subnet)
        .set_access_configs(spec.network.public_ip.then_some(address))
}

/// Whether a machine has GPUs, by its spec.
fn has_gpu(whole: &Value) -> bool {
    !matches!(trueup_machines::gpus(whole), Some(trueup_machines::Gpus::None))
}

/// How it is bought, and what becomes of it where its host is needed for something else.
fn scheduling(whole: &Value, spec: &Spec) -> Scheduling {
    let is_flexible = options::is_so(whole, "flex_start") == Some(true);
    // A GPU can't move with a machine that runs.
    let stays = if has_gpu(whole) { OnHostMaintenance::Terminate } else { OnHostMaintenance::Migrate };
    let on_demand = || Scheduling::new().set_on_host_maintenance(stays.clone()).set_automatic_restart(true);
    let once = |model: ProvisioningModel| {
        Scheduling::new()
            .set_provisioning_model(model)
            .set_on_host_maintenance(OnHostMaintenance::Terminate)
            .set_automatic_restart(false)
            .set_instance_termination_action(InstanceTerminationAction::Delete)
    };
    match &spec.market {
        Market::OnDemand if is_flexible => {
            let seconds = spec.stop_after.as_ref().map_or(0, |after| after.duration().as_secs());
            let limit = Duration::new().set_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
            once(ProvisioningModel::FlexStart).set_max_run_duration(limit)
        }
        Market::OnDemand | Market::Reservation(_) => on_demand(),
        Market::Spot => once(ProvisioningModel::Spot),
        Market::CapacityBlock(_) => once(ProvisioningModel::ReservationBound),
    }
}

/// Which reservation it takes: the one that is said. Else what is open to all machines of its type may be used up by it, as is usual at Google;
/// but by none that waits for its turn.
fn affinity(whole: &Value, spec: &Spec) -> Option<ReservationAffinity> {
    let specific = |id: &str| {
        ReservationAffinity::new()
            .set_consume_reservation_type(ConsumeReservationType::SpecificReservation)
            .set_key("compute.googleapis.com/reservation-name")
            .set_values([id])
    };
    match &spec.market {
        Market::Reservation(id) | Market::CapacityBlock(id) => Some(specific(id)),
        Market::OnDemand if options::is_so(whole, "flex_start") == Some(true) => {
            Some(ReservationAffinity::new().set_consume_reservation_type(ConsumeReservationType::NoReservation))
        }
        Market::OnDemand | Market::Spot => None,
    }
}

/// A service account by its address, or by its name in the project.
fn account(clients: &Clients, identity: &str) -> ServiceAccount {
    ServiceAccount::new().set_email(address(&clients.project, identity)).set_scopes([SCOPE])
}

/// The address of a service account that is said by its address or its name.
pub(super) fn address(project: &str, identity: &str) -> String {
    let name = identity.rsplit('/').next().unwrap_or(identity);
    if name.contains('@') { name.to_owned() } else { format!("{name}@{project}.iam.gserviceaccount.com") }
}

/// What sees to it that nobody changed what it starts from. NVIDIA's driver is not signed in all images that have it: with GPUs, only signed
/// code is asked for where that is said.
fn shielded(whole: &Value) -> ShieldedInstanceConfig {
    ShieldedInstanceConfig::new()
        .set_enable_vtpm(true)
        .set_enable_integrity_monitoring(true)
        .set_enable_secure_boot(options::is_so(whole, "secure_boot").unwrap_or(!has_gpu(whole)))
}

/// What it is told. Keys of the project, and of accounts, let nobody in: who may log in, the spec says alone.
fn metadata(told: Option<String>) -> Metadata {
    let item = |key: &str, value: &str| Items::new().set_key(key).set_value(value);
    let fixed =
        [item("block-project-ssh-keys", "TRUE"), item("enable-oslogin", "FALSE"), item("serial-port-enable", "FALSE")];
    Metadata::new().set_items(fixed.into_iter().chain(told.map(|told| item("user-data", &told))))
}
