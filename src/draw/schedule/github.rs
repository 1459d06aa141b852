//! A workflow of GitHub Actions. State is kept on the machine that runs it, so that is one of your own.

use serde_json::{Value as Json, json};

use super::{File, Schedule, comment, needs};

pub(super) fn files(schedule: &Schedule) -> Vec<File> {
    let name = format!("{}.yml", schedule.name);
    let mut notes = vec![
        format!("For a runner of your own with the label `{}`, on the machine that keeps", schedule.runner),
        format!("{}, its state and its checkout.", schedule.directory),
    ];
    notes.extend(needs(schedule, "the secrets of the repository"));
    let text = serde_yaml::to_string(&workflow(schedule)).unwrap_or_default();
    vec![File { place: format!(".github/workflows/{name}"), name, text: format!("{}{text}", comment(&notes)) }]
}

fn workflow(schedule: &Schedule) -> Json {
    let mut environment = serde_json::Map::new();
    let mut run = Vec::new();
    for word in std::iter::once(&schedule.program).chain(&schedule.arguments) {
        if is_plain(word) {
            run.push(word.clone());
            continue;
        }
        // A name reaches the shell as a variable between quotes, which it does not read again.
        let variable = format!("WORD_{}", environment.len() + 1);
        run.push(format!("\"${variable}\""));
        environment.insert(variable, json!(literal(word)));
    }
    run.push("--format github".to_owned());
    for name in &schedule.secrets {
        environment.insert(name.clone(), json!(format!("${{{{ secrets.{name} }}}}")));
    }
    json!({
        "name": format!("Bring back what drifted of {}", literal(&schedule.stack)),
        "on": { "schedule": [{ "cron": schedule.every.cron(&schedule.name) }], "workflow_dispatch": {} },
        "permissions": {},
        "concurrency": { "group": schedule.name, "cancel-in-progress": false },
        "jobs": { "drift": {
            "runs-on": [schedule.runner],
            "timeout-minutes": 60,
            "steps": [{
                "name": "Bring back what drifted",
                "working-directory": literal(&schedule.directory),
                "env": environment,
                "run": run.join(" "),
            }],
        } },
    })
}

/// Whether a word is itself to a shell and to GitHub.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:@+,".contains(c))
}

/// A text in which GitHub finds no expression.
fn literal(text: &str) -> String {
    text.replace("${{", "${{ '${{' }}")
}
