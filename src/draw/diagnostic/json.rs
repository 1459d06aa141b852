//! Diagnostics for machines, one a line: `docs/json.md` says the shape, and is kept true by a test.

use serde_json::{Value as Json, json};
use trueup_engine::diagnostic::{Diagnostic, Sources};

use super::{Extent, errors, extent};

/// `{severity, message, help, context, labels: [{file, line, column, end_line, end_column, text}]}`.
pub(crate) fn diagnostic(sources: &Sources, diagnostic: &Diagnostic) -> Json {
    let labels: Vec<Json> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let source = sources.get(label.span.file)?;
            let Extent { line, column, end_line, end_column } = extent(source, label.span);
            Some(json!({
                "file": source.path,
                "line": line,
                "column": column,
                "end_line": end_line,
                "end_column": end_column,
                "text": label.text,
            }))
        })
        .collect();
    json!({
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "context": diagnostic.context,
        "labels": labels,
    })
}

/// `{errors, warnings, cut}`, after the last diagnostic: how many there are, and how many of them were not printed.
pub(super) fn summary(list: &[Diagnostic], cut: usize) -> Json {
    let errors = errors(list);
    json!({ "errors": errors, "warnings": list.len() - errors, "cut": cut })
}
