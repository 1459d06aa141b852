//! The checks that were made of a machine, and what the last of them found.

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_checks::Checked;

use super::super::{safe, time};

/// All of them, the latest first, and that one's findings.
pub(crate) fn text(checks: &[Checked]) -> String {
    let Some(last) = checks.first() else { return String::new() };
    let mut text = format!("\n  {}\n", "checks".bold());
    for checked in checks {
        let verdict = if checked.passed { "passed" } else { "FAILED" };
        let why = checked.message.as_ref().map(|message| format!(": {}", safe::line(message)));
        text.push_str(&format!(
            "    {}  generation {}  {verdict}{}\n",
            time(checked.at),
            checked.generation,
            why.unwrap_or_default()
        ));
    }
    let rows: Vec<[String; 5]> = findings(last).map(row).collect();
    if rows.is_empty() {
        return text;
    }
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(wide).collect();
    text.push_str(&format!("\n  {}\n", "what the last of them found".bold()));
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(&format!("    {}  {}\n", cells.collect::<Vec<_>>().join("  "), row[4]));
    }
    text
}

/// The same for machines: the last one with its whole report.
pub(crate) fn json(checks: &[Checked]) -> Json {
    let one = |(position, checked): (usize, &Checked)| {
        json!({
            "at": time(checked.at), "generation": checked.generation, "id": checked.id, "passed": checked.passed,
            "message": checked.message, "printed": if position == 0 { checked.printed.clone() } else { Json::Null },
        })
    };
    checks.iter().enumerate().map(one).collect()
}

fn findings(checked: &Checked) -> impl Iterator<Item = &Json> {
    checked.printed["judgement"]["findings"].as_array().into_iter().flatten()
}

/// What it is about, what was looked at, what was measured, what was expected, and the verdict.
fn row(finding: &Json) -> [String; 5] {
    let text = |name: &str| safe::line(finding[name].as_str().unwrap_or_default());
    let subject = match &finding["subject"] {
        Json::String(subject) => subject.clone(),
        subject if subject["gpu"].is_number() => format!("GPU {}", subject["gpu"]),
        subject => format!("GPU {} → {}", subject["pair"][0], subject["pair"][1]),
    };
    let expected = text("expected");
    let expected = if expected.is_empty() { expected } else { format!("of {expected}") };
    [safe::line(&subject), text("what"), text("measured"), expected, text("verdict").replace('_', " ")]
}
