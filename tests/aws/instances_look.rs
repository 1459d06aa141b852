//! Machines on EC2 as they are found: all of them by few calls, and those that nothing records.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::fleet::{Fleet, tag, text};

#[test]
fn drift_of_a_thousand_machines_takes_three_calls() {
    let Some(fleet) = Fleet::start() else { return };
    // No command here takes minutes.
    for count in (100..=1000).step_by(100) {
        fleet.write(&format!("for_each: \"{{{{ range({count}) | list }}}}\","));
        fleet.rig.run(&["apply", "--yes", "--parallelism", "64"]).exits(0);
    }
    fleet.calls();
    fleet.rig.run(&["drift"]).exits(0);
    let calls = fleet.calls();
    let of_ec2: usize = calls.iter().filter(|(call, _)| call.starts_with("ec2:")).map(|(_, count)| count).sum();
    assert!(of_ec2 <= 3, "{calls:?}");
    assert_eq!(fleet.machines().len(), 1000);
}

/// Of many lists only the stack's own is read to its end.
#[test]
fn what_does_not_fit_a_page_is_found_and_a_page_that_fails_is_no_absence() {
    let Some(fleet) = Fleet::start() else { return };
    let stranger = json!([{ "ResourceType": "instance", "Tags": [{ "Key": "trueup:stack", "Value": "another" }] }]);
    for _ in 0..3 {
        fleet.by_hand(
            "run_instances",
            json!({ "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "TagSpecifications": stranger }),
        );
    }
    fleet.write("for_each: [1, 2, 3, 4, 5],");
    fleet.rig.up();
    fleet.rig.aws.proxy.pages_of(2);
    fleet.calls();
    fleet.rig.run(&["drift"]).exits(0).says_not("belongs to this stack");
    // A first page of everybody's, one machine of the stack's, and its three pages.
    assert_eq!(fleet.calls()["ec2:DescribeInstances"], 5);
    fleet.rig.aws.proxy.misbehave("ec2:DescribeInstances", Fault::Refuses(403, "UnauthorizedOperation"), 5, 1);
    fleet.rig.run(&["plan"]).says("UnauthorizedOperation").says_not("to create, ").says_not("deleted outside");
    fleet.rig.is_level();
}

#[test]
fn what_can_not_be_told_is_no_absence() {
    let Some(fleet) = Fleet::with("") else { return };
    for operation in ["ec2:DescribeInstances", "ec2:DescribeVolumes"] {
        fleet.rig.aws.proxy.misbehave(operation, Fault::Refuses(403, "UnauthorizedOperation"), 1, 1000);
        fleet.rig.run(&["plan"]).says("UnauthorizedOperation").says_not("to create").says_not("deleted outside");
        fleet.rig.aws.proxy.behave();
    }
    fleet.rig.is_level();
}

#[test]
fn a_machine_without_its_tags_is_found_by_its_id_and_they_are_put_back() {
    let Some(fleet) = Fleet::with("tags: { team: a },") else { return };
    let machine = fleet.only();
    let tags: Vec<Json> = machine["Tags"].as_array().unwrap().iter().map(|tag| json!({ "Key": tag["Key"] })).collect();
    let resources = json!([machine["InstanceId"], fleet.disk()["VolumeId"]]);
    fleet.by_hand("delete_tags", json!({ "Resources": resources, "Tags": tags }));
    fleet.rig.corrects("tags.team");
    let machine = fleet.only();
    assert_eq!((tag(&machine, "trueup:address").as_deref(), tag(&machine, "team").as_deref()), (Some("m"), Some("a")));
}

#[test]
fn a_machine_that_nothing_records_is_told_and_adopted_by_its_name_or_its_id() {
    let Some(fleet) = Fleet::start() else { return };
    let both = format!("{}{}", fleet.text("m", "", ""), fleet.text("n", "name: the-other,", ""));
    fleet.rig.write(&both);
    fleet.rig.up();
    let id = |name: &str| {
        let found =
            fleet.machines().into_iter().find(|machine| tag(machine, "trueup:address").as_deref() == Some(name));
        text(&found.unwrap()["InstanceId"])
    };
    let (m, n) = (id("m"), id("n"));
    fleet.rig.run(&["state", "forget", "n", "--yes"]).exits(0);
    fleet.rig.run(&["plan"]).says(&format!("the gpu_instance `{n}` belongs to this stack"));
    fleet.rig.run(&["adopt", "n", "--yes"]).exits(0).says(&n);
    fleet.rig.is_level();
    fleet.rig.run(&["state", "forget", "m", "--yes"]).exits(0);
    fleet.rig.run(&["adopt", "m", "--id", &m, "--yes"]).exits(0);
    fleet.rig.is_level();
    assert_eq!(fleet.machines().len(), 2);
    fleet.rig.run(&["adopt", "m", "--id", &m, "--yes"]).exits(1);
}

#[test]
fn a_machine_that_somebody_else_launched_is_adopted_by_its_name() {
    let Some(fleet) = Fleet::start() else { return };
    let launched = || {
        let tags = json!([{ "ResourceType": "instance", "Tags": [{ "Key": "Name", "Value": "bastion" }] }]);
        let interface = json!([{ "DeviceIndex": 0, "Groups": [fleet.group], "AssociatePublicIpAddress": true }]);
        fleet.by_hand(
            "run_instances",
            json!({
                "ImageId": "ami-03cf127a", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "TagSpecifications": tags,
                "NetworkInterfaces": interface,
            }),
        )
    };
    let id = text(&launched()["Instances"][0]["InstanceId"]);
    fleet
        .write("gpu: none, machine_type: t3.micro, name: bastion, image: { id: ami-03cf127a }, disk: { size_gb: 10 },");
    let other = text(&launched()["Instances"][0]["InstanceId"]);
    fleet.rig.run(&["adopt", "m", "--yes"]).exits(1).complains("several machines have this name").complains(&other);
    fleet.by_hand("terminate_instances", json!({ "InstanceIds": [other] }));
    fleet.rig.run(&["adopt", "m", "--yes"]).exits(0).says(&id);
    // What it is not yet it becomes in place: ours, and closed to who has no token.
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!(
        (machine["InstanceId"].as_str(), tag(&machine, "trueup:address").as_deref()),
        (Some(id.as_str()), Some("m"))
    );
    assert_eq!(machine["MetadataOptions"]["HttpTokens"], "required", "{machine}");
}
