//! Machines that check themselves at their first start, as EC2 would run what they are told; and those that are to be reached for it.

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::boot::{boot, printed};
use crate::fleet::Fleet;
use crate::natives::all;
use crate::support::{Running, eventually};

/// A machine that is checked by a script in the place of the program that measures.
fn fleet(validate: &str, script: &str) -> Option<Fleet> {
    let fleet = Fleet::start()?;
    measured_by(&fleet, validate, script);
    Some(fleet)
}

fn measured_by(fleet: &Fleet, validate: &str, script: &str) {
    fleet.write(&format!("validate: {{ {validate} }},"));
    let place = &fleet.rig.place;
    place.write("text", &format!("#!/bin/sh\n{script}\n"));
    assert!(place.shell("cp text measures && chmod +x measures").status().unwrap().success());
}

fn start(fleet: &Fleet) -> Running {
    let running = fleet.rig.start(&["apply", "--yes", "--gpucheck-program", "measures"]);
    eventually("a machine is launched", || running.has_ended() || !fleet.machines().is_empty());
    running
}

fn shown(fleet: &Fleet) -> Json {
    fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json()
}

#[test]
fn a_machine_fetches_the_program_and_leaves_its_report_where_the_stack_reads_it() {
    let Some(fleet) = fleet(
        "",
        &format!("[ \"$*\" = '--json --level quick --count 1 --model A10G' ] || exit 1; {}", printed("pass", 0)),
    ) else {
        return;
    };
    let running = start(&fleet);
    boot(&fleet.told());
    let ran = running.wait().exits(0);
    assert!(ran.out.contains("it checks itself"), "{}", ran.out);
    fleet.rig.is_level();
    let shown = shown(&fleet);
    assert_eq!((&shown["status"], &shown["checks"][0]["passed"]), (&json!("ready"), &json!(true)));
    // The bucket is closed and empties itself; the machine needs no permission.
    let buckets = fleet.rig.buckets();
    assert_eq!(buckets.len(), 1, "{buckets:?}");
    let listed = fleet.rig.s3("list_objects_v2", json!({ "Bucket": buckets[0] }));
    assert_eq!(listed["Contents"].as_array().map(Vec::len), Some(2), "{listed}");
    let rules = fleet.rig.s3("get_bucket_lifecycle_configuration", json!({ "Bucket": buckets[0] }));
    assert_eq!(rules["Rules"][0]["Expiration"]["Days"], 7, "{rules}");
    assert_eq!(fleet.only()["IamInstanceProfile"], Json::Null);
    // It is checked this once.
    fleet.rig.run(&["gpucheck", "m"]).exits(1).complains("it checks itself at its start alone");
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    assert!(fleet.rig.buckets().is_empty());
}

#[test]
fn a_machine_that_fails_its_startup_is_tainted() {
    let Some(fleet) = fleet("attempts: 1", &printed("fail", 2)) else { return };
    let running = start(&fleet);
    boot(&fleet.told());
    running.wait().exits(3).says("GPU 0: fp8: half of it");
    assert_eq!(shown(&fleet)["status"], "tainted");
}

#[test]
fn what_a_machine_that_checks_itself_is_at_is_shown() {
    let Some(fleet) = Fleet::start() else { return };
    let gate = fleet.rig.place.path("gate");
    let waits = format!("echo 'memory of GPU 0' >&2; until [ -e '{}' ]; do sleep 0.1; done", gate.display());
    measured_by(&fleet, "", &format!("{waits}; {}", printed("pass", 0)));
    let running = start(&fleet);
    let bucket = fleet.rig.buckets().remove(0);
    std::thread::scope(|scope| {
        scope.spawn(|| boot(&fleet.told()));
        let asked = json!({ "Bucket": bucket, "Prefix": "left/" });
        eventually("it tells", || fleet.rig.s3("list_objects_v2", asked.clone())["KeyCount"] == 1);
        fleet.calls();
        let mut times = 0;
        eventually("it is asked", || {
            times += fleet.calls().get("s3:GetObject").copied().unwrap_or_default();
            times > 1
        });
        fleet.rig.place.write("gate", "");
    });
    running.wait().exits(0).says("memory of GPU 0");
}

#[test]
fn a_program_that_is_not_the_one_that_was_sent_is_not_run() {
    let Some(fleet) = fleet("", &printed("pass", 0)) else { return };
    let running = start(&fleet);
    let bucket = fleet.rig.buckets().remove(0);
    let listed = fleet.rig.s3("list_objects_v2", json!({ "Bucket": bucket, "Prefix": "gpucheck/" }));
    let key = listed["Contents"][0]["Key"].clone();
    fleet.rig.s3("put_object", json!({ "Bucket": bucket, "Key": key, "Body": "#!/bin/sh\nexit 0\n" }));
    boot(&fleet.told());
    running.wait().exits(3).says("the program that came is not the one that was sent");
    assert_eq!(shown(&fleet)["status"], "unverified");
}

#[test]
fn a_machine_that_is_to_be_reached_lets_in_who_checks_it_and_knows_its_host_key() {
    let Some(fleet) = Fleet::start() else { return };
    fleet
        .rig
        .write("  m: { kind: gpu_instance, gpu: { model: A10G }, validate: { via: ssh, from: 203.0.113.7/32 } }\n");
    fleet.rig.place.write("measures", "#!/bin/sh\n");
    let running = start(&fleet);
    let told = fleet.told();
    running.signal(Signal::KILL);
    running.wait();
    for part in ["\"ed25519_private\":\"-----BEGIN OPENSSH PRIVATE KEY-----", "\"name\":\"trueup\"", "ssh-ed25519 AAAA"]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let [group] = &all(&fleet.rig, "AWS::EC2::SecurityGroup")[..] else { panic!("there is one group") };
    let asked = json!({ "TypeName": "AWS::EC2::SecurityGroup", "Identifier": group });
    let got = fleet.rig.types("get_resource", asked);
    let group: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    let rule = json!({ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "203.0.113.7/32" });
    assert_eq!(group["SecurityGroupIngress"], json!([rule]));
    assert!(fleet.rig.buckets().is_empty());
}

#[test]
fn who_may_connect_for_a_check_is_a_block_of_addresses() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.write("  m: { kind: gpu_instance, gpu: { model: A10G }, validate: { via: ssh, from: anybody } }\n");
    fleet.rig.run(&["plan"]).exits(1).complains("are a CIDR block, as `203.0.113.7/32`, and not `anybody`");
}
