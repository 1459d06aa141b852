//! Each form with names that would be read as something else.

use std::process::Command;

use super::{Every, Schedule, files, text};
use crate::arguments::Scheduler;

fn schedule(words: &[&str]) -> Schedule {
    Schedule {
        name: "trueup-drift-demo-prod".to_owned(),
        stack: "demo · prod".to_owned(),
        program: "/opt/trueup/bin/trueup".to_owned(),
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        directory: "/srv/infra".to_owned(),
        owner: (1000, 1000),
        machine: None,
        secrets: Vec::new(),
        every: Every::Hours(1),
        image: "registry.example/trueup:1".to_owned(),
        claim: "infra".to_owned(),
        runner: "self-hosted".to_owned(),
    }
}

const PLAIN: [&str; 6] = ["drift", "blueprint.yaml", "--env", "prod", "--correct", "--yes"];

/// What each form would read as something else.
const ODD: [&str; 9] =
    ["", "a b", "$HOME", "$(id)", "`id`", "100%h", r#"it's "so""#, r"back\slash", "${{ secrets.X }} ; # & | * ~"];

#[test]
fn every_form() {
    let full = Schedule {
        machine: Some("/home/ml/.local/state/trueup".to_owned()),
        secrets: vec!["TRUEUP_VAR_token".to_owned(), "TRUEUP_KEY".to_owned()],
        ..schedule(&PLAIN)
    };
    for form in [Scheduler::Systemd, Scheduler::Cron, Scheduler::GithubActions, Scheduler::Kubernetes] {
        insta::assert_snapshot!(format!("{form:?}"), text(&files(form, &full)));
    }
}

#[test]
fn a_crontab_hands_on_each_word_as_it_is() {
    let mut odd = schedule(&ODD);
    // Says its words, each on a line.
    odd.program = "/usr/bin/printf".to_owned();
    odd.arguments.insert(0, r"<%s>\n".to_owned());
    odd.directory = "/".to_owned();
    let line = text(&files(Scheduler::Cron, &odd));
    let line = line.split_once("\n47 * * * * ").map_or_else(|| panic!("{line}"), |(_, command)| command).trim_end();
    // A crontab ends a command at a `%` that has no backslash before it.
    assert!(!line.replace("\\%", "").contains('%'), "{line}");
    let output = Command::new("sh").args(["-c", &line.replace("\\%", "%")]).output().unwrap();
    let words = ODD.map(|word| format!("<{word}>"));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), words);
}

#[test]
fn a_workflow_and_a_cron_job_hand_on_each_word_as_it_is() {
    let yaml = |form| -> serde_json::Value { serde_yaml::from_str(&files(form, &schedule(&ODD))[0].text).unwrap() };
    let step = &yaml(Scheduler::GithubActions)["jobs"]["drift"]["steps"][0];
    let run = step["run"].as_str().unwrap();
    assert!(ODD.iter().skip(1).all(|word| !run.contains(word)), "{run}");
    // GitHub puts expressions in before a shell sees the variables; the only one here stands for its own beginning.
    let handed = |value: &serde_json::Value| value.as_str().unwrap().replace("${{ '${{' }}", "${{");
    let words: Vec<String> = (1..=ODD.len()).map(|at| handed(&step["env"][format!("WORD_{at}")])).collect();
    assert_eq!(words, ODD);
    let command =
        &yaml(Scheduler::Kubernetes)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"];
    let words: Vec<String> =
        command.as_array().unwrap()[1..].iter().map(|word| word.as_str().unwrap().replace("$$", "$")).collect();
    assert_eq!(words, ODD);
    let text = command.to_string();
    assert!(!text.replace("$$", "").contains('$'), "{text}");
}

#[test]
fn a_unit_holds_each_word_as_it_is() {
    let service = &files(Scheduler::Systemd, &schedule(&ODD))[0].text;
    let line = service.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert_eq!(
        line,
        r#"ExecStart=/opt/trueup/bin/trueup "" "a b" "$$HOME" "$$(id)" "`id`" "100%%h" "it's \"so\"" "back\\slash" "$${{ secrets.X }} ; # & | * ~""#
    );
}

#[test]
fn a_period_comes_out_even() {
    let cron = |text: &str| text.parse::<Every>().map(|every| every.cron("trueup-drift-demo-prod"));
    assert_eq!(cron("15m").unwrap(), "2-59/15 * * * *");
    assert_eq!(cron("1h").unwrap(), "47 * * * *");
    assert_eq!(cron("6h").unwrap(), "47 5-23/6 * * *");
    assert_eq!(cron("1d").unwrap(), "47 23 * * *");
    for odd in ["", "1", "h", "0m", "1m", "7m", "60m", "5h", "24h", "2d", "1w", "-5m", "15 m", "１h"] {
        assert!(cron(odd).is_err(), "{odd}");
    }
    assert_eq!("30m".parse::<Every>().unwrap().seconds(), 1800);
}
