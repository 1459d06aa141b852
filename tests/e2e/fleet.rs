//! A fleet whose GPUs are checked as it is made: through SSH to a real server, by the real program, on a double of the driver.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::gpucheck::Node;
use crate::hosts::{Hosts, has_sshd, user};
use crate::support::{Place, Ran, eventually};

/// A fleet in a place of its own.
struct Fleet {
    place: Place,
    hosts: Hosts,
    /// What the hosts' drivers are in.
    _nodes: Vec<Node>,
}

impl Fleet {
    /// Hosts that are well, or ill. None: what this needs is not there.
    fn of(well: &[bool]) -> Option<Self> {
        if !has_sshd() {
            return None;
        }
        let nodes: Option<Vec<Node>> =
            well.iter().map(|well| if *well { Node::healthy() } else { Node::ill() }).collect();
        let nodes = nodes?;
        let hosts = Hosts::new(nodes.iter().map(Node::environment).collect());
        Some(Self { place: Place::new(), hosts, _nodes: nodes })
    }

    /// A machine, with what `validate` says besides, and a bucket that waits for it.
    fn one(self, validate: &str) -> Self {
        self.machines("", validate)
    }

    fn machines(self, more: &str, validate: &str) -> Self {
        let (hosts, user) = (self.hosts.settings(), user());
        let blueprint = format!(
            "blueprint: fleet
providers:
  sim: {{ hosts: {hosts} }}
resources:
  trainer:
    kind: gpu_instance
    gpu: {{ model: H100 }}
    ssh: {{ user: {user} }}
    placement:
      - {{ provider: sim, region: us-east-1 }}
      - {{ provider: sim, region: eu-west-1 }}
    validate: {{ {validate} }}
{more}
  results: {{ kind: bucket, provider: sim, depends_on: [trainer] }}
"
        );
        self.place.write("blueprint.yaml", &blueprint);
        self
    }

    fn apply(&self) -> Ran {
        self.place.run(&["apply", "--yes"])
    }

    fn shown(&self, address: &str) -> Json {
        self.place.run(&["state", "show", address, "--json"]).exits(0).json()
    }

    /// How often a program was started on a host.
    fn starts(&self, host: usize) -> usize {
        fs::read_dir(self.hosts.path(host, "cache/trueup/checks")).map_or(0, Iterator::count)
    }

    /// Whether a file of a host has this.
    fn key(&self, host: usize) -> String {
        fs::read_to_string(self.hosts.path(host, "ssh_host_ed25519_key")).unwrap()
    }
}

#[test]
fn an_ill_machine_of_a_fleet_is_replaced_on_the_next_candidate_before_anything_relies_on_it() {
    let Some(fleet) = Fleet::of(&[true, false, true]) else { return };
    let fleet = fleet.machines("    for_each: [a, b]", "via: ssh, minimum: 0.9");
    let ran = fleet.apply().exits(0).says("the driver reported XID 79").says("What failed its check is made anew");
    // Each was tried where it stands first; only one of them had to go elsewhere.
    let shown: Vec<Json> = ["trainer[\"a\"]", "trainer[\"b\"]"].iter().map(|address| fleet.shown(address)).collect();
    let ill = shown.iter().position(|shown| shown["checks"].as_array().unwrap().len() == 2).expect("one was ill");
    let (ill, well) = (&shown[ill], &shown[1 - ill]);
    let verdicts = |shown: &Json| -> Vec<(Json, Json)> {
        let checks = shown["checks"].as_array().unwrap();
        checks.iter().map(|check| (check["generation"].clone(), check["passed"].clone())).collect()
    };
    assert_eq!(verdicts(ill), [(json!(1), json!(true)), (json!(0), json!(false))], "{}", ran.out);
    assert_eq!(verdicts(well), [(json!(0), json!(true))]);
    let region = |shown: &Json| shown["current"]["scope"]["settings"]["region"].clone();
    assert_eq!((region(ill), region(well)), (json!("eu-west-1"), json!("us-east-1")));
    assert!(ill["deposed"].as_array().unwrap().is_empty(), "the ill one is there still");
    // The ill one's host is free again; what relies on the fleet came last.
    assert!(fleet.hosts.told(1).is_none());
    fleet.place.run(&["plan"]).exits(0).says("Nothing to do");
    let bucket = ran.out.rfind("results").unwrap();
    assert!(ran.out[..bucket].contains("checked"), "{}", ran.out);
    fleet.place.run(&["destroy", "--yes"]).exits(0);
    assert!((0..3).all(|host| fleet.hosts.told(host).is_none()));
}

#[test]
fn a_machine_that_checks_itself_needs_nobody_to_reach_it() {
    let Some(fleet) = Fleet::of(&[false, true]) else { return };
    // That is what clouds do where nothing is said.
    let fleet = fleet.one("minimum: 0.9");
    fleet.apply().exits(0).says("the driver reported XID 79").says("it checks itself");
    let shown = fleet.shown("trainer");
    let passed: Vec<&Json> = shown["checks"].as_array().unwrap().iter().map(|check| &check["passed"]).collect();
    assert_eq!((passed, &shown["status"]), (vec![&json!(true), &json!(false)], &json!("ready")));
    assert!(!fleet.hosts.path(0, "sshd.pid").exists() && !fleet.hosts.path(1, "sshd.pid").exists());
    fleet.place.run(&["plan"]).exits(0);
    fleet.place.run(&["gpucheck", "trainer"]).exits(1).complains("it checks itself at its start alone");
}

#[test]
fn without_a_machine_that_stands_for_it_nothing_is_made_that_is_to_be_checked() {
    let Some(fleet) = Fleet::of(&[]) else { return };
    let fleet = fleet.one("level: quick");
    let hosts = format!("hosts: {}", fleet.hosts.settings());
    fleet.place.edit(&hosts, "");
    fleet.apply().exits(3).says("say `hosts` of `sim`, or leave out `validate`");
}

#[test]
fn a_machine_is_known_by_a_key_that_it_gets_in_private_and_no_secret_is_kept_in_clear() {
    let Some(fleet) = Fleet::of(&[true]) else { return };
    let fleet = fleet.one("via: ssh");
    fleet.apply().exits(0);
    let told = fleet.hosts.told(0).unwrap();
    let first = told["check"]["ssh"]["host_key"]["private"].as_str().unwrap();
    assert_ne!(fleet.key(0), first, "whoever can read what it was told can pretend to be it");
    let secret: Vec<&str> = first.lines().filter(|line| line.len() > 60).collect();
    assert!(!secret.is_empty());
    for line in secret {
        assert_eq!(fleet.place.files_with(line), [""; 0].map(std::path::PathBuf::from));
    }
    // It is known again by that key.
    fleet.place.run(&["gpucheck", "trainer"]).exits(0).says("GPU 0 · NVIDIA H100 HBM3");
    assert_eq!(fleet.starts(0), 2);
    // Sealed for another key, the secret of its keys is the same.
    fleet.place.run(&["state", "rekey", "--to", "another", "--generate"]).exits(0);
    let key = fleet.place.path("another");
    let with_key = [("TRUEUP_KEY", key.to_str().unwrap())];
    fleet.place.run_with(&["gpucheck", "trainer"], &with_key).exits(0);
    fleet.place.run(&["gpucheck", "trainer"]).exits(1).complains("sealed for another key");
}

#[test]
fn a_machine_that_pretends_to_be_another_is_told_nothing() {
    let Some(fleet) = Fleet::of(&[true]) else { return };
    let fleet = fleet.one("via: ssh");
    fleet.apply().exits(0);
    // Somebody answers in its place, with the key that it was told at its start.
    let told = fleet.hosts.told(0).unwrap();
    let first = told["check"]["ssh"]["host_key"]["private"].as_str().unwrap();
    fs::write(fleet.hosts.path(0, "ssh_host_ed25519_key"), first).unwrap();
    let pid = fs::read_to_string(fleet.hosts.path(0, "sshd.pid")).unwrap();
    assert!(fleet.place.shell(&format!("kill -HUP {pid}")).status().unwrap().success());
    let before = fleet.starts(0);
    let running = fleet.place.start(&["gpucheck", "trainer"]);
    let log = fleet.hosts.path(0, "sshd.log");
    let came = || fs::read_to_string(&log).unwrap().matches("Connection from").count();
    let first = came();
    eventually("it is tried again", || came() > first + 1);
    running.signal(Signal::TERM);
    running.wait().complains("does not have the host key that Trueup gave it");
    assert_eq!(fleet.starts(0), before);
}

#[test]
fn a_check_goes_on_when_its_run_is_killed_and_is_not_begun_again() {
    let Some(fleet) = Fleet::of(&[true]) else { return };
    let fleet = fleet.one("via: ssh");
    let running = fleet.place.start(&["apply", "--yes"]);
    eventually("it measures", || fleet.starts(0) == 1);
    running.signal(Signal::KILL);
    running.wait();
    fleet.apply().exits(0);
    assert_eq!(fleet.starts(0), 1);
    assert_eq!(fleet.shown("trainer")["checks"].as_array().unwrap().len(), 1);
    fleet.place.run(&["plan"]).exits(0);
}

#[test]
fn what_fails_for_good_stops_after_its_attempts_and_the_next_apply_tries_elsewhere() {
    let Some(fleet) = Fleet::of(&[false, false, true]) else { return };
    let fleet = fleet.one("via: ssh, attempts: 2");
    let ran = fleet.apply().exits(3).says("XID 79");
    assert!(!ran.out.contains("created results"), "{}", ran.out);
    assert_eq!(fleet.shown("trainer")["status"], "tainted");
    fleet.place.run(&["plan"]).exits(2).says("its check failed");
    fleet.apply().exits(0);
    fleet.place.run(&["plan"]).exits(0);
    assert_eq!(fleet.shown("trainer")["checks"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_not_to_be_replaced_stays_and_what_is_only_warned_of_goes_on() {
    let Some(fleet) = Fleet::of(&[false]) else { return };
    let fleet = fleet.one("via: ssh, on_failure: fail");
    fleet.apply().exits(3).says("XID 79");
    assert_eq!(fleet.shown("trainer")["status"], "unverified");
    fleet.apply().exits(3);
    assert_eq!(fleet.starts(0), 2);
    fleet.place.edit("on_failure: fail", "on_failure: warn");
    fleet.apply().exits(0);
    assert_eq!(fleet.shown("trainer")["status"], "ready");
    fleet.place.run(&["plan"]).exits(0);
}

#[test]
fn what_was_made_can_be_checked_at_any_time() {
    let Some(fleet) = Fleet::of(&[true, false]) else { return };
    let fleet = fleet.machines("    for_each: [a, b]", "via: ssh, on_failure: warn");
    fleet.apply().exits(0);
    let addresses = ["trainer[\"a\"]", "trainer[\"b\"]"];
    let ill = addresses.iter().position(|address| fleet.shown(address)["checks"][0]["passed"] == false).unwrap();
    let (ill, well) = (addresses[ill], addresses[1 - ill]);
    fleet.place.run(&["gpucheck", ill, "--json"]).exits(2).says("\"verdict\": \"fail\"");
    fleet.place.run(&["gpucheck", well, "blueprint.yaml", "--minimum", "0.5"]).exits(0).says("pass");
    fleet.place.run(&["gpucheck", well, "--require", "burn"]).exits(2).says("burn");
    fleet.place.run(&["gpucheck", "results"]).exits(1).complains("has no GPUs to check");
    fleet.place.run(&["gpucheck", "nothing"]).exits(1).complains("nothing");
    let ran = fleet.place.run(&["drift", "--validate"]).exits(2);
    ran.says(&format!("{ill} fails its check")).says(&format!("{well} passes its check"));
    fleet.place.run(&["state", "show", ill]).exits(0).says("FAILED").says("what the last of them found");
}
