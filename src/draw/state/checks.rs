//! The checks that were made of a machine, and what the last of them found, and the last that failed.

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};
use trueup_checks::{Checked, Finding};

use super::super::{safe, time};

/// All of them, the latest first, and the findings of that one and of the latest that failed.
pub(crate) fn text(checks: &[Checked]) -> String {
    if checks.is_empty() {
        return String::new();
    }
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
    let ill = checks.iter().skip(1).find(|checked| !checked.passed);
    text.extend(checks.first().map(|last| findings(last, "what the last of them found")));
    text.extend(ill.map(|ill| findings(ill, &format!("what that of {} found", time(ill.at)))));
    text
}

/// What a check found, in a table.
fn findings(checked: &Checked, title: &str) -> String {
    let rows: Vec<[String; 5]> = checked.findings().iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(wide).collect();
    let mut text = format!("\n  {}\n", title.bold());
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(&format!("    {}  {}\n", cells.collect::<Vec<_>>().join("  "), row[4]));
    }
    text
}

/// The same for machines, each with its whole report.
pub(crate) fn json(checks: &[Checked]) -> Json {
    let one = |checked: &Checked| {
        json!({
            "at": time(checked.at), "generation": checked.generation, "id": checked.id, "passed": checked.passed,
            "message": checked.message, "printed": checked.printed,
        })
    };
    checks.iter().map(one).collect()
}

/// What it is about, what was looked at, what was measured, what was expected, and the verdict.
fn row(finding: &Finding) -> [String; 5] {
    let measured = finding.measured.as_ref().map_or_else(String::new, safe::line);
    let expected =
        finding.expected.as_ref().map_or_else(String::new, |expected| format!("of {}", safe::line(expected)));
    let verdict = safe::line(&finding.verdict).replace('_', " ");
    [safe::line(&finding.subject), safe::line(&finding.what), measured, expected, verdict]
}
