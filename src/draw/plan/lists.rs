//! What differs between two lists: what goes, what comes, and how much stays as it is.

use std::collections::BTreeMap;

use trueup_state::Value;

use crate::draw::{count, value};

/// The most items that go or come that are shown.
const MOST: usize = 10;

/// What becomes of a list, in a few words and a line for each item that goes or comes. None where it fits on one line as it is, or
/// where one side is no list.
pub(super) fn change(before: &Value, after: &Value) -> Option<(String, Vec<String>)> {
    let (before, after) = (before.as_list()?, after.as_list()?);
    if [before, after].iter().all(|list| value::fits(&Value::List(list.to_vec()))) {
        return None;
    }
    let (gone, came) = (without(before, after), without(after, before));
    let same = count(after.len() - came.len(), "item");
    if gone.is_empty() && came.is_empty() {
        let words = if before.iter().chain(after).any(Value::has_secret) { "a secret item" } else { "the order" };
        return Some((format!("{words} of {same} changes"), Vec::new()));
    }
    let mut lines = Vec::new();
    for (sign, items) in [("-", &gone), ("+", &came)] {
        lines.extend(items.iter().take(MOST).map(|item| format!("{sign} {item}")));
        if items.len() > MOST {
            lines.push(format!("{sign} … and {} more", items.len() - MOST));
        }
    }
    Some((format!("{same} unchanged, {} gone, {} new", gone.len(), came.len()), lines))
}

/// The items of a list that another one does not have, or not as often, as they are shown.
fn without(list: &[Value], other: &[Value]) -> Vec<String> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for item in other {
        *there.entry(value::whole(item)).or_default() += 1;
    }
    let mut left = Vec::new();
    for item in list {
        match there.get_mut(&value::whole(item)) {
            Some(times) if *times > 0 => *times -= 1,
            _ => left.push(value::short(item)),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(items: std::ops::Range<i64>) -> Value {
        json!(items.map(|item| format!("argument-{item}")).collect::<Vec<_>>()).into()
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
    fn short_lists_stand_on_one_line() {
        assert_eq!(change(&list(0..2), &list(0..1)), None);
        assert_eq!(change(&Value::Null, &list(0..100)), None);
    }
}
