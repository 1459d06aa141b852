//! `trio`: a kind that the toy cloud makes out of three things and a box that all of a region share.

use std::collections::BTreeMap;

use trueup_engine::compose::{Composed, Composition, Located, LocatedPart, Part, Read, Shared, Wanted};
use trueup_engine::provider::Found;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, KindName, Map, Scope, Value};

use super::cloud::{Cloud, region};
use super::kinds::schema;

/// The kinds, each with that of its parts: a `trio` is of boxes.
pub(crate) const TRIOS: [(&str, &str); 5] = [
    ("trio", "box"),
    ("trio_scarce", "scarce"),
    ("trio_named", "named"),
    ("trio_tagged", "tagged"),
    ("trio_blind", "blind"),
];

/// What the parts of a trio are; none of anything else.
pub(crate) fn part_kind(kind: &str) -> Option<&'static str> {
    TRIOS.iter().find(|(name, _)| *name == kind).map(|(_, part)| *part)
}

/// The parts, and the fields of the whole that each has, as it has them.
const FIELDS: [(&str, &[&str]); 3] = [
    ("model", &["name", "shape", "password", "label", "host"]),
    ("config", &["size", "note", "tags"]),
    ("face", &["ports", "needs", "zone"]),
];

/// What parts read: the field, the part, its attribute.
const READS: [(&str, &str, &str, &str); 3] =
    [("config", "host", "model", "id"), ("face", "host", "config", "id"), ("face", "base", "net", "id")];

pub(crate) fn composed(scope: &Scope, kind: &KindName) -> Option<Composed> {
    let part = part_kind(kind.as_str())?;
    Some(Composed { schema: schema(false), parts: [part, "box"].map(|part| (scope.clone(), part.into())).into() })
}

fn attributes() -> BTreeMap<String, Read> {
    let read = |name: &str, part: &str| (name.to_owned(), Read::of(part, name));
    [read("id", "face"), read("zone", "face"), read("address", "config"), read("echo", "model")].into()
}

pub(crate) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    if wanted.spec.get("label") == Some(&"odd".into()) {
        return Err(vec![Problem::new(FieldPath::parse("label"), "a trio has no odd label")]);
    }
    let part = |(name, fields): &(&str, &[&str])| {
        let mut spec = Map::new();
        let mut origins = BTreeMap::new();
        for field in *fields {
            origins.insert(FieldPath::parse(field), FieldPath::parse(field));
            if let Some(value) = wanted.spec.get(field) {
                spec.insert((*field).to_owned(), value.clone());
            }
        }
        let reads = READS.iter().filter(|(part, ..)| part == name);
        let reads = reads.map(|(_, field, of, name)| (FieldPath::parse(field), Read::of(*of, *name)));
        // A face that needs an address has the last piece of it.
        let piece = Read::of("config", "address").after_last('.').between("<", ">");
        let needs = wanted.spec.get("needs").is_some() && *name == "face";
        let reads = reads.chain(needs.then(|| (FieldPath::parse("note"), piece)));
        Part {
            name: (*name).to_owned(),
            kind: part_kind(wanted.kind.as_str()).unwrap().into(),
            scope: wanted.scope.clone(),
            shared: None,
            after: [].into(),
            create_first: (wanted.spec.get("label") == Some(&"first".into())).then_some(true),
            spec: Value::Map(spec),
            reads: reads.collect(),
            origins,
        }
    };
    let mut parts: Vec<Part> = FIELDS.iter().rev().map(part).collect();
    // No right provider lets what several share follow one of them.
    let note = if wanted.spec.get("force").is_some() { "another net" } else { "a {{ net }}" };
    // What is read comes last here: the engine finds the order.
    parts.push(Part {
        name: "net".to_owned(),
        kind: "box".into(),
        scope: wanted.scope.clone(),
        shared: Some(net_of(wanted.scope)),
        after: [].into(),
        create_first: None,
        spec: Value::Map(Map::from([("note".to_owned(), note.into())])),
        reads: BTreeMap::new(),
        origins: BTreeMap::new(),
    });
    Ok(Composition { parts, attributes: attributes() })
}

fn net_of(scope: &Scope) -> Shared {
    Shared { name: "net".to_owned(), key: region(scope), follows: false }
}

/// From the face to what it reads.
pub(crate) fn locate(cloud: &Cloud, scope: &Scope, id: &str) -> Option<Located> {
    let part =
        |found: &Found, shared| LocatedPart { kind: "box".into(), scope: scope.clone(), id: found.id.clone(), shared };
    let host = |found: &Found| cloud.get(found.spec.get("host")?.as_str()?);
    let face = cloud.get(id)?;
    let config = host(&face)?;
    let model = host(&config)?;
    let parts = [("face", &face), ("config", &config), ("model", &model)];
    let mut parts: BTreeMap<String, LocatedPart> =
        parts.map(|(name, found)| (name.to_owned(), part(found, None))).into();
    if let Some(net) = face.spec.get("base").and_then(|base| cloud.get(base.as_str()?)) {
        parts.insert("net".to_owned(), part(&net, Some(net_of(scope))));
    }
    Some(Located { parts, attributes: attributes() })
}
