//! Volumes: disks that outlive machines, and file systems that several share.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

const DISKS: &str = "compute.v1.disks";

fn disk(rig: &Rig) -> Json {
    rig.sees(DISKS, "get", rig.in_zone(json!({ "disk": "data" })))
}

#[test]
fn a_disk_grows_in_place_and_is_put_right() {
    let resources = |more: &str| {
        format!(
            "  data: {{ kind: volume, name: data, zone: europe-west4-a, encryption: {{ kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k }}, {more} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources("size_gb: 200, tags: { team: a }")) else { return };
    rig.up();
    let made = disk(&rig);
    let at = format!("https://www.googleapis.com/compute/v1/projects/{}/zones/europe-west4-a", rig.gcp.project);
    assert_eq!(
        (&made["sizeGb"], &made["type"], &made["labels"]["team"]),
        (&json!("200"), &json!(format!("{at}/diskTypes/pd-balanced")), &json!("a")),
        "{made}"
    );
    // Larger, and with other labels: each by the call that Google has for it.
    rig.write(&resources("size_gb: 300, tags: { team: b }"));
    rig.run(&["plan"]).exits(2).says("0 to create, 2 to change, 0 to replace");
    rig.gcp.take_calls();
    rig.up();
    let calls = rig.gcp.take_calls();
    let sent = |name: &str| calls.iter().filter(|call| *call == &format!("compute.disks.{name}")).count();
    assert_eq!((sent("resize"), sent("setLabels"), sent("update")), (1, 1, 0), "{calls:?}");
    let changed = disk(&rig);
    assert_eq!((&changed["sizeGb"], &changed["labels"]["team"]), (&json!("300"), &json!("b")));
    assert_eq!((&changed["id"], &changed["labels"]["trueup_token"]), (&made["id"], &made["labels"]["trueup_token"]));
    // Somebody labels it otherwise.
    let labels = json!({ "labels": { "team": "c" }, "labelFingerprint": changed["labelFingerprint"] });
    rig.sees(DISKS, "setLabels", rig.in_zone(json!({ "resource": "data", "body": labels })));
    rig.corrects("data");
    assert_eq!(disk(&rig)["labels"]["team"], "b");
    // It can't shrink, and another type is another disk.
    rig.write(&resources("size_gb: 100, tags: { team: b }"));
    rig.run(&["plan"]).exits(2).says("1 to replace");
    rig.write(&resources("size_gb: 300, type: fast, tags: { team: b }"));
    rig.run(&["plan"]).exits(2).says("type");
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(disk(&rig)["type"], format!("{at}/diskTypes/pd-ssd"));
    rig.down();
}

#[test]
fn a_larger_disk_whose_reply_is_lost_is_enlarged_once() {
    let resources = |size: u32, team: &str| {
        format!(
            "  data: {{ kind: volume, name: data, zone: europe-west4-a, size_gb: {size}, tags: {{ team: {team} }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources(200, "a")) else { return };
    rig.up();
    rig.write(&resources(300, "b"));
    for method in ["compute.disks.resize", "compute.disks.setLabels"] {
        rig.gcp.misbehaves(method, json!("lost"), 1, 1);
        // What came of it nobody knows: the next run compares again.
        rig.run(&["apply", "--yes"]).exits(3).says("the next plan compares again");
    }
    rig.up();
    let there = disk(&rig);
    assert_eq!((&there["sizeGb"], &there["labels"]["team"]), (&json!("300"), &json!("b")));
    rig.down();
}

#[test]
fn a_fast_disk_has_the_reads_and_writes_that_are_chosen() {
    let resources = |iops: u32| {
        format!(
            "  data: {{ kind: volume, name: data, zone: europe-west4-a, iops: {iops}, options: {{ gcp: {{ disk_type: hyperdisk-balanced, throughput_mib: 200 }} }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources(5000)) else { return };
    rig.up();
    assert_eq!((&disk(&rig)["provisionedIops"], &disk(&rig)["provisionedThroughput"]), (&json!("5000"), &json!("200")));
    rig.write(&resources(6000));
    rig.up();
    assert_eq!(disk(&rig)["provisionedIops"], "6000");
    rig.down();
}

#[test]
fn machines_share_a_file_system() {
    let resources = |size: u32, from: &str| {
        format!(
            "  net: {{ kind: network, name: research, zones: [europe-west4-a] }}\n  files: {{ kind: volume, name: files, type: shared, size_gb: {size}, reachable: {{ network: \"{{{{ net }}}}\", subnets: [\"{{{{ net.subnets['europe-west4-a'] }}}}\"]{from} }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&resources(1024, "")) else { return };
    rig.up();
    let name = format!("projects/{}/locations/europe-west4/instances/files", rig.gcp.project);
    let seen = |rig: &Rig| rig.sees("file.v1.projects.locations.instances", "get", json!({ "name": name }));
    let made = seen(&rig);
    assert_eq!((&made["tier"], &made["networks"][0]["network"]), (&json!("REGIONAL"), &json!("research")), "{made}");
    assert_eq!(made["fileShares"][0]["nfsExportOptions"][0]["ipRanges"], json!(["10.0.0.0/16"]));
    rig.write(&resources(1280, ", from: 10.0.0.0/20"));
    rig.run(&["plan"]).exits(2).says("0 to create, 2 to change, 0 to replace");
    rig.up();
    let share = &seen(&rig)["fileShares"][0];
    assert_eq!(
        (&share["capacityGb"], &share["nfsExportOptions"][0]["ipRanges"]),
        (&json!("1280"), &json!(["10.0.0.0/20"]))
    );
    let mut others = seen(&rig)["fileShares"].clone();
    others[0]["nfsExportOptions"][0]["ipRanges"] = json!(["0.0.0.0/0"]);
    let body = json!({ "name": name, "updateMask": "fileShares", "body": { "fileShares": others } });
    rig.sees("file.v1.projects.locations.instances", "patch", body);
    rig.corrects("files");
    assert_eq!(seen(&rig)["fileShares"][0]["nfsExportOptions"][0]["ipRanges"], json!(["10.0.0.0/20"]));
    rig.down();
}

#[test]
fn what_google_has_no_volume_for_is_told_by_the_plan() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |spec: &str, says: &str| {
        rig.write(&format!("  v: {{ kind: volume, {spec} }}\n"));
        rig.run(&["plan"]).exits(1).complains(says);
    };
    refused("size_gb: 10", "`zone` is missing");
    refused("zone: europe-west4-a, iops: 5000", "the size of a `pd-balanced` says it");
    refused("zone: europe-west4-a, options: { gcp: { throughput_mib: 100 } }", "only a Hyperdisk's");
    refused("type: shared", "`reachable` is missing");
    refused("type: shared, size_gb: 100", "Filestore has 1024 GB at least");
}
