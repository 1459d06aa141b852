//! A line of a crontab.

use super::{File, Schedule, comment, needs};

pub(super) fn files(schedule: &Schedule) -> Vec<File> {
    let words: Vec<String> =
        std::iter::once(&schedule.program).chain(&schedule.arguments).map(|word| quoted(word)).collect();
    let command = format!("cd {} && exec {}", quoted(&schedule.directory), words.join(" "));
    let mut notes = vec![
        format!(
            "Brings back what drifted of {}. Add it by `crontab -e`, as the owner of the directory.",
            schedule.stack
        ),
        "What it says is mailed; a run that another one keeps waiting ends with 4.".to_owned(),
    ];
    notes.extend(needs(schedule, "the crontab, each as a line NAME=VALUE above this one"));
    let line = format!("{} {}", schedule.every.cron(&schedule.name), as_cron_reads(&command));
    vec![File {
        name: format!("{}.crontab", schedule.name),
        place: "the crontab".to_owned(),
        text: format!("{}{line}\n", comment(&notes)),
    }]
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@+,%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command as a crontab has it: there a `%` would end it, even between quotes.
fn as_cron_reads(command: &str) -> String {
    command.replace('%', "\\%")
}
