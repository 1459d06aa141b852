//! A part that is a native kind: its properties, where each came from, and what it reads.

use std::collections::BTreeMap;

use trueup_engine::compose::{Part, Read, Wanted};
use trueup_state::{FieldPath, Map, Step, Value};

/// A part that is being put together.
#[must_use]
pub struct Native<'a> {
    wanted: &'a Wanted<'a>,
    part: Part,
}

/// A field of a spec: null where it is not said, unknown where what it stands in is.
pub fn field<'a>(wanted: &'a Wanted<'_>, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    let mut place = wanted.spec;
    for step in FieldPath::parse(path).steps() {
        place = match (place.revealed(), step) {
            (Value::Map(map), Step::Field(name)) => map.get(name).unwrap_or(&NULL),
            (Value::List(items), Step::Index(index)) => items.get(*index).unwrap_or(&NULL),
            (Value::Unknown, _) => return place,
            _ => &NULL,
        };
    }
    place
}

/// An option that the spec has for this provider.
pub fn option<'a>(wanted: &'a Wanted<'_>, name: &str) -> &'a Value {
    field(wanted, &format!("options.{}.{name}", wanted.scope.provider.provider()))
}

/// Whether a field is said, as far as is known.
pub fn is_said(value: &Value) -> bool {
    *value.revealed() != Value::Null
}

/// Values by name.
pub fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Texts in order.
pub fn texts<const N: usize>(texts: [&str; N]) -> Value {
    Value::List(texts.into_iter().map(Value::from).collect())
}

impl<'a> Native<'a> {
    /// A part of a resource, of a native type, with no property yet.
    pub fn new(wanted: &'a Wanted<'_>, name: impl Into<String>, kind: &str) -> Self {
        let part = Part {
            name: name.into(),
            kind: kind.into(),
            scope: wanted.scope.clone(),
            shared: None,
            after: [].into(),
            create_first: None,
            spec: map([("properties", Value::Map(Map::new()))]),
            reads: BTreeMap::new(),
            origins: BTreeMap::new(),
        };
        Self { wanted, part }
    }

    fn path(property: &str) -> FieldPath {
        FieldPath::parse(&format!("properties.{property}"))
    }

    /// With a property that comes from no field in particular.
    pub fn with(mut self, property: &str, value: impl Into<Value>) -> Self {
        self.part.spec.put(&Self::path(property), value.into());
        self
    }

    /// With a property that a field makes it have, whatever it says.
    pub fn from(mut self, property: &str, origin: &str, value: impl Into<Value>) -> Self {
        self.part.origins.insert(Self::path(property), FieldPath::parse(origin));
        self.with(property, value)
    }

    /// With a property that is a field, where that is said.
    pub fn taking(mut self, property: &str, origin: &str) -> Self {
        let value = field(self.wanted, origin).clone();
        // Its place is known also of what is said no more.
        self.part.origins.insert(Self::path(property), FieldPath::parse(origin));
        if is_said(&value) { self.with(property, value) } else { self }
    }

    /// With a property that is an option for this provider, where that is said.
    pub fn option(self, property: &str, name: &str) -> Self {
        let own = format!("options.{}.{name}", self.wanted.scope.provider.provider());
        self.taking(property, &own)
    }

    /// With a property that is an attribute of another part. Where it stands in a list, its place there is taken already.
    pub fn reads(mut self, property: &str, part: &str, attribute: &str) -> Self {
        self.part.reads.insert(Self::path(property), Read::of(part, attribute));
        self
    }

    /// With a property that is made of an attribute of another part.
    pub fn reading(mut self, property: &str, read: Read) -> Self {
        self.part.reads.insert(Self::path(property), read);
        self
    }

    /// After another part, of which it reads nothing.
    pub fn after(mut self, part: &str) -> Self {
        self.part.after.insert(part.to_owned());
        self
    }

    /// With the resource's tags.
    pub fn tagged(mut self) -> Self {
        let tags = field(self.wanted, "tags").clone();
        self.part.origins.insert(FieldPath::parse("tags"), FieldPath::parse("tags"));
        self.part.spec.put(&FieldPath::parse("tags"), if is_said(&tags) { tags } else { Value::Map(Map::new()) });
        self
    }

    /// With the resource's tags, and its name as a tag, where a cloud shows that as one.
    pub fn named_by_tag(self, tag: &str) -> Self {
        let (name, tags) = (field(self.wanted, "name").clone(), field(self.wanted, "tags"));
        let is_open = *tags == Value::Unknown;
        let mut tagged = self.tagged();
        if is_said(&name) && !is_open {
            let at = FieldPath::parse("tags").field(tag);
            tagged.part.origins.insert(at.clone(), FieldPath::parse("name"));
            tagged.part.spec.put(&at, name);
        }
        tagged
    }

    /// With something beside its properties, such as its name, that is a field, where that is said.
    pub fn beside(mut self, name: &str, origin: &str) -> Self {
        let (at, value) = (FieldPath::parse(name), field(self.wanted, origin).clone());
        self.part.origins.insert(at.clone(), FieldPath::parse(origin));
        if is_said(&value) {
            self.part.spec.put(&at, value);
        }
        self
    }

    /// With something beside its properties that comes from no field in particular.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.part.spec.put(&FieldPath::parse(name), value.into());
        self
    }

    /// The part.
    pub fn part(self) -> Part {
        self.part
    }
}
