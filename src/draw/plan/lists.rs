//! What differs between two lists: what goes, what comes, and how much stays as it is.

use std::collections::{BTreeMap, VecDeque};

use trueup_engine::plan::diff::differ;
use trueup_state::{FieldPath, Step, Value};

use crate::draw::{count, safe, value};

/// The most items that go, come or change that are shown.
const MOST: usize = 10;

/// An item of a list that the other one does not have, or not as often.
#[derive(Clone, Copy)]
struct Item<'a> {
    value: &'a Value,
    index: usize,
    /// How many items before it are in both lists: where that is the same, so is its place.
    after: usize,
}

/// What becomes of a list, in a few words and a line for each item that goes, comes, or changes inside. None where it fits on one line
/// as it is, or where one side is no list.
pub(super) fn change(path: &FieldPath, before: &Value, after: &Value) -> Option<(String, Vec<String>)> {
    let (before, after) = (before.as_list()?, after.as_list()?);
    if [before, after].iter().all(|list| value::fits(&Value::List(list.to_vec()))) {
        return None;
    }
    let (mut gone, mut came) = (without(before, after), without(after, before));
    let same = count(after.len() - came.len(), "item");
    if gone.is_empty() && came.is_empty() {
        let words = if before.iter().chain(after).any(Value::has_secret) { "a secret item" } else { "the order" };
        return Some((format!("{words} of {same} changes"), Vec::new()));
    }
    let changed = take_changed(&mut gone, &mut came);
    let mut words = format!("{same} unchanged");
    let mut lines = Vec::new();
    if !changed.is_empty() {
        words.push_str(&format!(", {} changed", changed.len()));
        lines = folded("~", changed.iter().flat_map(|(before, after)| inside(path, before, after)).collect());
    }
    if !(gone.is_empty() && came.is_empty()) {
        words.push_str(&format!(", {} gone, {} new", gone.len(), came.len()));
    }
    lines.extend(folded("-", gone.iter().map(|item| told_from(item, &came)).collect()));
    lines.extend(folded("+", came.iter().map(|item| told_from(item, &gone)).collect()));
    Some((words, lines))
}

/// Lines with a sign, the first of them where there are many.
fn folded(sign: &str, mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    lines.extend((more > 0).then(|| format!("… and {more} more")));
    lines.into_iter().map(|line| format!("{sign} {line}")).collect()
}

/// The items of a list that another one does not have, or not as often.
fn without<'a>(list: &'a [Value], other: &[Value]) -> Vec<Item<'a>> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for item in other {
        *there.entry(value::whole(item)).or_default() += 1;
    }
    let (mut left, mut after) = (Vec::new(), 0);
    for (index, value) in list.iter().enumerate() {
        match there.get_mut(&value::whole(value)) {
            Some(times) if *times > 0 => (*times, after) = (*times - 1, after + 1),
            _ => left.push(Item { value, index, after }),
        }
    }
    left
}

/// Takes out of what goes and what comes those pairs at one place that are one item, of which a part changes.
fn take_changed<'a>(gone: &mut Vec<Item<'a>>, came: &mut Vec<Item<'a>>) -> Vec<(Item<'a>, Item<'a>)> {
    let mut places: BTreeMap<usize, VecDeque<Item<'a>>> = BTreeMap::new();
    for item in came.iter() {
        places.entry(item.after).or_default().push_back(*item);
    }
    let mut pairs = Vec::new();
    gone.retain(|item| {
        let other = places.get_mut(&item.after).and_then(VecDeque::pop_front);
        let pair = other.filter(|other| has_part_of(item.value, other.value));
        pairs.extend(pair.map(|other| (*item, other)));
        pair.is_none()
    });
    came.retain(|item| pairs.iter().all(|(_, other)| other.index != item.index));
    pairs
}

/// Whether two maps have a field in common, with the same in it: then they are taken for one thing that changed.
fn has_part_of(before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_map(), after.as_map()) else { return false };
    before.iter().any(|(name, value)| after.get(name).is_some_and(|other| !differ(Some(value), Some(other))))
}

/// What differs inside an item, each with its path from the name of the list on.
fn inside(list: &FieldPath, before: &Item<'_>, after: &Item<'_>) -> Vec<String> {
    let name: FieldPath = list.steps().last().cloned().into_iter().collect::<Vec<Step>>().into();
    let mut found = Vec::new();
    walk(&name.index(after.index), Some(before.value), Some(after.value), &mut found);
    found.into_iter().map(|(path, words)| format!("{}  {words}", safe::line(path))).collect()
}

fn walk(at: &FieldPath, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<(FieldPath, String)>) {
    match (before, after) {
        (Some(Value::Map(one)), Some(Value::Map(other))) => {
            for (name, value) in one {
                walk(&at.field(name), Some(value), other.get(name), found);
            }
            for (name, value) in other.iter().filter(|(name, _)| one.get(name.as_str()).is_none()) {
                walk(&at.field(name), None, Some(value), found);
            }
        }
        (Some(Value::List(one)), Some(Value::List(other))) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                walk(&at.index(index), Some(one), Some(other), found);
            }
        }
        _ if differ(before, after) => found.push((at.clone(), value::change(before, after))),
        _ => {}
    }
}

/// An item as it is shown: cut, where it is long, so that it is told from what else would be cut to the same.
fn told_from(item: &Item<'_>, others: &[Item<'_>]) -> String {
    let short = value::short(item.value);
    match others.iter().find(|other| value::short(other.value) == short) {
        Some(other) => value::beside(item.value, other.value),
        None => short,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(items: std::ops::Range<i64>) -> Value {
        json!(items.map(|item| format!("argument-{item}")).collect::<Vec<_>>()).into()
    }

    fn change(before: &Value, after: &Value) -> Option<(String, Vec<String>)> {
        super::change(&FieldPath::parse("properties.Variants"), before, after)
    }

    fn variant(name: &str, instance: &str) -> serde_json::Value {
        json!({ "ContainerStartupHealthCheckTimeoutInSeconds": 885, "Serverless": { "Memory": [1, instance] }, "VariantName": name })
    }

    #[test]
    fn what_stays_is_counted_and_what_does_not_is_shown() {
        let (words, lines) = change(&list(0..100), &list(2..101)).unwrap();
        assert_eq!(words, "98 items unchanged, 2 gone, 1 new");
        assert_eq!(lines, [r#"- "argument-0""#, r#"- "argument-1""#, r#"+ "argument-100""#]);
        let (_, lines) = change(&list(0..100), &list(50..100)).unwrap();
        assert_eq!((lines.len(), lines[10].as_str()), (11, "- … and 40 more"));
    }

    #[test]
    fn an_item_twice_is_not_the_same_as_once() {
        let twice: Value = json!(["x".repeat(40), "x".repeat(40)]).into();
        let once: Value = json!(["x".repeat(40)]).into();
        assert_eq!(change(&twice, &once).unwrap().0, "1 item unchanged, 1 gone, 0 new");
    }

    #[test]
    fn order_and_secrets_are_told_where_nothing_else_differs() {
        let back = Value::List(list(0..20).as_list().unwrap().iter().rev().cloned().collect());
        assert_eq!(change(&list(0..20), &back).unwrap(), ("the order of 20 items changes".to_owned(), vec![]));
        let secret = |text: &str| Value::List(vec![Value::secret(text.into()), Value::from("x".repeat(70))]);
        let (words, lines) = change(&secret("hunter2"), &secret("hunter3")).unwrap();
        assert_eq!((words.as_str(), lines.len()), ("a secret item of 2 items changes", 0));
    }

    #[test]
    fn of_an_item_that_changes_what_differs_is_shown_by_its_path() {
        let before = json!([variant("primary", "ml.g6.xlarge"), variant("shadow", "ml.g6.xlarge")]).into();
        let after = json!([variant("primary", "ml.g6.12xlarge"), variant("shadow", "ml.g6.xlarge")]).into();
        let line = r#"~ Variants[0].Serverless.Memory[1]  "ml.g6.xlarge" → "ml.g6.12xlarge""#.to_owned();
        assert_eq!(change(&before, &after).unwrap(), ("1 item unchanged, 1 changed".to_owned(), vec![line]));
        // What comes before it leaves it one item still, and a field of it may come or go.
        let after =
            json!([variant("canary", "ml.g5.xlarge"), variant("primary", "ml.g6.xlarge"), { "VariantName": "shadow" }]);
        let (words, lines) = change(&before, &after.into()).unwrap();
        assert_eq!(words, "1 item unchanged, 1 changed, 0 gone, 1 new");
        assert_eq!(lines[0], "~ Variants[2].ContainerStartupHealthCheckTimeoutInSeconds  885 → (none)");
        assert!(lines[1].starts_with("~ Variants[2].Serverless  "), "{lines:?}");
        assert!(lines[2].starts_with("+ {") && lines.len() == 3, "{lines:?}");
    }

    #[test]
    fn items_that_have_nothing_in_common_go_and_come() {
        let tag = |key: &str| json!({ "Key": key, "Value": format!("{key}{}", "x".repeat(60)) });
        let (words, lines) = change(&json!([tag("a")]).into(), &json!([tag("b")]).into()).unwrap();
        assert_eq!((words.as_str(), lines.len()), ("0 items unchanged, 1 gone, 1 new", 2));
        let (words, lines) = change(&json!([tag("a")]).into(), &json!([tag("b"), tag("a")]).into()).unwrap();
        assert_eq!((words.as_str(), lines.len()), ("1 item unchanged, 0 gone, 1 new", 1));
    }

    #[test]
    fn a_secret_inside_an_item_is_not_shown() {
        let item = |secret: &str, size: i64| {
            let secret = Value::secret(secret.into());
            Value::Map(
                [("name".into(), "x".repeat(70).into()), ("secret".into(), secret), ("size".into(), size.into())]
                    .into(),
            )
        };
        let (_, lines) =
            change(&Value::List(vec![item("hunter2", 1)]), &Value::List(vec![item("hunter3", 2)])).unwrap();
        assert_eq!(lines, ["~ Variants[0].secret  (secret) → (secret)", "~ Variants[0].size  1 → 2"]);
    }

    #[test]
    fn what_is_cut_to_the_same_is_cut_where_it_differs() {
        let item = |middle: &str| format!("{}{middle}{}", "a".repeat(100), "b".repeat(100));
        let (_, lines) = change(&json!([item("one")]).into(), &json!([item("two")]).into()).unwrap();
        assert!(lines[0].starts_with("- …") && lines[0].contains("aaaonebbb"), "{lines:?}");
        assert!(lines[1].starts_with("+ …") && lines[1].contains("aaatwobbb"), "{lines:?}");
    }

    #[test]
    fn short_lists_stand_on_one_line() {
        assert_eq!(change(&list(0..2), &list(0..1)), None);
        assert_eq!(change(&Value::Null, &list(0..100)), None);
    }
}
