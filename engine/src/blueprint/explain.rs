//! What a name in a blueprint means: a kind, a field of one, a section of the language, a provider's settings. It is read from what
//! blueprints are checked against.

use serde_json::Value as Json;
use trueup_state::KindName;

use super::fields::language;
use super::sight::suggest;
use super::{Catalog, ProviderEntry};
use crate::help::{Inner, inner};
use crate::native::Native;
use crate::schema::Schema;

/// What holds a native kind's own fields.
pub const PROPERTIES: &str = "properties";

/// A name that can be explained.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its whole name: `endpoint.health.path`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its schema, with keys of our own; see [`crate::schema`].
    pub schema: Json,
    /// Whether it must be there where it may stand.
    pub required: bool,
    /// Whether it is one of several that are chosen from, of which one must be there.
    pub choice: bool,
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Role {
    /// A portable kind.
    Kind {
        /// The schema of its attributes.
        attributes: Json,
        /// The providers in this program that make it.
        makers: Vec<String>,
    },
    /// A native kind.
    Native {
        /// The provider that makes it.
        maker: String,
        /// What its cloud says of it.
        native: Box<Native>,
    },
    /// A provider.
    Provider {
        /// The portable kinds that it makes.
        kinds: Vec<String>,
    },
    /// A section at the top of a blueprint.
    Section,
    /// A field of a kind or of the language, or a setting.
    Field,
    /// An attribute of a kind.
    Attribute,
}

impl Role {
    /// The schema of the attributes, of a kind.
    pub fn attributes(&self) -> Option<&Json> {
        match self {
            Self::Kind { attributes, .. } => Some(attributes),
            Self::Native { native, .. } => Some(&native.attributes),
            Self::Provider { .. } | Self::Section | Self::Field | Self::Attribute => None,
        }
    }
}

/// A name that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unknown {
    /// What is wrong.
    pub message: String,
    /// What may be meant, or what there is.
    pub help: String,
}

/// Everything that can be explained by one word: the kinds, the sections of the language, the providers; each in their order.
pub fn topics(catalog: &Catalog) -> Vec<Topic> {
    let kinds = catalog.kinds.iter().map(|(name, schema)| kind(name.as_str(), schema, catalog));
    let language = language();
    let sections: Vec<Topic> =
        inner(&language).into_iter().map(|section| field(section.name, Role::Section, section)).collect();
    let providers = catalog.providers.iter().map(|(name, entry)| provider(name, entry));
    kinds.chain(sections).chain(providers).collect()
}

/// What a name such as `bucket`, `endpoint.health.path` or `resources.for_each` means.
pub fn explain(catalog: &Catalog, name: &str) -> Result<Topic, Unknown> {
    let topics = topics(catalog);
    let mut words = name.split('.').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    if is_native(name) {
        return Err(Unknown {
            message: format!("`{name}` is a native kind: its fields are the cloud's own"),
            help: "its provider's reference lists what stands under `properties`; `resources` tells what any resource may have".to_owned(),
        });
    }
    let Some(mut topic) = topics.iter().find(|topic| topic.name == first).cloned().or_else(|| of_any(first)) else {
        let known: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let (message, help) = (format!("there is nothing called `{first}`"), among(first, &known));
        return Err(Unknown { message, help });
    };
    for word in words {
        topic = below(&topic, word.split('[').next().unwrap_or(word), catalog)?;
    }
    Ok(topic)
}

/// What may be said of any resource, by its name alone: `placement` for `resources.placement`.
fn of_any(name: &str) -> Option<Topic> {
    let language = language();
    let fields = inner(language.pointer("/properties/resources")?);
    let found = fields.into_iter().find(|field| field.name == name)?;
    Some(field(&format!("resources.{name}"), Role::Field, found))
}

/// The native kind that a name names, or a field of which, and the provider that makes it; none where no provider here does.
pub fn native_kind<'c>(catalog: &'c Catalog, name: &str) -> Option<(KindName, &'c str)> {
    let kind = name_of_kind(name);
    let (maker, _) = catalog.providers.iter().find(|(_, entry)| (entry.natives)(kind))?;
    Some((KindName::from(kind), maker))
}

/// The name of a native kind at the beginning of a path. It may have points of its own: then it ends where a field of native kinds is named.
fn name_of_kind(path: &str) -> &str {
    const FIELDS: [&str; 6] = [PROPERTIES, "tags", "name", "parent", "location", "resource_id"];
    let first = path.split('.').next().unwrap_or_default();
    if is_native(first) {
        return first;
    }
    let fields = FIELDS.iter().filter_map(|field| {
        let at = path.find(&format!(".{field}"))?;
        path[at + 1 + field.len()..].chars().next().is_none_or(|next| next == '.' || next == '[').then_some(at)
    });
    fields.min().map_or(path, |at| &path[..at])
}

/// What the name of a native kind means, or that of a field of one: `AWS::SQS::Queue.properties.RedrivePolicy`.
pub fn explain_native(catalog: &Catalog, name: &str, maker: &str, native: Native) -> Result<Topic, Unknown> {
    let kind = name_of_kind(name);
    let words = name[kind.len()..].split('.').filter(|word| !word.is_empty());
    let schema = native.spec.clone();
    let role = Role::Native { maker: maker.to_owned(), native: Box::new(native) };
    let name = kind.to_owned();
    let mut topic = Topic { name, role, schema, required: false, choice: false };
    for word in words {
        topic = below(&topic, word.split('[').next().unwrap_or(word), catalog)?;
    }
    Ok(topic)
}

/// A native kind's name may have points too, but so has a path.
fn is_native(name: &str) -> bool {
    name.contains("::") || name.contains('/')
}

/// One step further down: a field, else an attribute, else what any resource may have.
fn below(topic: &Topic, word: &str, catalog: &Catalog) -> Result<Topic, Unknown> {
    let any_resource = language();
    let mut places: Vec<(&Json, Role)> = vec![(&topic.schema, Role::Field)];
    match &topic.role {
        Role::Attribute => places[0].1 = Role::Attribute,
        role => {
            if let Some(attributes) = role.attributes() {
                places.push((attributes, Role::Attribute));
                places.extend(any_resource.pointer("/properties/resources").map(|schema| (schema, Role::Field)));
            }
        }
    }
    for (schema, role) in &places {
        if let Some(found) = inner(schema).into_iter().find(|field| field.name == word) {
            return Ok(field(&format!("{}.{word}", topic.name), role.clone(), found));
        }
    }
    // `providers.aws`, as it stands in a blueprint.
    if let (Role::Section, Some(entry)) =
        (&topic.role, catalog.providers.get(word).filter(|_| topic.name == "providers"))
    {
        return Ok(provider(word, entry));
    }
    let mut known: Vec<&str> = Vec::new();
    for field in places.iter().flat_map(|(schema, _)| inner(schema)) {
        // An attribute may have the name of a field.
        if !known.contains(&field.name) {
            known.push(field.name);
        }
    }
    let message = format!("`{}` has no `{word}`", topic.name);
    if topic.name.ends_with(".options") && catalog.providers.contains_key(word) {
        return Err(Unknown {
            message: format!("what stands in `{}.{word}` is known to the provider `{word}` alone", topic.name),
            help: format!(
                "the documentation of `{word}` lists its options, kind by kind; one that there is not is refused when a plan is made"
            ),
        });
    }
    if known.is_empty() {
        return Err(Unknown {
            message,
            help: format!("it has no fields; `trueup explain {}` tells what it is", topic.name),
        });
    }
    if let Role::Native { .. } = &topic.role
        && let Some(properties) = inner(&topic.schema).into_iter().find(|field| field.name == PROPERTIES)
        && inner(properties.schema).iter().any(|field| field.name == word)
    {
        let help = format!("it stands under `{PROPERTIES}`: `{}.{PROPERTIES}.{word}`", topic.name);
        return Err(Unknown { message, help });
    }
    Err(Unknown { message, help: among(word, &known) })
}

/// What is meant, perhaps, and what there is.
fn among(word: &str, known: &[&str]) -> String {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match suggest(word, known, "", "") {
        meant if meant.starts_with("did") => format!("{meant} There are {list}"),
        _ => format!("there are {list}"),
    }
}

fn kind(name: &str, schema: &Schema, catalog: &Catalog) -> Topic {
    let is_maker = |(_, entry): &(&String, &ProviderEntry)| entry.kinds.iter().any(|kind| kind.as_str() == name);
    let makers = catalog.providers.iter().filter(is_maker).map(|(name, _)| name.clone()).collect();
    let role = Role::Kind { attributes: schema.attributes.clone(), makers };
    Topic { name: name.to_owned(), role, schema: schema.spec.clone(), required: false, choice: false }
}

fn provider(name: &str, entry: &ProviderEntry) -> Topic {
    let kinds = entry.kinds.iter().map(ToString::to_string).collect();
    Topic {
        name: name.to_owned(),
        role: Role::Provider { kinds },
        schema: entry.settings.spec.clone(),
        required: false,
        choice: false,
    }
}

fn field(name: &str, role: Role, field: Inner<'_>) -> Topic {
    Topic { name: name.to_owned(), role, schema: field.schema.clone(), required: field.required, choice: field.choice }
}
