//! The stable name of a resource in its stack.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which instance of a `for_each`: `["us-east-1"]` or `[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The position in a list of integers, or the integer itself.
    Integer(i64),
    /// The key of a map, or a string of a list.
    String(String),
}

/// One name of an address, with the key of its instance where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The name as the blueprint has it.
    pub name: Arc<str>,
    /// The instance, where the block has a `for_each`.
    pub key: Option<Key>,
}

impl PartialOrd for Segment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By name, and then by key. The instances of a block share its name.
impl Ord for Segment {
    fn cmp(&self, other: &Self) -> Ordering {
        let names = if Arc::ptr_eq(&self.name, &other.name) { Ordering::Equal } else { self.name.cmp(&other.name) };
        names.then_with(|| self.key.cmp(&other.key))
    }
}

/// The stable name of a resource in its stack, never the cloud's: `weights`, `trainer["a"]`, `serving/chat` in a module,
/// `chat/model` for a part of a composition. Ordered as it reads. A large stack names each many times: a clone costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<[Segment]>);

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address: {reason}")]
pub struct AddressError {
    /// The text that was read.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Address {
    /// A resource of the blueprint itself, outside modules and `for_each`.
    pub fn root(name: impl AsRef<str>) -> Self {
        Self(Arc::new([Segment { name: name.as_ref().into(), key: None }]))
    }

    /// The address of segments, outermost first. None of no segments.
    pub fn from_segments(segments: Vec<Segment>) -> Option<Self> {
        (!segments.is_empty()).then(|| Self(segments.into()))
    }

    /// Its segments, outermost first; never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The last name: `chat` of `serving/chat["a"]`.
    pub fn name(&self) -> &str {
        self.0.last().map_or("", |segment| &segment.name)
    }

    /// The key of the last segment.
    pub fn key(&self) -> Option<&Key> {
        self.0.last().and_then(|segment| segment.key.as_ref())
    }

    /// The same address with a key on its last segment.
    #[must_use]
    pub fn with_key(&self, key: Key) -> Self {
        self.keyed(Some(key))
    }

    /// The address of the whole block: without the key of its last segment.
    #[must_use]
    pub fn block(&self) -> Self {
        if self.key().is_none() { self.clone() } else { self.keyed(None) }
    }

    fn keyed(&self, key: Option<Key>) -> Self {
        let Some((last, before)) = self.0.split_last() else { return self.clone() };
        let last = Segment { name: last.name.clone(), key };
        if before.is_empty() { Self(Arc::new([last])) } else { Self(before.iter().cloned().chain([last]).collect()) }
    }

    /// An address below this one: a module's resource or a composition's part.
    #[must_use]
    pub fn child(&self, name: impl AsRef<str>) -> Self {
        Self(self.0.iter().cloned().chain([Segment { name: name.as_ref().into(), key: None }]).collect())
    }

    /// Whether it is an address or stands in it: in a module, in a block with a `for_each`, or in any instance of them.
    pub fn is_in(&self, outer: &Address) -> bool {
        let Some((last, before)) = outer.0.split_last() else { return false };
        let at = self.0.get(before.len());
        self.0.starts_with(before)
            && at.is_some_and(|at| at.name == last.name && (last.key.is_none() || at.key == last.key))
    }

    /// The same address; where it has a name that `other` has too at the same place, the two share it.
    #[must_use]
    pub fn sharing_names_with(&self, other: &Address) -> Self {
        let share = |(own, other): (&Segment, &Segment)| {
            let name = if own.name == other.name { &other.name } else { &own.name };
            Segment { name: name.clone(), key: own.key.clone() }
        };
        let rest = self.0.iter().skip(other.0.len()).cloned();
        Self(self.0.iter().zip(other.0.iter()).map(share).chain(rest).collect())
    }

    /// It, and what it stands in, each with and without the key of its last segment: whoever depends on one of these depends on it.
    pub fn around(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent).flat_map(|one| {
            let block = Some(one.block()).filter(|block| *block != one);
            [Some(one), block].into_iter().flatten()
        })
    }

    /// What is to another address as this one is to what stands in it: as deep, and with a key where this one has one.
    #[must_use]
    pub(crate) fn like_in(&self, inner: &Address) -> Self {
        let segments = inner.0.iter().take(self.0.len()).cloned().collect();
        let like = Self::from_segments(segments).unwrap_or_else(|| inner.clone());
        if self.key().is_some() || like.0.len() < self.0.len() { like } else { like.block() }
    }

    /// What it stands in; none at the top.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Self::from_segments(rest.to_vec())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Integer(number) => write!(f, "{number}"),
            Key::String(text) => f.write_str(&serde_json::Value::from(text.as_str()).to_string()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("/")?;
            }
            f.write_str(&segment.name)?;
            if let Some(key) = &segment.key {
                write!(f, "[{key}]")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| AddressError { text: text.to_owned(), reason };
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, after) = read_segment(rest).map_err(fail)?;
            segments.push(segment);
            match after.strip_prefix('/') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Self(segments.into())),
                None => return Err(fail("a `/` is missing between two names")),
            }
        }
    }
}

fn read_segment(text: &str) -> Result<(Segment, &str), &'static str> {
    let end = text.find(['/', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Err("a name is missing");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err("a name has letters, digits and `_` only");
    }
    let (key, rest) = match rest.strip_prefix('[') {
        Some(open) => read_key(open).map(|(key, rest)| (Some(key), rest))?,
        None => (None, rest),
    };
    Ok((Segment { name: name.into(), key }, rest))
}

fn read_key(text: &str) -> Result<(Key, &str), &'static str> {
    const SHAPE: &str = "a key is a quoted string or an integer in brackets";
    let mut parsed = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let key = match parsed.next() {
        Some(Ok(serde_json::Value::String(text))) => Key::String(text),
        Some(Ok(serde_json::Value::Number(number))) => Key::Integer(number.as_i64().ok_or(SHAPE)?),
        _ => return Err(SHAPE),
    };
    let rest = &text[parsed.byte_offset()..];
    Ok((key, rest.strip_prefix(']').ok_or("a `]` is missing")?))
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_forms_of_the_language() {
        for text in ["weights", r#"trainer["us-east-1"]"#, "node[0]", "node[-3]", "serving/chat", r#"a["x/y]"]/b"#] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("", "a name is missing"),
            ("a//b", "a name is missing"),
            ("a[", "a key is a quoted string or an integer in brackets"),
            ("a[1.5]", "a key is a quoted string or an integer in brackets"),
            ("a[1", "a `]` is missing"),
            ("a[1]b", "a `/` is missing between two names"),
            ("a b", "a name has letters, digits and `_` only"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn stands_in_modules_and_blocks() {
        let is_in = |inner: &str, outer: &str| inner.parse::<Address>().unwrap().is_in(&outer.parse().unwrap());
        assert!(is_in("a", "a") && is_in("a[0]", "a") && is_in("a[0]/b", "a") && is_in("a/b/c", "a/b"));
        assert!(is_in("a[0]/b", "a[0]") && is_in("a/b[1]", "a/b"));
        assert!(!is_in("a", "a[0]") && !is_in("a[1]/b", "a[0]") && !is_in("ab", "a") && !is_in("a", "a/b"));
    }

    proptest! {
        #[test]
        fn any_key_survives(text in ".*", number in any::<i64>()) {
            for key in [Key::String(text.clone()), Key::Integer(number)] {
                let address = Address::root("a").with_key(key).child("b");
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            }
        }
    }
}
