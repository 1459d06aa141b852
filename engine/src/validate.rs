//! Checks a spec against its JSON Schema, in words a person can act on.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;
use trueup_state::{FieldPath, Map, Step, Value};

use crate::help::Help;
use crate::plan::echo::scrub;
use crate::schema::{self, Problem};

/// What the schema does not allow, in the order of the spec.
pub(crate) fn problems(validator: &Validator, schema: &Json, spec: &Value) -> Vec<Problem> {
    let mut unknown = Vec::new();
    let json = plain(spec, &FieldPath::root(), &mut unknown);
    let mut problems: Vec<Problem> = Vec::new();
    if spec.has_secret() {
        shown_secrets(spec, schema, &FieldPath::root(), sealing(schema).as_deref(), &mut problems);
    }
    // Most specs are right, and to say so is much cheaper than to look for what is wrong.
    if validator.is_valid(&json) {
        return problems;
    }
    for error in validator.iter_errors(&json) {
        let path = path_of(error.instance_path().as_str(), &json);
        // A part that is not known may yet be right: it is checked again before the call.
        let open = |unknown: &FieldPath| {
            unknown.covers(&path) || (path.covers(unknown) && looks_inside(&error, schema, &path))
        };
        if unknown.iter().any(open) {
            continue;
        }
        for problem in describe(&error, schema, &json) {
            let problem = outside_of_secrets(problem, spec);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// A problem in a secret as one of the whole secret: the names in it are secret too.
fn outside_of_secrets(problem: Problem, spec: &Value) -> Problem {
    let steps = problem.path.steps();
    let is_secret = |length: &usize| {
        let around = steps[..*length].to_vec();
        matches!(spec.at(&FieldPath::from(around)), Some(Value::Secret(_)))
    };
    match (0..steps.len()).find(is_secret) {
        Some(length) => Problem {
            path: FieldPath::from(steps[..length].to_vec()),
            message: scrub(&problem.message, &[spec]),
            suggestion: None,
        },
        None => problem,
    }
}

/// The numbers that are more than the field that bounds them. Where either is not known, nothing is said.
pub(crate) fn exceeding(schema: &Json, spec: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    compare(Some(schema), spec, &FieldPath::root(), &mut Vec::new(), &mut found);
    found.into_iter().map(|problem| outside_of_secrets(problem, spec)).collect()
}

/// `around`: the maps that a value stands in, the innermost last.
fn compare<'a>(
    schema: Option<&Json>,
    value: &'a Value,
    at: &FieldPath,
    around: &mut Vec<(&'a Map, FieldPath)>,
    found: &mut Vec<Problem>,
) {
    let Some(schema) = schema else { return };
    match value.revealed() {
        Value::Number(number) => {
            let Some(name) = schema::mark_text(schema, "x-at-most") else { return };
            let most = around.iter().rev().find_map(|(map, place)| Some((map.get(name)?, place.field(name))));
            if let Some((Value::Number(most), place)) = most.map(|(most, place)| (most.revealed(), place))
                && number.as_f64() > most.as_f64()
            {
                found.push(Problem::new(at.clone(), format!("this is more than `{place}`")));
            }
        }
        Value::Map(map) => {
            around.push((map, at.clone()));
            for (name, value) in map {
                let inner = schema::child(schema, &Step::Field(name.clone()));
                compare(inner, value, &at.field(name), around, found);
            }
            around.pop();
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                compare(schema::child(schema, &Step::Index(index)), item, &at.index(index), around, found);
            }
        }
        _ => {}
    }
}

/// Secrets where a value shows: in names, in paths, in what is read from them, and in what nobody seals where it is made.
fn shown_secrets(value: &Value, schema: &Json, path: &FieldPath, sealing: Option<&[&str]>, found: &mut Vec<Problem>) {
    // What is in a field that seals a secret is sealed with it.
    let sealing = sealing.filter(|_| !seals(schema));
    let mut inside = |step: Step, value: &Value, at: FieldPath| {
        let inner = schema::child(schema, &step);
        inner.into_iter().for_each(|schema| shown_secrets(value, schema, &at, sealing, found));
    };
    match value {
        Value::Secret(_) => {
            let message = why_no_secret(schema, sealing);
            found.extend(message.map(|message| Problem::new(path.clone(), message)));
        }
        Value::Map(map) => {
            let secret = map.iter().filter(|(_, value)| value.has_secret());
            secret.for_each(|(name, value)| inside(Step::Field(name.clone()), value, path.field(name)));
        }
        Value::List(items) => {
            let secret = items.iter().enumerate().filter(|(_, value)| value.has_secret());
            secret.for_each(|(index, value)| inside(Step::Index(index), value, path.index(index)));
        }
        _ => {}
    }
}

/// Whether a field seals a secret.
fn seals(field: &Json) -> bool {
    schema::marked(field, "x-secret") || schema::marked(field, "x-may-be-secret")
}

/// Why no secret may stand in a field. `sealing`: the fields that seal one, where the others do not.
fn why_no_secret(schema: &Json, sealing: Option<&[&str]>) -> Option<String> {
    let is = |key| schema::marked(schema, key);
    match sealing {
        _ if is("x-shown") || is("x-path") => {
            Some("this can't be secret: it shows in names, in paths and in the state".to_owned())
        }
        None => None,
        Some(_) if seals(schema) => None,
        Some([]) => Some("this can't be secret: it shows in what is made".to_owned()),
        Some(fields) => {
            let fields = fields.join("` or `");
            Some(format!("this can't be secret: it shows in what is made; a secret goes into `{fields}`"))
        }
    }
}

/// The fields of a spec that a secret may stand in, where it may not stand in all.
fn sealing(schema: &Json) -> Option<Vec<&str>> {
    let may = |name: &&str| schema::child(schema, &Step::Field((*name).to_owned())).is_some_and(seals);
    schema::marked(schema, "x-shows").then(|| schema::properties(schema).into_iter().filter(may).collect())
}

/// Whether an error may be due to what stands further down, and so to a part that is not known.
fn looks_inside(error: &ValidationError<'_>, schema: &Json, path: &FieldPath) -> bool {
    // Which fields are given is known, whatever they hold.
    let of_names = path.steps().iter().try_fold(schema, schema::child).is_some_and(|here| {
        !alternatives(here, false).is_empty() || given(here, error.instance()).is_some_and(|given| given != 1)
    });
    !of_names
        && !matches!(
            error.kind(),
            ValidationErrorKind::AdditionalProperties { .. }
                | ValidationErrorKind::Required { .. }
                | ValidationErrorKind::Type { .. }
                | ValidationErrorKind::MinItems { .. }
                | ValidationErrorKind::MaxItems { .. }
                | ValidationErrorKind::MinProperties { .. }
                | ValidationErrorKind::MaxProperties { .. }
        )
}

/// The JSON that is checked: secrets revealed, since errors here repeat no values, and unknowns null and listed.
fn plain(value: &Value, path: &FieldPath, unknown: &mut Vec<FieldPath>) -> Json {
    match value.revealed() {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(value) => Json::Number(value.clone()),
        Value::String(value) => Json::String(value.clone()),
        Value::List(items) => Json::Array(
            items.iter().enumerate().map(|(index, item)| plain(item, &path.index(index), unknown)).collect(),
        ),
        Value::Map(map) => Json::Object(
            map.iter().map(|(name, value)| (name.clone(), plain(value, &path.field(name), unknown))).collect(),
        ),
        Value::Unknown | Value::Secret(_) => {
            unknown.push(path.clone());
            Json::Null
        }
    }
}

/// The path behind a JSON pointer.
fn path_of(pointer: &str, json: &Json) -> FieldPath {
    let mut steps = Vec::new();
    let mut place = Some(json);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match (place, part.parse()) {
            (Some(Json::Array(items)), Ok(index)) => {
                steps.push(Step::Index(index));
                place = items.get(index);
            }
            (other, _) => {
                place = other.and_then(|json| json.get(&part));
                steps.push(Step::Field(part));
            }
        }
    }
    FieldPath::from(steps)
}

fn describe(error: &ValidationError<'_>, schema: &Json, root: &Json) -> Vec<Problem> {
    let (kind, found) = (error.kind(), error.instance());
    let path = &path_of(error.instance_path().as_str(), root);
    let here = path.steps().iter().try_fold(schema, schema::child);
    let say = |message: String| vec![Problem::new(path.clone(), message)];
    match kind {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| unknown_field(name, path, here)).collect()
        }
        ValidationErrorKind::Required { property } => {
            say(format!("the field `{}` is missing", property.as_str().unwrap_or_default()))
        }
        ValidationErrorKind::Type { .. } => {
            let expected = here.map(expected_type).unwrap_or_default();
            let message = format!("this is {}, where {expected} belongs", json_type(found));
            let suggestion = truth(found).filter(|_| expected == "a boolean").map(str::to_owned);
            vec![Problem { path: path.clone(), message, suggestion }]
        }
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. }
            if here.is_some_and(|here| given(here, found).is_some_and(|given| given != 1)) =>
        {
            let names = here.map(|here| alternatives(here, true)).unwrap_or_default();
            let known = here.map(schema::properties).unwrap_or_default();
            // A word that is none of them is meant as one.
            let strange = found.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let strange: Vec<&str> = strange.filter(|name| !known.contains(name)).collect();
            if given(here.unwrap_or(&Json::Null), found) == Some(0) && !strange.is_empty() && !known.is_empty() {
                return strange.into_iter().map(|name| unknown_field(name, path, here)).collect();
            }
            say(format!("exactly one of {} must be given", names.join(", ")))
        }
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context }
            if meant(context, path, root).is_some() =>
        {
            let errors = meant(context, path, root).into_iter().flatten();
            errors.flat_map(|error| describe(error, schema, root)).collect()
        }
        ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::AnyOf { .. } => vec![no_choice(found, here, path)],
        ValidationErrorKind::Pattern { pattern } => say(unlike(pattern, schema, path)),
        _ => say(bound(kind).unwrap_or_else(|| without_value(&error.to_string(), found))),
    }
}

/// What is wrong with a value by the one alternative that it is of the right sort for: of a word and a map, a map is meant as the map.
fn meant<'a>(
    context: &'a [Vec<ValidationError<'static>>],
    path: &FieldPath,
    root: &Json,
) -> Option<&'a Vec<ValidationError<'static>>> {
    let other_sort = |error: &ValidationError<'_>| {
        let sort = matches!(
            error.kind(),
            ValidationErrorKind::Type { .. } | ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. }
        );
        sort && path_of(error.instance_path().as_str(), root) == *path
    };
    // Of several shapes of a map, the one is meant whose own fields are given.
    let other_fields = |error: &&ValidationError<'_>| {
        let names = matches!(
            error.kind(),
            ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. }
        );
        names && path_of(error.instance_path().as_str(), root) == *path
    };
    let right_sort = context.iter().filter(|errors| !errors.is_empty() && !errors.iter().any(other_sort));
    right_sort.min_by_key(|errors| errors.iter().filter(other_fields).count())
}

/// How many of the fields are given of which a schema asks for exactly one; none where it asks for none, or where this is no map.
fn given(schema: &Json, found: &Json) -> Option<usize> {
    let (names, found) = (alternatives(schema, true), found.as_object()?);
    let count = names.iter().filter(|name| found.contains_key(name.trim_matches('`'))).count();
    (!names.is_empty()).then_some(count)
}

/// A field that a schema does not have. `x-instead` in it says of some what to say in their place.
fn unknown_field(name: &str, path: &FieldPath, here: Option<&Json>) -> Problem {
    if let Some(instead) = here.and_then(|here| here.get("x-instead")?.get(name)?.as_str()) {
        return Problem::new(path.field(name), format!("there is no field `{name}` here: {instead}"));
    }
    let known = here.map(schema::properties).unwrap_or_default();
    let suggestion = crate::diagnostic::closest(name, known.iter().copied());
    let message = format!("there is no field `{name}` here; there are: {}", known.join(", "));
    Problem { path: path.field(name), message, suggestion }
}

/// A value that is none of those that a schema chooses from.
fn no_choice(found: &Json, here: Option<&Json>, path: &FieldPath) -> Problem {
    let choices = here.map(choices).unwrap_or_default();
    let suggestion =
        found.as_str().and_then(|text| crate::diagnostic::closest(text, choices.iter().map(String::as_str)));
    let message = if choices.is_empty() {
        format!("this is {}, where {} belongs", json_type(found), here.map(expected_type).unwrap_or_default())
    } else {
        let shapes = here.into_iter().flat_map(schema::variants).filter(|variant| variant.get("properties").is_some());
        let shapes = shapes.map(crate::help::type_words);
        format!("this is none of: {}", choices.iter().cloned().chain(shapes).collect::<Vec<_>>().join(", "))
    };
    Problem { path: path.clone(), message, suggestion }
}

/// What is said of a value that is out of bounds.
fn bound(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Minimum { limit } => format!("this is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("this is more than {limit}"),
        ValidationErrorKind::MinLength { limit } => format!("this is shorter than {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("this is longer than {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("this has fewer than {limit} items"),
        ValidationErrorKind::BacktrackLimitExceeded { .. } => {
            "this takes too long to compare with its pattern".to_owned()
        }
        _ => return None,
    })
}

/// What is said of a text that is not of the form of its field: an example of that, or the field's own words, before the expression.
fn unlike(pattern: &str, schema: &Json, path: &FieldPath) -> String {
    let field = |path: &[Step]| path.iter().try_fold(schema, schema::child).map(Help::of).unwrap_or_default();
    let own = field(path.steps());
    // An item is one of those in its list's examples.
    let around = match path.steps() {
        [list @ .., Step::Index(_)] => field(list),
        _ => Help::default(),
    };
    let items = around.values().into_iter().filter_map(|value| value.as_array().cloned()).flatten();
    let is_text = |value: Json| value.as_str().map(|text| format!("`{text}`"));
    let examples: Vec<String> = own.values().into_iter().chain(items).filter_map(is_text).take(2).collect();
    match (examples.is_empty(), own.summary()) {
        (false, _) => {
            format!("this does not look right: it is written like {}, and matches `{pattern}`", examples.join(" or "))
        }
        (true, "") => format!("this does not look like `{pattern}`"),
        (true, words) => {
            let words = words.trim_end_matches('.');
            format!("this does not look right ({words}): it matches no `{pattern}`")
        }
    }
}

/// The fields of which a schema asks for exactly one, if that is what its `oneOf` says. `shapes`: also where it says besides what each
/// of them is.
fn alternatives(schema: &Json, shapes: bool) -> Vec<String> {
    let variants = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten();
    let required = |variant: &Json| {
        let only = variant.as_object().is_some_and(|keys| keys.len() == 1);
        let one = variant.get("properties").and_then(Json::as_object).is_some_and(|fields| fields.len() == 1);
        let names = variant.get("required").filter(|_| only || (one && shapes))?.as_array()?;
        names.iter().map(|name| name.as_str().map(|name| format!("`{name}`"))).collect::<Option<Vec<_>>>()
    };
    variants.map(required).collect::<Option<Vec<_>>>().map(|names| names.concat()).unwrap_or_default()
}

/// The library's own words, unless they repeat the value: it may be a secret.
fn without_value(message: &str, found: &Json) -> String {
    let value = found.to_string();
    if message.contains(&value) { message.replace(&value, "this") } else { message.to_owned() }
}

fn choices(schema: &Json) -> Vec<String> {
    let text = |json: &Json| match json {
        Json::String(text) => Some(text.clone()),
        Json::Null => None,
        other => Some(other.to_string()),
    };
    let own = schema.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(text);
    let constant = schema.get("const").and_then(text);
    own.chain(constant)
        .chain(schema::variants(schema).flat_map(choices))
        .map(|choice| choice.replace('`', ""))
        .collect()
}

/// The type that a schema asks for, in words.
fn expected_type(schema: &Json) -> String {
    if let Some(kinds) = schema::reference_kinds(schema) {
        let kinds: Vec<&str> = kinds.iter().map(trueup_state::KindName::as_str).collect();
        return format!("a whole {}", kinds.join(" or "));
    }
    let own = match schema.get("type") {
        Some(Json::String(one)) => vec![one.as_str()],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let mut words: Vec<String> = own.into_iter().filter(|name| *name != "null").map(with_article).collect();
    for variant in schema::variants(schema).map(expected_type) {
        if !variant.is_empty() && !words.contains(&variant) {
            words.push(variant);
        }
    }
    words.join(" or ")
}

fn with_article(name: &str) -> String {
    match name {
        "object" => "a map".to_owned(),
        "array" => "a list".to_owned(),
        other => crate::diagnostic::with_article(other),
    }
}

/// What a word that YAML 1.1 took for a boolean means.
fn truth(found: &Json) -> Option<&'static str> {
    match found.as_str()?.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "y" => Some("true"),
        "no" | "off" | "false" | "n" => Some("false"),
        _ => None,
    }
}

fn json_type(json: &Json) -> String {
    match json {
        Json::Null => "nothing".to_owned(),
        Json::Bool(_) => "a boolean".to_owned(),
        Json::Number(number) if number.is_f64() => "a number".to_owned(),
        Json::Number(_) => "an integer".to_owned(),
        Json::String(_) => "a string".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a map".to_owned(),
    }
}
