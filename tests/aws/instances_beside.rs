//! What EC2's machines share with others of their stack: who may connect, and with which key.

use serde_json::{Value as Json, json};

use crate::fleet::{Fleet, tag, text};
use crate::natives::all;

const GROUP: &str = "AWS::EC2::SecurityGroup";
const PAIR: &str = "AWS::EC2::KeyPair";
const ADA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIGcZ0Jrx69uRyLlDchxdk/jPqKwrGuifF/I4ebZnLL7 ada";
const BOB: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCUOqIbNxlO4lCBWNYRYBNpBCiYgTsROavX17jyIfWKbJjSiH4KSoF7AUhQMj0nBOpciRJWLk8fb7iptYEsrF2xpSPo5rw3nPZpkAvka4/VW9wfMCCB1WJpWuF6vmxMG1AqZxTwAkNSDMrVXZj878ZetG40P/44GIHM8xPkFCbEEwpeQCseO5ydnZxwpk6ioVAlu/pmRc5elGU+kox+1Y/ZftlcuIANRD1cCROE+golmE9+KHaGqJo15hhmhdUm3Af1r63zKSqaDNDD+4VkD+QiDOTegPlb5ZtvcQSckjrFItsg0fkCs9MJHlyKiRwGUHQM/mlDnzbID+A6Fk3sjYQ5 bob";

/// A machine without GPUs.
fn machine(name: &str, fields: &str) -> String {
    format!("  {name}: {{ kind: gpu_instance, gpu: none, {fields} }}\n")
}

/// The machine that was made for an address.
#[track_caller]
fn at(fleet: &Fleet, address: &str) -> Json {
    let mut machines = fleet.machines().into_iter();
    machines.find(|machine| tag(machine, "trueup:address").as_deref() == Some(address)).unwrap()
}

#[test]
fn machines_that_ask_for_the_same_share_a_group_that_lets_in_nothing_else() {
    let Some(fleet) = Fleet::start() else { return };
    let open = "ssh: { ingress: [203.0.113.7/32] }, network: { ports: [8080] }";
    fleet.rig.write(&format!("{}{}{}", machine("a", open), machine("b", open), machine("c", "tags: { x: y }")));
    fleet.rig.up();
    let groups = |name: &str| text(&at(&fleet, name)["SecurityGroups"][0]["GroupId"]);
    assert_eq!(groups("a"), groups("b"));
    assert_ne!(groups("a"), groups("c"));
    let made = all(&fleet.rig, GROUP);
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
    assert_eq!((fleet.machines().len(), all(&fleet.rig, GROUP).len()), (id, 2));
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&fleet.rig, GROUP), [""; 0]);
}

#[test]
fn machines_with_the_same_key_share_a_pair_that_ec2_shows_and_another_pair_makes_no_other_machine() {
    let Some(fleet) = Fleet::start() else { return };
    let with = |key: &str| format!("ssh: {{ public_keys: [\"{key}\"] }}");
    let text_of = |c: &str| {
        let [a, b] = ["a", "b"].map(|name| machine(name, &with(ADA)));
        format!("{a}{b}{}", machine("c", c))
    };
    fleet.rig.write(&text_of(&with(BOB)));
    fleet.rig.up();
    let pair = |name: &str| text(&at(&fleet, name)["KeyName"]);
    let (id, first) = (text(&at(&fleet, "a")["InstanceId"]), pair("a"));
    assert!(first.starts_with("demo-"), "{first}");
    assert_eq!(first, pair("b"));
    assert_ne!(first, pair("c"));
    let pairs = fleet.ec2("describe_key_pairs", json!({}))["KeyPairs"].clone();
    assert_eq!(pairs.as_array().map(Vec::len), Some(2), "{pairs}");
    let got = fleet.rig.types("get_resource", json!({ "TypeName": PAIR, "Identifier": first }));
    let shown: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    assert!(shown["Tags"].to_string().contains("trueup:stack"), "{shown}");
    assert_eq!(format!("{} ada", text(&shown["PublicKeyMaterial"])), ADA);
    // What somebody deletes is made again, and no machine for it.
    let gone = fleet.rig.types("delete_resource", json!({ "TypeName": PAIR, "Identifier": first }));
    let status = json!({ "RequestToken": gone["ProgressEvent"]["RequestToken"] });
    let asked =
        || fleet.rig.types("get_resource_request_status", status.clone())["ProgressEvent"]["OperationStatus"].clone();
    while asked() == "IN_PROGRESS" {}
    assert_eq!(asked(), "SUCCESS", "{gone}");
    fleet.rig.run(&["drift"]).exits(2).says("key_pair");
    fleet.rig.run(&["plan"]).exits(2).says("1 to create, 0 to change, 0 to replace, 0 to destroy");
    fleet.rig.up();
    assert_eq!(text(&at(&fleet, "a")["InstanceId"]), id);
    assert_eq!(all(&fleet.rig, PAIR).len(), 2);
    // Whose a key is said to be is no matter.
    fleet.rig.place.edit(ADA, &ADA.replace(" ada", " somebody"));
    fleet.rig.is_level();
    // Another key is another machine; the last that needs a pair takes it along.
    fleet.rig.write(&text_of(&with(ADA)));
    fleet
        .rig
        .run(&["plan"])
        .exits(2)
        .says("ssh.public_keys")
        .says("0 to create, 0 to change, 1 to replace, 1 to destroy");
    fleet.rig.up();
    assert_eq!((all(&fleet.rig, PAIR).len(), pair("c")), (1, pair("a")));
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&fleet.rig, PAIR), [""; 0]);
    assert_eq!(fleet.ec2("describe_key_pairs", json!({}))["KeyPairs"], json!([]));
}

#[test]
fn a_pair_that_is_named_is_taken_and_none_is_made() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.by_hand("import_key_pair", json!({ "KeyName": "ops", "PublicKeyMaterial": BOB }));
    let keys = format!("ssh: {{ public_keys: [\"{ADA}\"] }}, options: {{ aws: {{ key_name: ops }} }}");
    fleet.rig.write(&machine("a", &keys));
    fleet.rig.up();
    assert_eq!(text(&at(&fleet, "a")["KeyName"]), "ops");
    assert_eq!(all(&fleet.rig, PAIR), [""; 0]);
}

#[test]
fn a_pair_of_ones_own_may_be_left_without_a_name() {
    let Some(fleet) = Fleet::start() else { return };
    let pair =
        |more: &str| format!("  mine: {{ kind: \"{PAIR}\", properties: {{ PublicKeyMaterial: \"{ADA}\"{more} }} }}\n");
    fleet.rig.write(&pair(""));
    fleet.rig.up();
    let made = all(&fleet.rig, PAIR);
    assert!(made[0].starts_with("demo-mine-"), "{made:?}");
    fleet.rig.write(&pair(", KeyName: ada"));
    fleet.rig.run(&["plan"]).exits(2).says("1 to replace");
    fleet.rig.up();
    assert_eq!(all(&fleet.rig, PAIR), ["ada"]);
}
