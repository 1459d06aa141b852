//! A part that is a native kind: its properties, where each came from, and what it reads.

use std::collections::BTreeMap;

use trueup_engine::compose::{Part, Read, Wanted};
use trueup_state::{FieldPath, Map, Step, Value};

/// The attribute that is the identifier of every native type.
pub(super) const ID: &str = "resource_id";

/// A part that is being put together.
pub(super) struct Native<'a> {
    wanted: &'a Wanted<'a>,
    part: Part,
}

/// A field of a spec: null where it is not said, unknown where what it stands in is.
pub(super) fn field<'a>(wanted: &'a Wanted<'_>, path: &str) -> &'a Value {
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
pub(super) fn option<'a>(wanted: &'a Wanted<'_>, name: &str) -> &'a Value {
    field(wanted, &format!("options.aws.{name}"))
}

/// Whether a field is said, as far as is known.
pub(super) fn is_said(value: &Value) -> bool {
    *value.revealed() != Value::Null
}

/// Values by name.
pub(super) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Texts in order.
pub(super) fn texts<const N: usize>(texts: [&str; N]) -> Value {
    Value::List(texts.into_iter().map(Value::from).collect())
}

impl<'a> Native<'a> {
    /// A part of a resource, of a native type, with no property yet.
    pub(super) fn new(wanted: &'a Wanted<'_>, name: impl Into<String>, kind: &str) -> Self {
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
    pub(super) fn with(mut self, property: &str, value: impl Into<Value>) -> Self {
        self.part.spec.put(&Self::path(property), value.into());
        self
    }

    /// With a property that a field makes it have, whatever it says.
    pub(super) fn from(mut self, property: &str, origin: &str, value: impl Into<Value>) -> Self {
        self.part.origins.insert(Self::path(property), FieldPath::parse(origin));
        self.with(property, value)
    }

    /// With a property that is a field, where that is said.
    pub(super) fn taking(mut self, property: &str, origin: &str) -> Self {
        let value = field(self.wanted, origin).clone();
        // Its place is known also of what is said no more.
        self.part.origins.insert(Self::path(property), FieldPath::parse(origin));
        if is_said(&value) { self.with(property, value) } else { self }
    }

    /// With a property that is an option for this provider, where that is said.
    pub(super) fn option(self, property: &str, name: &str) -> Self {
        self.taking(property, &format!("options.aws.{name}"))
    }

    /// With a property that is an attribute of another part. Where it stands in a list, its place there is taken already.
    pub(super) fn reads(mut self, property: &str, part: &str, attribute: &str) -> Self {
        self.part.reads.insert(Self::path(property), Read::of(part, attribute));
        self
    }

    /// After another part, of which it reads nothing.
    pub(super) fn after(mut self, part: &str) -> Self {
        self.part.after.insert(part.to_owned());
        self
    }

    /// With the resource's tags.
    pub(super) fn tagged(mut self) -> Self {
        let tags = field(self.wanted, "tags").clone();
        self.part.origins.insert(FieldPath::parse("tags"), FieldPath::parse("tags"));
        self.part.spec.put(&FieldPath::parse("tags"), if is_said(&tags) { tags } else { Value::Map(Map::new()) });
        self
    }

    /// With the resource's tags, and its name as the tag that AWS's console shows as one.
    pub(super) fn named_by_tag(self) -> Self {
        let (name, tags) = (field(self.wanted, "name").clone(), field(self.wanted, "tags"));
        let is_open = *tags == Value::Unknown;
        let mut tagged = self.tagged();
        if is_said(&name) && !is_open {
            tagged.part.origins.insert(FieldPath::parse("tags.Name"), FieldPath::parse("name"));
            tagged.part.spec.put(&FieldPath::parse("tags.Name"), name);
        }
        tagged
    }

    /// The part.
    pub(super) fn part(self) -> Part {
        self.part
    }
}
