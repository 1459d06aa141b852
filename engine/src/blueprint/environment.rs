//! `environments`: what a file says differently for one of them, merged over the rest of it before anything is read.

use super::fields::{ENVIRONMENT, names};
use super::schema::{known_fields, wrong_type};
use super::sight::suggest;
use super::source::{Content, Name, Node};
use crate::diagnostic::Diagnostic;

/// What an environment may say differently.
const SECTIONS: [&str; 4] = names(&ENVIRONMENT);

/// The file's tree for an environment: maps merge by name, all else replaces. A module need not know every environment that its
/// blueprint has.
pub(super) fn apply(mut root: Node, chosen: Option<&str>, is_module: bool, problems: &mut Vec<Diagnostic>) -> Node {
    let environments = root.get("environments").cloned();
    let entries = environments.as_ref().map(Node::entries).unwrap_or_default();
    if let Some(node) = environments.as_ref().filter(|node| !matches!(node.content, Content::Map(_) | Content::Null)) {
        problems
            .push(wrong_type(node, "`environments`", "a map with a name for each").help("write each as `name: { … }`"));
    }
    for (name, node) in entries {
        if matches!(node.content, Content::Map(_) | Content::Null) {
            known_fields(node, "in an environment", &SECTIONS, problems);
        } else {
            let problem = wrong_type(node, &format!("the environment `{}`", name.text), "a map");
            problems.push(problem.help(format!("it may have {}", SECTIONS.join(", "))));
        }
    }
    let Some(chosen) = chosen else { return root };
    if let Some((_, over)) = entries.iter().find(|(name, _)| name.text == chosen) {
        let sections = over.entries().iter().filter(|(name, _)| SECTIONS.contains(&name.text.as_str()));
        merge(&mut root, &Node { span: over.span, content: Content::Map(sections.cloned().collect()) });
        return root;
    }
    if is_module {
        return root;
    }
    let known: Vec<&str> = entries.iter().map(|(name, _)| name.text.as_str()).collect();
    let declare = format!("declare it: `environments: {{ {chosen}: {{}} }}`");
    let mut problem = Diagnostic::error(format!("there is no environment `{chosen}`"));
    if let Some(node) = &environments {
        problem = problem.at(node.span, "the environments are declared here");
    }
    problems.push(problem.help(suggest(chosen, &known, "there are", &declare)));
    root
}

fn merge(under: &mut Node, over: &Node) {
    let (Content::Map(below), Content::Map(above)) = (&mut under.content, &over.content) else {
        *under = over.clone();
        return;
    };
    for (name, node) in above {
        match below.iter_mut().find(|(known, _): &&mut (Name, Node)| known.text == name.text) {
            Some((_, under)) => merge(under, node),
            None => below.push((name.clone(), node.clone())),
        }
    }
}
