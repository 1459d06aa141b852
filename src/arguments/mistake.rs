//! What is said of arguments that can't be understood.

use std::ffi::OsString;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A mistake without the words that it is about, where `--var` is among the arguments: `--var token = x` leaves a value by itself.
pub(crate) fn without_values(mut mistake: Error, arguments: impl IntoIterator<Item = OsString>) -> Error {
    let gives_value = |word: &OsString| word == "--var" || word.to_string_lossy().starts_with("--var=");
    if !arguments.into_iter().any(|word| gives_value(&word)) {
        return mistake;
    }
    let of_words = [
        ContextKind::InvalidSubcommand,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedCommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
        ContextKind::TrailingArg,
        ContextKind::Suggested,
    ];
    for kind in of_words {
        mistake.remove(kind);
    }
    let is_missing =
        matches!(mistake.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty());
    if !is_missing {
        mistake.remove(ContextKind::InvalidValue);
    }
    // Of other mistakes it is the name of an argument that there is.
    if mistake.kind() == ErrorKind::UnknownArgument {
        mistake.remove(ContextKind::InvalidArg);
    }
    mistake
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Arguments;

    fn said(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mistake = Arguments::try_parse_from(&words).unwrap_err();
        without_values(mistake, words).to_string()
    }

    #[test]
    fn a_value_that_stands_by_itself_is_not_repeated() {
        for line in [
            "trueup plan --var token = hunter2",
            "trueup plan --var token =hunter2 x",
            "trueup plan --var token= b.yaml --hunter2",
            "trueup plan --var=token= b.yaml -xhunter2",
            "trueup --var token hunter2",
            "trueup plan --var a=b --view hunter2",
            "trueup plan --var a=b --replace hunter2[",
            "trueup plan --var a=b --json=hunter2",
            "trueup state --var a=b hunter2",
        ] {
            let said = said(line);
            assert!(!said.contains("hunter"), "{line}: {said}");
            assert!(said.starts_with("error: ") && said.contains("--help"), "{line}: {said}");
        }
    }

    #[test]
    fn what_no_value_can_be_among_is_told() {
        assert!(said("trueup plan --vew full").contains("'--vew'"));
        assert!(said("trueup plan --var-file values.yaml x y").contains("'y'"));
        assert!(said("trueup plan --var a=b --env").contains("'--env <NAME>'"));
    }
}
