//! `gpu_instance` on EC2: what a machine is launched with, and how it changes.

use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::aws::REGION;
use crate::aws::proxy::Fault;
use crate::fleet::{Fleet, group_in, tag, text};

#[test]
fn a_machine_is_launched_encrypted_closed_and_ours() {
    let Some(fleet) = Fleet::with("tags: { team: search },") else { return };
    let machine = fleet.only();
    assert_eq!((&machine["InstanceType"], &machine["State"]["Name"]), (&json!("g5.xlarge"), &json!("running")));
    assert_eq!(machine["MetadataOptions"]["HttpTokens"], "required", "{machine}");
    assert_eq!(machine["MetadataOptions"]["HttpPutResponseHopLimit"], 1, "{machine}");
    assert_eq!(machine["SecurityGroups"][0]["GroupId"], json!(fleet.group), "{machine}");
    assert!(text(&machine["ImageId"]).starts_with("ami-"), "{machine}");
    assert!(tag(&machine, "Name").unwrap().starts_with("demo-m-"), "{machine}");
    let disk = fleet.disk();
    assert_eq!((&disk["Size"], &disk["VolumeType"], &disk["Encrypted"]), (&json!(100), &json!("gp3"), &json!(true)));
    assert_eq!(machine["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"], true, "{machine}");
    let interface = fleet.ec2("describe_network_interfaces", json!({}))["NetworkInterfaces"][0].clone();
    for of in [&machine, &disk, &interface] {
        assert_eq!(
            (tag(of, "team").as_deref(), tag(of, "trueup:address").as_deref()),
            (Some("search"), Some("m")),
            "{of}"
        );
        assert_eq!(tag(of, "trueup:stack"), tag(&machine, "trueup:stack"), "{of}");
    }
    let [asked] = &fleet.rig.aws.proxy.asked("ec2:RunInstances")[..] else { panic!() };
    assert_eq!(
        asked["ImageId"],
        "resolve:ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
    );
    assert_eq!((asked["InstanceInitiatedShutdownBehavior"].as_str(), asked.get("UserData")), ("stop", None));
    let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    let attributes = &shown["current"]["attributes"];
    assert_eq!(attributes["gpus"][0]["model"], "A10G", "{shown}");
    assert_eq!((&attributes["price_per_hour"], &attributes["status"]), (&json!(1.006), &json!("running")), "{shown}");
    assert_eq!(
        (&attributes["ip"], &attributes["zone"]),
        (&machine["PublicIpAddress"], &machine["Placement"]["AvailabilityZone"])
    );
    assert_eq!(shown["current"]["seen"]["image"]["id"], machine["ImageId"], "{shown}");
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.is_gone();
}

/// A field that changes in place: how a blueprint says it and another way, what boto3 shows after each, and what somebody does by hand.
struct Field {
    first: (&'static str, &'static str),
    second: (&'static str, &'static str),
    there: fn(&Fleet) -> Json,
    is: (Json, Json),
    by_hand: fn(&Fleet) -> (&'static str, Json),
    said: &'static str,
}

fn modified(fleet: &Fleet, more: Json) -> (&'static str, Json) {
    let mut asked = json!({ "VolumeId": fleet.disk()["VolumeId"] });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("modify_volume", asked)
}

fn fields() -> Vec<Field> {
    vec![
        Field {
            first: ("name: one,", ""),
            second: ("name: two,", ""),
            there: |fleet| json!(tag(&fleet.only(), "Name")),
            is: (json!("one"), json!("two")),
            by_hand: |fleet| {
                ("create_tags", json!({ "Resources": [fleet.id()], "Tags": [{ "Key": "Name", "Value": "three" }] }))
            },
            said: "name",
        },
        Field {
            first: ("tags: { team: a },", ""),
            second: ("tags: { cost: b },", ""),
            there: |fleet| json!([tag(&fleet.disk(), "team"), tag(&fleet.only(), "team"), tag(&fleet.only(), "cost")]),
            is: (json!(["a", "a", null]), json!([null, null, "b"])),
            by_hand: |fleet| ("delete_tags", json!({ "Resources": [fleet.id()], "Tags": [{ "Key": "cost" }] })),
            said: "tags.cost",
        },
        Field {
            first: ("disk: { type: balanced, iops: 4000 },", ""),
            second: ("disk: { type: fast, iops: 8000, size_gb: 200 },", ""),
            there: |fleet| json!([fleet.disk()["VolumeType"], fleet.disk()["Iops"], fleet.disk()["Size"]]),
            is: (json!(["gp3", 4000, 100]), json!(["io2", 8000, 200])),
            by_hand: |fleet| modified(fleet, json!({ "VolumeType": "io1", "Iops": 500 })),
            said: "disk.type",
        },
        Field {
            first: ("", ", hop_limit: 2"),
            second: ("", ""),
            there: |fleet| fleet.only()["MetadataOptions"]["HttpPutResponseHopLimit"].clone(),
            is: (json!(2), json!(1)),
            by_hand: |fleet| {
                (
                    "modify_instance_metadata_options",
                    json!({ "InstanceId": fleet.id(), "HttpTokens": "optional", "HttpPutResponseHopLimit": 1 }),
                )
            },
            said: "IMDSv1",
        },
        Field {
            first: ("identity: one,", ""),
            second: ("identity: two,", ""),
            there: |fleet| {
                let arn = fleet.only()["IamInstanceProfile"]["Arn"].clone();
                json!(arn.as_str().and_then(|arn| arn.rsplit('/').next()))
            },
            is: (json!("one"), json!("two")),
            by_hand: |fleet| {
                let found = fleet.ec2("describe_iam_instance_profile_associations", json!({}));
                let id = found["IamInstanceProfileAssociations"][0]["AssociationId"].clone();
                (
                    "replace_iam_instance_profile_association",
                    json!({ "AssociationId": id, "IamInstanceProfile": { "Name": "one" } }),
                )
            },
            said: "identity",
        },
        Field {
            first: ("machine_type: g5.2xlarge,", ""),
            second: ("machine_type: g5.4xlarge,", ""),
            there: |fleet| json!([fleet.only()["InstanceType"], fleet.only()["State"]["Name"]]),
            is: (json!(["g5.2xlarge", "running"]), json!(["g5.4xlarge", "running"])),
            by_hand: |fleet| {
                (
                    "modify_instance_attribute",
                    json!({ "InstanceId": fleet.id(), "InstanceType": { "Value": "g5.12xlarge" } }),
                )
            },
            said: "machine_type",
        },
    ]
}

#[test]
fn each_field_is_made_changed_in_place_and_put_right() {
    for field in fields() {
        let Some(fleet) = Fleet::start() else { return };
        for name in ["one", "two"] {
            fleet.rig.aws.boto("iam", "create_instance_profile", json!({ "InstanceProfileName": name }));
        }
        fleet.write_with(field.first.0, field.first.1);
        fleet.rig.up();
        assert_eq!((field.there)(&fleet), field.is.0, "{:?}", field.first);
        let id = fleet.id();
        fleet.write_with(field.second.0, field.second.1);
        fleet.rig.run(&["plan"]).exits(2).says("1 to change");
        fleet.rig.up();
        assert_eq!((field.there)(&fleet), field.is.1, "{:?}", field.second);
        let (call, with) = (field.by_hand)(&fleet);
        fleet.by_hand(call, with);
        fleet.rig.corrects(field.said);
        assert_eq!((field.there)(&fleet), field.is.1, "{:?} after a correction", field.second);
        assert_eq!(fleet.id(), id);
        fleet.rig.run(&["destroy", "--yes"]).exits(0);
        fleet.is_gone();
    }
}

#[test]
fn what_is_said_no_more_is_undone() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.boto("iam", "create_instance_profile", json!({ "InstanceProfileName": "one" }));
    fleet.write("name: one, tags: { team: a }, identity: one, disk: { iops: 5000 },");
    fleet.rig.up();
    fleet.write("");
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!((machine.get("IamInstanceProfile"), tag(&machine, "team")), (None, None), "{machine}");
    assert!(tag(&machine, "Name").unwrap().starts_with("demo-m-"), "{machine}");
    assert_eq!(fleet.disk()["Iops"], 3000);
}

#[test]
fn another_group_lets_others_in_and_none_is_refused() {
    let Some(fleet) = Fleet::with("") else { return };
    let (id, other) = (fleet.id(), group_in(&fleet.rig, REGION, "others"));
    fleet.rig.place.edit(&fleet.group, &other);
    fleet.rig.run(&["plan"]).exits(2).says("1 to change");
    fleet.rig.up();
    assert_eq!((&fleet.only()["SecurityGroups"][0]["GroupId"], fleet.id()), (&json!(other), id));
    fleet.by_hand("modify_instance_attribute", json!({ "InstanceId": fleet.id(), "Groups": [fleet.group] }));
    fleet.rig.corrects("security_groups");
    assert_eq!(fleet.only()["SecurityGroups"][0]["GroupId"], json!(other));
    fleet.rig.write("  bare: { kind: gpu_instance, gpu: none, options: { aws: { security_groups: [] } } }\n");
    fleet.rig.run(&["plan"]).exits(1).complains("a list of ids of security groups");
}

#[test]
fn what_needs_another_machine_has_it_before_the_old_one_goes() {
    for (first, second, path) in [
        ("", "env: { A: b },", "env.A"),
        ("stop_after: 8h,", "stop_after: 9h,", "stop_after"),
        ("image: { id: ami-03cf127a },", "image: { id: ami-12c6146b },", "image"),
        ("", "market: spot,", "market"),
        ("disk: { size_gb: 200 },", "disk: { size_gb: 100 },", "disk.size_gb"),
        ("network: { public_ip: false },", "", "network.public_ip"),
        ("", "gpu: { model: T4G },", "gpu.model"),
        ("name: box,", "name: box, env: { A: b },", "env.A"),
    ] {
        let Some(fleet) = Fleet::with(first) else { return };
        let old = fleet.id();
        fleet.write(second);
        fleet.rig.run(&["plan"]).exits(2).says("1 to replace").says(path);
        fleet.rig.aws.proxy.take_operations();
        fleet.rig.run(&["apply", "--yes"]).exits(0);
        let calls = fleet.rig.aws.proxy.take_operations();
        let at = |name: &str| calls.iter().position(|call| call == name).unwrap_or_else(|| panic!("{name}: {calls:?}"));
        assert!(at("ec2:RunInstances") < at("ec2:TerminateInstances"), "{calls:?}");
        fleet.rig.is_level();
        assert_ne!(fleet.id(), old, "{path}");
    }
}

#[test]
fn a_type_changes_by_a_stop_and_a_start_and_a_killed_run_is_gone_on_with() {
    let Some(fleet) = Fleet::with("") else { return };
    let id = fleet.id();
    fleet.write("gpu: { model: A10G, count: 4 },");
    fleet.rig.run(&["plan"]).exits(2).says("1 to change");
    for operation in ["ec2:StopInstances", "ec2:ModifyInstanceAttribute", "ec2:StartInstances"] {
        let (told, killed) = mpsc::channel();
        fleet.rig.aws.proxy.misbehave(operation, Fault::Kills(told), 1, 1);
        let running = fleet.rig.start(&["apply", "--yes"]);
        killed.recv_timeout(Duration::from_mins(1)).unwrap();
        running.signal(Signal::KILL);
        running.wait();
        fleet.rig.aws.proxy.behave();
    }
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!((&machine["InstanceType"], &machine["State"]["Name"]), (&json!("g5.12xlarge"), &json!("running")));
    assert_eq!(fleet.id(), id);
    let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["gpus"].as_array().map(Vec::len), Some(4), "{shown}");
}

#[test]
fn a_type_that_can_not_be_had_gives_way_to_the_old_one() {
    let Some(fleet) = Fleet::with("") else { return };
    fleet.rig.aws.machines_are_told(REGION, &json!({ "refuse": { "g5.12xlarge": "InsufficientInstanceCapacity" } }));
    fleet.write("gpu: { model: A10G, count: 4 },");
    fleet
        .rig
        .run(&["apply", "--yes"])
        .exits(3)
        .says("InsufficientInstanceCapacity")
        .says("it is a g5.xlarge as before");
    let machine = fleet.only();
    assert_eq!((&machine["InstanceType"], &machine["State"]["Name"]), (&json!("g5.xlarge"), &json!("running")));
    fleet.rig.run(&["drift"]).exits(0);
    fleet.rig.aws.machines_are_told(REGION, &json!({ "refuse": {} }));
    fleet.rig.up();
    assert_eq!(fleet.only()["InstanceType"], "g5.12xlarge");
}

#[test]
fn a_machine_that_is_stopped_has_not_drifted_and_stays_stopped() {
    let Some(fleet) = Fleet::with("") else { return };
    fleet.by_hand("stop_instances", json!({ "InstanceIds": [fleet.id()] }));
    fleet.rig.run(&["drift"]).exits(0);
    fleet.write("machine_type: g5.2xlarge,");
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!((&machine["InstanceType"], &machine["State"]["Name"]), (&json!("g5.2xlarge"), &json!("stopped")));
    let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["status"], "stopped", "{shown}");
}

#[test]
fn other_gpus_by_hand_are_drift() {
    let Some(fleet) = Fleet::with("") else { return };
    for (other, said) in [("g5.12xlarge", "gpu.count"), ("t3.micro", "gpu")] {
        let with = json!({ "InstanceId": fleet.id(), "InstanceType": { "Value": other } });
        fleet.by_hand("modify_instance_attribute", with);
        fleet.rig.corrects(said);
        assert_eq!(fleet.only()["InstanceType"], "g5.xlarge");
    }
}

#[test]
fn a_spot_machine_that_aws_took_back_is_no_strangers_deletion() {
    for unlisted in [false, true] {
        let Some(fleet) = Fleet::with("market: spot, max_price_per_hour: 2,") else { return };
        let old = fleet.id();
        let told = json!({ "end": old, "code": "Server.SpotInstanceTermination", "unlisted": unlisted });
        fleet.rig.aws.machines_are_told(REGION, &told);
        fleet.rig.run(&["plan"]).exits(2).says("AWS took it back").says_not("deleted outside");
        fleet.rig.run(&["drift"]).exits(2).says("AWS took it back");
        let plan = fleet.rig.run(&["drift", "--json"]).exits(2).json();
        assert!(text(&plan["resource_drift"][0]["ended"]).contains("spot instance"), "{plan}");
        fleet.rig.run(&["drift", "--correct", "--yes"]).exits(0);
        fleet.rig.is_level();
        assert_ne!(fleet.id(), old);
        fleet.by_hand("terminate_instances", json!({ "InstanceIds": [fleet.id()] }));
        fleet.rig.run(&["plan"]).exits(2).says("deleted outside").says_not("took it back");
    }
}

#[test]
fn machines_are_bought_as_the_blueprint_says() {
    for (market, seen, words) in [
        (
            "market: spot, max_price_per_hour: 2.5,",
            json!("spot"),
            vec![
                ("InstanceMarketOptions.MarketType", "spot"),
                ("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time"),
                ("InstanceMarketOptions.SpotOptions.MaxPrice", "2.5"),
                ("InstanceInitiatedShutdownBehavior", "terminate"),
            ],
        ),
        (
            "market: { reservation: cr-1 },",
            json!({ "reservation": "cr-1" }),
            vec![
                ("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", "cr-1"),
                ("InstanceInitiatedShutdownBehavior", "stop"),
            ],
        ),
        (
            "market: { capacity_block: cr-2 },",
            json!({ "capacity_block": "cr-2" }),
            vec![
                ("InstanceMarketOptions.MarketType", "capacity-block"),
                ("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", "cr-2"),
            ],
        ),
    ] {
        let Some(fleet) = Fleet::with(market) else { return };
        let [asked] = &fleet.rig.aws.proxy.asked("ec2:RunInstances")[..] else { panic!() };
        for (name, value) in words {
            assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name}");
        }
        let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
        assert_eq!(shown["current"]["seen"]["market"], seen, "{shown}");
        assert_eq!(
            shown["current"]["attributes"].get("price_per_hour").filter(|price| !price.is_null()),
            None,
            "{shown}"
        );
    }
    let Some(fleet) = Fleet::with("market: spot, tags: { team: a },") else { return };
    let requests = fleet.ec2("describe_spot_instance_requests", json!({}))["SpotInstanceRequests"].clone();
    assert_eq!((tag(&requests[0], "team").as_deref(), &requests[0]["InstanceId"]), (Some("a"), &json!(fleet.id())));
}

#[test]
fn a_machine_starts_from_the_image_that_is_meant() {
    let Some(fleet) = Fleet::with("image: { id: ami-03cf127a },") else { return };
    assert_eq!(fleet.only()["ImageId"], "ami-03cf127a");
    let image = |name: &str| {
        // What is newer is told by the second.
        std::thread::sleep(Duration::from_millis(1100));
        fleet.by_hand("create_image", json!({ "InstanceId": fleet.id(), "Name": name }))["ImageId"].clone()
    };
    image("acme-1");
    let newest = image("acme-2");
    fleet.write("image: { name: 'acme-*' },");
    fleet.rig.up();
    assert_eq!(fleet.only()["ImageId"], newest);
    // A newer one of the name is no drift.
    image("acme-3");
    fleet.rig.is_level();
    fleet.write("image: { family: /aws/service/ami-amazon-linux-latest/al2023 },");
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!(
        (&machine["RootDeviceName"], &fleet.disk()["Encrypted"]),
        (&json!("/dev/xvda"), &json!(true)),
        "{machine}"
    );
    fleet.write("image: { name: 'nobody-has-this' },");
    fleet.rig.run(&["apply", "--yes"]).exits(3).says("there is no such image");
    assert_eq!(fleet.id(), text(&machine["InstanceId"]));
}

#[test]
fn a_machine_is_placed_where_the_blueprint_says() {
    let Some(fleet) = Fleet::start() else { return };
    let vpc = fleet.ec2("describe_vpcs", json!({}))["Vpcs"][0]["VpcId"].clone();
    let tags = json!([{ "ResourceType": "subnet", "Tags": [{ "Key": "Name", "Value": "nodes" }] }]);
    let asked = json!({ "VpcId": vpc, "CidrBlock": "172.31.200.0/24", "AvailabilityZone": "us-east-1b", "TagSpecifications": tags });
    let subnet = fleet.by_hand("create_subnet", asked)["Subnet"]["SubnetId"].clone();
    fleet.write_with("network: { subnet: nodes, public_ip: false },", ", placement_group: close, key_name: ada");
    fleet.rig.up();
    let machine = fleet.only();
    assert_eq!((&machine["SubnetId"], machine.get("PublicIpAddress")), (&subnet, None), "{machine}");
    assert_eq!(machine["Placement"]["AvailabilityZone"], "us-east-1b", "{machine}");
    assert_eq!(
        (&machine["Placement"]["GroupName"], &machine["KeyName"]),
        (&json!("close"), &json!("ada")),
        "{machine}"
    );
    fleet.write_with("network: { public_ip: false },", ", zone: us-east-1c");
    fleet.rig.run(&["plan"]).exits(2).says("1 to replace");
    fleet.rig.up();
    assert_eq!(fleet.only()["Placement"]["AvailabilityZone"], "us-east-1c");
    fleet.write("network: { subnet: nobodys },");
    fleet.rig.run(&["apply", "--yes"]).exits(3).says("there is no subnet `nobodys`");
    fleet.rig.write("  m: { kind: gpu_instance, gpu: none, network: { subnet: nodes } }\n");
    fleet.rig.run(&["plan"]).exits(1).complains("options.aws.vpc");
}

/// A disk beside the one that it starts from would leave that as its image has it: not encrypted.
#[test]
fn a_machine_that_starts_from_another_disk_than_meant_is_told() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write_with("", ", root_device: /dev/sdz");
    fleet.rig.run(&["apply", "--yes"]).exits(3).says("is not encrypted").says("root_device: /dev/sda1");
    fleet.write("");
    fleet.rig.up();
    assert_eq!(fleet.disk()["Encrypted"], true);
}

#[test]
fn what_a_machine_is_told_is_told_once_and_kept_secret() {
    let Some(fleet) = Fleet::start() else { return };
    let secret = "hunter2-hunter2";
    let machine = fleet.text(
        "m",
        "env: { TOKEN: \"{{ var.token }}\" }, ssh: { user: ada, public_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIGcZ0Jrx69uRyLlDchxdk/jPqKwrGuifF/I4ebZnLL7 ada] }, stop_after: 90m, user_data: \"#!/bin/sh\\necho {{ var.token }}\\n\",",
        "",
    );
    fleet.rig.place.write(
        "blueprint.yaml",
        &format!(
            "blueprint: demo\nproviders: {{ aws: {{}} }}\nvariables: {{ token: {{ type: string, secret: true }} }}\nresources:\n{machine}"
        ),
    );
    let run = |arguments: &[&str]| fleet.rig.run_with(arguments, &[("TRUEUP_VAR_token", secret)]);
    let ran = run(&["apply", "--yes"]).exits(0);
    assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    run(&["plan"]).exits(0);
    run(&["drift"]).exits(0);
    let told = fleet.told();
    for part in [
        "TOKEN='hunter2-hunter2'",
        "AAAAIIGcZ0Jrx69uRyLlDchxdk/jPqKwrGuifF/I4ebZnLL7 ada",
        "--on-boot=5400000ms",
        "echo hunter2-hunter2",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!(fleet.rig.place.files_with(secret), [""; 0].map(std::path::PathBuf::from));
    let other = fleet.rig.run_with(&["plan"], &[("TRUEUP_VAR_token", "hunter3-hunter3")]).exits(2);
    other.says("1 to replace").says("env.TOKEN").says_not("hunter");
}

#[test]
fn what_ec2_can_not_take_is_told_with_its_line() {
    let Some(fleet) = Fleet::start() else { return };
    for (said, complaint) in [
        ("gpu: { model: A10 }", "A10G"),
        ("gpu: { model: RadeonProV520 }", "NVIDIA"),
        ("gpu: { model: A10G, count: 3 }", "1, 4, 8"),
        ("gpu: { model: V100 }", "knows no V100"),
        ("gpu: { model: L4 }\n    machine_type: g5.xlarge", "has 1 A10G"),
        ("gpu: { model: L4 }\n    machine_type: m7i.large", "no GPUs"),
        ("gpu: none\n    machine_type: g5.xlarge", "say `gpu:"),
        ("gpu: { model: A10G }\n    max_price_per_hour: 1", "1.006"),
        ("gpu: none\n    disk: { type: st1 }", "gp3"),
        ("gpu: none\n    disk: { type: gp2, iops: 5 }", "can't be chosen"),
        ("gpu: none\n    user_data: echo", "`#!`"),
        ("gpu: none\n    env: { A-B: c }", "letters, digits"),
        ("gpu: none\n    ssh: { public_keys: [hunter] }", "ssh-keygen"),
        ("gpu: none\n    ssh: { ingress: [10.0.0.1] }", "CIDR"),
        ("gpu: none\n    image: { family: /acme/base }", "root_device"),
        ("gpu: none\n    tags: { Name: x }", "as `name`"),
        ("gpu: none\n    options: { aws: { security_group: [sg-1] } }", "security_groups"),
        ("gpu: none\n    options: { aws: { security_groups: [default] } }", "ids of security groups"),
        ("gpu: none\n    options: { aws: { hop_limit: 65 } }", "from 1 to 64"),
    ] {
        fleet.rig.write(&format!("  m:\n    kind: gpu_instance\n    {said}\n"));
        let line = 5 + said.lines().count();
        fleet.rig.run(&["plan"]).exits(1).complains(complaint).complains(&format!("blueprint.yaml:{line}"));
    }
    // For a spot machine it is a limit.
    fleet.write("market: spot, max_price_per_hour: 1,");
    fleet.rig.run(&["plan"]).exits(2);
    assert!(!fleet.calls().contains_key("ec2:RunInstances"));
}
