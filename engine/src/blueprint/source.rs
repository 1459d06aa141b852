//! The text of a file as one tree with spans.

use std::sync::Arc;

use trueup_state::{Address, FieldPath, Map, Step, Value};

use super::template::Template;
use crate::diagnostic::Span;

/// A piece of a file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands. Of a list or a map that goes over several lines, only where it begins.
    pub span: Span,
    /// What it holds.
    pub content: Content,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text without expressions.
    String(String),
    /// Text with expressions, compiled once.
    Template(Arc<Template>),
    /// Nodes in order.
    List(Vec<Node>),
    /// Nodes by name, in the order of the text.
    Map(Vec<(Name, Node)>),
}

/// The name of a map's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// An entry of a map, by name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(Name, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The span of what stands at a path, or of the last thing on the way to it that is there.
    pub fn nearest(&self, path: &FieldPath) -> Option<Span> {
        let mut node = self;
        for step in path.steps() {
            match node.child(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        Some(node.span)
    }

    /// The span of the name of the field at a path.
    pub fn name_at(&self, path: &FieldPath) -> Option<Span> {
        let (last, way) = path.steps().split_last()?;
        let node = way.iter().try_fold(self, Node::child)?;
        node.entries()
            .iter()
            .find(|(key, _)| matches!(last, Step::Field(name) if *name == key.text))
            .map(|(key, _)| key.span)
    }

    /// What stands at a path.
    pub(super) fn at(&self, path: &FieldPath) -> Option<&Node> {
        path.steps().iter().try_fold(self, Node::child)
    }

    fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.content, step) {
            (Content::Map(_), Step::Field(name)) => self.get(name),
            (Content::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The value of a node that holds no expressions; the span of the first one where it does.
    pub fn literal(&self) -> Result<Value, Span> {
        Ok(match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::Template(_) => return Err(self.span),
            Content::List(items) => Value::List(items.iter().map(Node::literal).collect::<Result<_, _>>()?),
            Content::Map(entries) => {
                let value = |(name, node): &(Name, Node)| node.literal().map(|value| (name.text.clone(), value));
                Value::Map(entries.iter().map(value).collect::<Result<Map, _>>()?)
            }
        })
    }

    /// Calls a function with every template in it, in the order of the text.
    pub fn templates<'a>(&'a self, visit: &mut dyn FnMut(&'a Template)) {
        match &self.content {
            Content::Template(template) => visit(template),
            Content::List(items) => items.iter().for_each(|item| item.templates(visit)),
            Content::Map(entries) => entries.iter().for_each(|(_, node)| node.templates(visit)),
            _ => {}
        }
    }

    /// Where an expression in it first names a resource or a block.
    pub(crate) fn place_of_read(&self, read: &Address) -> Option<Span> {
        self.place_of_root(read.name())
    }

    /// Where a path in it first begins with a name.
    pub(super) fn place_of_root(&self, name: &str) -> Option<Span> {
        let mut place = None;
        self.templates(&mut |template| place = place.or_else(|| template.place_of_path(name, None)));
        place
    }

    /// Where it first reads an output of a module.
    pub(super) fn place_of_module(&self, name: &str) -> Option<Span> {
        let mut place = None;
        self.templates(&mut |template| place = place.or_else(|| template.place_of_path("module", Some(name))));
        place
    }

    /// What it is, as errors name it.
    pub fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Number(number) if number.is_f64() => "a number",
            Content::Number(_) => "an integer",
            Content::String(_) => "a string",
            Content::Template(_) => "an expression",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}
