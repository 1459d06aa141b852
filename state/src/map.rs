//! The fields of a value, by name.

use std::fmt;
use std::ops::{Deref, DerefMut, Index};
use std::sync::Arc;

use litemap::LiteMap;

use crate::value::Value;

type Fields = LiteMap<String, Value>;

/// The fields of a map, in the order of their names.
///
/// A stack of 100,000 resources holds the same specs in its state, its plan and its requests: a clone shares what it holds until
/// one of the two is changed, and a map of three fields takes the room of three.
#[derive(Clone, Default)]
pub struct Map(Arc<Fields>);

impl Map {
    /// A map of no fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is the other one, unchanged: nothing need be compared.
    pub fn is_shared_with(&self, other: &Map) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Map {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for Map {
    fn deref_mut(&mut self) -> &mut Fields {
        Arc::make_mut(&mut self.0)
    }
}

/// A field that is there, as tests read it.
impl Index<&str> for Map {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.0[&name.to_owned()]
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.is_shared_with(other) || self.0 == other.0
    }
}

/// What is inside is redacted as its own `Debug` says.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(String, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(Arc::new(fields.into_iter().collect()))
    }
}

impl<const N: usize> From<[(String, Value); N]> for Map {
    fn from(fields: [(String, Value); N]) -> Self {
        fields.into_iter().collect()
    }
}

impl Extend<(String, Value)> for Map {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, fields: I) {
        Arc::make_mut(&mut self.0).extend(fields);
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = <Fields as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a String, &'a Value);
    type IntoIter = <&'a Fields as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&*self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a mut Map {
    type Item = (&'a String, &'a mut Value);
    type IntoIter = <&'a mut Fields as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        Arc::make_mut(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, i64)]) -> Map {
        fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
    }

    #[test]
    fn fields_are_in_the_order_of_their_names_and_the_last_of_a_name_counts() {
        let map = map(&[("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(format!("{map:?}"), r#"{"a": 2, "b": 3}"#);
    }

    #[test]
    fn what_is_changed_in_a_clone_stays_in_it() {
        let one = map(&[("a", 1)]);
        let mut other = one.clone();
        assert!(other.is_shared_with(&one));
        other.insert("a".to_owned(), 2.into());
        assert_eq!((one.get("a"), other.get("a")), (Some(&1.into()), Some(&2.into())));
        assert_ne!(one, other);
    }
}
