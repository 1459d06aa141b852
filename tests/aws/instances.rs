//! `gpu_instance` on EC2: what a machine is launched with, how it changes, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::aws::REGION;
use crate::aws::proxy::Fault;
use crate::rig::Rig;
use crate::support::eventually;

/// An account with a security group for its machines.
pub(crate) struct Fleet {
    pub(crate) rig: Rig,
    pub(crate) group: String,
}

impl Fleet {
    /// One without machines; none where moto can't be had.
    pub(crate) fn start() -> Option<Self> {
        let rig = Rig::with("")?;
        let group = group_in(&rig, REGION, "machines");
        Some(Self { rig, group })
    }

    /// One with a machine of these fields, applied.
    #[track_caller]
    fn with(fields: &str) -> Option<Self> {
        let fleet = Self::start()?;
        fleet.write(fields);
        fleet.rig.up();
        Some(fleet)
    }

    /// A machine `m` with an A10G and these fields more, each followed by a comma.
    fn write(&self, fields: &str) {
        self.rig.write(&self.text("m", fields, ""));
    }

    /// The same with AWS's own options, each after a comma.
    fn write_with(&self, fields: &str, options: &str) {
        self.rig.write(&self.text("m", fields, options));
    }

    fn text(&self, name: &str, fields: &str, options: &str) -> String {
        let gpu = if fields.contains("gpu:") { "" } else { "gpu: { model: A10G }, " };
        let group = &self.group;
        format!(
            "  {name}: {{ kind: gpu_instance, {gpu}{fields} options: {{ aws: {{ security_groups: [{group}]{options} }} }} }}\n"
        )
    }

    pub(crate) fn ec2(&self, call: &str, with: Json) -> Json {
        self.rig.aws.boto("ec2", call, with)
    }

    /// The same, which has to succeed.
    #[track_caller]
    fn by_hand(&self, call: &str, with: Json) -> Json {
        let answer = self.ec2(call, with);
        assert_eq!(answer.get("error"), None, "{answer}");
        answer
    }

    /// All machines that are not gone.
    pub(crate) fn machines(&self) -> Vec<Json> {
        machines_in(&self.rig, REGION)
    }

    /// The only machine that is not gone.
    #[track_caller]
    fn only(&self) -> Json {
        let machines = self.machines();
        assert_eq!(machines.len(), 1, "{machines:#?}");
        machines.into_iter().next().unwrap()
    }

    #[track_caller]
    fn id(&self) -> String {
        text(&self.only()["InstanceId"])
    }

    /// The disk of the only machine.
    #[track_caller]
    fn disk(&self) -> Json {
        let volumes = self.ec2("describe_volumes", json!({}))["Volumes"].clone();
        assert_eq!(volumes.as_array().map(Vec::len), Some(1), "{volumes}");
        volumes[0].clone()
    }

    /// What the only machine is told at its start.
    #[track_caller]
    fn told(&self) -> String {
        let asked = json!({ "InstanceId": self.id(), "Attribute": "userData" });
        let encoded = text(&self.ec2("describe_instance_attribute", asked)["UserData"]["Value"]);
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.machines(), [Json::Null; 0]);
        assert_eq!(self.ec2("describe_volumes", json!({}))["Volumes"], json!([]));
    }

    /// How often operations of EC2's were called since this was asked last.
    fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for call in self.rig.aws.proxy.take_operations() {
            *calls.entry(call).or_default() += 1;
        }
        calls
    }
}

fn group_in(rig: &Rig, region: &str, name: &str) -> String {
    let made =
        rig.aws.boto_in(region, "ec2", "create_security_group", json!({ "GroupName": name, "Description": "d" }));
    text(&made["GroupId"])
}

pub(crate) fn machines_in(rig: &Rig, region: &str) -> Vec<Json> {
    let states = json!([{ "Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"] }]);
    let mut asked = json!({ "Filters": states, "MaxResults": 1000 });
    let mut machines = Vec::new();
    loop {
        let listed = rig.aws.boto_in(region, "ec2", "describe_instances", asked.clone());
        let reservations = listed["Reservations"].as_array().unwrap_or_else(|| panic!("{listed}"));
        machines.extend(reservations.iter().flat_map(|one| one["Instances"].as_array().unwrap().clone()));
        match listed.get("NextToken").filter(|token| !token.is_null()) {
            Some(token) => asked["NextToken"] = token.clone(),
            None => return machines,
        }
    }
}

#[track_caller]
fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

fn tag(of: &Json, name: &str) -> Option<String> {
    let tags = of.get("Tags").or_else(|| of.get("TagSet"))?.as_array()?;
    tags.iter().find(|tag| tag["Key"] == name).map(|tag| text(&tag["Value"]))
}

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
        "env: { TOKEN: \"{{ var.token }}\" }, ssh: { user: ada, public_keys: [ssh-ed25519 AAAAC3Nz ada] }, stop_after: 90m, user_data: \"#!/bin/sh\\necho {{ var.token }}\\n\",",
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
    for part in ["TOKEN='hunter2-hunter2'", "ssh-ed25519 AAAAC3Nz ada", "--on-boot=5400000ms", "echo hunter2-hunter2"] {
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

#[test]
fn of_fifty_machines_of_which_every_fifth_reply_is_lost_there_are_fifty() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("for_each: \"{{ range(50) | list }}\",");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::LosesReply, 5, 1000);
    fleet.rig.run(&["apply", "--yes"]).exits(0);
    fleet.rig.aws.proxy.behave();
    fleet.rig.is_level();
    let mut ids: Vec<String> = fleet.machines().iter().map(|machine| text(&machine["InstanceId"])).collect();
    ids.sort();
    assert_eq!(ids.len(), 50);
    let listed = fleet.rig.run(&["state", "list", "--json"]).exits(0).json();
    let records = listed["resources"].as_array().unwrap();
    let mut recorded: Vec<String> = records.iter().map(|record| text(&record["current"]["id"])).collect();
    recorded.sort();
    assert_eq!(recorded, ids);
    let tokens = fleet.rig.aws.proxy.asked("ec2:RunInstances");
    assert!(tokens.len() > 50, "replies were lost");
}

#[test]
fn a_run_that_is_killed_while_machines_are_made_leaves_none_twice() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("for_each: [1, 2, 3, 4, 5, 6],");
    for _ in 0..3 {
        let (told, killed) = mpsc::channel();
        fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Kills(told), 2, 1);
        let running = fleet.rig.start(&["apply", "--yes", "--parallelism", "1"]);
        killed.recv_timeout(Duration::from_mins(1)).unwrap();
        running.signal(Signal::KILL);
        running.wait();
        fleet.rig.aws.proxy.behave();
    }
    fleet.rig.up();
    assert_eq!(fleet.machines().len(), 6);
}

#[test]
fn a_repeat_that_is_no_longer_the_same_finds_what_the_first_call_made() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::LosesReply, 1, 1);
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, "IdempotentParameterMismatch"), 1, 1);
    fleet.rig.up();
    fleet.only();
}

#[test]
fn a_machine_that_takes_its_time_is_waited_for_and_one_that_ends_meanwhile_has_failed() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 2 }));
    fleet.write("");
    fleet.rig.up();
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 100_000 }));
    let running = fleet.rig.start(&["apply", "--yes"]);
    eventually("a machine is launched", || !fleet.machines().is_empty());
    let told = json!({ "end": fleet.id(), "code": "Server.InsufficientInstanceCapacity" });
    fleet.rig.aws.machines_are_told(REGION, &told);
    running.wait().exits(3).says("Server.InsufficientInstanceCapacity").says("1 failed");
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 0 }));
    fleet.rig.up();
}

#[test]
fn where_there_is_no_room_the_next_place_has_the_machine() {
    let Some(fleet) = Fleet::start() else { return };
    let (here, there) = (&fleet.group, group_in(&fleet.rig, "eu-west-1", "machines"));
    let place = |region: &str, group: &str| {
        format!("{{ provider: aws, region: {region}, options: {{ aws: {{ security_groups: [{group}] }} }} }}")
    };
    fleet.rig.write(&format!(
        "  m: {{ kind: gpu_instance, gpu: {{ model: A10G }}, placement: [{}, {}] }}\n",
        place(REGION, here),
        place("eu-west-1", &there)
    ));
    let full = || Fault::Refuses(500, "InsufficientInstanceCapacity");
    fleet.rig.aws.proxy.misbehave_in(REGION, "ec2:RunInstances", full(), 1000);
    fleet.rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!((fleet.machines().len(), machines_in(&fleet.rig, "eu-west-1").len()), (0, 1));
    // Where it is it stays, once there is room elsewhere.
    fleet.rig.aws.proxy.behave();
    fleet.rig.is_level();
    let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["price_per_hour"], Json::Null, "{shown}");
}

#[test]
fn a_machine_is_not_given_up_before_there_is_room_for_another() {
    let Some(fleet) = Fleet::with("") else { return };
    let id = fleet.id();
    for code in ["InsufficientInstanceCapacity", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "Unsupported"] {
        fleet.write("env: { A: b },");
        fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, code), 1, 1000);
        fleet.rig.run(&["apply", "--yes"]).exits(3).says(code).says("the old one stays");
        assert_eq!((fleet.id(), fleet.only()["State"]["Name"].clone()), (id.clone(), json!("running")));
        fleet.rig.aws.proxy.behave();
        fleet.write("");
        fleet.rig.is_level();
    }
}

#[test]
fn drift_of_a_thousand_machines_takes_three_calls() {
    let Some(fleet) = Fleet::start() else { return };
    // No command here takes minutes.
    for count in [200, 400, 600, 800, 1000] {
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

#[test]
fn an_instance_profile_that_ec2_does_not_know_yet_is_waited_for() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.boto("iam", "create_instance_profile", json!({ "InstanceProfileName": "one" }));
    let unknown =
        Fault::RefusesFor(400, "InvalidParameterValue", "Value (one) for parameter iamInstanceProfile.name is invalid");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", unknown, 1, 2);
    fleet.write("identity: one,");
    fleet.rig.up();
    assert!(text(&fleet.only()["IamInstanceProfile"]["Arn"]).ends_with("/one"));
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, "InvalidParameterValue"), 1, 1);
    fleet.write("identity: one, env: { A: b },");
    fleet.rig.run(&["apply", "--yes"]).exits(3).says("InvalidParameterValue");
}

#[test]
fn a_machine_that_is_protected_at_aws_is_told_so() {
    let Some(fleet) = Fleet::with("") else { return };
    let protect = |is: bool| json!({ "InstanceId": fleet.id(), "DisableApiTermination": { "Value": is } });
    fleet.by_hand("modify_instance_attribute", protect(true));
    fleet.rig.run(&["destroy", "--yes"]).exits(3).says("protected from termination");
    fleet.by_hand("modify_instance_attribute", protect(false));
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.is_gone();
}

#[test]
fn replies_that_are_lost_and_calls_that_are_too_many_change_nothing_but_the_time() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.proxy.misbehave("ec2:DescribeInstances", Fault::Refuses(503, "RequestLimitExceeded"), 3, 4);
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(503, "RequestLimitExceeded"), 1, 2);
    fleet.write("tags: { team: a },");
    fleet.rig.up();
    let id = fleet.id();
    for operation in ["ec2:CreateTags", "ec2:ModifyVolume"] {
        fleet.rig.aws.proxy.misbehave(operation, Fault::LosesReply, 1, 1);
    }
    fleet.write("tags: { team: b }, disk: { size_gb: 200 },");
    // What an interrupted change came to, the next plan compares.
    for _ in 0..3 {
        fleet.rig.run(&["apply", "--yes"]);
    }
    fleet.rig.is_level();
    assert_eq!(
        (fleet.id(), fleet.disk()["Size"].clone(), tag(&fleet.only(), "team")),
        (id, json!(200), Some("b".to_owned()))
    );
    fleet.rig.aws.proxy.misbehave("ec2:TerminateInstances", Fault::LosesReply, 1, 1);
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.is_gone();
}

#[test]
fn machines_that_ask_for_the_same_share_a_group_that_lets_in_nothing_else() {
    const GROUP: &str = "AWS::EC2::SecurityGroup";
    let Some(fleet) = Fleet::start() else { return };
    let machine = |name: &str, fields: &str| format!("  {name}: {{ kind: gpu_instance, gpu: none, {fields} }}\n");
    let open = "ssh: { ingress: [203.0.113.7/32] }, network: { ports: [8080] }";
    fleet.rig.write(&format!("{}{}{}", machine("a", open), machine("b", open), machine("c", "tags: { x: y }")));
    fleet.rig.up();
    let groups = |name: &str| {
        let found =
            fleet.machines().into_iter().find(|machine| tag(machine, "trueup:address").as_deref() == Some(name));
        text(&found.unwrap()["SecurityGroups"][0]["GroupId"])
    };
    assert_eq!(groups("a"), groups("b"));
    assert_ne!(groups("a"), groups("c"));
    let made = crate::natives::all(&fleet.rig, GROUP);
    assert_eq!(made.len(), 2);
    for key in made {
        let got = fleet.rig.types("get_resource", json!({ "TypeName": GROUP, "Identifier": key }));
        let group: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
        let rule =
            |port: u32| json!({ "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "203.0.113.7/32" });
        let is_open = group["GroupId"] == json!(groups("a"));
        let ingress = if is_open { json!([rule(22), rule(8080)]) } else { json!([]) };
        assert_eq!(group["SecurityGroupIngress"], ingress, "{group}");
    }
    // Another rule is another group, which the machine is in before the old one goes.
    let (id, old) = (fleet.machines().len(), groups("c"));
    fleet.rig.place.edit("tags: { x: y }", "tags: { x: y }, ssh: { ingress: [10.0.0.0/8] }");
    fleet.rig.run(&["plan"]).exits(2).says("1 to create, 1 to change, 0 to replace, 1 to destroy");
    fleet.rig.up();
    assert_ne!(groups("c"), old);
    assert_eq!((fleet.machines().len(), crate::natives::all(&fleet.rig, GROUP).len()), (id, 2));
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(crate::natives::all(&fleet.rig, GROUP), [""; 0]);
}

/// The same token answers with the same machine, whatever became of it since.
#[test]
fn a_repeat_that_names_a_machine_that_has_ended_has_failed_and_then_another_is_made() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("");
    let (told, killed) = mpsc::channel();
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Kills(told), 1, 1);
    let running = fleet.rig.start(&["apply", "--yes"]);
    killed.recv_timeout(Duration::from_mins(1)).unwrap();
    running.signal(Signal::KILL);
    running.wait();
    fleet.rig.aws.proxy.behave();
    let first = fleet.id();
    fleet.rig.aws.machines_are_told(REGION, &json!({ "end": first, "code": "Server.InternalError" }));
    let ran = fleet.rig.run(&["apply", "--yes"]);
    assert!(format!("{}{}", ran.out, ran.err).contains("ended before it ran"), "{ran:?}");
    fleet.rig.up();
    assert_ne!(fleet.id(), first);
    let asked = fleet.rig.aws.proxy.asked("ec2:RunInstances");
    assert_eq!(
        (asked.len(), asked[0] == asked[1], asked[1]["ClientToken"] == asked[2]["ClientToken"]),
        (3, true, false)
    );
}
