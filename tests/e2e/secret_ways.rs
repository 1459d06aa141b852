//! A canary goes every way that a value can go, and every command is asked with all that it has to log: it is found nowhere but in the
//! process that it is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::canary::{CANARY, found, silent};
use crate::support::{Place, Ran, http};

/// Ways through expressions, each an output of its name. What reads a secret is one, on any way.
const WAYS: [(&str, &str); 26] = [
    ("as_it_is", "{{ var.token }}"),
    ("inside_text", "Bearer {{ var.token }}!"),
    ("joined", "{{ 'Bearer ' ~ var.token }}"),
    ("slice", "{{ var.token[2:14] }}"),
    ("every_other_letter", "{{ var.token[::2] }}"),
    ("two_slices", "{{ var.token[:16] }}-{{ var.token[16:] }}"),
    ("length", "{{ var.token | length }}"),
    ("arithmetic", "{{ (var.token | length) * 2 + 1 }}"),
    ("compared", "{{ var.token == 'guess' }}"),
    ("ordered", "{{ var.token < 'guess' }}"),
    ("looked_into", "{{ 'Zq' in var.token }}"),
    ("condition", "{{ 'yes' if var.token else 'no' }}"),
    ("upper_case", "{{ var.token | upper }}"),
    ("reversed", "{{ var.token | reverse }}"),
    ("replaced", "{{ var.token | replace('3', '-') }}"),
    ("split", "{{ var.token | split('3') }}"),
    ("joined_again", "{{ var.token | split('3') | join('3') }}"),
    ("letters", "{{ var.token | list }}"),
    ("json", "{{ {'token': var.token} | tojson }}"),
    ("in_a_map", "{{ {'open': 'seen', 'token': var.token} }}"),
    ("in_a_list", "{{ ['seen', var.token] }}"),
    ("module_output", "{{ module.inner.back }}"),
    ("module_default", "{{ module.inner.given }}"),
    ("part_of_a_map", "{{ var.many.token }}"),
    ("a_whole_map", "{{ var.many }}"),
    ("each_value", "{{ each_one['a'].resource_id ~ var.token }}"),
];

/// Ways through what is made: a process of this machine, a native kind and a composed one of a cloud, a module, a condition.
const RESOURCES: &str = r#"blueprint: demo
providers: { local: {}, sim: {} }
variables:
  token: { type: string, secret: true }
  many: { type: map, secret: true }
resources:
  chat:
    kind: endpoint
    provider: local
    command: [python3, serve.py]
    working_dir: .
    env: { WORDS: "{{ var.token }}", PART: "{{ var.token[3:15] }}", LOUD: "{{ var.token | upper }}", SOME: "{{ var.many.token }}" }
  far:
    kind: endpoint
    provider: sim
    image: registry/chat
    env: { WORDS: "{{ var.token }}", PART: "{{ var.token[3:15] }}" }
  machine: { kind: gpu_instance, provider: sim, gpu: { model: L4, count: 1 }, user_data: "say {{ var.token }}", env: { A: "{{ var.token }}" } }
  thing:
    kind: "Sim::Thing"
    provider: sim
    properties:
      text: "is {{ var.token }}"
      secret: "{{ var.token }}"
      items: ["{{ var.token }}", "{{ var.token | reverse }}"]
      labels: { part: "{{ var.token[3:15] }}" }
    tags: { token: "{{ var.token | lower }}" }
  each_one: { kind: "Sim::Thing", provider: sim, for_each: [a, b], properties: { text: "{{ each.key ~ var.token }}" } }
  maybe: { kind: bucket, provider: sim, when: "{{ var.token != 'guess' }}" }
modules:
  inner: { source: ./inner.yaml, inputs: { sealed: "{{ var.token }}", plain: "{{ var.token[1:29] }}" } }
outputs:
"#;

const INNER: &str = r#"blueprint: inner
variables:
  sealed: { type: string, secret: true }
  plain: { type: string }
resources:
  note: { kind: "Sim::Thing", provider: sim, properties: { text: "{{ var.plain }}", labels: { a: "{{ var.sealed }}" } } }
outputs:
  back: "{{ var.plain | upper }}"
  given: "{{ var.sealed }}"
"#;

/// Every command with its options, and how it ends: before anything is made.
const BEFORE: [(&str, i32); 13] = [
    ("validate", 0),
    ("validate --json", 0),
    ("validate --format github", 0),
    ("plan", 2),
    ("plan --view brief", 2),
    ("plan --view full", 2),
    ("plan --json", 2),
    ("plan --out plan.trueup", 2),
    ("show plan.trueup", 0),
    ("show plan.trueup --view full", 0),
    ("show plan.trueup --json", 0),
    ("graph", 0),
    ("apply plan.trueup --yes", 0),
];

/// Afterwards, while it stands.
const AFTER: [(&str, i32); 43] = [
    ("plan", 0),
    ("plan --json", 0),
    ("plan --replace thing --view full", 2),
    ("apply --yes --json", 0),
    ("output", 0),
    ("output --json", 0),
    ("output as_it_is", 0),
    ("output in_a_map --json", 0),
    ("drift", 0),
    ("drift --json", 0),
    ("drift --markdown", 0),
    ("drift --all .", 0),
    ("drift --correct --yes", 0),
    ("graph --each", 0),
    ("graph --format dot", 0),
    ("graph --format svg", 0),
    ("graph --json", 0),
    ("state list", 0),
    ("state list --json", 0),
    ("state show chat", 0),
    ("state show thing", 0),
    ("state show far/model --json", 0),
    ("state history", 0),
    ("state history --json", 0),
    ("state verify", 0),
    ("state repair", 0),
    ("state rekey --to .trueup/key", 1),
    ("state export", 0),
    ("state export --out exported.json", 0),
    ("state resolve thing --absent", 1),
    ("state mv thing stuff", 0),
    ("state mv stuff thing", 0),
    ("state forget each_one[\"a\"] --yes", 0),
    ("adopt each_one[\"a\"] --yes", 0),
    ("sim calls --json", 0),
    ("sim objects --json", 0),
    ("sim break maybe versioning=true", 0),
    ("explain endpoint.env", 0),
    ("schedule print cron", 0),
    ("unlock", 0),
    ("destroy --yes", 0),
    ("state import exported.json --env other --as-copy", 0),
    ("state import exported.json --env other --as-copy --json", 1),
];

/// What knows of no stack.
const OTHERS: [&str; 4] = ["init", "schema", "completions", "gpucheck"];

fn blueprint() -> String {
    let outputs = WAYS.map(|(name, text)| format!("  {name}: \"{text}\"\n"));
    format!("{RESOURCES}{}", outputs.concat())
}

fn place() -> Place {
    let place = Place::with(&blueprint());
    place.write("inner.yaml", INNER);
    place
}

/// Runs a command with the canary given by the environment, and all that there is to log.
#[track_caller]
fn ask(place: &Place, command: &str) -> Ran {
    let many = format!("{{ token: {CANARY}, open: seen }}");
    let given = [("TRUEUP_VAR_token", CANARY), ("TRUEUP_VAR_many", &many), ("RUST_LOG", "trace")];
    let ran = place.run_with(&command.split(' ').collect::<Vec<_>>(), &given);
    silent(command, &ran.out);
    silent(&format!("the log of {command}"), &ran.err);
    ran
}

/// No file of the place has any of the canary, but for those that a person wrote it into.
#[track_caller]
fn files_are_silent(place: &Place, after: &str, written: &[&str]) {
    for path in place.files() {
        if written.iter().any(|name| path == place.path(name)) {
            continue;
        }
        let found = found(&fs::read(&path).unwrap_or_default());
        assert!(found.is_none(), "after {after}, {} has the canary {}", path.display(), found.unwrap_or_default());
    }
}

/// No process of a place shows any of the canary to who lists them.
#[track_caller]
fn processes_are_silent(place: &Place) {
    let here = fs::canonicalize(place.path("")).unwrap();
    let is_here = |process: &PathBuf| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&here));
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let lines: Vec<Vec<u8>> =
        processes.filter(is_here).filter_map(|path| fs::read(path.join("cmdline")).ok()).collect();
    assert!(lines.iter().any(|line| line.starts_with(b"python3")), "the endpoint's process is not listed");
    lines.iter().for_each(|line| silent("a list of processes", &String::from_utf8_lossy(line)));
}

#[test]
fn a_secret_is_found_nowhere_whatever_way_it_goes_and_whoever_asks() {
    let place = place();
    for (command, code) in BEFORE {
        ask(&place, command).exits(code);
        files_are_silent(&place, command, &[]);
    }
    processes_are_silent(&place);
    let url = place.run(&["state", "show", "chat", "--json"]).json()["current"]["attributes"]["url"].clone();
    assert_eq!(http(url.as_str().unwrap(), "GET", "/env", ""), CANARY, "it arrives");
    let shown = ask(&place, "output --json").exits(0).json();
    let revealed = place.run(&["output", "--json", "--reveal"]).exits(0).json();
    for (name, text) in WAYS {
        let secret = |value: &serde_json::Value| value.to_string().contains("(secret)");
        assert!(secret(&shown[name]), "{name}, {text}, shows: {}", shown[name]);
        assert!(!secret(&revealed[name]), "{name}, {text}, is not revealed: {}", revealed[name]);
    }
    for (command, code) in AFTER {
        ask(&place, command).exits(code);
        files_are_silent(&place, command, &[]);
    }
}

#[test]
fn every_command_is_asked() {
    let place = Place::new();
    let asked: BTreeSet<&str> = BEFORE.iter().chain(&AFTER).map(|(command, _)| *command).chain(OTHERS).collect();
    let mut commands = Vec::new();
    add_commands(&place, &[], &mut commands);
    assert!(commands.len() >= 29, "the help names no more than these: {commands:?}");
    for command in commands {
        let is_asked = asked.iter().any(|asked| format!("{asked} ").starts_with(&format!("{command} ")));
        assert!(is_asked, "`{command}` is not asked with a secret at hand");
    }
}

/// Adds the commands that the help of a group names, and those of the groups in it; of the program itself where there are no words.
fn add_commands(place: &Place, group: &[&str], found: &mut Vec<String>) {
    let help = place.run(&[group, &["--help"]].concat()).exits(0).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let before = found.len();
    for name in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        add_commands(place, &[group, &[name]].concat(), found);
    }
    if found.len() == before {
        found.push(group.join(" "));
    }
}

/// Whoever gives it: each by its arguments, and the files that a person writes it into.
#[test]
fn a_secret_is_kept_from_wherever_it_comes() {
    let by_environment = format!("environments: {{ prod: {{ variables: {{ token: {{ default: {CANARY} }} }} }} }}\n");
    let by_default = ("type: string, secret: true", format!("type: string, secret: true, default: {CANARY}"));
    let many = "many={token: other}";
    let given = format!("token={CANARY}");
    for (way, arguments, files) in [
        ("--var", vec!["--var", &given], vec![]),
        ("--var-file", vec!["--var-file", "values.yaml"], vec!["values.yaml"]),
        ("an environment", vec!["--env", "prod"], vec!["blueprint.yaml"]),
        ("a default", vec![], vec!["blueprint.yaml"]),
        ("a module's default", vec!["--var", "token=another"], vec!["inner.yaml"]),
        ("a module's input", vec!["--var", "token=another"], vec!["blueprint.yaml"]),
        ("a secret field", vec!["--var", "token=another"], vec!["blueprint.yaml"]),
    ] {
        let place = place();
        match way {
            "--var-file" => place.write("values.yaml", &format!("token: {CANARY}\n")),
            "an environment" => place.write("blueprint.yaml", &format!("{by_environment}{}", blueprint())),
            "a default" => place.edit(by_default.0, &by_default.1),
            "a module's default" => {
                place.write("inner.yaml", &INNER.replace(by_default.0, &by_default.1));
                place.edit("sealed: \"{{ var.token }}\", ", "");
            }
            "a module's input" => place.edit("sealed: \"{{ var.token }}\"", &format!("sealed: {CANARY}")),
            "a secret field" => place.edit("secret: \"{{ var.token }}\"", &format!("secret: {CANARY}")),
            _ => {}
        }
        let run = |command: &str, code| {
            let words: Vec<&str> = command.split(' ').collect();
            let inputs = if words[0] == "plan" { arguments.clone() } else { Vec::new() };
            let ran =
                place.run_with(&[words, inputs].concat(), &[("RUST_LOG", "trace"), ("TRUEUP_VAR_many", &many[5..])]);
            let (out, err) = (ran.out.clone(), ran.err.clone());
            let ran = ran.exits(code);
            silent(&format!("{command} with {way}"), &format!("{out}{err}"));
            files_are_silent(&place, &format!("{command} with {way}"), &files);
            ran
        };
        run("plan --out=plan.trueup", 2);
        run("show plan.trueup --json", 0);
        run("show plan.trueup --view=full", 0);
        run("apply plan.trueup --yes", 0);
        run("plan --json", 0);
    }
}
