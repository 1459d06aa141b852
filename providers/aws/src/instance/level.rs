//! Brings a machine level with its spec, but for its type: what differs is written, and nothing else.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{HttpTokensState, Instance, Tag, Volume, VolumeModificationState};
use trueup_engine::kinds::gpu_instance::Spec;
use trueup_engine::provider::ProviderError;
use trueup_engine::typed::from_value;
use trueup_state::{Class, Request};

use super::disk::Wanted;
use super::found::{asks_for_token, groups, is_profile, said_groups, said_hops};
use super::launch::{invalid, profile, tags as wanted_tags, unsettled};
use super::look::{Seen, filter, id, pairs};
use crate::clients::Clients;
use crate::error::failed;
use crate::tags;

/// Writes what differs. `changed`: whether anything did, also where it fails; what was written, EC2 may show only later.
pub(super) async fn level(
    clients: &Clients,
    request: &Request,
    seen: &Seen,
    changed: &mut bool,
) -> Result<(), ProviderError> {
    let spec: Spec = from_value(&request.spec)?;
    let of = Of { clients, request, machine: &seen.machine };
    *changed |= of.tags(&spec).await?;
    *changed |= of.groups().await?;
    *changed |= of.metadata().await?;
    *changed |= of.identity(spec.identity.as_deref()).await?;
    if let Some(disk) = &seen.disk {
        *changed |= of.disk(&Wanted::of(&spec.disk), disk).await?;
    }
    Ok(())
}

/// A machine and what it is to be.
struct Of<'a> {
    clients: &'a Clients,
    request: &'a Request,
    machine: &'a Instance,
}

impl Of<'_> {
    /// The tags of it and of all that came with it.
    async fn tags(&self, spec: &Spec) -> Result<bool, ProviderError> {
        let there = pairs(self.machine.tags());
        let wanted = wanted_tags(self.request, spec, &there);
        if tags::are(&there, wanted.iter().map(|(key, value)| (key.as_str(), value.as_str()))) {
            return Ok(false);
        }
        let ec2 = &self.clients.ec2.writes;
        // AWS keeps its own for itself.
        let ours = |key: &str| !key.starts_with("aws:");
        let set = wanted.iter().filter(|(key, _)| ours(key));
        let set: Vec<Tag> = set.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let call = ec2.create_tags().set_resources(Some(self.all())).set_tags(Some(set));
        call.send().await.map_err(|error| failed("set its tags", &error))?;
        let stale = there.iter().filter(|(key, _)| ours(key) && !wanted.contains_key(key));
        let stale: Vec<Tag> = stale.map(|(key, _)| Tag::builder().key(key).build()).collect();
        if !stale.is_empty() {
            let call = ec2.delete_tags().set_resources(Some(self.all())).set_tags(Some(stale));
            call.send().await.map_err(|error| failed("remove its tags", &error))?;
        }
        Ok(true)
    }

    /// The ids of it and of all that came with it.
    fn all(&self) -> Vec<String> {
        let machine = self.machine;
        let disks = machine.block_device_mappings().iter().filter_map(|mapping| mapping.ebs()?.volume_id());
        let interfaces = machine.network_interfaces().iter().filter_map(|interface| interface.network_interface_id());
        let all = [id(machine)].into_iter().chain(disks).chain(interfaces).chain(machine.spot_instance_request_id());
        all.filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    async fn groups(&self) -> Result<bool, ProviderError> {
        let wanted = said_groups(&self.request.spec);
        if wanted.is_empty() {
            return Err(invalid("options.aws.security_groups", "a machine needs `options.aws.security_groups`"));
        }
        let there: BTreeSet<&str> = groups(self.machine).into_iter().collect();
        if there == wanted.iter().copied().collect() {
            return Ok(false);
        }
        let wanted = wanted.into_iter().map(str::to_owned).collect();
        let call = self.clients.ec2.writes.modify_instance_attribute().instance_id(id(self.machine));
        let written = call.set_groups(Some(wanted)).send().await;
        written.map(|_| true).map_err(|error| failed("set its security groups", &error))
    }

    async fn metadata(&self) -> Result<bool, ProviderError> {
        let wanted = said_hops(&self.request.spec);
        let there = self
            .machine
            .metadata_options()
            .and_then(aws_sdk_ec2::types::InstanceMetadataOptionsResponse::http_put_response_hop_limit);
        if asks_for_token(self.machine) && there == Some(wanted) {
            return Ok(false);
        }
        let call = self.clients.ec2.writes.modify_instance_metadata_options().instance_id(id(self.machine));
        let call = call.http_tokens(HttpTokensState::Required).http_put_response_hop_limit(wanted);
        call.send().await.map(|_| true).map_err(|error| failed("set who is given its metadata", &error))
    }

    /// Who it acts as: AWS keeps that as a thing of its own, which has an id.
    async fn identity(&self, wanted: Option<&str>) -> Result<bool, ProviderError> {
        let there = self.machine.iam_instance_profile().and_then(|profile| profile.arn());
        match (there, wanted) {
            (None, None) => Ok(false),
            (Some(there), Some(wanted)) if is_profile(there, wanted) => Ok(false),
            (None, Some(wanted)) => {
                let call = self.clients.ec2.writes.associate_iam_instance_profile().instance_id(id(self.machine));
                let written = call.iam_instance_profile(profile(wanted)).send().await;
                written.map(|_| true).map_err(|error| unsettled(failed("let it act as its identity", &error)))
            }
            (Some(_), Some(wanted)) => {
                let Some(now) = self.association().await? else { return Ok(true) };
                let call = self.clients.ec2.writes.replace_iam_instance_profile_association().association_id(now);
                let written = call.iam_instance_profile(profile(wanted)).send().await;
                written.map(|_| true).map_err(|error| unsettled(failed("let it act as another", &error)))
            }
            (Some(_), None) => {
                let Some(now) = self.association().await? else { return Ok(true) };
                let call = self.clients.ec2.writes.disassociate_iam_instance_profile().association_id(now);
                call.send().await.map(|_| true).map_err(|error| failed("let it act as nobody", &error))
            }
        }
    }

    async fn association(&self) -> Result<Option<String>, ProviderError> {
        let call = self.clients.ec2.reads.describe_iam_instance_profile_associations();
        let call = call.filters(filter("instance-id", [id(self.machine)])).filters(filter("state", ["associated"]));
        let found = call.send().await.map_err(|error| failed("look for whom it acts as", &error))?;
        let first = found.iam_instance_profile_associations().first();
        Ok(first.and_then(|association| association.association_id()).map(str::to_owned))
    }

    /// Its disk, which EBS changes while the machine works.
    async fn disk(&self, wanted: &Wanted, there: &Volume) -> Result<bool, ProviderError> {
        if wanted.is(there) {
            return Ok(false);
        }
        let disk = there.volume_id().unwrap_or_default();
        let call = self.clients.ec2.reads.describe_volumes_modifications();
        let under_way = call.filters(filter("volume-id", [disk])).send().await;
        let under_way = under_way.map_err(|error| failed("ask how far its disk is", &error))?;
        let last = under_way
            .volumes_modifications()
            .iter()
            .max_by_key(|one| one.start_time().map(aws_smithy_types::DateTime::secs));
        let is_wanted = last.is_some_and(|last| {
            last.target_size() == Some(wanted.size) && last.target_volume_type() == Some(&wanted.kind)
        });
        match last.and_then(|last| last.modification_state()) {
            Some(VolumeModificationState::Modifying | VolumeModificationState::Optimizing) if is_wanted => Ok(true),
            Some(VolumeModificationState::Failed) if is_wanted => {
                let why = last.and_then(|last| last.status_message()).unwrap_or("it gave no reason");
                Err(ProviderError::new(Class::Internal, format!("change its disk: {why}")))
            }
            _ => {
                let call = self.clients.ec2.writes.modify_volume().volume_id(disk).set_iops(wanted.iops);
                let written = call.size(wanted.size).volume_type(wanted.kind.clone()).send().await;
                written.map(|_| true).map_err(|error| failed("change its disk", &error))
            }
        }
    }
}
