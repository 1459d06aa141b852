//! What a path leads to, told by what is declared, before there is a value: an attribute of one type where another belongs is wrong
//! whatever apply makes of it.

use serde_json::Value as Json;
use trueup_state::{Address, Step};

use super::sight::Seen;
use super::source::Node;
use super::tracking::Tracker;
use super::world::Scope;
use super::{Content, tokens};
use crate::diagnostic::with_article;
use crate::schema::{child, variants};

/// What a node that is nothing but a path leads to.
#[derive(Debug)]
pub(super) enum Lead {
    /// All instances of a block with a `for_each`, or of a module; the first of them, if there is one.
    Several(Address, Option<Address>),
    /// A resource that is not there.
    Absent,
    /// An attribute of a resource, with the types that it may have.
    Attribute(Vec<&'static str>),
}

/// What a node leads to, if it is nothing but a path, and that can be told.
pub(super) fn lead(node: &Node, scope: &Scope) -> Option<Lead> {
    let (chain, _) = node.path()?;
    let tracker = Tracker::default();
    let mut seen = Seen::root(scope, &chain.root, &tracker).ok()?;
    for (position, (hop, _)) in chain.hops.iter().enumerate() {
        if let Seen::Resource(address, Some(_)) = &seen {
            return attribute(address, &chain.hops[position..], scope).map(Lead::Attribute);
        }
        seen = seen.step(scope, &hop.borrowed(), &tracker).ok()?;
    }
    match seen {
        Seen::Group(block) => {
            let first = scope.world.keys(&block).first().map(|key| block.with_key(key.clone()));
            Some(Lead::Several(block, first))
        }
        Seen::Absent => Some(Lead::Absent),
        _ => None,
    }
}

/// The text of a node that is an expression.
pub(super) fn text(node: &Node) -> &str {
    node.path().map_or("", |(_, compiled)| compiled.text.as_str())
}

fn attribute(
    address: &Address,
    hops: &[(tokens::Hop, std::ops::Range<usize>)],
    scope: &Scope,
) -> Option<Vec<&'static str>> {
    let mut schema = &scope.world.schema(address)?.attributes;
    for (hop, _) in hops {
        let step = match hop {
            tokens::Hop::Name(name) => Step::Field(name.clone()),
            tokens::Hop::Index(index) => Step::Index(usize::try_from(*index).ok()?),
        };
        schema = child(schema, &step)?;
    }
    Some(types(schema)).filter(|types| !types.is_empty())
}

/// The types that a schema allows, null apart; none where it allows any.
pub(super) fn types(schema: &Json) -> Vec<&str> {
    let own: Vec<&str> = match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => variants(schema).flat_map(types).collect(),
    };
    own.into_iter().filter(|name| *name != "null").collect()
}

/// Whether something of one of some types may be of one of others.
pub(super) fn may_be(types: &[&str], expected: &[&str]) -> bool {
    let numbers = |name: &str| matches!(name, "integer" | "number");
    expected.is_empty()
        || types.iter().any(|one| expected.iter().any(|other| one == other || (numbers(one) && numbers(other))))
}

/// What to do about an attribute of one type where another belongs.
pub(super) fn conversion(text: &str, types: &[&str], expected: &[&str]) -> Option<String> {
    let text = tokens::single_quotes(text);
    let has = |name: &str| expected.contains(&name);
    match types {
        ["string"] if has("integer") => Some(format!("make a number of it: `{{{{ {text} | int }}}}`")),
        ["string"] if has("number") => Some(format!("make a number of it: `{{{{ {text} | float }}}}`")),
        ["integer" | "number" | "boolean"] if has("string") => {
            Some(format!("make text of it: `{{{{ {text} | string }}}}`"))
        }
        ["array"] if has("string") => Some(format!("make text of it: `{{{{ {text} | join(',') }}}}`")),
        ["string" | "integer"] if has("array") => Some(format!("make a list of it: `{{{{ [{text}] }}}}`")),
        _ => None,
    }
}

/// Types in words: `a string or an integer`.
pub(super) fn words(types: &[&str]) -> String {
    let word = |name: &&str| match *name {
        "object" => "a map".to_owned(),
        "array" => "a list".to_owned(),
        other => with_article(other),
    };
    types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// Plain text that was meant as an expression: it begins with a name that expressions can say, and goes on as none but they do.
pub(super) fn as_expression(node: &Node, scope: &Scope) -> Option<String> {
    let Content::String(text) = &node.content else { return None };
    let words = tokens::tokens(text);
    let first = words.iter().find_map(|(word, _)| match word {
        tokens::Token::Name("not") => None,
        tokens::Token::Name(name) => Some(*name),
        _ => Some(""),
    })?;
    let known = || scope.world.frame().has_name(scope.module.as_ref(), false, first);
    let begins = matches!(first, "var" | "each" | "module") && text.contains('.');
    let path = words.len() > 1 && words.iter().all(|(word, _)| !matches!(word, tokens::Token::Sign('/' | ':' | '-')));
    (begins || (path && known())).then(|| format!("write `\"{{{{ {} }}}}\"`", tokens::single_quotes(text.trim())))
}
