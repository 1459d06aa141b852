//! From a file's bytes to its text.

use std::io;
use std::path::Path;

use super::MAX_BYTES;
use crate::diagnostic::{Diagnostic, Span};

/// A file that can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "name the file as the last argument; without one, `blueprint.yaml` is read",
        io::ErrorKind::IsADirectory => "name the file in it: `DIRECTORY/blueprint.yaml`",
        io::ErrorKind::PermissionDenied => "make it readable for the user who runs this",
        io::ErrorKind::InvalidInput => "write it to a file, and name that",
        _ => "name the blueprint's file as the last argument",
    };
    Diagnostic::error(format!("the blueprint `{}` can't be read: {error}", path.display())).help(help)
}

/// The text of a file's bytes: UTF-8, at most 10 MiB. A byte order mark at its start stands for nothing.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, Diagnostic> {
    if bytes.len() > MAX_BYTES {
        return Err(Diagnostic::error("the file has more than 10 MiB, which is the most a blueprint may have")
            .help("keep data in files of its own, and name them in the blueprint"));
    }
    if let Some(encoding) = other_encoding(&bytes) {
        return Err(Diagnostic::error(format!("the file is {encoding}, and a blueprint is UTF-8"))
            .help(format!("convert it: `iconv -f {encoding} -t UTF-8`, or save it as UTF-8 in the editor")));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&error))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The encoding of a file that says by its first bytes that it is not UTF-8.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] => Some("UTF-32BE"),
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        [0, first, 0, second, ..] if first.is_ascii_graphic() && second.is_ascii_graphic() => Some("UTF-16BE"),
        [first, 0, second, 0, ..] if first.is_ascii_graphic() && second.is_ascii_graphic() => Some("UTF-16LE"),
        _ => None,
    }
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Diagnostic {
    let at = error.utf8_error().valid_up_to();
    let before = &error.as_bytes()[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
    let byte = error.as_bytes().get(at).copied().unwrap_or_default();
    Diagnostic::error(format!(
        "the file is not UTF-8: line {line}, column {column} has the byte 0x{byte:02x}, which is no text there"
    ))
    .help("save it as UTF-8; a Latin-1 file is converted by `iconv -f ISO-8859-1 -t UTF-8`")
}

/// The first control character of a text: none has a place in one, and some would change what a terminal shows.
pub(super) fn control(text: &str, span: impl Fn(usize, usize) -> Span) -> Option<Diagnostic> {
    let (at, found) =
        text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))?;
    let problem = Diagnostic::error(format!("the file has a control character, U+{:04X}", u32::from(found)));
    let label = "here is one that can't be seen";
    let help = format!("take it out; in text in double quotes it is written `\\x{:02x}`", u32::from(found));
    Some(problem.at(span(at, at + found.len_utf8()), label).help(help))
}
