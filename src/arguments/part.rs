//! What may be said of what a plan is to be of: a part of the stack, replacements, what was seen last.

use clap::{ArgAction, Args};
use trueup_engine::PlanOptions;
use trueup_engine::plan::Mode;
use trueup_engine::plan::select::{Asked, Selector};
use trueup_state::Address;

/// A part of a stack.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PartArgs {
    /// Only this and what it needs: an address, a block or a module with all in it, a glob such as 'shard[*]', `kind:bucket`, or
    /// `tag:team=search`; may be repeated
    #[arg(long = "target", value_name = "SELECTOR")]
    pub(crate) targets: Vec<Selector>,

    /// Leave this out, and what needs it; may be repeated
    #[arg(long = "exclude", value_name = "SELECTOR")]
    pub(crate) excludes: Vec<Selector>,
}

/// What is made anew.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ReplaceArgs {
    /// Make this anew, though nothing differs; may be repeated
    #[arg(long = "replace", value_name = "ADDRESS", value_parser = address)]
    pub(crate) replaces: Vec<Address>,
}

/// Whether to look first.
#[derive(Clone, Debug, Args)]
pub(crate) struct RefreshArgs {
    /// Whether to look at what is there now; with `false`, compare with what was seen last
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set,
        hide_possible_values = true
    )]
    pub(crate) refresh: bool,

    /// Short for `--refresh=false`
    #[arg(long, conflicts_with = "refresh")]
    pub(crate) no_refresh: bool,
}

impl RefreshArgs {
    /// Whether to look.
    pub(crate) fn looks(&self) -> bool {
        self.refresh && !self.no_refresh
    }
}

impl PartArgs {
    /// What these ask of a plan, and that is replaced.
    pub(crate) fn asked(&self, replaces: &[Address]) -> Asked {
        Asked {
            targets: self.targets.clone(),
            excludes: self.excludes.clone(),
            replaces: replaces.iter().cloned().collect(),
            is_further: false,
        }
    }
}

/// What a plan is asked to be.
pub(crate) fn options(mode: Mode, part: &PartArgs, replaces: &[Address], refresh: &RefreshArgs) -> PlanOptions {
    PlanOptions { mode, refresh: refresh.looks(), asked: part.asked(replaces) }
}

/// An address, from which a shell may have taken the quotes: `trainer[a]`.
fn address(text: &str) -> Result<Address, String> {
    let read = |text: &str| text.parse::<Address>().map_err(|error| error.reason.to_owned());
    read(text).or_else(|reason| read(&quoted(text)).map_err(|_| reason))
}

/// The same text with quotes around keys that have none and are no number.
fn quoted(text: &str) -> String {
    let key = |part: &str| match part.split_once(']') {
        Some((key, rest)) if !key.starts_with('"') && key.parse::<i64>().is_err() => {
            format!("{}]{rest}", serde_json::Value::from(key))
        }
        _ => part.to_owned(),
    };
    let mut parts = text.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}[{}", key(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_its_quotes() {
        for (text, expected) in [
            ("trainer[a]", r#"trainer["a"]"#),
            (r#"trainer["a"]"#, r#"trainer["a"]"#),
            ("trainer[0]", "trainer[0]"),
            ("m[us-east]/trainer[b]", r#"m["us-east"]/trainer["b"]"#),
            ("weights", "weights"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        assert_eq!(address("trainer[").unwrap_err(), "a key is a quoted string or an integer in brackets");
        assert!(address("a b").is_err() && address("").is_err());
    }
}
