//! What EC2 shows of machines and their boot disks, by as few calls as its lists allow.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance, Reservation, SpotInstanceRequest, Tag, Volume};
use trueup_engine::naming::TAG_STACK;
use trueup_engine::provider::ProviderError;

use crate::error::failed;

/// The machines of one page.
const PAGE: i32 = 1000;
/// The disks of one page.
const DISKS: i32 = 500;
/// The most values that a filter takes.
const VALUES: usize = 200;

/// A filter of a list: what is listed has one of the values.
pub(super) fn filter<V: Into<String>>(name: &str, values: impl IntoIterator<Item = V>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// A value of a filter that stands for itself alone.
pub(super) fn literal(text: &str) -> String {
    let special = |c: char| matches!(c, '*' | '?' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Tags as pairs.
pub(super) fn pairs(tags: &[Tag]) -> Vec<(String, String)> {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}

/// The id of a machine.
pub(super) fn id(machine: &Instance) -> &str {
    machine.instance_id().unwrap_or_default()
}

/// The stack that a machine says it belongs to.
pub(super) fn lineage(machine: &Instance) -> Option<&str> {
    machine.tags().iter().find(|tag| tag.key() == Some(TAG_STACK)).and_then(Tag::value)
}

fn machines(reservations: Vec<Reservation>) -> impl Iterator<Item = Instance> {
    reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default())
}

/// What is listed of the machines of a stack.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// All that were asked for and are there or were of late, and what else bears owner tags.
    pub(super) machines: BTreeMap<String, Instance>,
    /// The lineage of what was asked for; none where nothing of it is there.
    pub(super) lineage: Option<String>,
}

/// All machines with these filters, page by page. A page that fails fails all of it.
pub(super) async fn list(ec2: &Client, filters: Vec<Filter>) -> Result<Vec<Instance>, ProviderError> {
    let pages = ec2.describe_instances().set_filters(Some(filters)).into_paginator().page_size(PAGE).send();
    let pages: Vec<_> = pages.try_collect().await.map_err(|error| failed("list instances", &error))?;
    Ok(pages.into_iter().flat_map(|page| machines(page.reservations.unwrap_or_default())).collect())
}

/// The machines of ids; those that are not there are left out.
pub(super) async fn by_ids(ec2: &Client, ids: &[&str]) -> Result<Vec<Instance>, ProviderError> {
    let mut found = Vec::new();
    for some in ids.chunks(VALUES) {
        found.extend(list(ec2, vec![filter("instance-id", some.iter().copied())]).await?);
    }
    Ok(found)
}

/// What is there of the machines of ids, and of their stack: one list of all that bears owner tags, where that is no more than a page;
/// where it is more, one of the stack's. What that does not show is asked for by its ids.
pub(super) async fn listing(ec2: &Client, ids: &BTreeSet<&str>) -> Result<Listing, ProviderError> {
    let anybodys = || vec![filter("tag-key", [TAG_STACK])];
    let first = ec2.describe_instances().set_filters(Some(anybodys())).max_results(PAGE).send().await;
    let first = first.map_err(|error| failed("list instances", &error))?;
    let is_all = first.next_token().is_none_or(str::is_empty);
    let mut listing = Listing::default();
    listing.take(machines(first.reservations.unwrap_or_default()), ids);
    if !is_all {
        if let (None, Some(one)) = (&listing.lineage, ids.first()) {
            listing.take(by_ids(ec2, &[one]).await?.into_iter(), ids);
        }
        let of_stack = match &listing.lineage {
            Some(lineage) => Some(vec![filter(&format!("tag:{TAG_STACK}"), [literal(lineage)])]),
            // Who looks for none by its id is shown everybody's.
            None => ids.is_empty().then(anybodys),
        };
        if let Some(filters) = of_stack {
            listing.take(list(ec2, filters).await?.into_iter(), ids);
        }
    }
    let missing: Vec<&str> = ids.iter().copied().filter(|id| !listing.machines.contains_key(*id)).collect();
    listing.take(by_ids(ec2, &missing).await?.into_iter(), ids);
    Ok(listing)
}

impl Listing {
    fn take(&mut self, machines: impl Iterator<Item = Instance>, asked: &BTreeSet<&str>) {
        for machine in machines {
            if self.lineage.is_none() && asked.contains(id(&machine)) {
                self.lineage = lineage(&machine).map(str::to_owned);
            }
            self.machines.insert(id(&machine).to_owned(), machine);
        }
    }
}

/// The id of the disk that a machine started from.
pub(super) fn disk_of(machine: &Instance) -> Option<&str> {
    let root = machine.root_device_name()?;
    let mapping = machine.block_device_mappings().iter().find(|mapping| mapping.device_name() == Some(root))?;
    mapping.ebs()?.volume_id()
}

/// Disks by their ids: where these are many, by one list of the stack's; what that does not show by its id.
pub(super) async fn disks(
    ec2: &Client,
    ids: BTreeSet<&str>,
    lineage: Option<&str>,
) -> Result<BTreeMap<String, Volume>, ProviderError> {
    let mut found = BTreeMap::new();
    if let Some(lineage) = lineage.filter(|_| ids.len() > VALUES) {
        let filters = vec![filter(&format!("tag:{TAG_STACK}"), [literal(lineage)])];
        take_disks(ec2, filters, &mut found).await?;
    }
    let missing: Vec<&str> = ids.into_iter().filter(|id| !found.contains_key(*id)).collect();
    for some in missing.chunks(VALUES) {
        take_disks(ec2, vec![filter("volume-id", some.iter().copied())], &mut found).await?;
    }
    Ok(found)
}

async fn take_disks(
    ec2: &Client,
    filters: Vec<Filter>,
    found: &mut BTreeMap<String, Volume>,
) -> Result<(), ProviderError> {
    let pages = ec2.describe_volumes().set_filters(Some(filters)).into_paginator().page_size(DISKS).send();
    let pages: Vec<_> = pages.try_collect().await.map_err(|error| failed("list volumes", &error))?;
    let disks = pages.into_iter().flat_map(|page| page.volumes.unwrap_or_default());
    found.extend(disks.filter_map(|disk| Some((disk.volume_id()?.to_owned(), disk))));
    Ok(())
}

/// A machine and the disk that it started from.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) machine: Instance,
    pub(super) disk: Option<Volume>,
}

/// One machine by its id, and its disk; none where it is not there, or not yet.
pub(super) async fn one(ec2: &Client, id: &str) -> Result<Option<Seen>, ProviderError> {
    let Some(machine) = by_ids(ec2, &[id]).await?.into_iter().next() else { return Ok(None) };
    let disk = match disk_of(&machine).map(str::to_owned) {
        Some(disk) => disks(ec2, [disk.as_str()].into(), None).await?.remove(&disk),
        None => None,
    };
    Ok(Some(Seen { machine, disk }))
}

/// What became of the spot requests of machines that are listed no more: the code of its status by the machine's id.
pub(super) async fn spot_statuses(ec2: &Client, ids: &[&str]) -> Result<BTreeMap<String, String>, ProviderError> {
    let mut statuses = BTreeMap::new();
    for some in ids.chunks(VALUES) {
        let call = ec2.describe_spot_instance_requests().filters(filter("instance-id", some.iter().copied()));
        let answer = call.send().await.map_err(|error| failed("look for the spot requests", &error))?;
        let status = |request: &SpotInstanceRequest| {
            Some((request.instance_id()?.to_owned(), request.status()?.code()?.to_owned()))
        };
        statuses.extend(answer.spot_instance_requests().iter().filter_map(status));
    }
    Ok(statuses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_filter_stands_for_itself() {
        assert_eq!(literal(r"a*b?c\d"), r"a\*b\?c\\d");
        assert_eq!(literal("demo-a"), "demo-a");
    }
}
