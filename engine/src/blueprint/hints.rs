//! What is usually wrong with a text that is no YAML, or that was written for another tool.

use std::ops::Range;

use super::parse::MAX_DEPTH;
use crate::diagnostic::{Diagnostic, FileId, Span};

/// What to do about a text that YAML stumbles over at a byte, by what it says of it.
pub(super) fn syntax(text: &str, file: FileId, at: usize, info: &str) -> Diagnostic {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let width = text[at..].chars().next().filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
    let span = Span { file, start: at, end: at + width };
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    // The reader often finds out only on the line after.
    let before = text[..begin].trim_end().lines().next_back().unwrap_or_default();
    for suspect in [line, before] {
        if let Some((offset, expression)) = unquoted_expression(suspect) {
            let start = suspect.as_ptr() as usize - text.as_ptr() as usize + offset;
            let span = Span { file, start, end: start + expression.len() };
            return unquoted(expression).at(span, "YAML can't read this");
        }
    }
    let indent = line.len() - line.trim_start().len();
    if let Some(tab) = line[..indent].find('\t').map(|tab| begin + tab).or_else(|| tab_beside(text, at)) {
        return Diagnostic::error("a tab stands where only spaces may")
            .at(Span { file, start: tab, end: tab + 1 }, "this tab")
            .help("indent with spaces, and put one after `:` and `-`: YAML takes no tabs there");
    }
    if let Some(escape) = info.contains("escape").then(|| bad_escape(&text[at..])).flatten() {
        return Diagnostic::error("a backslash means something else in double quotes")
            .at(Span { file, start: at + escape, end: at + escape + 2 }, "YAML knows no such escape")
            .help("write `\\\\` for a backslash, or put the text in single quotes, where it stands for itself");
    }
    if let Some(quote) = open_quote(text, at, info) {
        return Diagnostic::error("a quote is left open")
            .at(Span { file, start: quote, end: quote + 1 }, "it begins here")
            .help("close it; inside `\"…\"` a quote is written `\\\"`, inside `'…'` it is written `''`");
    }
    let problem = Diagnostic::error("this is no YAML").at(span, info).help(syntax_help(info));
    match info.contains("flow").then(|| open_bracket(&text[..at])).flatten() {
        Some(bracket) => problem.at(Span { file, start: bracket, end: bracket + 1 }, "this bracket is still open"),
        None => problem,
    }
}

/// The first escape in a text in double quotes that YAML does not know.
fn bad_escape(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if escaped && !b"0abt\tnvfre \"/\\N_LPxuU\r\n".contains(&byte) {
            return byte.is_ascii().then_some(at - 1);
        }
        escaped = byte == b'\\' && !escaped;
    }
    None
}

/// The bracket of a list or a map that a text leaves open. In plain text a bracket is text: only one that begins a value counts.
fn open_bracket(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut begins = true;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(end), byte) if byte == end => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if begins => quote = Some(byte),
            (None, b'[' | b'{') if begins || !open.is_empty() => open.push(at),
            (None, b']' | b'}') => {
                open.pop();
            }
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() || byte == b'\n' {
            begins = matches!(byte, b':' | b'-' | b',' | b'[' | b'{' | b'\n');
        }
    }
    open.pop()
}

/// Something inside too many others.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(format!("this stands more than {MAX_DEPTH} levels deep"))
        .at(span, "here it is too deep")
        .help("a blueprint needs few levels: is a bracket or an alias out of place?")
}

fn syntax_help(info: &str) -> &'static str {
    if info.contains("mapping values are not allowed") {
        "put text that has `: ` in it in quotes, or check how the line is indented"
    } else if info.contains("simple key") || info.contains("could not find expected ':'") {
        "a key ends with `: `, stands on one line, and has at most 1,024 characters"
    } else if info.contains("cannot start") || info.contains("unexpected character") {
        "put text that begins with a special character in quotes"
    } else if info.contains("anchor") || info.contains("alias") {
        "text that begins with `*` or `&` needs quotes; an alias needs its anchor above it"
    } else if info.contains("flow") || info.contains("did not find expected ',' or") || info.contains("end of stream") {
        "is a quote, a bracket or a comma missing?"
    } else {
        "check the indentation, and that text with `: ` or ` #` in it, or one that begins with a special character, is in quotes"
    }
}

/// A tab at a byte or just before it.
fn tab_beside(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    [Some(at), at.checked_sub(1)].into_iter().flatten().find(|at| bytes.get(*at) == Some(&b'\t'))
}

/// The quote that the reader says was never closed.
fn open_quote(text: &str, at: usize, info: &str) -> Option<usize> {
    let here = text[at..].starts_with(['"', '\'']);
    (here && info.contains("quoted scalar") && info.contains("end of stream")).then_some(at)
}

/// An expression that YAML takes for a map.
pub(super) fn unquoted(text: &str) -> Diagnostic {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = if line.contains('"') { format!("'{line}'") } else { format!("\"{line}\"") };
    Diagnostic::error("an expression needs quotes").help(format!("write `{quoted}`"))
}

/// An expression in a line that begins a value without quotes, with its place.
fn unquoted_expression(line: &str) -> Option<(usize, &str)> {
    let opening = [": {{", "- {{", "[{{", ", {{", "[ {{"]
        .into_iter()
        .filter_map(|mark| Some(line.find(mark)? + mark.len() - 2))
        .chain(line.trim_start().starts_with("{{").then(|| line.len() - line.trim_start().len()))
        .min()?;
    let text = line[opening..].trim_end();
    let close = text.find("}}").map_or(text.len(), |end| end + 2);
    // What follows the braces without a space belongs to the same value.
    let end = text[close..].find([' ', ',', ']', '}']).map_or(text.len(), |more| close + more);
    Some((opening, &text[..end]))
}

/// What text in it has that another tool would have replaced. It may be meant, for a shell as a rule, so this is a warning.
pub(super) fn foreign(text: &str, span: impl Fn(&Range<usize>) -> Span) -> Option<Diagnostic> {
    const ROOTS: [&str; 5] = ["var.", "local.", "module.", "each.", "data."];
    if let Some(open) = text.find("${").filter(|open| ROOTS.iter().any(|root| text[open + 2..].starts_with(root))) {
        let end = text[open..].find('}').map(|close| open + close)?;
        let inner = &text[open + 2..end];
        return Some(
            Diagnostic::warning(format!("`${{{inner}}}` is text here, and no expression"))
                .at(span(&(open..end + 1)), "Terraform would replace this")
                .help(format!("write `{{{{ {inner} }}}}` if the value is meant")),
        );
    }
    let at = text.find("<no value>")?;
    Some(
        Diagnostic::warning("`<no value>` stands where a value was missing")
            .at(span(&(at..at + 10)), "a template of another tool left this behind")
            .help("write the value, or an expression: `{{ var.name }}`"),
    )
}
