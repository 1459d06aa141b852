//! `volume`: a disk of EBS, or a file system of EFS with what it can be reached by. Both are encrypted.

use trueup_engine::compose::{Composition, Part, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::ID;
use super::{Known, attributes};
use trueup_parts::Whole;
use trueup_parts::{Native, field, is_said, map, option};

pub(super) const DISK: &str = "AWS::EC2::Volume";
pub(super) const FILES: &str = "AWS::EFS::FileSystem";
const MOUNT: &str = "AWS::EFS::MountTarget";
const GROUP: &str = "AWS::EC2::SecurityGroup";
pub(super) const PARTS: [&str; 4] = [DISK, FILES, MOUNT, GROUP];
pub(super) const OPTIONS: [&str; 1] = ["throughput_mib"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<1> = [("resource_id", "disk", ID)];
/// The same of what is shared.
pub(super) const KNOWN_SHARED: Known<1> = [("resource_id", "files", ID)];

/// The reads and writes a second of a fast disk that says nothing of them, which io2 has to be told.
const FAST_IOPS: i64 = 3000;
/// The port of NFS.
const NFS: i64 = 2049;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    match field(wanted, "type").revealed().as_str() {
        Some("shared") => shared(wanted),
        kind => disk(wanted, kind.unwrap_or_default()),
    }
}

fn disk(wanted: &Wanted<'_>, kind: &str) -> Result<Composition, Vec<Problem>> {
    let mut problems = Vec::new();
    if !is_said(field(wanted, "zone")) {
        let message = "the field `zone` is missing: a disk at AWS is in one zone, such as `us-east-1a`";
        problems.push(Problem::new(FieldPath::root(), message));
    }
    if is_said(field(wanted, "reachable")) {
        let message = "a disk is attached to a machine; only what is `shared` can be reached from several";
        problems.push(Problem::new(FieldPath::parse("reachable"), message));
    }
    if kind != "balanced" && is_said(option(wanted, "throughput_mib")) {
        let message = "only a balanced disk's throughput can be chosen";
        problems.push(Problem::new(FieldPath::parse("options.aws.throughput_mib"), message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let disk = Native::new(wanted, "disk", DISK)
        .taking("AvailabilityZone", "zone")
        .taking("Size", "size_gb")
        .from("VolumeType", "type", if kind == "fast" { "io2" } else { "gp3" })
        .with("Encrypted", true)
        .taking("KmsKeyId", "encryption.kms_key")
        .option("Throughput", "throughput_mib");
    let is_silent = !is_said(field(wanted, "iops"));
    let disk =
        if is_silent && kind == "fast" { disk.from("Iops", "iops", FAST_IOPS) } else { disk.taking("Iops", "iops") };
    Ok(Composition { parts: vec![disk.named_by_tag("Name").part()], attributes: attributes(KNOWN) })
}

fn shared(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    if is_said(field(wanted, "iops")) {
        let message = "a file system at AWS takes as many reads and writes as come: only a disk's can be chosen";
        return Err(vec![Problem::new(FieldPath::parse("iops"), message)]);
    }
    let files = Native::new(wanted, "files", FILES)
        .with("Encrypted", true)
        .taking("KmsKeyId", "encryption.kms_key")
        .taking("AvailabilityZoneName", "zone")
        .with("PerformanceMode", "generalPurpose")
        .with("ThroughputMode", "elastic")
        .named_by_tag("Name");
    let mut parts = vec![files.part()];
    if is_said(field(wanted, "reachable")) {
        parts.extend(reachable(wanted)?);
    }
    Ok(Composition { parts, attributes: attributes(KNOWN_SHARED) })
}

/// What a file system is reached by: an address in each subnet, and a group that lets in NFS alone.
fn reachable(wanted: &Wanted<'_>) -> Result<Vec<Part>, Vec<Problem>> {
    let at = "reachable.network";
    let network = Whole::of(field(wanted, at));
    if let Some(problem) = network.foreign(wanted, at, "be reached from") {
        return Err(vec![problem]);
    }
    let subnets = field(wanted, "reachable.subnets").revealed().as_list().unwrap_or_default();
    let nfs = map([
        ("IpProtocol", "tcp".into()),
        ("FromPort", NFS.into()),
        ("ToPort", NFS.into()),
        ("CidrIp", field(wanted, "reachable.from").clone()),
    ]);
    let group = Native::new(wanted, "group", GROUP)
        .with("GroupDescription", "NFS to a file system")
        .from("VpcId", at, network.attribute("resource_id"))
        .from("SecurityGroupIngress", "reachable.from", vec![nfs])
        .named_by_tag("Name");
    let mount = |index: usize| {
        let mount = Native::new(wanted, format!("mount_{index}"), MOUNT)
            .reads("FileSystemId", "files", "FileSystemId")
            .taking("SubnetId", &format!("reachable.subnets[{index}]"))
            .with("SecurityGroups", vec![Value::Unknown])
            .reads("SecurityGroups[0]", "group", "GroupId");
        mount.part()
    };
    Ok([group.part()].into_iter().chain((0..subnets.len()).map(mount)).collect())
}
