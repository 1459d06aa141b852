//! Who is told of something: a channel of Cloud Monitoring for each address.

use trueup_engine::compose::{Part, Wanted};
use trueup_parts::{Native, field};
use trueup_state::Value;

pub(super) const CHANNEL: &str = "monitoring.v3.projects.notificationChannels";

/// The addresses that a field has, each with the name of the part that is its channel.
pub(super) fn of(wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let said = field(wanted, "emails").revealed().as_list().unwrap_or_default();
    let mut addresses: Vec<&str> = said.iter().filter_map(|address| address.revealed().as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let part = |(index, address): (usize, &str)| (format!("channel-{index}"), address.to_owned());
    addresses.into_iter().enumerate().map(part).collect()
}

/// The channels.
pub(super) fn parts(wanted: &Wanted<'_>, channels: &[(String, String)]) -> Vec<Part> {
    let part = |(name, address): &(String, String)| {
        Native::new(wanted, name, CHANNEL)
            .with("type", "email")
            .with("displayName", format!("{} of {}", address, wanted.address))
            .from("labels.email_address", "emails", address.as_str())
            .tagged()
            .part()
    };
    channels.iter().map(part).collect()
}

/// Has a part know the channels, in a list of one of its properties.
pub(super) fn told<'a>(mut part: Native<'a>, property: &str, channels: &[(String, String)]) -> Native<'a> {
    if channels.is_empty() {
        return part;
    }
    part = part.with(property, Value::List(vec![Value::Unknown; channels.len()]));
    for (index, (name, _)) in channels.iter().enumerate() {
        part = part.reads(&format!("{property}[{index}]"), name, "resource_id");
    }
    part
}
