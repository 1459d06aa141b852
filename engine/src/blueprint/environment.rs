//! `environments`: what a file says differently for one of them, merged over the rest of it before anything is read.

use super::fields::{ENVIRONMENT, names};
use super::foreign::Place;
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
    for (name, _) in entries.iter().filter(|(name, _)| !is_name(&name.text)) {
        let problem = Diagnostic::error(format!("`{}` can't be the name of an environment", name.text));
        problems.push(problem.at(name.span, "this name").help(match name.text.as_str() {
            "default" => "without `--env`, the environment is `default`: put what it says where it belongs",
            _ => "names have at most 32 lower-case letters, digits, `_` and `-`, a letter first",
        }));
    }
    for (name, node) in entries {
        if matches!(node.content, Content::Map(_) | Content::Null) {
            known_fields(node, Place::Environment, &SECTIONS, problems);
            problems.extend(strangers(&root, node));
        } else {
            let problem = wrong_type(node, &format!("the environment `{}`", name.text), "a map");
            problems.push(problem.help(format!("it may have {}", SECTIONS.join(", "))));
        }
    }
    let Some(chosen) = chosen else { return root };
    if let Some((_, over)) = entries.iter().find(|(name, _)| name.text == chosen) {
        // A section without anything in it says nothing differently.
        let says = |node: &Node| !matches!(node.content, Content::Null);
        let sections =
            over.entries().iter().filter(|(name, node)| SECTIONS.contains(&name.text.as_str()) && says(node));
        let sections = sections.map(|(name, node)| (name.clone(), without_bare_values(name, node)));
        merge(&mut root, &Node { span: over.span, content: Content::Map(sections.collect()) });
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

/// A section without the variables that have a value in place of what is to be said of them, which was reported: merged, it would be
/// once more.
fn without_bare_values(name: &Name, section: &Node) -> Node {
    let mut section = section.clone();
    if let ("variables", Content::Map(entries)) = (name.text.as_str(), &mut section.content) {
        entries.retain(|(_, node)| matches!(node.content, Content::Map(_)));
    }
    section
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    text != "default"
        && text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(fits)
}

/// What an environment says of variables and resources that the rest of the file does not declare. A resource of its own has a kind.
fn strangers(root: &Node, environment: &Node) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (section, what) in [("variables", "variable"), ("resources", "resource")] {
        let declared = root.get(section).map(Node::entries).unwrap_or_default();
        let known: Vec<&str> = declared.iter().map(|(name, _)| name.text.as_str()).collect();
        for (name, node) in environment.get(section).map(Node::entries).unwrap_or_default() {
            let is_known = known.contains(&name.text.as_str());
            if what == "resource" && (is_known || node.get("kind").is_some()) {
                continue;
            }
            if !is_known {
                let message =
                    format!("there is no {what} `{}`, of which this environment says something else", name.text);
                let none = format!("declare it outside of the environments: `{section}: {{ {}: {{ … }} }}`", name.text);
                let help = suggest(&name.text, &known, "there are", &none);
                found.push(Diagnostic::error(message).at(name.span, format!("no {what} has this name")).help(help));
            } else if !matches!(node.content, Content::Map(_)) {
                let problem = wrong_type(node, &format!("what is said of the variable `{}`", name.text), "a map");
                let secret = root.get("variables").and_then(|all| all.get(&name.text)?.get("secret"));
                let value = match &node.content {
                    // What a secret is to be is not repeated.
                    _ if secret.is_some() => "…".to_owned(),
                    Content::Number(number) => number.to_string(),
                    Content::Bool(truth) => truth.to_string(),
                    Content::String(text) => text.clone(),
                    _ => "…".to_owned(),
                };
                found.push(problem.help(format!("write `{}: {{ default: {value} }}`", name.text)));
            }
        }
    }
    found
}

/// The environments that a file has.
pub(super) fn declared(root: &Node) -> Vec<String> {
    let entries = root.get("environments").map(Node::entries).unwrap_or_default();
    entries.iter().map(|(name, _)| name.text.clone()).collect()
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
