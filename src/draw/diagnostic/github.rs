//! Diagnostics as workflow commands, which GitHub Actions shows beside the lines of a pull request.
//!
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>: `%`, CR and LF are escaped everywhere, `:` and `,`
//! in properties too. Lines and columns count from 1.

use trueup_engine::diagnostic::{Diagnostic, Severity, Sources};

use super::{Extent, extent, labels, message};
use crate::draw::value;

/// The longest that a title may be: what is quoted in it may be anything.
const LONGEST: usize = 600;

/// A diagnostic at its first place; the others stand in its text.
pub(super) fn annotation(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties: Vec<(&str, String)> = Vec::new();
    let mut data = Vec::new();
    let (places, left) = labels(diagnostic);
    for (at, label) in places.iter().enumerate() {
        let Some(source) = sources.get(label.span.file) else { continue };
        let Extent { line, column, end_line, end_column } = extent(source, label.span);
        let file = source.path.display().to_string();
        let file = file.strip_prefix("./").unwrap_or(&file).to_owned();
        if at > 0 {
            data.push(format!("{file}:{line}:{column}: {}", label.text));
            continue;
        }
        data.extend(Some(label.text.clone()).filter(|text| !text.is_empty()));
        properties.extend([("file", file), ("line", line.to_string())]);
        // GitHub takes the last column as part of the stretch, and columns only where it is on one line.
        properties.push(("endLine", end_line.to_string()));
        if line == end_line {
            let last = end_column.saturating_sub(1).max(column);
            properties.extend([("col", column.to_string()), ("endColumn", last.to_string())]);
        }
    }
    data.extend(left);
    let message = value::cut(&message(diagnostic), LONGEST);
    data.extend(diagnostic.help.as_ref().map(|help| format!("help: {help}")));
    // A title alone is not shown as one: without anything to add, the message is the data.
    if data.is_empty() {
        data.push(message.clone());
    }
    properties.push(("title", message));
    command_line(command, &properties, &data.join("\n"))
}

/// An error without a place.
pub(in crate::draw) fn plain(message: &str, help: Option<&str>) -> String {
    let help = help.map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    command_line("error", &[], &format!("{message}{help}"))
}

fn command_line(command: &str, properties: &[(&str, String)], data: &str) -> String {
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    let gap = if properties.is_empty() { "" } else { " " };
    format!("::{command}{gap}{}::{}\n", properties.join(","), escaped(data))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use trueup_engine::diagnostic::Span;

    #[test]
    fn what_commands_are_made_of_is_escaped() {
        let mut sources = Sources::default();
        let file = sources.add("./a,b:c%.yaml", "one\ntwo\n");
        let diagnostic = Diagnostic::error("50% of a: b, c\nand d")
            .at(Span { file, start: 4, end: 7 }, "100%, here:\r\nthis")
            .at(Span { file, start: 0, end: 1 }, "and here")
            .help("a::b");
        assert_eq!(
            annotation(&sources, &diagnostic),
            "::error file=a%2Cb%3Ac%25.yaml,line=2,endLine=2,col=1,endColumn=3,title=50%25 of a%3A b%2C c\\nand d::\
             100%25, here:\\r\\nthis%0Aa,b:c%25.yaml:1:1: and here%0Ahelp: a::b\n"
        );
    }

    #[test]
    fn what_has_no_place_says_all_in_its_text() {
        let warning = Diagnostic::warning("nothing is made");
        assert_eq!(annotation(&Sources::default(), &warning), "::warning title=nothing is made::nothing is made\n");
        assert_eq!(plain("100% wrong", Some("stop\nnow")), "::error::100%25 wrong%0Ahelp: stop%0Anow\n");
    }

    #[test]
    fn a_stretch_of_several_lines_has_no_columns() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "one\ntwo\n");
        let warning = Diagnostic::warning("odd").at(Span { file, start: 1, end: 6 }, "this");
        assert_eq!(annotation(&sources, &warning), "::warning file=a.yaml,line=1,endLine=2,title=odd::this\n");
    }
}
