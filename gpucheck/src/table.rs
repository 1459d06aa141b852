//! A judgement as a table for people.

use std::fmt::Write;

use owo_colors::OwoColorize;

use crate::judge::{Finding, Judgement, Subject, Verdict, uncalibrated};
use crate::report::Report;

/// The table, with colours, which whoever prints it strips where there is no terminal.
pub fn table(report: &Report, judgement: &Judgement) -> String {
    let mut text = String::new();
    let driver = report.driver.as_deref().unwrap_or("not known");
    let count = match report.gpus.len() {
        1 => "1 GPU".into(),
        count => format!("{count} GPUs"),
    };
    let _ = writeln!(text, "{count} · CUDA driver {driver} · {}", level(report));
    let mut subjects: Vec<Subject> = judgement.findings.iter().map(|finding| finding.subject).collect();
    subjects.dedup();
    for subject in subjects.iter().filter(|subject| !matches!(subject, Subject::Pair(..))) {
        let findings = || judgement.findings.iter().filter(|finding| finding.subject == *subject);
        let _ = writeln!(text, "\n{}", heading(report, *subject).bold());
        // Answers are of many kinds: those that are right are one line.
        let is_right = |finding: &&Finding| finding.what.starts_with("answers ") && finding.verdict == Verdict::Pass;
        let right: Vec<&Finding> = findings().filter(is_right).collect();
        findings().filter(|finding| !is_right(finding)).for_each(|finding| row(&mut text, &finding.what, finding));
        if let [first, ..] = right[..] {
            let all = Finding { measured: Some("0 wrong".into()), ..first.clone() };
            row(&mut text, &format!("answers, {} kinds", right.len()), &all);
        }
    }
    pairs(&mut text, judgement);
    let _ = writeln!(text, "\n{}: {}", coloured(judgement.verdict), summary(judgement));
    let names = uncalibrated(report).join(", ");
    if !names.is_empty() {
        let _ = writeln!(
            text,
            "What is expected of {names} is from specifications and what others measured; it has not been run on hardware."
        );
    }
    text
}

fn level(report: &Report) -> String {
    format!("{:?}", report.level).to_lowercase()
}

fn heading(report: &Report, subject: Subject) -> String {
    let Subject::Gpu(index) = subject else { return subject.to_string() };
    let gpu = report.gpus.iter().find(|gpu| gpu.index == index);
    let identity = gpu.and_then(|gpu| gpu.identity.measured());
    identity.map_or_else(
        || subject.to_string(),
        |identity| format!("{subject} · {} · {}", identity.name, identity.pci_address),
    )
}

fn row(text: &mut String, name: &str, finding: &Finding) {
    let fraction = finding.fraction.map(|fraction| format!("{:.0} %", fraction * 100.0)).unwrap_or_default();
    let told = |what: &Option<String>| what.clone().unwrap_or_default();
    let (measured, expected) = (told(&finding.measured), told(&finding.expected));
    let _ = writeln!(text, "  {name:<24} {measured:>26}  {expected:>22}  {fraction:>6}  {}", coloured(finding.verdict));
    if finding.verdict > Verdict::Pass {
        let _ = writeln!(text, "      {}", finding.reason);
    }
}

/// Pairs are many: those that pass are one line for each thing that was looked at.
fn pairs(text: &mut String, judgement: &Judgement) {
    let of_pairs = || judgement.findings.iter().filter(|finding| matches!(finding.subject, Subject::Pair(..)));
    if of_pairs().next().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{}", "pairs".bold());
    for what in ["direct", "staged", "answers copies"] {
        let (passed, others): (Vec<&Finding>, Vec<&Finding>) =
            of_pairs().filter(|finding| finding.what == what).partition(|finding| finding.verdict == Verdict::Pass);
        if let Some(slowest) =
            passed.iter().min_by(|left, right| left.fraction.unwrap_or(1.0).total_cmp(&right.fraction.unwrap_or(1.0)))
        {
            row(text, &format!("{what}, {} of them", passed.len()), slowest);
        }
        others.iter().for_each(|finding| row(text, &format!("{what} {}", finding.subject), finding));
    }
}

fn summary(judgement: &Judgement) -> String {
    let count = |verdict| judgement.findings.iter().filter(|finding| finding.verdict == verdict).count();
    let [passed, unchecked, warned, failed] =
        [Verdict::Pass, Verdict::NotChecked, Verdict::Warn, Verdict::Fail].map(count);
    format!("{passed} passed, {warned} warned of, {failed} failed, {unchecked} not checked")
}

fn coloured(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => verdict.green().to_string(),
        Verdict::NotChecked => verdict.cyan().to_string(),
        Verdict::Warn => verdict.yellow().to_string(),
        Verdict::Fail => verdict.red().to_string(),
    }
}
