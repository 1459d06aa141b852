//! Launches a machine: one call, which names and tags it and all that comes with it.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CapacityReservationSpecification, CapacityReservationTarget, HttpTokensState,
    IamInstanceProfileSpecification, Instance, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType, MarketType, Placement,
    ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, Tag, TagSpecification,
};
use hex::encode;
use sha2::{Digest, Sha256};
use trueup_engine::kinds::gpu_instance::{Market, Spec};
use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::ProviderError;
use trueup_engine::typed::from_value;
use trueup_machines::told;
use trueup_state::{Class, Request, Token};

use super::catalog::EC2;
use super::disk::Wanted;
use super::found::{said_groups, said_hops, text_option};
use super::look::{filter, list, literal};
use super::{NAME, image, startup};
use crate::clients::Clients;
use crate::error::failed;
use crate::tags;

/// The most bytes that EC2 takes of what a machine is told, before they are encoded for the wire.
pub(super) const MOST_TOLD: usize = 16 * 1024;
/// The most characters of a token of EC2's.
const LONGEST_TOKEN: usize = 64;

/// A refusal of a field that EC2 would not have refused as it should.
pub(super) fn invalid(field: &str, message: impl Into<String>) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some(field.to_owned()) }, message)
}

/// Launches the machine of a request, or finds the one that it launched before.
pub(super) async fn launch(clients: &Clients, request: &Request) -> Result<Instance, ProviderError> {
    let call = call(clients, request).await?;
    let launched = match call.send().await.map_err(|error| failed("launch the machine", &error)) {
        Ok(launched) => launched.instances.unwrap_or_default().into_iter().next(),
        // A newer image has its name by now: what the first call launched is there.
        Err(error) if error.code == "IdempotentParameterMismatch" => {
            return by_token(&clients.ec2.reads, &request.token).await?.ok_or(error);
        }
        Err(error) => return Err(unsettled(error)),
    };
    let silent = || ProviderError::new(Class::Internal, "EC2 does not say what it launched").outcome_unknown();
    launched.ok_or_else(silent)
}

/// EC2 knows an instance profile only some seconds after it was made: a refusal for that may pass.
pub(super) fn unsettled(error: ProviderError) -> ProviderError {
    let is_of_profile = error.message.to_lowercase().replace(' ', "").contains("iaminstanceprofile");
    let class = if error.code == "InvalidParameterValue" && is_of_profile { Class::Transient } else { error.class };
    ProviderError { class, ..error }
}

/// The machine that a token made; none where none is there.
pub(super) async fn by_token(ec2: &Client, token: &Token) -> Result<Option<Instance>, ProviderError> {
    let filters = vec![filter(&format!("tag:{TAG_TOKEN}"), [literal(token.as_str())])];
    Ok(list(ec2, filters).await?.into_iter().next())
}

async fn call(clients: &Clients, request: &Request) -> Result<RunInstancesFluentBuilder, ProviderError> {
    let spec: Spec = from_value(&request.spec)?;
    let machine_type =
        EC2.machine_type(&request.spec).ok_or_else(|| invalid("gpu", "no machine type of EC2's has these GPUs"))?;
    let ec2 = &clients.ec2.reads;
    let device = text_option(&request.spec, "root_device");
    let image = image::find(ec2, spec.image.as_ref(), machine_type, device).await?;
    let disk = BlockDeviceMapping::builder().device_name(&image.root).ebs(Wanted::of(&spec.disk).device()).build();
    let told = told::document(&spec, request.check.as_ref(), startup::prepare(clients, request).await?.as_ref());
    if told.as_ref().is_some_and(|told| told.len() > MOST_TOLD) {
        return Err(invalid("user_data", format!("EC2 takes at most {MOST_TOLD} bytes of it, with `env`")));
    }
    let call = clients.ec2.writes.run_instances().min_count(1).max_count(1).client_token(client_token(&request.token));
    let call = call
        .image_id(image.id)
        .instance_type(InstanceType::from(machine_type))
        .network_interfaces(interface(ec2, request, &spec).await?)
        .block_device_mappings(disk)
        .metadata_options(metadata(said_hops(&request.spec)))
        .instance_initiated_shutdown_behavior(shutdown(&spec.market))
        .set_tag_specifications(Some(tag_specifications(request, &spec)))
        .set_iam_instance_profile(spec.identity.as_deref().map(profile))
        .set_key_name(text_option(&request.spec, "key_name").map(str::to_owned))
        .set_placement(placement(request))
        .set_user_data(told.map(aws_smithy_types::base64::encode));
    Ok(bought(call, &spec))
}

/// A token as EC2 takes it: ASCII, and not too long. EC2 remembers it for at least a day.
fn client_token(token: &Token) -> String {
    let token = token.as_str();
    let is_taken = token.is_ascii() && token.len() <= LONGEST_TOKEN;
    if is_taken { token.to_owned() } else { encode(Sha256::digest(token)) }
}

/// Who gets in, and whether there is an address on the internet. EC2 would put a machine without a group into its network's own one.
async fn interface(
    ec2: &Client,
    request: &Request,
    spec: &Spec,
) -> Result<InstanceNetworkInterfaceSpecification, ProviderError> {
    let groups = said_groups(&request.spec);
    if groups.is_empty() {
        let message = "a machine needs `options.aws.security_groups`: without one it would be in the default group of its network";
        return Err(invalid("options.aws.security_groups", message));
    }
    let subnet = match &spec.network.subnet {
        Some(id) if id.starts_with("subnet-") => Some(id.clone()),
        Some(name) => Some(subnet_named(ec2, name).await?),
        None => None,
    };
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .associate_public_ip_address(spec.network.public_ip)
        .delete_on_termination(true)
        .set_groups(Some(groups.into_iter().map(str::to_owned).collect()))
        .set_subnet_id(subnet);
    Ok(interface.build())
}

async fn subnet_named(ec2: &Client, name: &str) -> Result<String, ProviderError> {
    let found = ec2.describe_subnets().filters(filter("tag:Name", [literal(name)])).send().await;
    let found = found.map_err(|error| failed("look for the subnet", &error))?;
    match found.subnets() {
        [one] => Ok(one.subnet_id().unwrap_or_default().to_owned()),
        [] => Err(invalid("network.subnet", format!("there is no subnet `{name}`"))),
        several => {
            let ids: Vec<&str> = several.iter().filter_map(|subnet| subnet.subnet_id()).collect();
            Err(invalid("network.subnet", format!("several subnets are called `{name}`: {}", ids.join(", "))))
        }
    }
}

/// Metadata, and with it credentials, is given to who asks for a token first, and no further than `hops`.
fn metadata(hops: i32) -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_put_response_hop_limit(hops)
        .build()
}

/// A machine that shuts itself down is stopped; a spot instance of one request can't be started again.
fn shutdown(market: &Market) -> ShutdownBehavior {
    if *market == Market::Spot { ShutdownBehavior::Terminate } else { ShutdownBehavior::Stop }
}

/// An instance profile by its ARN or its name.
pub(super) fn profile(identity: &str) -> IamInstanceProfileSpecification {
    let profile = IamInstanceProfileSpecification::builder();
    if identity.starts_with("arn:") { profile.arn(identity) } else { profile.name(identity) }.build()
}

fn placement(request: &Request) -> Option<Placement> {
    let said = |name: &str| text_option(&request.spec, name).map(str::to_owned);
    let (group, zone) = (said("placement_group"), said("zone"));
    let is_said = group.is_some() || zone.is_some();
    is_said.then(|| Placement::builder().set_group_name(group).set_availability_zone(zone).build())
}

/// How it is bought.
fn bought(call: RunInstancesFluentBuilder, spec: &Spec) -> RunInstancesFluentBuilder {
    let target = |id: &str| {
        let target = CapacityReservationTarget::builder().capacity_reservation_id(id).build();
        CapacityReservationSpecification::builder().capacity_reservation_target(target).build()
    };
    let market = |kind: MarketType| InstanceMarketOptionsRequest::builder().market_type(kind);
    match &spec.market {
        Market::OnDemand => call,
        Market::Spot => {
            let spot = SpotMarketOptions::builder()
                .spot_instance_type(SpotInstanceType::OneTime)
                .set_max_price(spec.max_price_per_hour.map(|price| price.to_string()));
            call.instance_market_options(market(MarketType::Spot).spot_options(spot.build()).build())
        }
        Market::Reservation(id) => call.capacity_reservation_specification(target(id)),
        Market::CapacityBlock(id) => call
            .instance_market_options(market(MarketType::CapacityBlock).build())
            .capacity_reservation_specification(target(id)),
    }
}

/// All tags that a machine and what comes with it are to have. `there`: those that it has.
pub(super) fn tags(request: &Request, spec: &Spec, there: &[(String, String)]) -> BTreeMap<String, String> {
    let mut all = spec.tags.clone();
    all.insert(NAME.to_owned(), request.name.clone());
    all.extend(tags::owner(request));
    all.extend(tags::kept(there));
    all
}

fn tag_specifications(request: &Request, spec: &Spec) -> Vec<TagSpecification> {
    let tags: Vec<Tag> =
        tags(request, spec, &[]).iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let spot = (spec.market == Market::Spot).then_some(ResourceType::SpotInstancesRequest);
    let kinds = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface].into_iter().chain(spot);
    kinds.map(|kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_of_ec2s() {
        let uuid = "0e2f4a8c-1111-4222-8333-444455556666";
        assert_eq!(client_token(&Token::from(uuid)), uuid);
        for long in ["x".repeat(65), "größer".to_owned()] {
            let token = client_token(&Token::from(&long));
            assert!(token.len() <= LONGEST_TOKEN && token.is_ascii(), "{token}");
        }
    }
}
