//! `gpu_instance` on Compute Engine: what a machine is launched with, how it changes, and where it is looked for.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

const ZONE: &str = "europe-west4-a";

/// A rig with one machine, of whose fields some are said.
fn with(fields: &str) -> Option<Rig> {
    let rig = Rig::with(&machine(fields))?;
    rig.up();
    Some(rig)
}

fn machine(fields: &str) -> String {
    let gpu = if fields.contains("gpu:") { "" } else { "gpu: { model: L4, count: 1 }, " };
    format!("  m: {{ kind: gpu_instance, provider: gcp, {gpu}{fields} }}\n")
}

impl Rig {
    /// All machines of a zone, as Google's own client sees them.
    fn machines(&self, zone: &str) -> Vec<Json> {
        let seen = self.sees("compute.v1.instances", "list", json!({ "project": self.gcp.project, "zone": zone }));
        seen["items"].as_array().cloned().unwrap_or_default()
    }

    /// The one machine that is there.
    #[track_caller]
    fn only(&self) -> Json {
        let [machine] = &self.machines(ZONE)[..] else { panic!("not one machine") };
        machine.clone()
    }

    /// Its disk.
    fn disk(&self) -> Json {
        let of = json!({ "project": self.gcp.project, "zone": ZONE, "disk": self.only()["name"] });
        self.sees("compute.v1.disks", "get", of)
    }

    /// Changes the machine by hand.
    fn by_hand(&self, call: &str, body: Json) {
        let mut with = json!({ "project": self.gcp.project, "zone": ZONE, "instance": self.only()["name"] });
        if !body.is_null() {
            with["body"] = body;
        }
        let answer = self.sees("compute.v1.instances", call, with);
        assert!(!answer["error"].is_number(), "{answer}");
    }
}

fn last(link: &Json) -> &str {
    link.as_str().and_then(|link| link.rsplit('/').next()).unwrap_or_default()
}

#[test]
fn a_machine_is_launched_closed_and_ours_and_nothing_is_left_of_it() {
    let Some(rig) = with("tags: { team: search }") else { return };
    let machine = rig.only();
    assert_eq!((last(&machine["machineType"]), &machine["status"]), ("g2-standard-4", &json!("RUNNING")));
    assert!(machine["name"].as_str().unwrap().starts_with("demo-m-"), "{machine}");
    let disk = rig.disk();
    assert_eq!((&disk["sizeGb"], last(&disk["type"])), (&json!("100"), "pd-balanced"), "{disk}");
    let family = "common-cu128-ubuntu-2204-nvidia-570";
    assert_eq!(last(&disk["sourceImage"]), family, "{disk}");
    for labels in [&machine["labels"], &disk["labels"]] {
        assert_eq!((&labels["team"], &labels["trueup_address"]), (&json!("search"), &json!("m")), "{labels}");
        assert_eq!(labels["trueup_stack"], machine["labels"]["trueup_stack"]);
    }
    assert_eq!((machine.get("serviceAccounts"), machine["disks"][0]["autoDelete"].as_bool()), (None, Some(true)));
    assert_eq!(machine["scheduling"]["onHostMaintenance"], "TERMINATE", "{machine}");
    let shielded = &machine["shieldedInstanceConfig"];
    assert_eq!((&shielded["enableVtpm"], &shielded["enableSecureBoot"]), (&json!(true), &json!(false)));
    let items = machine["metadata"]["items"].as_array().unwrap();
    assert!(items.contains(&json!({ "key": "block-project-ssh-keys", "value": "TRUE" })), "{items:?}");
    assert!(items.iter().all(|item| item["key"] != "user-data"), "{items:?}");
    let rules = rig.sees("compute.v1.firewalls", "list", json!({ "project": rig.gcp.project }));
    let [closed] = &rules["items"].as_array().unwrap()[..] else { panic!("{rules}") };
    assert_eq!(
        (&closed["denied"], &closed["targetTags"]),
        (&json!([{ "IPProtocol": "all" }]), &machine["tags"]["items"])
    );
    let shown = rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    let attributes = &shown["current"]["attributes"];
    assert_eq!((&attributes["gpus"][0]["model"], &attributes["status"]), (&json!("L4"), &json!("running")), "{shown}");
    assert_eq!(
        (&attributes["ip"], &attributes["zone"]),
        (&machine["networkInterfaces"][0]["accessConfigs"][0]["natIP"], &json!(ZONE))
    );
    rig.down();
}

#[test]
fn what_it_is_told_and_how_it_is_bought_goes_with_its_launch() {
    let told = "env: { A: b }, ssh: { public_keys: [ssh-ed25519 AAAAC3 ada], ingress: [203.0.113.7/32] }, network: { public_ip: false }, \
                market: spot, identity: trainer, disk: { size_gb: 200, type: fast }, image: { family: debian-cloud/debian-12 }";
    let Some(rig) = with(told) else { return };
    let (machine, disk) = (rig.only(), rig.disk());
    let items = machine["metadata"]["items"].as_array().unwrap();
    let told = items.iter().find(|item| item["key"] == "user-data").unwrap()["value"].as_str().unwrap();
    assert!(told.contains("A='b'") && told.contains("AAAAC3"), "{told}");
    let scheduling = &machine["scheduling"];
    assert_eq!(
        (&scheduling["provisioningModel"], &scheduling["instanceTerminationAction"]),
        (&json!("SPOT"), &json!("DELETE"))
    );
    let account = format!("trainer@{}.iam.gserviceaccount.com", rig.gcp.project);
    assert_eq!(machine["serviceAccounts"][0]["email"], account, "{machine}");
    assert_eq!(machine["networkInterfaces"][0].get("accessConfigs"), None, "{machine}");
    assert_eq!((last(&disk["type"]), last(&disk["sourceImage"])), ("pd-ssd", "debian-12"), "{disk}");
    let rules = rig.sees("compute.v1.firewalls", "list", json!({ "project": rig.gcp.project }));
    let open = rules["items"].as_array().unwrap().iter().find(|rule| rule.get("allowed").is_some()).unwrap().clone();
    assert_eq!(open["sourceRanges"], json!(["203.0.113.7/32"]), "{open}");
    assert!(machine["tags"]["items"].as_array().unwrap().contains(&open["targetTags"][0]), "{machine}");
    rig.down();
}

#[test]
fn gpus_are_attached_where_their_machines_are_n1() {
    let Some(rig) = with("gpu: { model: T4, count: 2 }, machine_type: n1-highmem-8") else { return };
    let machine = rig.only();
    let attached = &machine["guestAccelerators"][0];
    assert_eq!((last(&attached["acceleratorType"]), &attached["acceleratorCount"]), ("nvidia-tesla-t4", &json!(2)));
    let shown = rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["gpus"].as_array().map(Vec::len), Some(2), "{shown}");
    rig.down();
}

#[test]
fn a_machine_may_wait_for_its_turn_or_have_one_reserved() {
    let Some(rig) = with("stop_after: 8h, options: { gcp: { flex_start: true } }") else { return };
    let scheduling = rig.only()["scheduling"].clone();
    assert_eq!(
        (&scheduling["provisioningModel"], &scheduling["maxRunDuration"]["seconds"]),
        (&json!("FLEX_START"), &json!("28800"))
    );
    rig.write(&machine("market: { reservation: block-1 }"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    let affinity = rig.only()["reservationAffinity"].clone();
    assert_eq!(
        (&affinity["consumeReservationType"], &affinity["values"]),
        (&json!("SPECIFIC_RESERVATION"), &json!(["block-1"]))
    );
    rig.write(&machine("market: { capacity_block: block-2 }"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(rig.only()["scheduling"]["provisioningModel"], "RESERVATION_BOUND");
    rig.down();
}

/// A field that changes in place: how it is said first and then, what Google's own client shows after each, and what somebody does by hand.
struct Field {
    first: &'static str,
    second: &'static str,
    there: fn(&Rig) -> Json,
    is: (Json, Json),
    by_hand: fn(&Rig),
    said: &'static str,
}

fn fields() -> Vec<Field> {
    vec![
        Field {
            first: "tags: { team: a }",
            second: "tags: { cost: b }",
            there: |rig| {
                json!([rig.disk()["labels"]["team"], rig.only()["labels"]["team"], rig.only()["labels"]["cost"]])
            },
            is: (json!(["a", "a", null]), json!([null, null, "b"])),
            by_hand: |rig| {
                let machine = rig.only();
                let mut labels = machine["labels"].clone();
                labels["cost"] = "c".into();
                rig.by_hand("setLabels", json!({ "labels": labels, "labelFingerprint": machine["labelFingerprint"] }));
            },
            said: "tags.cost",
        },
        Field {
            first: "disk: { size_gb: 100 }",
            second: "disk: { size_gb: 200 }",
            there: |rig| json!([rig.disk()["sizeGb"], rig.only()["disks"][0]["diskSizeGb"]]),
            is: (json!(["100", "100"]), json!(["200", "200"])),
            by_hand: |rig| {
                // Nobody can make it smaller: what is put right is that it is closed no more.
                let fingerprint = rig.only()["tags"]["fingerprint"].clone();
                rig.by_hand("setTags", json!({ "items": [], "fingerprint": fingerprint }));
            },
            said: "ssh.ingress",
        },
        Field {
            first: "ssh: { ingress: [10.0.0.0/8] }",
            second: "ssh: { ingress: [192.168.0.0/16] }",
            there: |rig| {
                let rules = rig.sees("compute.v1.firewalls", "list", json!({ "project": rig.gcp.project }));
                let open: Vec<Json> = rules["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|rule| rule.get("allowed").is_some())
                    .cloned()
                    .collect();
                let bears = rig.only()["tags"]["items"].as_array().unwrap().contains(&open[0]["targetTags"][0]);
                json!([open.len(), open[0]["sourceRanges"], bears])
            },
            is: (json!([1, ["10.0.0.0/8"], true]), json!([1, ["192.168.0.0/16"], true])),
            by_hand: |rig| {
                let fingerprint = rig.only()["tags"]["fingerprint"].clone();
                rig.by_hand("setTags", json!({ "items": ["trueup-closed"], "fingerprint": fingerprint }));
            },
            said: "ssh.ingress",
        },
        Field {
            first: "options: { gcp: { network_tags: [a, b] } }",
            second: "options: { gcp: { network_tags: [c] } }",
            there: |rig| rig.only()["tags"]["items"].clone(),
            is: (json!(["a", "b", "trueup-closed"]), json!(["c", "trueup-closed"])),
            by_hand: |rig| {
                let fingerprint = rig.only()["tags"]["fingerprint"].clone();
                rig.by_hand("setTags", json!({ "items": ["trueup-closed", "c", "web"], "fingerprint": fingerprint }));
            },
            said: "network_tags",
        },
    ]
}

#[test]
fn each_field_is_made_changed_in_place_and_put_right() {
    for field in fields() {
        let Some(rig) = with(field.first) else { return };
        let (made, there) = (rig.only()["creationTimestamp"].clone(), rig.only()["name"].clone());
        assert_eq!((field.there)(&rig), field.is.0, "{}", field.first);
        rig.write(&machine(field.second));
        rig.up();
        assert_eq!((field.there)(&rig), field.is.1, "{}", field.second);
        assert_eq!((&rig.only()["creationTimestamp"], &rig.only()["name"]), (&made, &there), "it is the same machine");
        (field.by_hand)(&rig);
        rig.corrects(field.said);
        assert_eq!((field.there)(&rig), field.is.1, "{}", field.second);
        rig.down();
    }
}

#[test]
fn what_needs_another_machine_makes_it_before_the_old_one_goes() {
    for (first, second, there) in [
        ("", "gpu: { model: L4, count: 2 }", "machineType"),
        ("", "env: { A: b }", "metadata"),
        ("market: spot, identity: one", "market: spot, identity: two", "serviceAccounts"),
        ("disk: { size_gb: 200 }", "disk: { size_gb: 100 }", "disks"),
    ] {
        let Some(rig) = with(first) else { return };
        let old = rig.only();
        rig.gcp.take_calls();
        rig.write(&machine(second));
        rig.run(&["apply", "--yes=all"]).exits(0);
        rig.is_level();
        let new = rig.only();
        assert!(new["name"] != old["name"] && new[there] != old[there], "{second}: {new}");
        let calls = rig.gcp.take_calls();
        let at =
            |call: &str| calls.iter().position(|one| one == call).unwrap_or_else(|| panic!("no {call}: {calls:?}"));
        assert!(at("compute.instances.insert") < at("compute.instances.delete"), "{calls:?}");
        rig.down();
    }
}

#[test]
fn another_type_and_another_account_are_given_to_a_machine_that_is_stopped_meanwhile() {
    let Some(rig) = with("machine_type: g2-standard-4, identity: one") else { return };
    let old = rig.only();
    rig.gcp.take_calls();
    rig.write(&machine("machine_type: g2-standard-8, identity: two"));
    rig.run(&["plan"]).exits(2).says("1 to change").says("machine_type");
    rig.up();
    let new = rig.only();
    assert_eq!(
        (&new["name"], &new["status"], last(&new["machineType"])),
        (&old["name"], &json!("RUNNING"), "g2-standard-8")
    );
    assert_eq!(new["serviceAccounts"][0]["email"], format!("two@{}.iam.gserviceaccount.com", rig.gcp.project));
    let calls = rig.gcp.take_calls();
    let sent = |call: &str| calls.iter().filter(|one| *one == &format!("compute.instances.{call}")).count();
    assert_eq!(
        ["stop", "setMachineType", "setServiceAccount", "start", "insert"].map(sent),
        [1, 1, 1, 1, 0],
        "{calls:?}"
    );
    // What somebody gives it by hand is taken back, and what is to stay different stops nothing.
    rig.by_hand("stop", Json::Null);
    rig.by_hand("setMachineType", json!({ "machineType": format!("zones/{ZONE}/machineTypes/g2-standard-4") }));
    rig.by_hand("start", Json::Null);
    rig.corrects("machine_type");
    assert_eq!((last(&rig.only()["machineType"]), &rig.only()["status"]), ("g2-standard-8", &json!("RUNNING")));
    rig.down();
}

#[test]
fn a_machine_that_can_not_start_with_another_type_has_its_old_one_back() {
    let Some(rig) = with("machine_type: g2-standard-4") else { return };
    rig.gcp.is_out_of(json!({ ZONE: ["g2-standard-16"] }));
    rig.write(&machine("machine_type: g2-standard-16"));
    rig.run(&["apply", "--yes"]).exits(3).says("is a g2-standard-4 as before, and runs");
    assert_eq!((last(&rig.only()["machineType"]), &rig.only()["status"]), ("g2-standard-4", &json!("RUNNING")));
    rig.write(&machine("machine_type: g2-standard-8"));
    rig.up();
    assert_eq!(last(&rig.only()["machineType"]), "g2-standard-8");
    rig.down();
}

#[test]
fn a_machine_that_was_stopped_for_what_google_refuses_runs_again() {
    let Some(rig) = with("machine_type: g2-standard-4") else { return };
    let denied = json!({ "status": 403, "code": "PERMISSION_DENIED", "message": "you may not act as it" });
    rig.gcp.misbehaves("compute.instances.setServiceAccount", denied, 1, 1);
    rig.write(&machine("machine_type: g2-standard-8, identity: two"));
    rig.run(&["apply", "--yes"]).exits(3).says("you may not act as it").says("is a g2-standard-4 as before, and runs");
    assert_eq!((last(&rig.only()["machineType"]), &rig.only()["status"]), ("g2-standard-4", &json!("RUNNING")));
    // The answer to what stops it is lost: it runs again all the same.
    rig.gcp.misbehaves("compute.instances.stop", json!("lost"), 1, 1);
    rig.run(&["apply", "--yes"]);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.is_level();
    assert_eq!((last(&rig.only()["machineType"]), &rig.only()["status"]), ("g2-standard-8", &json!("RUNNING")));
    rig.down();
}

#[test]
fn what_was_changed_by_hand_and_can_not_be_changed_back_is_told() {
    let Some(rig) = with("") else { return };
    rig.by_hand("stop", Json::Null);
    rig.by_hand("setMachineType", json!({ "machineType": format!("zones/{ZONE}/machineTypes/g2-standard-24") }));
    rig.run(&["drift"]).exits(2).says("gpu.count");
    rig.by_hand("setMachineType", json!({ "machineType": format!("zones/{ZONE}/machineTypes/g2-standard-4") }));
    rig.run(&["drift"]).exits(0);
    let name = rig.only()["name"].clone();
    let gone = rig.sees(
        "compute.v1.instances",
        "delete",
        json!({ "project": rig.gcp.project, "zone": ZONE, "instance": name }),
    );
    for _ in 0..2 {
        let after = json!({ "project": rig.gcp.project, "zone": ZONE, "operation": gone["name"] });
        rig.sees("compute.v1.zoneOperations", "get", after);
    }
    rig.run(&["drift"]).exits(2).says("m");
    rig.run(&["drift", "--correct", "--yes"]).exits(0);
    assert_eq!(rig.only()["status"], "RUNNING");
    rig.down();
}

#[test]
fn where_three_of_four_zones_have_none_the_fourth_is_taken_and_each_try_is_told() {
    let zones = ["europe-west4-a", "europe-west4-b", "europe-west4-c", "us-central1-a"];
    let entries: Vec<String> = zones.iter().map(|zone| format!("{{ provider: gcp, zone: {zone} }}")).collect();
    let resources = format!(
        "  m: {{ kind: gpu_instance, gpu: {{ model: H100, count: 8 }}, placement: [{}] }}\n",
        entries.join(", ")
    );
    let Some(rig) = Rig::with(&resources) else { return };
    rig.gcp.is_out_of(json!({ "europe-west4-a": ["a3-"], "europe-west4-b": ["a3-"], "europe-west4-c": ["*"] }));
    let ran = rig.run(&["apply", "--yes"]).exits(0);
    for zone in zones {
        assert!(ran.out.contains(zone) || ran.err.contains(zone), "{zone} is not told of:\n{}\n{}", ran.out, ran.err);
    }
    let calls = rig.gcp.take_calls();
    assert_eq!(calls.iter().filter(|call| *call == "compute.instances.insert").count(), 4, "{calls:?}");
    let there: Vec<usize> = zones.iter().map(|zone| rig.machines(zone).len()).collect();
    assert_eq!(there, [0, 0, 0, 1]);
    rig.is_level();
    rig.down();
}

#[test]
fn a_quota_is_told_and_tried_nowhere_else() {
    let Some(rig) = Rig::with(&machine("")) else { return };
    rig.gcp.fails_later(&["QUOTA_EXCEEDED"]);
    rig.run(&["apply", "--yes"]).exits(3).says("QUOTA_EXCEEDED");
    assert_eq!(rig.machines(ZONE).len(), 0);
    rig.up();
    rig.down();
}

#[test]
fn what_can_not_be_is_told_before_anything_is_made() {
    let Some(rig) = Rig::with(&machine("")) else { return };
    for (fields, said) in [
        ("gpu: { model: A10G, count: 1 }", "no GPUs of NVIDIA's called `A10G`"),
        ("gpu: { model: H100, count: 3 }", "exactly 3 H100"),
        ("machine_type: n1-standard-8", "`n1-standard-8`"),
        ("disk: { type: gp3 }", "starts from `balanced`"),
        ("tags: { Team: a }", "small letters"),
        ("options: { gcp: { flex_start: true } }", "stop_after"),
        ("options: { gcp: { netwrk: a } }", "netwrk"),
        ("validate: { via: ssh, from: anybody }", "a CIDR block"),
        ("network: { subnet: a }", "options.gcp.network"),
        ("max_price_per_hour: 0.1", "0.706832 US dollars"),
        ("gpu: { model: GB200, count: 4 }", "Arm"),
    ] {
        rig.write(&machine(fields));
        rig.run(&["plan"]).exits(1).complains(said);
    }
    assert_eq!(rig.gcp.things(), [""; 0]);
}

#[test]
fn drift_of_a_thousand_machines_in_ten_zones_is_three_calls() {
    let zones = ["a", "b", "c", "d", "e"]
        .map(|letter| [format!("europe-west4-{letter}"), format!("us-central1-{letter}")])
        .concat();
    let blocks: Vec<String> = zones
        .iter()
        .map(|zone| {
            let name = zone.replace('-', "_");
            format!(
                "  {name}: {{ kind: gpu_instance, for_each: \"{{{{ range(100) }}}}\", gpu: none, placement: [{{ provider: gcp, zone: {zone} }}] }}\n"
            )
        })
        .collect();
    let Some(rig) = Rig::with(&blocks.concat()) else { return };
    rig.run(&["apply", "--yes"]).exits(0);
    rig.gcp.take_calls();
    rig.run(&["drift"]).exits(0);
    let calls = rig.gcp.take_calls();
    let of_machines = calls.iter().filter(|call| call.starts_with("compute.instances")).count();
    assert_eq!(of_machines, 2, "{calls:?}");
    assert!(calls.len() <= 3, "{calls:?}");
}
