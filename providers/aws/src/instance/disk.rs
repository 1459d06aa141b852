//! Boot disks: a kind's words, and those of EBS.

use aws_sdk_ec2::types::{EbsBlockDevice, Volume, VolumeType};
use trueup_engine::kinds::gpu_instance::Disk;
use trueup_engine::schema::Problem;
use trueup_state::map::Map;
use trueup_state::{FieldPath, Value};

/// What a fast disk does, where no number is said: reads and writes a second.
const FAST_IOPS: u32 = 10_000;
/// What a `gp3` disk does without a word.
const GP3_IOPS: u32 = 3_000;

/// A type of disk that a machine can start from, and what may be chosen of it.
struct Kind {
    /// What EBS calls it.
    name: &'static str,
    /// Its size at most, in GiB.
    largest_gb: u32,
    /// The fewest and the most reads and writes a second, and the most for each GiB; none where EBS sets them.
    iops: Option<(u32, u32, u32)>,
}

/// All of them, as of the `EbsBlockDevice` of EC2's reference.
const KINDS: [Kind; 4] = [
    Kind { name: "gp2", largest_gb: 16_384, iops: None },
    Kind { name: "gp3", largest_gb: 65_536, iops: Some((GP3_IOPS, 80_000, 500)) },
    Kind { name: "io1", largest_gb: 16_384, iops: Some((100, 64_000, 50)) },
    Kind { name: "io2", largest_gb: 65_536, iops: Some((100, 256_000, 1_000)) },
];

/// What EBS calls a type of disk.
fn name(word: &str) -> &str {
    match word {
        "balanced" => "gp3",
        "fast" => "io2",
        other => other,
    }
}

/// What a disk is to be, in EBS's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) size: i32,
    pub(super) kind: VolumeType,
    /// None where EBS sets it.
    pub(super) iops: Option<i32>,
}

impl Wanted {
    pub(super) fn of(disk: &Disk) -> Self {
        let name = name(&disk.kind);
        let usual = match name {
            "gp3" => Some(GP3_IOPS),
            "io1" => Some(FAST_IOPS.min(disk.size_gb.saturating_mul(50))),
            "io2" => Some(FAST_IOPS),
            _ => None,
        };
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let iops = usual.map(|usual| number(disk.iops.unwrap_or(usual)));
        Self { size: number(disk.size_gb), kind: VolumeType::from(name), iops }
    }

    /// The disk that a machine is launched with: encrypted, and gone with the machine.
    pub(super) fn device(&self) -> EbsBlockDevice {
        EbsBlockDevice::builder()
            .volume_size(self.size)
            .volume_type(self.kind.clone())
            .set_iops(self.iops)
            .encrypted(true)
            .delete_on_termination(true)
            .build()
    }

    /// Whether a disk is so. One that says nothing of its reads and writes is taken at its word.
    pub(super) fn is(&self, there: &Volume) -> bool {
        there.size() == Some(self.size)
            && there.volume_type() == Some(&self.kind)
            && (self.iops.is_none() || there.iops().is_none() || there.iops() == self.iops)
    }
}

/// A disk in the shape of a spec's field, in the words that were sent where they mean the same.
pub(super) fn spec(there: &Volume, sent: Option<&Value>) -> Value {
    let kind = there.volume_type().map(VolumeType::as_str).unwrap_or_default();
    let word = sent.and_then(|sent| sent.get("type")).and_then(|word| word.revealed().as_str());
    let word = word.filter(|word| name(word) == kind).unwrap_or(match kind {
        "gp3" => "balanced",
        other => other,
    });
    let mut fields = Map::from([("type".to_owned(), word.into())]);
    fields.extend(there.size().map(|size| ("size_gb".to_owned(), Value::from(i64::from(size)))));
    fields.extend(there.iops().map(|iops| ("iops".to_owned(), Value::from(i64::from(iops)))));
    Value::Map(fields)
}

/// What EBS can't take of a spec's disk.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let (at, number) = (FieldPath::parse("disk"), |name: &str| number(spec, name));
    let Some(word) = spec.at(&at.field("type")).and_then(|word| word.revealed().as_str()) else { return Vec::new() };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == name(word)) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let message = format!("a machine of EC2 starts from `balanced`, `fast`, {}", names.join(", "));
        return vec![Problem::new(at.field("type"), message)];
    };
    let mut problems = Vec::new();
    let mut say = |field: &str, message: String| problems.push(Problem::new(at.field(field), message));
    let size = number("size_gb");
    if size.is_some_and(|size| size > kind.largest_gb) {
        say("size_gb", format!("a disk of the type {} has at most {} GB", kind.name, kind.largest_gb));
    }
    match (number("iops"), kind.iops) {
        (Some(_), None) => say("iops", format!("of the type {} they can't be chosen", kind.name)),
        (Some(iops), Some((fewest, most, _))) if !(fewest..=most).contains(&iops) => {
            say("iops", format!("a disk of the type {} does {fewest} to {most}", kind.name));
        }
        (Some(iops), Some((fewest, _, each)))
            if size.is_some_and(|size| iops > fewest.max(size.saturating_mul(each))) =>
        {
            say("iops", format!("a disk of the type {} does at most {each} for each GB", kind.name));
        }
        _ => {}
    }
    problems
}

fn number(spec: &Value, name: &str) -> Option<u32> {
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
    fn words_are_ebs_words_and_what_is_read_is_what_was_said() {
        for (word, size, iops, kind, wanted) in [
            ("balanced", 100, None, "gp3", Some(3_000)),
            ("balanced", 100, Some(6_000), "gp3", Some(6_000)),
            ("fast", 500, None, "io2", Some(10_000)),
            ("io1", 100, None, "io1", Some(5_000)),
            ("gp2", 100, None, "gp2", None),
        ] {
            let said = Disk { size_gb: size, kind: word.to_owned(), iops };
            let is = Wanted::of(&said);
            assert_eq!((is.kind.as_str(), is.iops), (kind, wanted), "{word}");
            let there = Volume::builder().size(is.size).volume_type(is.kind.clone()).set_iops(is.iops).build();
            assert!(is.is(&there));
            let sent = json!({ "type": word }).into();
            assert_eq!(spec(&there, Some(&sent)).get("type"), Some(&word.into()));
            let larger = Volume::builder().size(is.size + 1).volume_type(is.kind.clone()).set_iops(is.iops).build();
            assert!(!is.is(&larger));
        }
    }

    #[test]
    fn what_ebs_can_not_take_is_told_with_its_field() {
        let paths = |disk: serde_json::Value| -> Vec<String> {
            problems(&json!({ "disk": disk }).into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "size_gb": 100, "type": "balanced" })), [""; 0]);
        assert_eq!(paths(json!({ "size_gb": 100, "type": "fast", "iops": 20_000 })), [""; 0]);
        assert_eq!(paths(json!({ "size_gb": 100, "type": "st1" })), ["disk.type"]);
        assert_eq!(paths(json!({ "size_gb": 20_000, "type": "gp2", "iops": 100 })), ["disk.size_gb", "disk.iops"]);
        assert_eq!(paths(json!({ "size_gb": 100, "type": "gp3", "iops": 100 })), ["disk.iops"]);
        assert_eq!(paths(json!({ "size_gb": 10, "type": "io1", "iops": 1_000 })), ["disk.iops"]);
    }
}
