//! `volume`: a disk of Compute Engine, or an instance of Filestore. Google encrypts both.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, Whole, attributes, changed, field, is_said, map, option, texts};
use trueup_state::{FieldPath, Value};

use super::project;

pub(super) const DISK: &str = "compute.v1.disks";
pub(super) const FILES: &str = "file.v1.projects.locations.instances";
pub(super) const PARTS: [&str; 2] = [DISK, FILES];
pub(super) const OPTIONS: [&str; 2] = ["disk_type", "throughput_mib"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<1> = [("resource_id", "disk", "resource_id")];
/// The same of what is shared.
const KNOWN_SHARED: Known<1> = [("resource_id", "files", "resource_id")];

/// The name of the one share of an instance.
const SHARE: &str = "share";
/// What an instance of Filestore has, in GiB (*Service tiers*): the least, up to where small steps lead, the most; and both steps.
const SIZES: (u64, u64, u64) = (1024, 9984, 102_400);
const STEPS: (u64, u64) = (256, 2560);

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    match field(wanted, "type").revealed().as_str() {
        Some("shared") => shared(wanted),
        kind => disk(wanted, kind.unwrap_or_default()),
    }
}

fn problem(at: &str, message: impl Into<String>) -> Problem {
    Problem::new(FieldPath::parse(at), message)
}

fn disk(wanted: &Wanted<'_>, kind: &str) -> Result<Composition, Vec<Problem>> {
    let said = option(wanted, "disk_type").revealed().as_str();
    let kind = said.unwrap_or(if kind == "fast" { "pd-ssd" } else { "pd-balanced" });
    let mut problems = Vec::new();
    if !is_said(field(wanted, "zone")) {
        problems.push(problem(
            "",
            "the field `zone` is missing: a disk at Google is in one zone, such as `europe-west4-a`",
        ));
    }
    if is_said(field(wanted, "reachable")) {
        let message = "a disk is attached to a machine; only what is `shared` can be reached from several";
        problems.push(problem("reachable", message));
    }
    let is_chosen = kind.starts_with("hyperdisk-");
    if is_said(field(wanted, "iops")) && !is_chosen && kind != "pd-extreme" {
        let message = format!(
            "the size of a `{kind}` says it: choose a type that has it, as `options.gcp.disk_type: hyperdisk-balanced`"
        );
        problems.push(problem("iops", message));
    }
    if is_said(option(wanted, "throughput_mib")) && !is_chosen {
        problems.push(problem("options.gcp.throughput_mib", "only a Hyperdisk's throughput can be chosen"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let zone = field(wanted, "zone");
    let place = |zone: &str| format!("projects/{}/zones/{zone}", project(wanted));
    // As Google writes it.
    let address = |zone: &str| format!("https://www.googleapis.com/compute/v1/{}/diskTypes/{kind}", place(zone));
    let disk = Native::new(wanted, "disk", DISK)
        .beside("name", "name")
        .set("parent", changed(zone, place))
        .from("type", if said.is_some() { "options.gcp.disk_type" } else { "type" }, changed(zone, address))
        .from("sizeGb", "size_gb", number(field(wanted, "size_gb")))
        .from("provisionedIops", "iops", number(field(wanted, "iops")))
        .from("provisionedThroughput", "options.gcp.throughput_mib", number(option(wanted, "throughput_mib")));
    Ok(Composition { parts: vec![keyed(wanted, disk).tagged().part()], attributes: attributes(KNOWN) })
}

/// With the key that it is encrypted with, where one is said.
fn keyed<'a>(wanted: &Wanted<'_>, disk: Native<'a>) -> Native<'a> {
    if is_said(field(wanted, "encryption.kms_key")) {
        return disk.taking("diskEncryptionKey.kmsKeyName", "encryption.kms_key");
    }
    disk
}

/// A number in the text that Google has large ones in.
fn number(value: &Value) -> Value {
    match value.revealed() {
        Value::Number(number) => number.to_string().into(),
        other => other.clone(),
    }
}

fn shared(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let (at, size) = ("reachable.network", field(wanted, "size_gb").revealed());
    let network = Whole::of(field(wanted, at));
    let mut problems: Vec<Problem> = network.foreign(wanted, at, "be reached from").into_iter().collect();
    if !is_said(field(wanted, "reachable")) {
        problems.push(problem(
            "",
            "the field `reachable` is missing: what is `shared` at Google is in a network from the first",
        ));
    }
    if is_said(field(wanted, "iops")) {
        problems.push(problem(
            "iops",
            "what is `shared` at Google has as many as its size gives: only a disk's can be chosen",
        ));
    }
    if let Value::Number(size) = size
        && let Some(message) = unfit(size.as_u64().unwrap_or_default())
    {
        problems.push(problem("size_gb", message));
    }
    if OPTIONS.iter().any(|name| is_said(option(wanted, name))) {
        problems.push(problem("options.gcp", "a disk alone has such: what is `shared` has none of them"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let region = wanted.scope.settings.get("region").and_then(|region| region.as_str()).unwrap_or_default();
    let zone = field(wanted, "zone");
    let is_in_zone = is_said(zone);
    let name =
        changed(&network.attribute("resource_id"), |path| path.rsplit('/').next().unwrap_or_default().to_owned());
    let from = map([
        ("ipRanges", Value::List(vec![field(wanted, "reachable.from").clone()])),
        ("accessMode", "READ_WRITE".into()),
        ("squashMode", "NO_ROOT_SQUASH".into()),
    ]);
    let share =
        map([("name", SHARE.into()), ("capacityGb", number(size)), ("nfsExportOptions", Value::List(vec![from]))]);
    let networks = map([("network", name), ("modes", texts(["MODE_IPV4"])), ("connectMode", "DIRECT_PEERING".into())]);
    let files = Native::new(wanted, "files", FILES)
        .beside("name", "name")
        .set("location", if is_in_zone { zone.clone() } else { region.into() })
        .from("tier", "zone", if is_in_zone { "ZONAL" } else { "REGIONAL" })
        .from("fileShares", "size_gb", Value::List(vec![share]))
        .from("networks", at, Value::List(vec![networks]))
        .taking("kmsKeyName", "encryption.kms_key");
    Ok(Composition { parts: vec![files.tagged().part()], attributes: attributes(KNOWN_SHARED) })
}

/// Why there is no instance of a size.
fn unfit(size: u64) -> Option<String> {
    let (least, small, most) = SIZES;
    let fits = size.is_multiple_of(STEPS.0) && size <= small || size.is_multiple_of(STEPS.1);
    if size < least {
        return Some(format!("Filestore has {least} GB at least, and bills them: say `size_gb: {least}`"));
    }
    let message = format!(
        "Filestore has up to {small} GB in steps of {}, and from there up to {most} in steps of {}",
        STEPS.0, STEPS.1
    );
    (!fits || size > most).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_has_the_sizes_that_there_are() {
        assert!([1024, 1280, 9984, 10_240, 12_800, 102_400].iter().all(|size| unfit(*size).is_none()));
        assert!([100, 1000, 1025, 10_000, 10_496, 102_401, 104_960].iter().all(|size| unfit(*size).is_some()));
    }
}
