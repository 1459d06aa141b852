//! Where the values of secret variables stand in a file: nobody is shown those, and who keeps the file's text seals it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::source::{Content, Node};

/// The stretches of a file's text in which a value of a secret variable stands: its default, and what an environment says instead.
pub(super) fn stretches(root: &Node) -> Vec<Range<usize>> {
    let environments = root.get("environments").map(Node::entries).unwrap_or_default();
    let said: Vec<&Node> = std::iter::once(root).chain(environments.iter().map(|(_, node)| node)).collect();
    let is_secret = |node: &Node| matches!(node.get("secret").map(|node| &node.content), Some(Content::Bool(true)));
    let all = || said.iter().copied().flat_map(|node| node.get("variables").map(Node::entries).unwrap_or_default());
    let secret: BTreeSet<&str> =
        all().filter(|(_, node)| is_secret(node)).map(|(name, _)| name.text.as_str()).collect();
    let mut found = Vec::new();
    for (_, node) in all().filter(|(name, _)| secret.contains(name.text.as_str())) {
        match &node.content {
            Content::Map(_) => node.get("default").into_iter().for_each(|value| add(value, &mut found)),
            // A value in the place of what is to be said of the variable.
            _ => add(node, &mut found),
        }
    }
    found.sort_by_key(|stretch| stretch.start);
    found
}

fn add(value: &Node, found: &mut Vec<Range<usize>>) {
    match &value.content {
        Content::List(items) => items.iter().for_each(|item| add(item, found)),
        Content::Map(entries) => {
            for (name, node) in entries {
                found.push(name.span.start..name.span.end);
                add(node, found);
            }
        }
        Content::Null | Content::Bool(_) => {}
        _ => found.push(value.span.start..value.span.end),
    }
}
