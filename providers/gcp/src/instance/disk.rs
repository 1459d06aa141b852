//! Boot disks: a kind's words, and those of Compute Engine.

use google_cloud_compute_v1::model::{AttachedDisk, AttachedDiskInitializeParams};
use trueup_engine::kinds::gpu_instance::Disk;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::catalog::{COMPUTE, takes_hyperdisks_alone};

/// A type of disk that a machine can start from.
struct Kind {
    name: &'static str,
    /// Its size at most, in GB.
    largest_gb: u32,
    /// The fewest and the most reads and writes a second that can be chosen; none where the size says them.
    iops: Option<(u32, u32)>,
}

/// All of them, as of *Persistent Disk* and *Hyperdisk* in Google's documents (boot disks).
const KINDS: [Kind; 6] = [
    Kind { name: "pd-standard", largest_gb: 65_536, iops: None },
    Kind { name: "pd-balanced", largest_gb: 65_536, iops: None },
    Kind { name: "pd-ssd", largest_gb: 65_536, iops: None },
    Kind { name: "pd-extreme", largest_gb: 65_536, iops: Some((2_500, 120_000)) },
    Kind { name: "hyperdisk-balanced", largest_gb: 65_536, iops: Some((3_000, 160_000)) },
    Kind { name: "hyperdisk-extreme", largest_gb: 65_536, iops: Some((2, 350_000)) },
];

/// What Compute Engine calls a type of disk of a machine.
fn name<'a>(word: &'a str, machine_type: &str) -> &'a str {
    match word {
        "balanced" | "fast" if takes_hyperdisks_alone(machine_type) => "hyperdisk-balanced",
        "balanced" => "pd-balanced",
        "fast" => "pd-ssd",
        other => other,
    }
}

/// The disk that a machine is launched with: gone with the machine. Google encrypts all of them.
pub(super) fn boot(disk: &Disk, image: &str, place: (&str, &str), machine_type: &str) -> AttachedDisk {
    let (project, zone) = place;
    let kind = name(&disk.kind, machine_type);
    let made = AttachedDiskInitializeParams::new()
        .set_source_image(image)
        .set_disk_size_gb(i64::from(disk.size_gb))
        .set_disk_type(format!("projects/{project}/zones/{zone}/diskTypes/{kind}"))
        .set_or_clear_provisioned_iops(disk.iops.map(i64::from));
    AttachedDisk::new().set_boot(true).set_auto_delete(true).set_initialize_params(made)
}

/// What Compute Engine can't take of a spec's disk.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let (at, number) = (FieldPath::parse("disk"), |name: &str| number(spec, name));
    let Some(word) = spec.at(&at.field("type")).and_then(|word| word.revealed().as_str()) else { return Vec::new() };
    let machine_type = COMPUTE.machine_type(spec).unwrap_or_default();
    let wanted = name(word, machine_type);
    let Some(kind) = KINDS.iter().find(|kind| kind.name == wanted) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let message = format!("a machine of Compute Engine starts from `balanced`, `fast`, {}", names.join(", "));
        return vec![Problem::new(at.field("type"), message)];
    };
    let mut problems = Vec::new();
    let mut say = |field: &str, message: String| problems.push(Problem::new(at.field(field), message));
    if takes_hyperdisks_alone(machine_type) && !wanted.starts_with("hyperdisk-") {
        say("type", format!("a {machine_type} starts from a Hyperdisk alone: `balanced`, `hyperdisk-balanced`"));
    }
    if number("size_gb").is_some_and(|size| size > kind.largest_gb) {
        say("size_gb", format!("a disk of the type {} has at most {} GB", kind.name, kind.largest_gb));
    }
    match (number("iops"), kind.iops) {
        (Some(_), None) => say("iops", format!("of the type {} they can't be chosen", kind.name)),
        (Some(iops), Some((fewest, most))) if !(fewest..=most).contains(&iops) => {
            say("iops", format!("a disk of the type {} does {fewest} to {most}", kind.name));
        }
        _ => {}
    }
    problems
}

/// A number that a spec's disk has.
pub(super) fn number(spec: &Value, name: &str) -> Option<u32> {
    match spec.at(&FieldPath::parse("disk").field(name))?.revealed() {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_compute_engine_can_not_take_is_told_with_its_field() {
        let paths = |machine: &str, disk: serde_json::Value| -> Vec<String> {
            let spec = json!({ "gpu": "none", "machine_type": machine, "disk": disk }).into();
            problems(&spec).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths("g2-standard-4", json!({ "size_gb": 100, "type": "balanced" })), [""; 0]);
        assert_eq!(paths("a4-highgpu-8g", json!({ "size_gb": 100, "type": "fast", "iops": 5_000 })), [""; 0]);
        assert_eq!(paths("a4-highgpu-8g", json!({ "size_gb": 100, "type": "pd-ssd" })), ["disk.type"]);
        assert_eq!(paths("g2-standard-4", json!({ "size_gb": 100, "type": "gp3" })), ["disk.type"]);
        assert_eq!(paths("g2-standard-4", json!({ "size_gb": 100, "type": "fast", "iops": 5_000 })), ["disk.iops"]);
        assert_eq!(paths("g2-standard-4", json!({ "size_gb": 70_000, "type": "fast" })), ["disk.size_gb"]);
        assert_eq!(
            paths("c3-standard-4", json!({ "size_gb": 100, "type": "hyperdisk-balanced", "iops": 1 })),
            ["disk.iops"]
        );
    }
}
