//! A `CronJob` of Kubernetes. State is kept in a volume.

use serde_json::{Value as Json, json};

use super::{File, Schedule, comment, needs};

/// The longest that the name of a `CronJob` may be: its jobs get eleven characters more.
const LONGEST: usize = 52;

pub(super) fn files(schedule: &Schedule) -> Vec<File> {
    let name = format!("{}.yaml", schedule.name);
    let mut notes = vec![
        format!(
            "The volume of the claim `{}` keeps {}: the blueprint and its state.",
            schedule.claim, schedule.directory
        ),
        format!("The image has the program as {}.", schedule.program),
    ];
    notes.extend(needs(schedule, &format!("the secret `{}`", named(&schedule.name))));
    let text = serde_yaml::to_string(&cron_job(schedule)).unwrap_or_default();
    vec![File { place: name.clone(), name, text: format!("{}{text}", comment(&notes)) }]
}

fn cron_job(schedule: &Schedule) -> Json {
    let name = named(&schedule.name);
    let labels = json!({ "app.kubernetes.io/name": "trueup", "app.kubernetes.io/instance": name });
    let words = std::iter::once(&schedule.program).chain(&schedule.arguments).map(|word| literal(word));
    let environment = schedule
        .secrets
        .iter()
        .map(|secret| json!({ "name": secret, "valueFrom": { "secretKeyRef": { "name": name, "key": secret } } }));
    let container = json!({
        "name": "drift",
        "image": schedule.image,
        "command": words.collect::<Vec<_>>(),
        "workingDir": schedule.directory,
        "env": std::iter::once(json!({ "name": "HOME", "value": schedule.directory })).chain(environment).collect::<Vec<_>>(),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": [{ "name": "work", "mountPath": schedule.directory }],
    });
    let (user, group) = schedule.owner;
    let pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsUser": user,
            "runAsGroup": group,
            "fsGroup": group,
            "runAsNonRoot": user != 0,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container],
        "volumes": [{ "name": "work", "persistentVolumeClaim": { "claimName": schedule.claim } }],
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "schedule": schedule.every.cron(&schedule.name),
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": schedule.every.seconds() / 2,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": { "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": 3600,
                "template": { "metadata": { "labels": labels }, "spec": pod },
            } },
        },
    })
}

/// A name that is not too long.
fn named(name: &str) -> String {
    name.chars().take(LONGEST).collect::<String>().trim_end_matches('-').to_owned()
}

/// A word in which Kubernetes expands no variable.
fn literal(word: &str) -> String {
    word.replace('$', "$$")
}
