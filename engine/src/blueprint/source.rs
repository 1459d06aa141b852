//! The text of a file as one tree with spans.

use std::sync::Arc;

use trueup_state::{FieldPath, Step};

use super::expression::Template;
use crate::diagnostic::Span;

/// A piece of a file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
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
            let next = match (&node.content, step) {
                (Content::Map(_), Step::Field(name)) => node.get(name),
                (Content::List(items), Step::Index(index)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        Some(node.span)
    }
}
