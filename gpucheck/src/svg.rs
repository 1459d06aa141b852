//! All GPUs side by side, as a drawing: a column for each, a row for each thing that was looked at.

use std::fmt::Write;

use crate::judge::{Finding, Judgement, Subject, Verdict, uncalibrated};
use crate::report::Report;

const LEFT: usize = 190;
const TOP: usize = 76;
const CELL: (usize, usize) = (150, 26);

/// The drawing.
pub fn svg(report: &Report, judgement: &Judgement) -> String {
    let gpus: Vec<u32> = report.gpus.iter().map(|gpu| gpu.index).collect();
    let mut rows: Vec<&str> = Vec::new();
    for finding in judgement.findings.iter().filter(|finding| matches!(finding.subject, Subject::Gpu(_))) {
        if !rows.contains(&finding.what.as_str()) {
            rows.push(&finding.what);
        }
    }
    let width = LEFT + gpus.len().max(2) * CELL.0 + 20;
    let height = TOP + rows.len() * CELL.1 + 40;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let title = format!("{} GPUs: {}", gpus.len(), judgement.verdict);
    let _ = writeln!(text, "<text x=\"12\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>", escaped(&title));
    for (column, index) in gpus.iter().enumerate() {
        let name = report.gpus[column].identity.measured().map_or("", |identity| identity.name.as_str());
        let (x, y) = (LEFT + column * CELL.0, TOP - 26);
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\" font-weight=\"bold\">GPU {index}</text>");
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{}\" font-size=\"10\">{}</text>", y + 14, escaped(name));
    }
    for (row, what) in rows.iter().enumerate() {
        let y = TOP + row * CELL.1;
        let _ = writeln!(text, "<text x=\"12\" y=\"{}\">{}</text>", y + 16, escaped(what));
        for (column, index) in gpus.iter().enumerate() {
            let found =
                judgement.findings.iter().find(|found| found.subject == Subject::Gpu(*index) && found.what == *what);
            found.into_iter().for_each(|found| cell(&mut text, found, LEFT + column * CELL.0, y));
        }
    }
    let names = uncalibrated(report).join(", ");
    if !names.is_empty() {
        let note = format!("What is expected of {names} has not been run on hardware.");
        let _ = writeln!(text, "<text x=\"12\" y=\"{}\" font-size=\"10\" fill=\"#555555\">{note}</text>", height - 14);
    }
    text.push_str("</svg>\n");
    text
}

/// A bar as long as what was reached of what is expected, and the figure.
fn cell(text: &mut String, finding: &Finding, x: usize, y: usize) {
    let colour = match finding.verdict {
        Verdict::Pass => "#8fd19e",
        Verdict::NotChecked => "#d0d0d0",
        Verdict::Warn => "#ffd479",
        Verdict::Fail => "#f28b82",
    };
    let full = CELL.0 - 14;
    let share = finding.fraction.filter(|fraction| fraction.is_finite()).unwrap_or(1.0).clamp(0.03, 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // Within the cell.
    let long = (share * full as f64) as usize;
    let _ = writeln!(text, "<rect x=\"{x}\" y=\"{}\" width=\"{full}\" height=\"18\" fill=\"#f4f4f4\"/>", y + 2);
    let _ = write!(text, "<rect x=\"{x}\" y=\"{}\" width=\"{long}\" height=\"18\" fill=\"{colour}\">", y + 2);
    let _ = writeln!(text, "<title>{}: {}</title></rect>", finding.verdict, escaped(&finding.reason));
    let label = if finding.fraction.is_some() { finding.measured.clone() } else { None };
    let label = label.unwrap_or_else(|| finding.verdict.to_string());
    let _ = writeln!(text, "<text x=\"{}\" y=\"{}\" font-size=\"11\">{}</text>", x + 5, y + 15, escaped(&label));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Rules, judge};
    use crate::report::{Outcome, Quantity};
    use crate::testing::healthy;

    #[test]
    fn every_gpu_has_a_column_with_all_that_was_looked_at_and_an_ill_one_is_red() {
        let mut report = healthy("H100-SXM5-80GB", 3);
        let Outcome::Measured(identity) = &mut report.gpus[2].identity else { panic!() };
        identity.name = "NVIDIA <H100> & \"co\"".into();
        let Some(Outcome::Measured(figures)) = report.gpus[1].figures.get_mut(&Quantity::Fp16Rate) else { panic!() };
        figures.median /= 2.0;
        let judgement = judge(&report, &Rules::default());
        let drawing = svg(&report, &judgement);
        let document = roxmltree::Document::parse(&drawing).unwrap();
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for wanted in
            ["GPU 0", "GPU 1", "GPU 2", "NVIDIA <H100> & \"co\"", "fp16_rate", "answers product_fp8", "3 GPUs: FAIL"]
        {
            assert!(texts.contains(&wanted), "{wanted} is not drawn");
        }
        let red = document.descendants().filter(|node| node.attribute("fill") == Some("#f28b82"));
        let failed = judgement
            .findings
            .iter()
            .filter(|found| found.verdict == Verdict::Fail && matches!(found.subject, Subject::Gpu(_)));
        assert_eq!(red.count(), failed.count());
    }
}
