//! Where a value stands inside another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One step down: into a map by name, or into a list by position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// The position in a list, from zero.
    Index(usize),
    /// The name of a field.
    Field(String),
}

/// The steps from the top of a spec to one of its values: `gpu.count`, `lifecycle[0].days`. The empty path is the spec itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(Vec<Step>);

impl FieldPath {
    /// The path to the top itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it leads to the top itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// This path and one field more.
    #[must_use]
    pub fn field(&self, name: impl Into<String>) -> Self {
        self.step(Step::Field(name.into()))
    }

    /// This path and one position more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    /// The path without its last step; none for the top itself.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// Whether `other` is this path or leads through it.
    pub fn covers(&self, other: &FieldPath) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Reads `gpu.count` or `lifecycle[0].days`. Text with a bracket that holds no number is one field's name.
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !name.is_empty() {
                steps.push(Step::Field(name.to_owned()));
            }
            while let Some((index, after)) = rest.strip_prefix('[').and_then(|open| open.split_once(']')) {
                steps.push(index.parse().map_or_else(|_| Step::Field(index.to_owned()), Step::Index));
                rest = after;
            }
        }
        Self(steps)
    }
}

impl<S: Into<String>> FromIterator<S> for FieldPath {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(|name| Step::Field(name.into())).collect())
    }
}

impl From<Vec<Step>> for FieldPath {
    fn from(steps: Vec<Step>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["gpu.count", "lifecycle[0].days", "a[1][2].b", ""] {
            assert_eq!(FieldPath::parse(text).to_string(), text);
        }
    }

    #[test]
    fn covers_itself_and_what_is_below() {
        let tags = FieldPath::parse("tags");
        assert!(tags.covers(&FieldPath::parse("tags.owner")));
        assert!(tags.covers(&tags));
        assert!(!FieldPath::parse("tags.owner").covers(&tags));
    }
}
