//! What depends on what, as a tree of text, as Graphviz's DOT, as a drawing, and as JSON.
//!
//! [`picture`] says what is shown; everything else turns a [`Picture`] into text, and the same picture always into the same text.

mod dot;
mod fold;
mod json;
mod layers;
mod layout;
mod paint;
mod picture;
mod svg;
mod text;

pub(crate) use dot::dot;
pub(crate) use json::json;
pub(crate) use picture::Picture;
pub(crate) use svg::{MOST_NODES, svg};
pub(crate) use text::text;

#[cfg(test)]
mod tests;
