//! `blueprints/everything.yaml`: it uses the whole language, and goes up and down.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Place, eventually};

const FILES: [&str; 3] = ["everything.yaml", "modules/eval.yaml", "modules/note.yaml"];

fn checked_in(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints").join(name)).unwrap()
}

fn place() -> Place {
    let place = Place::new();
    let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let copied = Command::new("cp").arg("-r").arg(blueprints.join(".")).arg(place.path("")).status().unwrap();
    assert!(copied.success());
    fs::rename(place.path("everything.yaml"), place.path("blueprint.yaml")).unwrap();
    place
}

#[test]
fn it_uses_the_whole_language() {
    let text: String = FILES.map(checked_in).concat();
    let lines: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let code = lines.join("\n");
    for feature in [
        "description:",
        "type: string",
        "type: integer",
        "type: number",
        "type: boolean",
        "type: list",
        "type: map",
        "type: any",
        "secret: true",
        "minimum:",
        "maximum:",
        "enum:",
        "pattern:",
        "\ntags:",
        "\nproviders:",
        "local.second",
        "sim.far: { region:",
        "Sim::Thing",
        "\nenvironments:",
        "for_each: \"{{ var.regions }}\"",
        "for_each: \"{{ range(",
        "for_each: [a, b]",
        "for_each: \"{{ shard }}\"",
        "when:",
        "depends_on:",
        "module.eval]",
        "protect:",
        "ignore:",
        "drift:",
        "replace:",
        "options:",
        "placement:",
        "validate:",
        "existing:",
        "\nmodules:",
        "inputs:",
        "\nmoved:",
        "\noutputs:",
        "module.inner['a']",
        "each.key",
        "each.value",
        "| title",
        " if ",
        "&marks",
        "*marks",
        "\"{{ weights }}\"",
        "weights.uri",
    ] {
        assert!(code.contains(feature), "nothing in {FILES:?} has `{feature}`");
    }
}

#[test]
fn it_goes_up_in_two_phases_and_down() {
    let place = place();
    place.run(&["validate"]).exits(0).says("is valid");
    place.run(&["plan"]).exits(2).says("Planned once this is done:").says("mirror").says("report");
    place.run(&["apply", "--yes"]).exits(0).says("What had to wait for that:").says("mirror[");
    place.run(&["plan"]).exits(0).says("Nothing to do.").says("only read");
    place.run(&["sim", "objects"]).exits(0).says("eu-west-2/gpu_instance/").says("us-east-1/Sim::Thing/");
    place.run(&["state", "list"]).exits(0).says("eval/inner[\"a\"]/note").says("copy[\"north\"]").says_not("shared");

    place.edit("title: \"{{ each.value | title }}", "title: \"{{ each.value | upper }}");
    place.run(&["plan"]).exits(2).says("tags.title").says("0 to create, 2 to change, 0 to replace, 0 to destroy");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 2 operations.");

    place.edit("  shard:", "  part:");
    place.edit("for_each: \"{{ shard }}\"", "for_each: \"{{ part }}\"");
    place.edit("shard[each.key]", "part[each.key]");
    place.edit("\nmoved:", "\nmoved:\n  - { from: shard, to: part }");
    place
        .run(&["plan"])
        .exits(2)
        .says("its address was shard[\"north\"]")
        .says("0 to create, 0 to change, 0 to replace, 0 to destroy");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");

    place.run(&["destroy", "--yes"]).exits(0);
    assert!(!place.path(".trueup/local").exists(), "something is left");
    place.run(&["sim", "objects"]).exits(0).says("0 objects.");
}

#[test]
fn an_environment_has_a_stack_of_its_own() {
    let place = place();
    place.run(&["apply", "--env", "prod", "--yes"]).exits(0).says("numbered[2]");
    place.run(&["plan", "--env", "prod"]).exits(0).says("Nothing to do.");
    place.run(&["plan"]).exits(2).says("none yet");
    place.run(&["apply", "--env", "prod", "--yes", "--var", "keep=true"]).exits(0);
    place.run(&["destroy", "--env", "prod", "--yes"]).exits(5).says("weights is protected");
    place.run(&["apply", "--env", "prod", "--yes"]).exits(0);
    place.run(&["destroy", "--env", "prod", "--yes"]).exits(0);
}

/// The arguments of the fleet with a tenth of the machines.
const FLEET: [&str; 3] = ["training-fleet.yaml", "--var", "nodes=5"];

/// The fleet with a tenth of the quota, and of the time.
fn small_fleet() -> Place {
    let place = place();
    let mut text = checked_in(FLEET[0]);
    for (from, to) in [("H100: 256", "H100: 24"), (": 1s,", ": 100ms,"), ("2s", "200ms"), ("after: 3", "after: 0")] {
        text = text.replace(from, to);
    }
    place.write(FLEET[0], &text);
    place
}

#[test]
fn a_fleet_whose_apply_is_killed_again_and_again_is_there_once() {
    let place = small_fleet();
    let calls = || {
        let ran = place.run(&["sim", "calls", "--json"]);
        if ran.code == 0 { ran.out.lines().count() } else { 0 }
    };
    for more in [1, 2, 1, 4, 3, 6] {
        let before = calls();
        let running = place.start(&[&["apply", "--yes", "--json"][..], &FLEET].concat());
        eventually("some calls were made", || calls() >= before + more);
        running.signal(Signal::KILL);
        running.wait();
    }
    place.run(&[&["apply", "--yes"][..], &FLEET].concat()).exits(0);
    place.run(&[&["plan"][..], &FLEET].concat()).exits(0).says("Nothing to do.");
    place.run(&["sim", "objects"]).exits(0).says("16 objects.");
    place.run(&[&["destroy", "--yes"][..], &FLEET].concat()).exits(0);
    place.run(&["sim", "objects"]).exits(0).says("0 objects.");
}

#[test]
fn a_fleet_is_rehearsed() {
    let place = small_fleet();
    let with = |command: &[&'static str]| [command, &FLEET].concat();
    let ran = place.run(&with(&["apply", "--yes"])).exits(0);
    ran.says("us-east-1 has no B200 left").says("(QuotaExceeded); the next candidate is tried").says("17 operations");
    place.run(&with(&["plan"])).exits(0).says("Nothing to do.");
    let objects = place.run(&["sim", "objects"]).exits(0).out;
    let machines = |region: &str| objects.matches(&format!("{region}/gpu_instance/")).count();
    assert_eq!((machines("us-east-1"), machines("us-west-2")), (3, 3), "{objects}");
    let calls = place.run(&["sim", "calls"]).exits(0).out;
    assert_eq!(calls.matches("ReplyLost").count(), 2, "and each machine is there once all the same");

    place.run(&["sim", "break", "node[1]", "--gone"]).exits(0);
    place.run(&["sim", "break", "run", "properties.size=99", "tags.by=hand"]).exits(0);
    place.run(&with(&["drift"])).exits(2).says("node[1]  gpu_instance  is gone").says("properties.size  5 → 99");
    place.run(&with(&["drift", "--correct", "--yes"])).exits(0);
    place.run(&with(&["plan"])).exits(0).says("Nothing to do.");
    place.run(&with(&["destroy", "--yes"])).exits(0);
    place.run(&["sim", "objects"]).exits(0).says("0 objects.");
}
