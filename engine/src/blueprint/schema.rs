//! What may stand where in a blueprint's file.

use std::sync::Arc;

use trueup_state::FieldPath;

use super::declaration::variable;
pub(super) use super::declaration::{Variable, VariableType};
use super::fields::{self, names};
use super::foreign::{self, Place};
use super::functions::FUNCTIONS;
use super::moved;
use super::sight::suggest;
use super::source::{Content, Name, Node};
use super::template::is_keyword;
use crate::diagnostic::{Diagnostic, Span, closest, with_article};

/// What may stand at the top of a file.
const TOP: [&str; 10] = names(&fields::TOP);
/// What may be said of any resource, beside the fields of its kind.
pub(super) const META: [&str; 12] = names(&fields::RESOURCE);
/// What may be said of a module where it is used.
const CALL: [&str; 5] = names(&fields::MODULE);
/// Names that have, or may get, a meaning of their own in expressions.
pub(super) const RESERVED: [&str; 6] = ["var", "each", "module", "stacks", "self", "loop"];

/// A file, read into its parts.
#[derive(Debug, Default)]
pub(super) struct File<'a> {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) variables: Vec<Variable<'a>>,
    pub(super) tags: Option<&'a Node>,
    pub(super) providers: Vec<(&'a Name, &'a Node)>,
    pub(super) resources: Vec<Block<'a>>,
    pub(super) modules: Vec<Call<'a>>,
    pub(super) moved: Vec<moved::Entry>,
    pub(super) outputs: Vec<(&'a Name, &'a Node)>,
    /// What could not be read, and was reported.
    pub(super) broken: Broken<'a>,
}

/// The names of what could not be read, so that reading them is no further problem.
#[derive(Debug, Default)]
pub(super) struct Broken<'a> {
    pub(super) variables: Vec<&'a str>,
    pub(super) resources: Vec<&'a str>,
    pub(super) modules: Vec<&'a str>,
}

/// A block of `resources`.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) name: &'a Name,
    /// Its kind, if that could be read.
    pub(super) kind: Option<(&'a str, Span)>,
    pub(super) provider: Option<&'a Node>,
    pub(super) placement: Option<&'a Node>,
    pub(super) for_each: Option<&'a Node>,
    pub(super) when: Option<&'a Node>,
    pub(super) depends_on: Vec<(&'a str, Span)>,
    pub(super) protect: Option<&'a Node>,
    pub(super) ignore: Vec<(FieldPath, Span)>,
    pub(super) correct: Option<Vec<(FieldPath, Span)>>,
    pub(super) create_first: Option<bool>,
    pub(super) validate: Option<&'a Node>,
    pub(super) existing: Option<&'a Node>,
    /// The fields of its kind.
    pub(super) spec: Arc<Node>,
    /// All that is said of it.
    pub(super) said: &'a Node,
}

/// A module where it is used.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'a Name,
    pub(super) inputs: Vec<(&'a Name, &'a Node)>,
    pub(super) for_each: Option<&'a Node>,
    pub(super) when: Option<&'a Node>,
    pub(super) depends_on: Vec<(&'a str, Span)>,
}

/// Reads a file's tree.
pub(super) fn read<'a>(root: &'a Node, problems: &mut Vec<Diagnostic>) -> File<'a> {
    let mut file = File::default();
    let start = Span { end: root.span.start, ..root.span };
    if !matches!(root.content, Content::Map(_)) {
        let message = format!("a blueprint is a map, and this is {}", root.type_name());
        problems.push(
            Diagnostic::error(message).at(root.span, "the file begins here").help("begin with `blueprint: NAME`"),
        );
        return file;
    }
    known_fields(root, Place::Top, &TOP, problems);
    match root.get("blueprint") {
        Some(node) => file.name = blueprint_name(node, problems).unwrap_or_default(),
        None if misspelt(root, "blueprint", &TOP).is_some() => {}
        None => problems.push(
            Diagnostic::error("the blueprint has no name")
                .at(start, "the file begins here")
                .help("begin with `blueprint: NAME`"),
        ),
    }
    file.description = root
        .get("description")
        .and_then(|node| text(node, "the description", problems))
        .map(|(text, _)| text.to_owned());
    for (name, node) in named(root.get("variables"), "variables", problems) {
        match check_name(name, "variable", problems).then(|| variable(name, node, problems)).flatten() {
            Some(variable) => file.variables.push(variable),
            None => file.broken.variables.push(&name.text),
        }
    }
    file.tags = root.get("tags").filter(|node| !matches!(node.content, Content::Null));
    file.providers = named(root.get("providers"), "providers", problems);
    for (name, node) in named(root.get("resources"), "resources", problems) {
        match check_name(name, "resource", problems).then(|| block(name, node, problems)).flatten() {
            Some(block) => file.resources.push(block),
            None => file.broken.resources.push(&name.text),
        }
    }
    for (name, node) in named(root.get("modules"), "modules", problems) {
        match check_name(name, "module", problems).then(|| call(name, node, problems)).flatten() {
            Some(call) => file.modules.push(call),
            None => file.broken.modules.push(&name.text),
        }
    }
    for call in &file.modules {
        if let Some(block) = file.resources.iter().find(|block| block.name.text == call.name.text) {
            let message = format!("`{}` is a resource and a module", call.name.text);
            let problem = Diagnostic::error(message).at(call.name.span, "the module");
            let problem = problem.at(block.name.span, "the resource");
            problems.push(problem.help("name one of them otherwise: their addresses would be the same"));
        }
    }
    file.moved = root.get("moved").map(|node| moved::read(node, problems)).unwrap_or_default();
    file.outputs = named(root.get("outputs"), "outputs", problems);
    file.outputs.retain(|(name, _)| check_name(name, "output", problems));
    problems.extend(file.outputs.iter().filter_map(|(name, node)| foreign::output(name, node)));
    file
}

/// The entries of a section, if it is there.
fn named<'a>(node: Option<&'a Node>, what: &str, problems: &mut Vec<Diagnostic>) -> Vec<(&'a Name, &'a Node)> {
    match node {
        Some(Node { content: Content::Map(entries), .. }) => entries.iter().map(|(name, node)| (name, node)).collect(),
        None | Some(Node { content: Content::Null, .. }) => Vec::new(),
        Some(node) => {
            problems.push(
                wrong_type(node, &format!("`{what}`"), "a map with a name for each").help("write each as `name: …`"),
            );
            Vec::new()
        }
    }
}

/// Says which fields of a map are none of the known.
pub(super) fn known_fields(node: &Node, place: Place, known: &[&str], problems: &mut Vec<Diagnostic>) {
    for (name, _) in node.entries() {
        let text = name.text.as_str();
        if !known.contains(&text) {
            let foreign = foreign::field(place, text).map(str::to_owned);
            let help = foreign.unwrap_or_else(|| suggest(text, known, "there are", "leave it out"));
            problems.push(
                Diagnostic::error(format!("there is no `{text}` {}", place.words()))
                    .at(name.span, "nothing has this name")
                    .help(help),
            );
        }
    }
}

/// The field that is there under a name like that of one that is not.
pub(super) fn misspelt<'a>(node: &'a Node, field: &str, known: &[&str]) -> Option<&'a Name> {
    let is_it = |name: &&Name| {
        let text = name.text.as_str();
        !known.contains(&text) && closest(text, known.iter().copied()).as_deref() == Some(field)
    };
    node.entries().iter().map(|(name, _)| name).find(is_it)
}

fn blueprint_name(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let (name, span) = text(node, "the blueprint's name", problems)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits) && name.len() <= 32 {
        return Some(name.to_owned());
    }
    let problem = Diagnostic::error(format!("`{name}` can't be a blueprint's name")).at(span, "this name");
    let right = as_name(name, '-', 32);
    problems.push(
        problem
            .help(format!("a name has at most 32 lower-case letters, digits and hyphens, a letter first: `{right}`")),
    );
    None
}

/// The nearest name that the language takes.
pub(crate) fn as_name(text: &str, filler: char, most: usize) -> String {
    let lower = text.to_ascii_lowercase();
    let clean: String =
        lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { filler }).collect();
    let name: String = clean.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(most).collect();
    match name.is_empty() {
        true if clean.starts_with(|c: char| c.is_ascii_digit()) => format!("n{clean}").chars().take(most).collect(),
        true => "name".to_owned(),
        false => name,
    }
}

/// Whether a name has the form that expressions can say.
pub(crate) fn has_form(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits)
}

/// Whether a name has a meaning of its own in expressions.
pub(crate) fn means_something(text: &str) -> bool {
    RESERVED.contains(&text) || FUNCTIONS.contains(&text) || is_keyword(text)
}

/// Whether a name is one that expressions can say.
fn check_name(name: &Name, what: &str, problems: &mut Vec<Diagnostic>) -> bool {
    let text = name.text.as_str();
    if !has_form(text) {
        let why = if text.contains('-') { "; a hyphen would be a minus in an expression" } else { "" };
        problems.push(
            Diagnostic::error(format!("`{text}` can't be the name of {}", with_article(what)))
                .at(name.span, "this name")
                .help(format!(
                    "names have lower-case letters, digits and `_`, a letter first: `{}`{why}",
                    as_name(text, '_', 64)
                )),
        );
        return false;
    }
    if means_something(text) {
        problems.push(
            Diagnostic::error(format!("`{text}` can't be the name of {}", with_article(what)))
                .at(name.span, "this name has a meaning of its own in expressions")
                .help("choose another name"),
        );
        return false;
    }
    true
}

/// Text that is no expression.
pub(super) fn text<'a>(node: &'a Node, what: &str, problems: &mut Vec<Diagnostic>) -> Option<(&'a str, Span)> {
    match &node.content {
        Content::String(text) => return Some((text, node.span)),
        Content::Template(template) if template.is_broken() => {}
        Content::Template(_) => problems.push(
            Diagnostic::error(format!("{what} can't be an expression"))
                .at(node.span, "it must be known before anything is evaluated")
                .help("write it as plain text"),
        ),
        Content::Number(_) | Content::Bool(_) => {
            problems.push(wrong_type(node, what, "text").help("write a name, or put it in quotes if this is one"));
        }
        _ => problems.push(wrong_type(node, what, "text").help("write text")),
    }
    None
}

/// What to do where a boolean belongs.
pub(super) const TRUTH: &str = "write `true` or `false`, without quotes";

pub(super) fn boolean(node: &Node, what: &str, problems: &mut Vec<Diagnostic>) -> Option<bool> {
    if let Content::Bool(value) = &node.content {
        return Some(*value);
    }
    problems.push(wrong_type(node, what, "`true` or `false`").help(TRUTH));
    None
}

/// Something of one type where another belongs.
pub(super) fn wrong_type(node: &Node, what: &str, expected: &str) -> Diagnostic {
    let found = node.type_name();
    Diagnostic::error(format!("{what} is {found}, where {expected} belongs")).at(node.span, format!("this is {found}"))
}

fn block<'a>(name: &'a Name, node: &'a Node, problems: &mut Vec<Diagnostic>) -> Option<Block<'a>> {
    let Content::Map(entries) = &node.content else {
        let message = format!("the resource `{}` is {}, where a map belongs", name.text, node.type_name());
        let help = match &node.content {
            // `kind:bucket` is one word to YAML, and `kind = bucket` three.
            Content::String(text) => match text.split_once([':', '=']) {
                Some((field, value)) => {
                    format!("write `{}: {}`, with a space after the `:`", field.trim(), value.trim())
                }
                None => format!("say what it is: `{{ kind: {text} }}`"),
            },
            _ => "say at least its `kind`".to_owned(),
        };
        problems.push(Diagnostic::error(message).at(name.span, "this resource").help(help));
        return None;
    };
    let kind = node.get("kind").and_then(|kind| text(kind, "a kind", problems));
    if node.get("kind").is_none() {
        let message = format!("the resource `{}` has no kind", name.text);
        problems.push(match misspelt(node, "kind", &META) {
            Some(found) => {
                Diagnostic::error(message).at(found.span, "nothing has this name").help("did you mean `kind`?")
            }
            None => Diagnostic::error(message).at(name.span, "this resource").help("say what it is: `kind: …`"),
        });
    }
    let fields = entries.iter().filter(|(name, _)| !META.contains(&name.text.as_str())).cloned().collect();
    Some(Block {
        name,
        kind,
        provider: node.get("provider"),
        placement: node.get("placement"),
        for_each: node.get("for_each"),
        when: node.get("when"),
        depends_on: node.get("depends_on").map(|node| texts(node, "`depends_on`", problems)).unwrap_or_default(),
        protect: node.get("protect"),
        ignore: node.get("ignore").map(|node| paths(node, "`ignore`", problems)).unwrap_or_default(),
        correct: node.get("drift").and_then(|node| drift(node, problems)),
        create_first: node.get("replace").and_then(|node| replace(node, problems)),
        validate: node.get("validate"),
        existing: node.get("existing"),
        spec: Arc::new(Node { span: name.span, content: Content::Map(fields) }),
        said: node,
    })
}

fn call<'a>(name: &'a Name, node: &'a Node, problems: &mut Vec<Diagnostic>) -> Option<Call<'a>> {
    if !matches!(node.content, Content::Map(_)) {
        let problem = wrong_type(node, &format!("the module `{}`", name.text), "a map");
        problems.push(problem.help(format!("write `{}: {{ source: ./FILE.yaml, inputs: {{ … }} }}`", name.text)));
        return None;
    }
    known_fields(node, Place::Module, &CALL, problems);
    if let Some(node) = node.get("source") {
        text(node, "the source of a module", problems);
    } else if misspelt(node, "source", &CALL).is_none() {
        let message = format!("the module `{}` has no source", name.text);
        let problem = Diagnostic::error(message).at(name.span, "this module");
        problems.push(problem.help("say which file it is: `source: ./FILE.yaml`"));
    }
    Some(Call {
        name,
        inputs: named(node.get("inputs"), "inputs", problems),
        for_each: node.get("for_each"),
        when: node.get("when"),
        depends_on: node.get("depends_on").map(|node| texts(node, "`depends_on`", problems)).unwrap_or_default(),
    })
}

fn texts<'a>(node: &'a Node, what: &str, problems: &mut Vec<Diagnostic>) -> Vec<(&'a str, Span)> {
    let Content::List(items) = &node.content else {
        problems.push(wrong_type(node, what, "a list").help(as_list(node)));
        return Vec::new();
    };
    items.iter().filter_map(|item| text(item, &format!("an entry of {what}"), problems)).collect()
}

/// What to do where one name, or several in one text, stand for a list of them.
fn as_list(node: &Node) -> String {
    let quoted = |text: &str| if text.contains('"') { format!("'{text}'") } else { text.to_owned() };
    let names: Vec<String> = match &node.content {
        Content::Null => return "leave it out, or write a list: `[NAME]`".to_owned(),
        // A key may have spaces.
        Content::String(text) if text.contains('[') => vec![quoted(text)],
        Content::String(text) => text.split([',', ' ']).filter(|name| !name.is_empty()).map(quoted).collect(),
        Content::Template(_) => node
            .path()
            .filter(|(chain, _)| chain.hops.is_empty())
            .map(|(chain, _)| chain.root.clone())
            .into_iter()
            .collect(),
        _ => Vec::new(),
    };
    if names.is_empty() {
        "write a list: `[NAME]`".to_owned()
    } else {
        format!("write a list: `[{}]`", names.join(", "))
    }
}

fn paths(node: &Node, what: &str, problems: &mut Vec<Diagnostic>) -> Vec<(FieldPath, Span)> {
    let texts = texts(node, what, problems);
    let path = |(text, span): (&str, Span)| {
        let path = FieldPath::parse(text);
        if !path.is_root() && path.to_string() == text {
            return Some((path, span));
        }
        let problem = Diagnostic::error(format!("`{text}` is no path to a field")).at(span, "this entry");
        problems.push(problem.help("write the names on the way to it with points between: `tags.owner`"));
        None
    };
    texts.into_iter().filter_map(path).collect()
}

fn drift(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Vec<(FieldPath, Span)>> {
    if !matches!(node.content, Content::Map(_)) {
        problems.push(wrong_type(node, "`drift`", "a map").help("write `drift: { correct: [tags] }`"));
        return None;
    }
    known_fields(node, Place::Drift, &names(&fields::DRIFT), problems);
    node.get("correct").map(|node| paths(node, "`correct`", problems))
}

fn replace(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<bool> {
    let (order, span) = text(node, "`replace`", problems)?;
    match order {
        "create_first" => Some(true),
        "destroy_first" => Some(false),
        _ => {
            let help = suggest(order, &["create_first", "destroy_first"], "there are", "");
            problems.push(
                Diagnostic::error(format!("there is no order of replacement `{order}`"))
                    .at(span, "this order")
                    .help(help),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_a_name_that_would_do() {
        assert_eq!(as_name("My Model!", '_', 64), "my_model_");
        assert_eq!(as_name("9lives", '-', 32), "lives");
        assert_eq!(as_name("___", '_', 64), "name");
    }
}
