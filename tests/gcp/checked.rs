//! Machines that check themselves at their first start, as Compute Engine would run what they are told.

use serde_json::{Value as Json, json};

use crate::boot::{boot, printed};
use crate::rig::Rig;
use crate::support::{Running, eventually};

/// A machine that is checked by a script in the place of the program that measures.
fn with(validate: &str, script: &str) -> Option<Rig> {
    let rig = Rig::with(&format!(
        "  m: {{ kind: gpu_instance, gpu: {{ model: L4, count: 1 }}, validate: {{ {validate} }} }}\n"
    ))?;
    rig.place.write("text", &format!("#!/bin/sh\n{script}\n"));
    assert!(rig.place.shell("cp text measures && chmod +x measures").status().unwrap().success());
    Some(rig)
}

impl Rig {
    fn machine(&self) -> Option<Json> {
        let seen = self.sees("compute.v1.instances", "list", self.in_zone(json!({})));
        seen["items"].as_array()?.first().cloned()
    }

    fn checks(&self) -> Running {
        let running = self.start(&["apply", "--yes", "--gpucheck-program", "measures"]);
        eventually("a machine is launched", || running.has_ended() || self.machine().is_some());
        running
    }

    /// What the machine is told.
    fn told(&self) -> String {
        let machine = self.machine().unwrap();
        let items = machine["metadata"]["items"].as_array().unwrap();
        items.iter().find(|item| item["key"] == "user-data").unwrap()["value"].as_str().unwrap().to_owned()
    }

    /// The one bucket of the project.
    fn checks_bucket(&self) -> String {
        let asked = json!({ "parent": format!("projects/{}", self.gcp.project) });
        let listed = self.gcp.observe_storage("list_buckets", asked)["items"].as_array().cloned().unwrap_or_default();
        assert_eq!(listed.len(), 1, "{listed:?}");
        listed[0]["bucket_id"].as_str().unwrap().to_owned()
    }

    fn files(&self) -> Vec<String> {
        let asked = json!({ "parent": format!("projects/_/buckets/{}", self.checks_bucket()) });
        let listed = self.gcp.observe_storage("list_objects", asked)["items"].as_array().cloned().unwrap_or_default();
        listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    fn state(&self) -> Json {
        self.run(&["state", "show", "m", "--json"]).exits(0).json()
    }
}

#[test]
fn a_machine_fetches_the_program_and_leaves_its_report_where_the_stack_reads_it() {
    let script = format!("[ \"$*\" = '--json --level quick --count 1 --model L4' ] || exit 1; {}", printed("pass", 0));
    let Some(rig) = with("", &script) else { return };
    let running = rig.checks();
    boot(&rig.told());
    running.wait().exits(0).says("it checks itself");
    rig.is_level();
    let shown = rig.state();
    assert_eq!((&shown["status"], &shown["checks"][0]["passed"]), (&json!("ready"), &json!(true)));
    // The bucket is closed; the machine needs no permission, and what it is told opens nothing else.
    assert_eq!((rig.files().len(), rig.machine().unwrap().get("serviceAccounts")), (2, None));
    rig.run(&["gpucheck", "m"]).exits(1).complains("it checks itself at its start alone");
    rig.down();
}

#[test]
fn a_machine_that_fails_its_startup_is_tainted() {
    let Some(rig) = with("attempts: 1", &printed("fail", 2)) else { return };
    let running = rig.checks();
    boot(&rig.told());
    running.wait().exits(3).says("GPU 0: fp8: half of it");
    assert_eq!(rig.state()["status"], "tainted");
    rig.down();
}

#[test]
fn a_program_that_is_not_the_one_that_was_sent_is_not_run() {
    let Some(rig) = with("", &printed("pass", 0)) else { return };
    let running = rig.checks();
    let program = rig.files().into_iter().find(|name| name.starts_with("gpucheck/")).unwrap();
    rig.gcp.writes(&rig.checks_bucket(), &program, b"#!/bin/sh\nexit 0\n");
    boot(&rig.told());
    running.wait().exits(3).says("the program that came is not the one that was sent");
    assert_eq!(rig.state()["status"], "unverified");
    rig.down();
}
