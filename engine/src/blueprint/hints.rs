//! What is usually wrong with a text that is no YAML, or that was written for another tool.

use std::ops::Range;

use super::foreign;
use super::parse::MAX_DEPTH;
use super::tokens;
use crate::diagnostic::{Diagnostic, FileId, Span};

/// What YAML stumbles over.
pub(super) struct Stumble {
    pub(super) problem: Diagnostic,
    /// The value that is written wrong, if it is one on one line: the rest of the text can be read without it.
    pub(super) value: Option<Range<usize>>,
}

/// What to do about a text that YAML stumbles over at a byte, by what it says of it.
pub(super) fn syntax(text: &str, file: FileId, at: usize, info: &str) -> Stumble {
    let problem = |problem| Stumble { problem, value: None };
    if info.contains("recursion limit") {
        let width = text[at..].chars().next().map_or(0, char::len_utf8);
        return problem(too_deep(Span { file, start: at, end: at + width }));
    }
    wrong_value(text, file, at, info).unwrap_or_else(|| problem(other_syntax(text, file, at, info)))
}

/// A value that is no YAML, and was meant as an expression or has one in it.
fn wrong_value(text: &str, file: FileId, at: usize, info: &str) -> Option<Stumble> {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    // The reader often finds out only on the line after.
    let before = text[..begin].trim_end().lines().next_back().unwrap_or_default();
    let under_key = outer_line(text, at).is_some_and(|outer| text[outer].ends_with(':'));
    let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let span = |at: &Range<usize>| Span { file, start: at.start, end: at.end };
    for (suspect, alone) in [(line, under_key), (before, false)] {
        if let Some((offset, expression)) = unquoted_expression(suspect, alone) {
            let start = place(suspect) + offset;
            let value = start..start + expression.len();
            let problem = unquoted(expression).at(span(&value), "YAML can't read this");
            return Some(Stumble { problem, value: Some(value) });
        }
        if let Some(found) = foreign::interpolation(suspect).filter(|found| unquoted_mark(suspect, found.start)) {
            let at = place(suspect) + found.start..place(suspect) + found.end;
            let inner = &text[at.start + 2..at.end - 1];
            let problem = Diagnostic::error("`${…}` is not read here, and YAML takes its braces for a map");
            let help = format!("write `\"{{{{ {inner} }}}}\"` if the value is meant");
            let problem = problem.at(span(&at), "Terraform would replace this").help(help);
            return Some(Stumble { problem, value: Some(at) });
        }
    }
    let (value, inner) = quote_in_quotes(text, at, info)?;
    let (quote, other) = if text[value.start..].starts_with('"') { ('"', '\'') } else { ('\'', '"') };
    let written = &text[value.start + 1..value.end - 1];
    let help = if written.contains(other) {
        format!("inside of `{quote}…{quote}` write text in `{other}…{other}`")
    } else {
        format!("write `{quote}{}{quote}`", written.replace(quote, &other.to_string()))
    };
    let problem = Diagnostic::error("a quote inside of quotes ends them")
        .at(span(&(inner..inner + 1)), "YAML takes this quote for the last one")
        .at(span(&(value.start..value.start + 1)), "of what begins here")
        .help(help);
    Some(Stumble { problem, value: Some(value) })
}

/// Whether what stands at a place of a line begins a value there.
fn unquoted_mark(line: &str, at: usize) -> bool {
    line[..at].trim_end().ends_with([':', '-', ',', '[', '{'])
}

/// A value in quotes with an expression in it that the same quotes end too soon, and where.
fn quote_in_quotes(text: &str, at: usize, info: &str) -> Option<(Range<usize>, usize)> {
    if !info.contains("trailing content") && !info.contains("quoted scalar") && !info.contains("did not find expected")
    {
        return None;
    }
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let inner = text[..at].trim_end().len().checked_sub(1).filter(|inner| *inner >= begin)?;
    let quote =
        text.as_bytes().get(inner).filter(|quote| matches!(quote, b'"' | b'\'')).map(|quote| char::from(*quote))?;
    let left_open = |start: usize| {
        let said = &text[start + 1..inner];
        unquoted_mark(&text[begin..], start - begin) && said.contains("{{") && !said.contains("}}")
    };
    let start =
        text[begin..inner].match_indices(quote).map(|(start, _)| begin + start).find(|start| left_open(*start))?;
    let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let close = at + text[at..line_end].find("}}")?;
    let end = close + text[close..line_end].find(quote)? + 1;
    Some((start..end, inner))
}

/// What to do about any other text that is no YAML.
fn other_syntax(text: &str, file: FileId, at: usize, info: &str) -> Diagnostic {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let width = text[at..].chars().next().filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
    let span = Span { file, start: at, end: at + width };
    let indent = line.len() - line.trim_start().len();
    if let Some(tab) = line[..indent].find('\t').map(|tab| begin + tab).or_else(|| a_tab(text, at, info)) {
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
    match earlier(text, at, info).filter(|_| !info.contains("anchor")) {
        Some((place, label)) => problem.at(Span { file, start: place.start, end: place.end }, label),
        None => problem,
    }
}

/// What may have led the reader astray before it noticed.
fn earlier(text: &str, at: usize, info: &str) -> Option<(Range<usize>, &'static str)> {
    let one = |start: usize| start..start + 1;
    let outer = || outer_line(text, at);
    let full = |line: &Range<usize>| text[line.clone()].split(" #").next().is_some_and(|said| said.contains(": "));
    let open = open_marks(&text[..at]);
    let needs_key = info.contains("':'") || info.contains("mapping values") || info.contains("expected key");
    (open.quote.map(|quote| (one(quote), "a quote that goes over several lines begins here: is one missing before?")))
        .or_else(|| open.bracket.map(|bracket| (one(bracket), "this bracket is still open")))
        .or_else(|| {
            outer().filter(full).map(|line| (line, "this has its value: text of several lines begins with `|`"))
        })
        .or_else(|| {
            let label = |line: &Range<usize>| {
                if text[line.clone()].starts_with("//") {
                    "a comment begins with `#`"
                } else {
                    "is a `:` missing here?"
                }
            };
            keyless(text, at).filter(|_| needs_key).map(|line| (line.clone(), label(&line)))
        })
        .or_else(|| {
            let astray = info.contains("block mapping").then(outer).flatten();
            astray.map(|line| (line, "what stands under this is indented differently"))
        })
}

/// The nearest line above that is indented less, whose other lines do not stand as deep as this one.
fn outer_line(text: &str, at: usize) -> Option<Range<usize>> {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let line = text[begin..].lines().next()?;
    let mut spoken =
        text[..begin].lines().rev().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    let outer = spoken.find(|above| indent(above) < indent(line))?.trim();
    let start = outer.as_ptr() as usize - text.as_ptr() as usize;
    Some(start..start + outer.len())
}

/// The line without a key on which the reader waited for one: where it stumbled, or up to two before.
fn keyless(text: &str, at: usize) -> Option<Range<usize>> {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let said = |line: &'_ str| line.split(" #").next().unwrap_or_default().trim().len();
    let spoken = text[..end].lines().rev().map(|line| (line.trim_start(), said(line)));
    let mut spoken = spoken.filter(|(line, length)| *length > 0 && !line.starts_with('#')).take(3);
    let (line, length) = spoken.find(|(line, length)| {
        let said = &line[..*length];
        !said.contains(": ")
            && !said.ends_with(':')
            && (said.starts_with(char::is_alphanumeric) || said.starts_with("//"))
    })?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    Some(start..start + length)
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

/// What a text leaves open.
struct Open {
    /// The last bracket of a list or a map.
    bracket: Option<usize>,
    /// Where the last text in quotes begins, if that goes over several lines, up to the last one.
    quote: Option<usize>,
}

/// Looks for what a text leaves open. In plain text a bracket or a quote is text: only one that begins a value counts.
fn open_marks(text: &str) -> Open {
    let last_line = text.trim_end().rfind('\n').unwrap_or_default();
    let mut open = Vec::new();
    let mut begins = true;
    let mut quoted: Option<(u8, usize)> = None;
    let mut wide = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quoted, byte) {
            (Some((end, start)), byte) if byte == end => {
                wide = (at > last_line && text[start..at].contains('\n')).then_some(start).or(wide);
                quoted = None;
            }
            (None, b'"' | b'\'') if begins => quoted = Some((byte, at)),
            (None, b'[' | b'{') if begins || !open.is_empty() => open.push(at),
            (None, b']' | b'}') => {
                open.pop();
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() || byte == b'\n' {
            begins = matches!(byte, b':' | b'-' | b',' | b'[' | b'{' | b'\n')
                || (matches!(byte, b']' | b'}') && !open.is_empty());
        }
    }
    Open { bracket: open.pop(), quote: wide.or(quoted.map(|(_, start)| start)) }
}

/// A tab at a byte, just before it, or after it if the reader says that there is one.
fn a_tab(text: &str, at: usize, info: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let beside = [Some(at), at.checked_sub(1)].into_iter().flatten().find(|at| bytes.get(*at) == Some(&b'\t'));
    let told = info.split(|c: char| !c.is_alphabetic()).any(|word| matches!(word, "tab" | "tabs"));
    beside.or_else(|| text[at..].find('\t').map(|tab| at + tab).filter(|_| told))
}

/// The quote that the reader says was never closed.
fn open_quote(text: &str, at: usize, info: &str) -> Option<usize> {
    let here = text[at..].starts_with(['"', '\'']);
    let open = info.contains("quoted scalar") && (info.contains("end of stream") || info.contains("indentation"));
    (here && open).then_some(at)
}

/// An expression that YAML takes for a map.
pub(super) fn unquoted(text: &str) -> Diagnostic {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = tokens::single_quotes(&line);
    let quoted = if line.contains('"') { format!("'{line}'") } else { format!("\"{line}\"") };
    Diagnostic::error("an expression needs quotes").help(format!("write `{quoted}`"))
}

/// An expression in a line that begins a value without quotes, with its place. One that begins its line may be a block's text.
fn unquoted_expression(line: &str, alone: bool) -> Option<(usize, &str)> {
    let opening = [": {{", "- {{", "[{{", ", {{", "[ {{"]
        .into_iter()
        .filter_map(|mark| Some(line.find(mark)? + mark.len() - 2))
        .chain((alone && line.trim_start().starts_with("{{")).then(|| line.len() - line.trim_start().len()))
        .min()?;
    let text = line[opening..].trim_end();
    let close = text.find("}}").map_or(text.len(), |end| end + 2);
    // What follows the braces without a space belongs to the same value.
    let end = text[close..].find([' ', ',', ']', '}']).map_or(text.len(), |more| close + more);
    Some((opening, &text[..end]))
}
