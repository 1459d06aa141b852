//! Machines of EC2, and what boto3 sees of them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::aws::REGION;
use crate::rig::Rig;

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
    pub(crate) fn with(fields: &str) -> Option<Self> {
        let fleet = Self::start()?;
        fleet.write(fields);
        fleet.rig.up();
        Some(fleet)
    }

    /// A machine `m` with an A10G and these fields more, each followed by a comma.
    pub(crate) fn write(&self, fields: &str) {
        self.rig.write(&self.text("m", fields, ""));
    }

    /// The same with AWS's own options, each after a comma.
    pub(crate) fn write_with(&self, fields: &str, options: &str) {
        self.rig.write(&self.text("m", fields, options));
    }

    pub(crate) fn text(&self, name: &str, fields: &str, options: &str) -> String {
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
    pub(crate) fn by_hand(&self, call: &str, with: Json) -> Json {
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
    pub(crate) fn only(&self) -> Json {
        let machines = self.machines();
        assert_eq!(machines.len(), 1, "{machines:#?}");
        machines.into_iter().next().unwrap()
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        text(&self.only()["InstanceId"])
    }

    /// The disk of the only machine.
    #[track_caller]
    pub(crate) fn disk(&self) -> Json {
        let volumes = self.ec2("describe_volumes", json!({}))["Volumes"].clone();
        assert_eq!(volumes.as_array().map(Vec::len), Some(1), "{volumes}");
        volumes[0].clone()
    }

    /// What the only machine is told at its start.
    #[track_caller]
    pub(crate) fn told(&self) -> String {
        let asked = json!({ "InstanceId": self.id(), "Attribute": "userData" });
        let encoded = text(&self.ec2("describe_instance_attribute", asked)["UserData"]["Value"]);
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[track_caller]
    pub(crate) fn is_gone(&self) {
        assert_eq!(self.machines(), [Json::Null; 0]);
        assert_eq!(self.ec2("describe_volumes", json!({}))["Volumes"], json!([]));
    }

    /// How often operations of EC2's were called since this was asked last.
    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for call in self.rig.aws.proxy.take_operations() {
            *calls.entry(call).or_default() += 1;
        }
        calls
    }
}

pub(crate) fn group_in(rig: &Rig, region: &str, name: &str) -> String {
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
pub(crate) fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

pub(crate) fn tag(of: &Json, name: &str) -> Option<String> {
    let tags = of.get("Tags").or_else(|| of.get("TagSet"))?.as_array()?;
    tags.iter().find(|tag| tag["Key"] == name).map(|tag| text(&tag["Value"]))
}
