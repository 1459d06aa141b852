//! What things are called in a cloud, and the tags that say whose they are.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use trueup_state::{Address, Generation, Stack, Token, Value};

/// The tag that holds the lineage of the stack that owns an object.
pub const TAG_STACK: &str = "trueup:stack";
/// The tag that holds its address: a hint, rewritten after a move.
pub const TAG_ADDRESS: &str = "trueup:address";
/// The tag that holds its generation.
pub const TAG_GENERATION: &str = "trueup:generation";
/// The tag that holds the token of the operation that made it.
pub const TAG_TOKEN: &str = "trueup:token";

/// What a cloud allows in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameRule {
    /// The most characters.
    pub longest: usize,
    /// Whether capital letters are allowed.
    pub capitals: bool,
    /// What stands for a character that is not allowed.
    pub separator: char,
}

/// What nearly every cloud allows: a DNS label.
impl Default for NameRule {
    fn default() -> Self {
        Self { longest: 63, capitals: false, separator: '-' }
    }
}

/// The name of a new object: `{stack}-{address}-{8 hex digits}`, where the digits come from lineage, address and generation, so that
/// no two are alike. Where it would be too long, stack and address are cut.
pub fn name(rule: NameRule, stack: &str, lineage: &str, address: &Address, generation: Generation) -> String {
    let digest = Sha256::digest(format!("{lineage}\n{address}\n{generation}"));
    let suffix = hex::encode(&digest[..4]);
    let mut name = clean(rule, &format!("{stack}-{address}"));
    name.truncate(rule.longest.saturating_sub(suffix.len() + 1));
    format!("{}{}{suffix}", name.trim_end_matches(rule.separator), rule.separator)
}

/// What an object is called in its cloud: the name that its spec gives it, or one made up of stack, address and generation.
pub fn cloud_name(
    spec: &Value,
    rule: NameRule,
    stack: &Stack,
    lineage: &str,
    address: &Address,
    generation: Generation,
) -> String {
    if let Some(Value::String(name)) = spec.get("name").map(Value::revealed) {
        return name.clone();
    }
    let stack = match stack.environment.as_str() {
        "default" => stack.blueprint.clone(),
        environment => format!("{}-{environment}", stack.blueprint),
    };
    name(rule, &stack, lineage, address, generation)
}

/// What stands for an address in the names of what is made there.
pub(crate) fn in_names(address: &Address) -> String {
    clean(NameRule::default(), &address.to_string())
}

/// A text with only what the rule allows, and no separator twice in a row, first or last.
fn clean(rule: NameRule, text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if rule.capitals { c } else { c.to_ascii_lowercase() };
        if c.is_ascii_alphanumeric() {
            cleaned.push(c);
        } else if !cleaned.is_empty() && !cleaned.ends_with(rule.separator) {
            cleaned.push(rule.separator);
        }
    }
    cleaned.trim_end_matches(rule.separator).to_owned()
}

/// The tags that say whose an object is.
pub fn owner_tags(lineage: &str, address: &Address, generation: Generation, token: &Token) -> BTreeMap<String, String> {
    BTreeMap::from([
        (TAG_STACK.to_owned(), lineage.to_owned()),
        (TAG_ADDRESS.to_owned(), address.to_string()),
        (TAG_GENERATION.to_owned(), generation.to_string()),
        (TAG_TOKEN.to_owned(), token.to_string()),
    ])
}

/// What stands for an address in a tag that can't hold it as it is written: 16 hex digits.
pub fn address_digest(address: &Address) -> String {
    hex::encode(&Sha256::digest(address.to_string())[..8])
}

/// Whether a tag names an address, as it is written or by its digest.
pub fn names_address(tag: &str, address: &Address) -> bool {
    tag == address.to_string() || tag == address_digest(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_reads_like_its_address() {
        let address: Address = r#"trainer["us-east-1"]"#.parse().unwrap();
        let name = name(NameRule::default(), "llm-prod", "0123456789abcdef", &address, 0);
        assert!(name.starts_with("llm-prod-trainer-us-east-1-"), "{name}");
    }

    proptest! {
        #[test]
        fn a_name_is_always_allowed(stack in ".*", key in ".*", generation in 0..3u64, longest in 20..70usize) {
            let address = Address::root("a_b").with_key(trueup_state::Key::String(key));
            let rule = NameRule { longest, ..NameRule::default() };
            let name = name(rule, &stack, "l", &address, generation);
            prop_assert!(name.len() <= longest);
            prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!name.starts_with('-') && !name.ends_with('-') && !name.contains("--"));
        }

        #[test]
        fn generations_and_lineages_have_names_of_their_own(a in 0..9u64, b in 0..9u64) {
            let address = Address::root("x");
            let of = |generation, lineage| name(NameRule::default(), "s", lineage, &address, generation);
            prop_assert_eq!(of(a, "l") == of(b, "l"), a == b);
            prop_assert_ne!(of(a, "l"), of(a, "m"));
        }
    }
}
