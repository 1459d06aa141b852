//! From the fields of a part to those of the resource that they came from, and back.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{FieldPath, Step, Value};

use crate::blueprint::source::{Content, Name, Node};
use crate::diagnostic::Span;

type Origins = BTreeMap<FieldPath, FieldPath>;

/// What follows `outer` in a path that it covers.
fn below(outer: &FieldPath, path: &FieldPath) -> Vec<Step> {
    path.steps()[outer.steps().len()..].to_vec()
}

fn joined(path: &FieldPath, rest: Vec<Step>) -> FieldPath {
    path.steps().iter().cloned().chain(rest).collect::<Vec<_>>().into()
}

/// The fields of a part that came from some fields of its resource.
pub(crate) fn part_paths(origins: &Origins, paths: &BTreeSet<FieldPath>) -> BTreeSet<FieldPath> {
    let of = |path: &FieldPath| {
        let of_field = |(field, origin): (&FieldPath, &FieldPath)| {
            if path.covers(origin) {
                Some(field.clone())
            } else {
                origin.covers(path).then(|| joined(field, below(origin, path)))
            }
        };
        origins.iter().filter_map(of_field).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// The field of its resource that a field of a part came from; the root where none is known.
pub(super) fn origin(origins: &Origins, path: &FieldPath) -> FieldPath {
    let nearest = origins.iter().filter(|(field, _)| field.covers(path)).max_by_key(|(field, _)| field.steps().len());
    nearest.map_or_else(FieldPath::root, |(field, origin)| joined(origin, below(field, path)))
}

/// A spec as a tree in which each field stands where the field that it came from does.
pub(crate) fn spans(spec: &Value, origins: &Origins, span_of: &dyn Fn(&FieldPath) -> Span) -> Node {
    tree(Some(spec), origins, span_of, &FieldPath::root())
}

fn tree(value: Option<&Value>, origins: &Origins, span_of: &dyn Fn(&FieldPath) -> Span, at: &FieldPath) -> Node {
    let span = span_of(&origin(origins, at));
    // What was taken out of the blueprint is no longer in the spec, and has its place all the same.
    let mut names: BTreeSet<&String> =
        value.and_then(|value| value.revealed().as_map()).into_iter().flat_map(|map| map.keys()).collect();
    let known = origins.keys().filter(|field| at.covers(field));
    names.extend(known.filter_map(|field| match field.steps().get(at.steps().len()) {
        Some(Step::Field(name)) => Some(name),
        _ => None,
    }));
    let content = match value.map(Value::revealed) {
        Some(Value::List(items)) => {
            let item = |(index, item)| tree(Some(item), origins, span_of, &at.index(index));
            Content::List(items.iter().enumerate().map(item).collect())
        }
        _ if names.is_empty() => Content::Null,
        _ => {
            let entry = |name: &String| {
                let node = tree(value.and_then(|value| value.get(name)), origins, span_of, &at.field(name));
                (Name { text: name.clone(), span: node.span }, node)
            };
            Content::Map(names.into_iter().map(entry).collect())
        }
    };
    Node { span, content }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::FileId;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text)
    }

    fn origins(pairs: &[(&str, &str)]) -> Origins {
        pairs.iter().map(|(field, origin)| (path(field), path(origin))).collect()
    }

    #[test]
    fn what_is_said_of_a_field_is_said_of_what_comes_of_it() {
        let origins = origins(&[("environment", "env"), ("image.uri", "image"), ("size", "replicas.min")]);
        let of = |said: &str| {
            let paths = part_paths(&origins, &BTreeSet::from([path(said)]));
            paths.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("env"), ["environment"]);
        assert_eq!(of("env.DEBUG"), ["environment.DEBUG"]);
        assert_eq!(of("replicas"), ["size"]);
        assert_eq!(of("tags"), [""; 0]);
    }

    #[test]
    fn a_field_stands_where_it_came_from() {
        let origins = origins(&[("environment", "env"), ("size", "replicas.min")]);
        let spec: Value = json!({ "environment": { "A": "x" }, "list": [1] }).into();
        let place = |path: &FieldPath| {
            let start = path.to_string().len();
            Span { file: FileId(0), start, end: start }
        };
        let node = spans(&spec, &origins, &place);
        let at = |field: &str| node.nearest(&path(field)).unwrap().start;
        assert_eq!(at("environment.A"), "env.A".len());
        assert_eq!(at("environment.GONE"), "env".len());
        assert_eq!(at("size"), "replicas.min".len());
        assert_eq!(at("list"), 0);
    }
}
