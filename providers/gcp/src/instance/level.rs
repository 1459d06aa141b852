//! Brings a machine level with its spec, a call at a time: its type and its account, its labels and its disk's, its network tags, the size of its disk.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::{
    DisksResizeRequest, Instance, InstancesSetLabelsRequest, Operation, Tags, ZoneSetLabelsRequest,
};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Request};

use super::beside::is_for_checks;
use super::found::{boot_disk, lacks_disk, last, network_tags};
use super::launch::wanted_tags;
use super::resize::{self, Next, Resize};
use crate::clients::{Clients, patiently};
use crate::error::failed;
use crate::labels;

/// What comes next to bring it level.
pub(super) async fn next(
    clients: &Clients,
    request: &Request,
    machine: &Instance,
    (zone, change): (&str, &mut Option<Resize>),
) -> Result<Next, ProviderError> {
    match resize::next(clients, request, machine, (zone, change)).await? {
        Next::Level => {}
        other => return Ok(other),
    }
    let called = called(clients, request, machine, zone).await?;
    Ok(called.map_or(Next::Level, |operation| Next::Goes(Box::new(operation))))
}

/// The next call that brings a machine level which has its type and its account; none where it is.
async fn called(
    clients: &Clients,
    request: &Request,
    machine: &Instance,
    zone: &str,
) -> Result<Option<Operation>, ProviderError> {
    let (compute, project) = (clients.compute().await?, &clients.project);
    let name = machine.name.as_deref().unwrap_or_default();
    let there: BTreeMap<String, String> = machine.labels.clone().into_iter().collect();
    let labels = labels::all(request, &there);
    if labels != there {
        let body = InstancesSetLabelsRequest::new().set_labels(labels);
        let body = body.set_or_clear_label_fingerprint(machine.label_fingerprint.clone());
        let call = compute.instances.set_labels().set_project(project).set_zone(zone).set_instance(name).set_body(body);
        return call.send().await.map(Some).map_err(|error| failed("label the machine", &error));
    }
    let tags = level_tags(request, machine);
    if tags != network_tags(machine) {
        let fingerprint = machine.tags.as_ref().and_then(|tags| tags.fingerprint.clone());
        let body = Tags::new().set_items(tags).set_or_clear_fingerprint(fingerprint);
        let call = compute.instances.set_tags().set_project(project).set_zone(zone).set_instance(name).set_body(body);
        return call.send().await.map(Some).map_err(|error| failed("set the machine's network tags", &error));
    }
    let Some(disk) = boot_disk(machine).map(|disk| last(disk.source.as_deref())).filter(|disk| !disk.is_empty()) else {
        return Ok(None);
    };
    if let Some(size) = lacks_disk(machine, &request.spec) {
        let body = DisksResizeRequest::new().set_size_gb(size);
        let call = compute.disks.resize().set_project(project).set_zone(zone).set_disk(disk).set_body(body);
        return call.send().await.map(Some).map_err(|error| failed("enlarge the disk", &error));
    }
    let ask = || async {
        let call = compute.disks.get().set_project(project).set_zone(zone).set_disk(disk);
        call.send().await.map_err(|error| failed("read the disk", &error))
    };
    let made = match patiently(ask).await {
        Ok(made) => made,
        Err(error) if error.class == Class::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let there: BTreeMap<String, String> = made.labels.into_iter().collect();
    let labels = labels::all(request, &there);
    if labels == there {
        return Ok(None);
    }
    let body = ZoneSetLabelsRequest::new().set_labels(labels).set_or_clear_label_fingerprint(made.label_fingerprint);
    let call = compute.disks.set_labels().set_project(project).set_zone(zone).set_resource(disk).set_body(body);
    call.send().await.map(Some).map_err(|error| failed("label the disk", &error))
}

/// The network tags that it is to have. Those that let somebody in for checks were said at its launch, and stay.
fn level_tags(request: &Request, machine: &Instance) -> BTreeSet<String> {
    let there = network_tags(machine).into_iter().filter(|tag| is_for_checks(tag));
    wanted_tags(request).into_iter().chain(there).collect()
}
