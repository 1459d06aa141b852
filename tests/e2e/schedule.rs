//! `trueup schedule print`: what it prints is what its reader takes, and does what it says.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use trueup_state::codec::Seal;
use trueup_state::vault::Vault;

use crate::python::python;
use crate::support::{BUCKETS, Place, require};

/// A directory whose name each form would read as something else.
const ODD: &str = "odd $HOME %h 'one'";

/// A place with a stack in such a directory, applied.
fn odd() -> (Place, PathBuf) {
    let place = Place::new();
    let directory = place.path(ODD);
    fs::create_dir(&directory).unwrap();
    let text =
        format!("{BUCKETS}variables: {{ note: {{ type: string, default: none }} }}\nenvironments: {{ prod: {{}} }}\n");
    fs::write(directory.join("a b.yaml"), text).unwrap();
    place.run_in(&directory, &["apply", "a b.yaml", "--env", "prod", "--yes"], &[]).exits(0);
    (place, directory)
}

/// The files of one form, in a directory of their own.
fn printed(form: &[&str]) -> (Place, PathBuf) {
    let (place, directory) = odd();
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    let (path, note) = (out.display().to_string(), "note=100% $(id) `id` ${{ secrets.X }}");
    let rest = ["a b.yaml", "--env", "prod", "--var", note, "--out", &path];
    let arguments = [&["schedule", "print"], form, &rest].concat();
    let key = place.path("its.key");
    Vault::at(&key).seal(b"so that there is a key").unwrap();
    let key = key.display().to_string();
    place.run_in(&directory, &arguments, &[("TRUEUP_KEY", &key)]).exits(0).says("is written.");
    (place, out)
}

#[track_caller]
fn accepts(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
fn systemd_takes_the_units() {
    if !require("systemd-analyze") {
        return;
    }
    let (_place, out) = printed(&["systemd", "--every", "15m"]);
    let units = ["service", "timer"].map(|kind| out.join(format!("trueup-drift-demo-prod.{kind}")));
    let said = accepts(Command::new("systemd-analyze").arg("verify").args(&units));
    // It passes over what it does not know, and says at which line.
    assert!(!said.contains("trueup-drift"), "{said}");
    // From 0, nothing is allowed, to 100, everything is.
    accepts(Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=45"]).arg(&units[0]));
    let text = fs::read_to_string(&units[0]).unwrap();
    assert!(text.contains("odd $HOME %%h 'one'\n"), "{text}");
    assert!(text.contains("EnvironmentFile=-/etc/trueup/trueup-drift-demo-prod.env"), "{text}");
    assert!(text.contains("# It needs TRUEUP_KEY in"), "{text}");
    assert!(fs::read_to_string(&units[1]).unwrap().contains("OnUnitActiveSec=900s"));
}

#[test]
fn github_takes_the_workflow() {
    let Some(python) = python("schedule", include_str!("../support/schedule.txt")) else { return };
    let (_place, out) = printed(&["github-actions", "--runner", "gpu-box"]);
    let file = out.join("trueup-drift-demo-prod.yml");
    let schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"];
    accepts(Command::new(python).args(schema).arg(&file));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("- gpu-box") && text.contains("permissions: {}"), "{text}");
    assert!(text.contains("TRUEUP_KEY: ${{ secrets.TRUEUP_KEY }}"), "{text}");
    assert!(!text.contains("${{ secrets.X }}"), "{text}");
}

#[test]
fn kubernetes_takes_the_cron_job() {
    let (place, _) = odd();
    place.write("blueprint.yaml", BUCKETS);
    place.run(&["schedule", "print", "kubernetes"]).exits(1).complains("--image");
    let Some(python) = python("schedule", include_str!("../support/schedule.txt")) else { return };
    let form = ["kubernetes", "--image", "registry.example/trueup:1", "--claim", "infra", "--every", "1d"];
    let (_place, out) = printed(&form);
    let file = out.join("trueup-drift-demo-prod.yaml");
    accepts(Command::new(python).args(["-m", "kubernetes_validate", "--strict", "-k", "1.37.0"]).arg(&file));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("claimName: infra") && text.contains("- /usr/local/bin/trueup"), "{text}");
}

#[test]
fn the_line_of_a_crontab_brings_back_what_drifted() {
    let (place, directory) = odd();
    let arguments =
        ["schedule", "print", "cron", "a b.yaml", "--env", "prod", "--every", "1d", "--var", "note=100% $(id)"];
    let text = place.run_in(&directory, &arguments, &[]).exits(0).out;
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    let command = line.splitn(6, ' ').nth(5).unwrap();
    assert!(!command.replace("\\%", "").contains('%'), "a crontab ends a command there: {command}");
    let bucket = Place::made_in(&directory, "demo-prod-one");
    fs::remove_dir_all(&bucket).unwrap();
    // As cron hands it to the shell.
    let mut shell = place.shell(&command.replace("\\%", "%"));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(bucket.is_dir(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn cron<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["schedule", "print", "cron"], more].concat()
}

#[test]
fn what_can_not_be_scheduled_says_why() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nvariables: { token: { type: string, secret: true } }\nresources: {}\n",
    );
    place.run(&cron(&[])).exits(1).complains("token");
    let secret = place.run(&cron(&["--var", "token=hunter2"])).exits(1);
    secret.complains("the variable `token` is secret").complains("`TRUEUP_VAR_token`");
    let given = place.run_with(&cron(&[]), &[("TRUEUP_VAR_token", "hunter2")]).exits(0);
    given.says("It needs TRUEUP_VAR_token in the crontab").says_not("hunter2");
    let environment = [("TRUEUP_VAR_token", "hunter2")];
    place.run_with(&cron(&["--every", "7m"]), &environment).exits(1).complains("5m, 10m, 15m");
    place.run_with(&cron(&["--program", "trueup"]), &environment).exits(1).complains("no absolute path");
    place
        .run_with(&cron(&["--program", "/opt/a b/trueup"]), &environment)
        .exits(0)
        .says("exec '/opt/a b/trueup' drift");
    place.run_with(&cron(&["--out", "nowhere"]), &environment).exits(1).complains("can't be written");
    place.run(&cron(&["nowhere.yaml"])).exits(1).complains("nowhere.yaml");
    // A blueprint by its whole path is the same blueprint.
    let whole = place.path("blueprint.yaml").display().to_string();
    place.run_with(&cron(&[&whole]), &environment).exits(0).says("drift blueprint.yaml --correct --yes");
    let json = place.run_with(&cron(&["--json"]), &environment).exits(0).json();
    assert_eq!(json["files"][0]["name"], "trueup-drift-demo-default.crontab");
}
