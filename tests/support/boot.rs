//! A machine that checks itself, as cloud-init would have it do so.

use std::process::Command;

use serde_json::{Value as Json, json};

/// What the program that measures prints, as a line of a shell that ends with a code.
pub(crate) fn printed(verdict: &str, code: i32) -> String {
    let finding = json!({ "subject": { "gpu": 0 }, "what": "fp8", "verdict": verdict, "reason": "half of it" });
    let printed = json!({ "judgement": { "verdict": verdict, "findings": [finding] }, "report": {} });
    format!("echo '{printed}'; exit {code}")
}

/// Does what cloud-init does with the part of a machine's document that checks it.
pub(crate) fn boot(told: &str) {
    let config = told.lines().find(|line| line.starts_with("{\"")).expect("there is a cloud-config");
    let config: Json = serde_json::from_str(config).unwrap();
    let files = config["write_files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == "/etc/trueup/check").unwrap();
    assert_eq!((&file["permissions"], &file["owner"]), (&json!("0600"), &json!("root:root")));
    let (_, script) = told.split_once("#!/bin/sh\nset -- /etc/trueup/check\n").unwrap();
    let (script, _) = script.split_once("\n--trueup-").unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("check");
    std::fs::write(&path, file["content"].as_str().unwrap()).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&path).current_dir(home.path()).env("TMPDIR", home.path());
    assert!(command.status().unwrap().success());
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["check"], "it leaves something on the machine");
}
