//! A portable kind that a provider makes out of other resources: what it is made of, and what is known of it then. And one that needs
//! others beside it, which a stack shares.
//!
//! What one part takes from another is data, and no text with expressions in it: what a user writes may have braces of its own.

mod again;
mod locate;
mod origins;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use trueup_state::{Address, FieldPath, Key, KindName, Scope, Value};

pub(crate) use again::{Astray, Ground};
pub(crate) use origins::{part_paths, spans};
pub(crate) use whole::Whole;

use crate::blueprint::World;
use crate::blueprint::schema::has_form;
use crate::plan::diff::set;
use crate::plan::echo::scrub;
use crate::provider::{Candidate, Provider};
use crate::schema::{Problem, Schema};

/// A kind that a provider composes, as it is known before any resource of it.
#[derive(Clone, Debug)]
pub struct Composed {
    /// What may be said of the kind.
    pub schema: &'static Schema,
    /// The kinds that its parts may have, and where each is made.
    pub parts: BTreeSet<(Scope, KindName)>,
}

/// A resource that is to be composed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Its kind.
    pub kind: &'a KindName,
    /// What the blueprint wants of it, complete and checked; unknown where only apply can tell.
    pub spec: &'a Value,
    /// Where it is to be.
    pub scope: &'a Scope,
    /// The entry of its placement, where it has one.
    pub candidate: Option<&'a Candidate>,
    /// What its `validate` says, where it is to be checked.
    pub validate: Option<&'a Value>,
}

/// What a resource is made of at one provider. The same parts, whatever of the spec is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Its parts, in no order: what they read of each other orders them.
    pub parts: Vec<Part>,
    /// The resource's attributes, each as it is of a part; a path for what stands in one: `subnets.us-east-1a`.
    pub attributes: BTreeMap<String, Read>,
}

/// One part of a composition.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name under the resource's address: `model` of `chat/model`.
    pub name: String,
    /// What sort of thing it is: a kind that the provider manages.
    pub kind: KindName,
    /// Where it is made.
    pub scope: Scope,
    /// What it is called instead where several resources share it, such as one network for a stack and region. All who share it must say
    /// the same of it.
    pub shared: Option<Shared>,
    /// Its spec, without what it reads.
    pub spec: Value,
    /// The fields of its spec that take what is known of another part once that is made.
    pub reads: BTreeMap<FieldPath, Read>,
    /// The parts that must be there before it though it reads nothing of them: what a role may do, before who acts as the role.
    pub after: BTreeSet<String>,
    /// Whether a new one is made before the old one goes, where that is as it must be whatever the resource says; none: as the resource
    /// says, or else its own kind.
    pub create_first: Option<bool>,
    /// For fields of the spec, the field of the resource that each came from, and with it all below: reasons, `ignore` and `drift` follow
    /// it.
    pub origins: BTreeMap<FieldPath, FieldPath>,
}

/// What a resource of a kind that is managed needs beside it at one provider: things that all of a stack share there, such as who may
/// connect to its machines. They are there before it is made, at every candidate of its placement, and for as long as anything needs them.
/// The same, whatever of the spec is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Companions {
    /// All of them shared.
    pub parts: Vec<Part>,
    /// The fields of the resource's own spec that take what is known of one once that is made.
    pub reads: BTreeMap<FieldPath, Read>,
}

/// An attribute of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The part's name.
    pub part: String,
    /// The attribute.
    pub attribute: String,
    /// Of a text, only what follows the last of this: of an ARN, the name.
    after_last: Option<char>,
    /// What stands before and after it.
    around: Option<(String, String)>,
}

/// What a part is called that several resources share. Its address is one that no resource of a blueprint can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// What it is for: `network`.
    pub name: String,
    /// Which one it is: `us-east-1`.
    pub key: String,
    /// Whether it comes after all that the resource depends on that wants it, as something in a network of the same blueprint does. Its key
    /// tells that resource from all others.
    pub follows: bool,
}

/// What a composed resource that is there already is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The parts that could be found, by name, with the provider's id of each.
    pub parts: BTreeMap<String, LocatedPart>,
    /// The resource's attributes, as of [`Composition`].
    pub attributes: BTreeMap<String, Read>,
}

/// A part that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedPart {
    /// What sort of thing it is.
    pub kind: KindName,
    /// Where it is.
    pub scope: Scope,
    /// The provider's id.
    pub id: String,
    /// As of [`Part`].
    pub shared: Option<Shared>,
}

impl Part {
    /// The names of the parts that must be there before it.
    pub(crate) fn waits_for(&self) -> impl Iterator<Item = &str> {
        self.reads.values().map(|read| read.part.as_str()).chain(self.after.iter().map(String::as_str))
    }
}

impl Read {
    /// An attribute of a part.
    pub fn of(part: impl Into<String>, attribute: impl Into<String>) -> Self {
        Self { part: part.into(), attribute: attribute.into(), after_last: None, around: None }
    }

    /// Of a text only what follows the last of a character: of an ARN, the name.
    #[must_use]
    pub fn after_last(self, character: char) -> Self {
        Self { after_last: Some(character), ..self }
    }

    /// A text between two others.
    #[must_use]
    pub fn between(self, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { around: Some((before.into(), after.into())), ..self }
    }

    /// What is taken of the attribute. What is no text stays what it is, such as what is not known yet.
    pub(crate) fn taken(&self, attribute: &Value) -> Value {
        let Value::String(text) = attribute.revealed() else { return attribute.clone() };
        let text = self.after_last.and_then(|last| text.rsplit(last).next()).unwrap_or(text);
        let (before, after) = self.around.as_ref().map_or(("", ""), |(before, after)| (before, after));
        let taken = format!("{before}{text}{after}").into();
        if attribute.has_secret() { Value::secret(taken) } else { taken }
    }
}

impl Part {
    /// Its address, as a part of a resource.
    pub fn address(&self, of: &Wanted<'_>) -> Address {
        address_of(of.address, of.kind, &self.name, self.shared.as_ref())
    }
}

/// The address of a part of a resource.
pub(crate) fn address_of(of: &Address, kind: &KindName, name: &str, shared: Option<&Shared>) -> Address {
    match shared {
        // A name of a blueprint has no `-`.
        Some(shared) => Address::root(format!("{kind}-{}", shared.name)).with_key(Key::String(shared.key.clone())),
        None => of.child(name),
    }
}

/// Whether an address is one of a part that several resources share.
pub(crate) fn is_shared(address: &Address) -> bool {
    address.parent().is_none() && !has_form(address.name())
}

/// Who composes a kind in one scope, or says what it needs beside it.
#[derive(Clone)]
pub(crate) struct Composer {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) makes: Makes,
}

/// What there is of a resource besides its parts.
#[derive(Clone, Copy)]
pub(crate) enum Makes {
    /// Nothing but a record, in the shape of this schema.
    Whole(&'static Schema),
    /// A thing of its own, of which the parts are companions.
    Beside,
}

impl fmt::Debug for Composer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Composer")
    }
}

/// A composition with the parts in the order of what they read, each with its address.
#[derive(Clone, Debug)]
pub(crate) struct Arranged {
    pub(crate) parts: Vec<(Address, Part)>,
    /// The attributes of the whole, as far as its provider reads them from a part.
    pub(crate) attributes: BTreeMap<String, Read>,
    /// The fields of the resource's own spec that take what is known of a part.
    fields: BTreeMap<FieldPath, Read>,
    /// The names of all attributes of the whole.
    names: Vec<&'static str>,
}

impl Composer {
    /// Whether the parts are all there is of a resource.
    pub(crate) fn is_of_parts(&self) -> bool {
        matches!(self.makes, Makes::Whole(_))
    }

    /// What a resource is made of or needs beside it, in the order in which that can be made.
    pub(crate) fn compose(&self, wanted: &Wanted<'_>) -> Result<Arranged, Vec<Problem>> {
        let one = |problem: Problem| Problem { message: scrub(&problem.message, &[wanted.spec]), ..problem };
        let scrubbed = |problems: Vec<Problem>| problems.into_iter().map(one).collect::<Vec<_>>();
        match self.makes {
            Makes::Whole(schema) => {
                let Composition { parts, attributes } = self.provider.compose(wanted).map_err(scrubbed)?;
                let (parts, names) = (in_order(parts, wanted)?, schema.attribute_names());
                Ok(Arranged { parts, attributes, fields: BTreeMap::new(), names })
            }
            Makes::Beside => {
                let Companions { parts, reads } = self.provider.companions(wanted).map_err(scrubbed)?;
                if let Some(part) = parts.iter().find(|part| part.shared.is_none()) {
                    return Err(wrong(format!("its provider makes {} beside it, which nothing shares", part.name)));
                }
                let parts = in_order(parts, wanted)?;
                Ok(Arranged { parts, attributes: BTreeMap::new(), fields: reads, names: Vec::new() })
            }
        }
    }
}

fn wrong(message: String) -> Vec<Problem> {
    vec![Problem::new(FieldPath::root(), message)]
}

/// Parts in the order of what they read, each with its address.
fn in_order(parts: Vec<Part>, wanted: &Wanted<'_>) -> Result<Vec<(Address, Part)>, Vec<Problem>> {
    let (mut left, mut parts) = (parts, Vec::new());
    let mut placed: BTreeSet<String> = BTreeSet::new();
    while !left.is_empty() {
        let ready = |part: &Part| part.waits_for().all(|other| placed.contains(other));
        let Some(next) = left.iter().position(ready) else {
            return Err(wrong(format!("{} of it reads what it can't have, says its provider", left[0].name)));
        };
        let part = left.remove(next);
        if !placed.insert(part.name.clone()) {
            return Err(wrong(format!("its provider makes it of two parts `{}`", part.name)));
        }
        parts.push((part.address(wanted), part));
    }
    Ok(parts)
}

impl Arranged {
    /// The address of a part.
    pub(crate) fn address_of(&self, name: &str) -> Option<&Address> {
        self.parts.iter().find(|(_, part)| part.name == name).map(|(address, _)| address)
    }

    /// The spec of a part, with what can be seen of those that it reads.
    pub(crate) fn spec_of(&self, part: &Part, world: &World) -> Value {
        let mut spec = part.spec.clone();
        for (path, read) in &part.reads {
            set(&mut spec, path, Some(&self.read(read, world)));
        }
        spec
    }

    /// The resource's attributes, as far as its parts can be seen.
    pub(crate) fn attributes(&self, world: &World) -> Value {
        let nothing = self.names.iter().map(|name| ((*name).to_owned(), Value::Null));
        let mut attributes = Value::Map(nothing.collect());
        for (path, read) in &self.attributes {
            set(&mut attributes, &FieldPath::parse(path), Some(&self.read(read, world)));
        }
        attributes
    }

    /// Puts what can be seen of the parts into the resource's own spec.
    pub(crate) fn fill(&self, spec: &mut Value, world: &World) {
        for (path, read) in &self.fields {
            set(spec, path, Some(&self.read(read, world)));
        }
    }

    fn read(&self, read: &Read, world: &World) -> Value {
        let visible = self.address_of(&read.part).and_then(|address| world.visible(address));
        let Some(visible) = visible.filter(|visible| visible.attributes != Value::Unknown) else {
            return Value::Unknown;
        };
        visible.attributes.get(&read.attribute).map(|attribute| read.taken(attribute)).unwrap_or_default()
    }
}
