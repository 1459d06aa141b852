//! `guest`: a kind that the toy cloud manages, and that needs a house beside it, which all of a region share, and for its label a key.

use std::collections::{BTreeMap, BTreeSet};

use trueup_engine::compose::{Companions, Part, Read, Shared, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, KindName, Map, Scope, Value};

use super::cloud::region;
use super::kinds::GUEST;

/// What it needs is a box, and a tagged thing for its key.
pub(crate) fn accompanies(scope: &Scope, kind: &KindName) -> BTreeSet<(Scope, KindName)> {
    if kind.as_str() != GUEST.name {
        return BTreeSet::new();
    }
    ["box", "tagged"].map(|part| (scope.clone(), part.into())).into()
}

pub(crate) fn companions(wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
    let label = wanted.spec.get("label").and_then(Value::as_str);
    if label == Some("odd") {
        return Err(vec![Problem::new(FieldPath::parse("label"), "a guest has no odd label")]);
    }
    let house = part(wanted, "house", "box", Some(&region(wanted.scope)));
    let mut needed = Companions { parts: vec![house], reads: reads("host", "house") };
    if let Some(label) = label {
        // No right provider makes beside a thing what nothing shares.
        let key = Some(label).filter(|label| *label != "own");
        let key = Part { reads: reads("host", "house"), ..part(wanted, "key", "tagged", key) };
        needed.parts.insert(0, key);
        needed.reads.extend(reads("base", "key"));
    }
    Ok(needed)
}

fn reads(field: &str, of: &str) -> BTreeMap<FieldPath, Read> {
    [(FieldPath::parse(field), Read::of(of, "id"))].into()
}

fn part(wanted: &Wanted<'_>, name: &str, kind: &str, key: Option<&str>) -> Part {
    Part {
        name: name.to_owned(),
        kind: kind.into(),
        scope: wanted.scope.clone(),
        shared: key.map(|key| Shared { name: name.to_owned(), key: key.to_owned(), follows: false }),
        after: [].into(),
        create_first: None,
        spec: Value::Map(Map::from([("note".to_owned(), format!("the {name}").into())])),
        reads: BTreeMap::new(),
        origins: BTreeMap::new(),
    }
}
