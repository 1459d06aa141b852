//! A plan of a part of a stack: what was asked for, what that takes along, and what is left out.
//!
//! `pattern` reads addresses and globs; `finder` asks many selectors at once; `links` says what must be done before what;
//! `choice` follows that from what was asked for to what the plan does.

pub(crate) mod choice;
pub(crate) mod finder;
pub(crate) mod links;
mod pattern;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use trueup_state::Address;

use super::{Action, Plan, Reason};
use crate::blueprint::Known;
use crate::diagnostic::closest;
use pattern::{Glob, Pattern};

/// Which resources: an address (`weights`, `trainer["a"]`, a block or a module with all in it), a glob over addresses (`shard[*]`,
/// `eval/*`), `kind:bucket`, or `tag:team=search`. What stands in quotes is never a glob, so any address selects itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// As it was written.
    text: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Address(Pattern),
    Kind(Glob),
    Tag { name: String, value: Option<Glob> },
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` selects nothing: {reason}")]
pub struct SelectorError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = match (text.strip_prefix("kind:"), text.strip_prefix("tag:")) {
            (Some(""), _) => Err("a kind is missing, as in `kind:bucket`"),
            (Some(kind), _) => Ok(What::Kind(Glob::new(kind))),
            (_, Some(tag)) => match tag.split_once('=') {
                _ if tag.is_empty() || tag.starts_with('=') => Err("a tag is missing, as in `tag:team=search`"),
                Some((name, value)) => Ok(What::Tag { name: name.to_owned(), value: Some(Glob::new(value)) }),
                None => Ok(What::Tag { name: tag.to_owned(), value: None }),
            },
            _ => Pattern::parse(text).map(What::Address),
        };
        let text = text.to_owned();
        match what {
            Ok(what) => Ok(Self { text, what }),
            Err(reason) => Err(SelectorError { text, reason }),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What was asked of a plan beyond all that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Only these, and what they need; all where there are none.
    pub targets: Vec<Selector>,
    /// Without these, and what needs them.
    pub excludes: Vec<Selector>,
    /// These are made anew, though nothing differs.
    pub replaces: BTreeSet<Address>,
    /// Whether it is of a further phase: what was selected may be gone by then.
    pub is_further: bool,
}

impl Asked {
    /// Whether the plan is limited to a part of the stack.
    pub fn is_limited(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
    }

    /// The same for the phase after a plan: what that replaced is not replaced once more.
    #[must_use]
    pub fn after(&self, plan: &Plan) -> Self {
        let mut next = Self { is_further: true, ..self.clone() };
        for change in plan.changes.iter().filter(|change| !matches!(change.action, Action::None | Action::Record)) {
            next.replaces.remove(&change.address);
        }
        next
    }
}

/// What a limited plan does beside what was selected, and what it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What was not selected and is done all the same, because something that was needs it.
    pub beside: Vec<Along>,
    /// What differs and is left as it is, by address.
    pub left_out: Vec<Left>,
    /// The outputs that read what is left out, and keep what they were.
    pub outputs: BTreeSet<String>,
}

impl Part {
    /// Whether something that differs is left as it is.
    pub fn is_partial(&self) -> bool {
        !self.left_out.is_empty()
    }
}

/// A resource, and the one because of which it shares what becomes of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Along {
    /// The resource.
    pub address: Address,
    /// Why.
    pub because: Because,
}

/// Something that differs and is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The resource, or the block or module that is left to a further phase.
    pub address: Address,
    /// What else that is left out is in its way; none where it was left out by itself.
    pub because: Option<Because>,
}

/// What binds one resource to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Because {
    /// The other one needs it to be done before.
    NeededBy {
        /// The other.
        address: Address,
    },
    /// It needs the other one, which is not done.
    Needs {
        /// The other.
        address: Address,
    },
    /// The other one goes, and it still depends on that.
    Outlives {
        /// The other.
        address: Address,
    },
    /// It would go, and the other one, which stays as it is, still depends on it.
    StillUsed {
        /// The other.
        address: Address,
    },
}

impl Because {
    /// The other resource.
    pub fn other(&self) -> &Address {
        match self {
            Self::NeededBy { address }
            | Self::Needs { address }
            | Self::Outlives { address }
            | Self::StillUsed { address } => address,
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeededBy { address } => write!(f, "{address} needs it"),
            Self::Needs { address } => write!(f, "it needs {address}"),
            Self::Outlives { address } => write!(f, "it depends on {address}, which goes"),
            Self::StillUsed { address } => write!(f, "{address}, which stays, depends on it"),
        }
    }
}

/// Why what was asked for can't be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There is nothing of what was selected.
    #[error("`{selector}` matches no resource")]
    NoMatch {
        /// The selector.
        selector: Selector,
        /// What may have been meant.
        meant: Option<String>,
    },
    /// What is to be replaced is not there.
    #[error("there is no resource `{address}` to replace")]
    NoResource {
        /// The address.
        address: Address,
        /// What may have been meant.
        meant: Option<String>,
    },
    /// What is left out must be done for what is not.
    #[error("{excluded} is excluded, and {chosen} can't be done without it: {because}")]
    Excluded {
        /// What is excluded.
        excluded: Address,
        /// What was selected and leads to it.
        chosen: Address,
        /// What binds the excluded one.
        because: Because,
    },
    /// What is to be replaced is left out.
    #[error("{address} is to be replaced, and is left out of this plan{}", because.as_ref().map(|because| format!(": {because}")).unwrap_or_default())]
    NotReplaced {
        /// What was to be replaced.
        address: Address,
        /// What else that is left out is in its way.
        because: Option<Because>,
    },
}

impl SelectError {
    /// What to do.
    pub fn help(&self) -> String {
        match self {
            Self::NoMatch { meant: Some(meant), .. } | Self::NoResource { meant: Some(meant), .. } => {
                format!("did you mean `{meant}`?")
            }
            Self::NoMatch { selector, .. } if selector.text.contains('[') && !selector.text.contains('"') => {
                "`trueup graph --each` shows what there is; a shell takes quotes away unless they are quoted: 'a[\"x\"]'"
                    .to_owned()
            }
            Self::NoMatch { .. } | Self::NoResource { .. } => "`trueup graph --each` shows what there is".to_owned(),
            Self::Excluded { excluded, chosen, .. } => {
                format!("let {excluded} be done too, or leave {chosen} out as well")
            }
            Self::NotReplaced { address, .. } => format!("select {address} too, or don't ask for its replacement"),
        }
    }
}

/// A plan that can't be made as it was asked for, with what it knew of resources: with that, the blueprint may have what was asked for.
#[derive(Debug)]
pub struct NotSelected {
    /// Why.
    pub error: SelectError,
    /// What is known of what was read to tell which resources there are.
    pub known: Known,
}

impl Selector {
    /// What may have been meant by a selector that matches nothing. `addresses`: of all there is.
    pub(crate) fn meant<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address> + Clone,
        kinds: &BTreeSet<String>,
        tags: &BTreeSet<String>,
    ) -> Option<String> {
        let among = |prefix: &str, names: &BTreeSet<String>| {
            let name = closest(self.text.strip_prefix(prefix)?, names.iter().map(String::as_str))?;
            Some(format!("{prefix}{name}"))
        };
        match &self.what {
            What::Kind(_) => among("kind:", kinds),
            What::Tag { .. } => among("tag:", tags),
            What::Address(_) => meant_address(&self.text, addresses),
        }
    }
}

/// The address of a resource, a block or a module that comes closest to a text: its instances may have other keys than were meant.
pub(crate) fn meant_address<'a>(text: &str, addresses: impl Iterator<Item = &'a Address> + Clone) -> Option<String> {
    let whole =
        |address: &Address| std::iter::successors(Some(address.block()), |one| one.parent().map(|up| up.block()));
    let blocks: BTreeSet<String> = addresses.clone().flat_map(whole).map(|block| block.to_string()).collect();
    let instances: BTreeSet<String> = addresses.map(ToString::to_string).collect();
    let near = |text: &str, names: &BTreeSet<String>| closest(text, names.iter().map(String::as_str));
    let Some((block, key)) = text.split_once('[') else {
        return near(text, &blocks).or_else(|| near(text, &instances));
    };
    let one = near(text, &instances).filter(|_| !key.contains(['*', '?']));
    let of_block = || instances.iter().find(|name| name.strip_prefix(block).is_some_and(|rest| rest.starts_with('[')));
    one.or_else(|| of_block().cloned()).or_else(|| near(block, &blocks))
}

/// Whether a change was asked for.
pub(crate) fn is_asked(reasons: &[Reason]) -> bool {
    reasons.contains(&Reason::Asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_kept_as_it_was_written() {
        for text in
            ["weights", r#"trainer["a"]"#, "shard[*]", "kind:bucket", "kind:AWS::S3::*", "tag:team=search", "tag:a"]
        {
            let selector: Selector = text.parse().unwrap();
            let read: Selector = serde_json::from_str(&serde_json::to_string(&selector).unwrap()).unwrap();
            assert_eq!((read.to_string().as_str(), &read), (text, &selector));
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        for (text, part) in [
            ("kind:", "a kind is missing"),
            ("tag:", "a tag is missing"),
            ("tag:=x", "a tag is missing"),
            ("label:x", "before a `:`"),
            ("", "a name is missing"),
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_was_meant_may_be_a_block_an_instance_or_the_first_of_a_block() {
        let addresses: Vec<Address> = ["weights", r#"trainer["east"]"#, r#"trainer["west"]"#, "eval/model"]
            .map(|text| text.parse().unwrap())
            .into();
        let meant = |text: &str| meant_address(text, addresses.iter());
        assert_eq!(meant("wieghts").as_deref(), Some("weights"));
        assert_eq!(meant("trainr").as_deref(), Some("trainer"));
        assert_eq!(meant(r#"trainer["eest"]"#).as_deref(), Some(r#"trainer["east"]"#));
        assert_eq!(meant("trainer[7]").as_deref(), Some(r#"trainer["east"]"#));
        assert_eq!(meant("eval/modle").as_deref(), Some("eval/model"));
        assert_eq!(meant("something-else"), None);
    }
}
