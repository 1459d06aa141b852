//! Where the values of secret variables stand in a file: nobody is shown those, and who keeps the file's text seals it.
//!
//! What is in doubt is hidden: a file that is in error may say elsewhere, or otherwise, that something is secret.

use std::collections::BTreeSet;
use std::ops::Range;

use super::fields::{VARIABLE, names};
use super::source::{Content, Name, Node};

/// What a variable may have beside its value.
const KNOWN: [&str; 8] = names(&VARIABLE);

/// Where variables are said, as keys of the file.
pub(super) const SECTIONS: [&str; 2] = ["variables", "environments"];

/// The stretches of a file's text in which a value of a secret variable stands: its default, and what an environment says instead.
/// `dropped`: where in those sections something stands that is not in the tree.
pub(super) fn stretches(text: &str, root: &Node, dropped: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let environments = root.get("environments").map(Node::entries).unwrap_or_default();
    let said: Vec<&Node> = std::iter::once(root).chain(environments.iter().map(|(_, node)| node)).collect();
    let all = || said.iter().copied().flat_map(|node| node.get("variables").map(Node::entries).unwrap_or_default());
    let secret: BTreeSet<&str> =
        all().filter(|(_, node)| may_be_secret(node)).map(|(name, _)| name.text.as_str()).collect();
    // Of what stands twice, one may say that the other is secret.
    let in_doubt = !dropped.is_empty();
    let mut found = dropped;
    for (name, node) in all().filter(|(name, _)| in_doubt || secret.contains(name.text.as_str())) {
        match &node.content {
            Content::Map(entries) => {
                let is_value = |name: &Name| name.text == "default" || !KNOWN.contains(&name.text.as_str());
                let values = entries.iter().filter(|(name, _)| is_value(name));
                found.extend(values.map(|(name, node)| value(text, name, node)));
            }
            // A value in the place of what is to be said of the variable.
            _ => found.push(value(text, name, node)),
        }
    }
    in_order(found)
}

/// Whether a variable is secret, or is said to be in a way that nothing here can read.
fn may_be_secret(node: &Node) -> bool {
    let open = |(name, node): &(Name, Node)| match name.text.as_str() {
        "secret" => matches!(node.content, Content::Bool(false)),
        other => KNOWN.contains(&other),
    };
    !node.entries().iter().all(open)
}

/// All that stands behind a name: its value, with tags and anchors before it.
fn value(text: &str, name: &Name, node: &Node) -> Range<usize> {
    let behind = text.get(name.span.end..).unwrap_or_default();
    let start = name.span.end + (behind.len() - behind.trim_start_matches([' ', '\t', ':', '"', '\'']).len());
    let end = end(node).max(start);
    // Of nothing the place says little: a tag may stand before it.
    let line = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| start + length);
    start..if matches!(node.content, Content::Null) { line.max(end) } else { end }
}

/// Where the last of what a node holds ends.
pub(super) fn end(node: &Node) -> usize {
    let inside = match &node.content {
        Content::List(items) => items.iter().map(end).max(),
        Content::Map(entries) => entries.iter().map(|(name, node)| end(node).max(name.span.end)).max(),
        _ => None,
    };
    inside.unwrap_or_default().max(node.span.end)
}

/// The same stretches in the order of the text, those that meet as one.
fn in_order(mut stretches: Vec<Range<usize>>) -> Vec<Range<usize>> {
    stretches.retain(|stretch| !stretch.is_empty());
    stretches.sort_by_key(|stretch| stretch.start);
    let mut found: Vec<Range<usize>> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match found.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => found.push(stretch),
        }
    }
    found
}

/// The same for a text that is no YAML: whatever follows a `:` where variables are said, and whatever follows a `default:` elsewhere.
/// All of it, where it is not written line by line.
pub(super) fn blind(text: &str) -> Vec<Range<usize>> {
    let said = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with(['#', '-', '%']));
    if said.is_some_and(|line| line.trim_start().starts_with(['{', '['])) {
        return std::iter::once(0..text.len()).collect();
    }
    let mut found = Vec::new();
    let (mut at, mut is_inside, mut deeper) = (0, false, None);
    for line in text.split_inclusive('\n') {
        let (said, indent) = (line.trim(), line.len() - line.trim_start().len());
        if let Some(key) = top_key(line) {
            is_inside = SECTIONS.contains(&key);
        }
        if deeper.is_some_and(|outer| indent <= outer && !said.is_empty()) {
            deeper = None;
        }
        let colon = said.find(':').map_or(0, |colon| colon + 1);
        let is_default = said.contains("default");
        if is_inside || deeper.is_some() || is_default {
            let from = if deeper.is_some() { 0 } else { colon };
            let gap = said[from..].len() - said[from..].trim_start().len();
            found.push(at + indent + from + gap..at + indent + said.len());
        }
        if is_default && deeper.is_none() {
            deeper = Some(indent);
        }
        at += line.len();
    }
    in_order(found)
}

/// The key that a line begins a section of the file with.
fn top_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    let key = key.trim_end().trim_matches(['"', '\'']);
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!key.is_empty() && key.chars().all(is_key)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Parsed, parse};
    use super::*;
    use crate::diagnostic::{FileId, Sources};

    /// A text as it is shown, with what is said of it.
    fn shown(text: &str) -> String {
        let Parsed { root, problems, dropped } = parse(text, FileId::default());
        let stretches = root.as_ref().map_or_else(|| blind(text), |root| stretches(text, root, dropped));
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", text);
        sources.hide(file, stretches);
        format!("{}{problems:?}", sources.get(file).unwrap().masked())
    }

    #[test]
    fn what_is_in_doubt_is_hidden() {
        for variables in [
            "variables: { token: { secret: true, default: HUNTER2 } }",
            "variables: { token: { secret: yes, default: HUNTER2 } }",
            "variables: { token: { secret: 'true', default: HUNTER2 } }",
            "variables: { token: { secret: , default: HUNTER2 } }",
            "variables: { token: { secret: true, defualt: HUNTER2 } }",
            "variables: { token: { secert: true, default: HUNTER2 } }",
            "variables: { token: { secret: true, default: a, default: HUNTER2 } }",
            "variables: { token: { secret: true, default: HUNTER2, default: a } }",
            "variables: { token: { default: HUNTER2 }, token: { secret: true } }",
            "variables: { token: { secret: true }, token: { default: HUNTER2 } }",
            "variables: { token: { default: HUNTER2 } }\nvariables: { token: { secret: true } }",
            "variables: { token: { secret: true } }\nvariables: { token: { default: HUNTER2 } }",
            "variables: { token: { secret: true, default: !HUNTER2 x } }",
            "variables: { token: { secret: true, default: !HUNTER2 } }",
            "variables: { token: { secret: true, default: &HUNTER2 x } }",
            "variables:\n  token:\n    secret: true\n    default: !HUNTER2\n    type: any",
            "variables: { token: { secret: true, default: { 0x42: HUNTER2 } } }",
            "variables: { token: { secret: true, default: { 4711: x } } }",
            "variables:\n  token:\n    secret: true\n    default:\n      4711: HUNTER2\n      ? [HUNTER2]\n      : x",
            "variables:\n  token:\n    secret: true\n    default: |\n      HUNTER2\n      HUNTER2: x",
            "variables: { token: { secret: true } }\nenvironments: { prod: { variables: { token: HUNTER2 } } }",
            "variables: { token: { secret: true } }\nenvironments: { prod: { variables: { token: { default: [HUNTER2] } } } }",
        ] {
            let shown = shown(&format!("blueprint: demo\n{variables}\nresources: {{}}\n"));
            assert!(!shown.contains("HUNTER2") && !shown.contains("4711"), "{variables}:\n{shown}");
            assert!(shown.contains("blueprint: demo\n") && shown.contains("resources: {}\n"), "{shown}");
        }
    }

    #[test]
    fn of_what_is_no_yaml_nothing_that_may_be_a_value_is_shown() {
        for text in [
            "blueprint: demo\nvariables:\n  token:\n    secret: true\n    default: HUNTER2\n    x: [\nresources: {}\n",
            "blueprint: demo\nvariables: { token: { secret: true, default: HUNTER2 }\nresources: {}\n",
            "blueprint: demo\nvariables:\n  token: { secret: true, default: \"HUNTER2 }\nresources: {}\n",
            "blueprint: demo\nvariables:\n  token:\n    default: |\n      HUNTER2\n     type: HUNTER2\n  - x\nresources: {}\n",
            "blueprint: demo\nvariables:\n  token:\n    default: a\nHUNTER2\n  more: HUNTER2\nresources: {}\n",
            "blueprint: demo\n variables:\n  token:\n    default: >\n      one\n      HUNTER2: two\n    secret: true\nresources: {}\n",
            "blueprint: demo\n\"variables\":\n  token: [HUNTER2\nresources: {}\n",
            "blueprint: demo\nenvironments:\n  prod: { variables: { token: HUNTER2 }\nresources: {}\n",
            "{ blueprint: demo, variables: { token: { default: HUNTER2 } }\n",
        ] {
            assert!(parse(text, FileId::default()).root.is_none(), "{text} is YAML");
            let shown = shown(text);
            assert!(!shown.contains("HUNTER2"), "{text}:\n{shown}");
            assert!(text.starts_with('{') || shown.contains("blueprint: demo\n"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "blueprint: demo\nvariables: { token: { type: string, default: open }, port: { secret: false, default: 1 } }\n",
            "blueprint: demo\nvariables: { token: { secret: true, type: string, pattern: '^x' } }\n",
            "blueprint: demo\nvariables: { token: { secret: true } }\nresources: { a: { size: 1, size: 2 } }\n",
        ] {
            assert!(shown(text).starts_with(text), "{}", shown(text));
        }
    }
}
