//! `tags`: what all resources of a blueprint or a module are marked with.

use std::collections::BTreeSet;

use trueup_state::{Address, Map};

use super::evaluate;
use super::expand::Expander;
use super::schema::wrong_type;
use super::sight::article;
use super::source::Content;
use super::world::Scope;
use crate::diagnostic::Diagnostic;

impl Expander<'_, '_> {
    /// The tags of a module: its own over those of what it stands in. They must be known before any resource is.
    pub(super) fn tags(&mut self, scope: &Scope) -> Map {
        let around = scope.module.as_ref().map(Address::parent).and_then(|around| self.rooms.get(&around));
        let mut tags = around.map(|room| room.tags.clone()).unwrap_or_default();
        let file = self.rooms.get(&scope.module).map_or(0, |room| room.file);
        let Some(node) = self.files[file].tags else { return tags };
        if !matches!(node.content, Content::Map(_)) {
            self.problems.push(wrong_type(node, "`tags`", "a map").help("write `tags: { name: text }`"));
        }
        for (name, node) in node.entries() {
            let evaluated = evaluate(node, scope);
            self.problems.extend(evaluated.problems);
            if evaluated.value.has_unknown() {
                self.problems.extend(reads_resources(&name.text, node.span, &evaluated.reads));
                continue;
            }
            if evaluated.value.revealed().as_str().is_none() {
                let message = format!("the tag `{}` is {}, where text belongs", name.text, article(&evaluated.value));
                self.problems.push(Diagnostic::error(message).at(node.span, "this value").help("put it in quotes"));
            }
            tags.insert(name.text.clone(), evaluated.value);
        }
        tags
    }
}

fn reads_resources(name: &str, span: crate::diagnostic::Span, reads: &BTreeSet<Address>) -> Option<Diagnostic> {
    let read = reads.first()?;
    let message = format!("the tag `{name}` reads the resource `{read}`, and must be known before any resource is");
    let problem = Diagnostic::error(message).at(span, "this is known only after apply");
    Some(problem.help("use variables, or write the value out"))
}
