//! `for_each` and `when`: how often something is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use trueup_state::{Address, Key, Value};

use super::evaluate;
use super::expand::{Expander, Stop};
use super::expression::see;
use super::leads::{self, Lead, as_expression, lead};
use super::schema::TRUTH;
use super::sight::{Seen, article};
use super::source::{Content, Node};
use super::tracking::Tracker;
use super::world::{Each, EachValue, Scope};
use crate::diagnostic::Diagnostic;

impl Expander<'_, '_> {
    /// The instances of a `for_each`; one without a key where there is none. Only the keys must be known: what stands under them may
    /// be what only apply can tell.
    pub(super) fn instances(
        &mut self,
        node: Option<&Node>,
        scope: &Scope,
        reads: &mut BTreeSet<Address>,
    ) -> Result<Vec<Option<Each>>, Stop> {
        let Some(node) = node else { return Ok(vec![None]) };
        if let Some(eachs) = whole_block(node, scope) {
            return Ok(eachs.into_iter().map(Some).collect());
        }
        let found = match &node.content {
            Content::Map(entries) => {
                let keys = entries.iter().map(|(name, _)| Key::String(name.text.clone()));
                Ok(self.lazily(keys, entries.iter().map(|(_, node)| node), scope))
            }
            Content::List(items) => {
                let values = items.iter().map(|item| self.item(item, scope)).collect::<Result<Vec<_>, _>>()?;
                keys_of(&values).map(|keys| self.lazily(keys, items.iter(), scope))
            }
            _ => match no_keys(node, scope) {
                Some(wrong) => Err(wrong),
                None => keyed(self.keys_known(node, scope, reads)?, node),
            },
        };
        let found = found.and_then(|eachs| unique(&eachs).map(|()| eachs));
        let eachs = found.map_err(|(message, help)| {
            self.problems.push(Diagnostic::error(message).at(node.span, "this `for_each`").help(help));
            Stop::Wrong
        })?;
        Ok(eachs.into_iter().map(Some).collect())
    }

    /// A condition that must be known early.
    pub(super) fn holds(
        &mut self,
        node: Option<&Node>,
        scope: &Scope,
        what: &str,
        default: bool,
        reads: &mut BTreeSet<Address>,
    ) -> Result<bool, Stop> {
        let Some(node) = node else { return Ok(default) };
        let found = match lead(node, scope) {
            Some(Lead::Attribute(types)) if !leads::may_be(&types, &["boolean"]) => leads::words(&types),
            _ => match self.early(node, scope, what, reads)?.revealed() {
                Value::Bool(holds) => return Ok(*holds),
                other => article(other),
            },
        };
        let message = format!("{what} is {found}, where `true` or `false` belongs");
        let help = match &node.content {
            Content::Template(_) => "compare it with something: `{{ a > 0 }}`, `{{ a == 'b' }}`".to_owned(),
            _ => as_expression(node, scope).unwrap_or_else(|| TRUTH.to_owned()),
        };
        self.problems.push(Diagnostic::error(message).at(node.span, "this value").help(help));
        Ok(default)
    }

    /// Instances of which each has a node of its own: evaluated now where it reads no resource, whenever it is read where it does.
    fn lazily<'n>(
        &mut self,
        keys: impl IntoIterator<Item = Key>,
        nodes: impl Iterator<Item = &'n Node>,
        scope: &Scope,
    ) -> Vec<Each> {
        let mut each = |(key, node): (Key, &Node)| {
            let evaluated = evaluate(node, scope);
            let value = if evaluated.reads.is_empty() {
                self.problems.extend(evaluated.problems);
                EachValue::Known(evaluated.value)
            } else {
                EachValue::Node { node: Arc::new(node.clone()), part: false }
            };
            Each { key, value }
        };
        keys.into_iter().zip(nodes).map(&mut each).collect()
    }

    /// An item of a list: it must be known whether it is a key itself.
    fn item(&mut self, node: &Node, scope: &Scope) -> Result<Value, Stop> {
        let evaluated = evaluate(node, scope);
        if matches!(evaluated.value.revealed(), Value::Unknown) {
            return self.early(node, scope, "`for_each`", &mut BTreeSet::new());
        }
        // Known or not, it is a key: what it reads must be known in every round, or the rounds never end.
        self.early.extend(evaluated.reads);
        Ok(evaluated.value)
    }

    /// A value of which at least the keys are known.
    fn keys_known(&mut self, node: &Node, scope: &Scope, reads: &mut BTreeSet<Address>) -> Result<Value, Stop> {
        let evaluated = evaluate(node, scope);
        let known = match evaluated.value.revealed() {
            Value::Map(_) => true,
            Value::List(items) => items.iter().all(|item| *item.revealed() != Value::Unknown),
            _ => false,
        };
        if known && evaluated.problems.is_empty() {
            self.early.extend(evaluated.reads.iter().cloned());
            reads.extend(evaluated.reads);
            return Ok(evaluated.value);
        }
        self.early(node, scope, "`for_each`", reads)
    }
}

/// The instances of a `for_each` over all of another block: its keys need nothing that is made.
fn whole_block(node: &Node, scope: &Scope) -> Option<Vec<Each>> {
    node.path()?;
    let Seen::Group(block) = see(node, scope, &Tracker::default(), "for_each") else { return None };
    let each = |key: &Key| Each { key: key.clone(), value: EachValue::Resource(block.with_key(key.clone())) };
    Some(scope.world.keys(&block).iter().map(each).collect())
}

/// What is wrong with a `for_each` whatever its value is: it leads to an attribute that is neither list nor map, or it is text that was
/// meant as an expression.
fn no_keys(node: &Node, scope: &Scope) -> Option<Wrong> {
    let message = |found: &str| format!("`for_each` is {found}, where a list or a map belongs");
    if let Some(Lead::Attribute(types)) = lead(node, scope)
        && !leads::may_be(&types, &["array", "object"])
    {
        let help = leads::conversion(leads::text(node), &types, &["array"]);
        let help = help.unwrap_or_else(|| "name what is a list or a map".to_owned());
        return Some((message(&leads::words(&types)), help));
    }
    as_expression(node, scope).map(|help| (message("text"), help))
}

/// What is wrong with a `for_each`, and what to do.
type Wrong = (String, String);

fn secret() -> Wrong {
    let message = "`for_each` is secret, and its keys would show in addresses";
    (message.to_owned(), "take the keys from something that is no secret".to_owned())
}

/// The instances of a `for_each` that was evaluated as a whole.
fn keyed(value: Value, node: &Node) -> Result<Vec<Each>, Wrong> {
    let each = |(key, value): (Key, Value)| {
        let value = if value.has_unknown() {
            EachValue::Node { node: Arc::new(node.clone()), part: true }
        } else {
            EachValue::Known(value)
        };
        Each { key, value }
    };
    match value {
        Value::Map(map) => Ok(map.into_iter().map(|(key, value)| (Key::String(key), value)).map(each).collect()),
        Value::List(items) => Ok(keys_of(&items)?.into_iter().zip(items).map(each).collect()),
        Value::Secret(_) => Err(secret()),
        other => {
            let message = format!("`for_each` is {}, where a list or a map belongs", article(&other));
            let help = match other {
                Value::Number(number) => format!("for so many of it, write `{{{{ range({number}) }}}}`"),
                _ => "write one entry for each instance: `[a, b]`, or `{ a: …, b: … }`".to_owned(),
            };
            Err((message, help))
        }
    }
}

/// The keys of a list's items: the items themselves where all are strings or all are integers, else their positions.
fn keys_of(items: &[Value]) -> Result<Vec<Key>, Wrong> {
    let strings = items.iter().all(|item| matches!(item.revealed(), Value::String(_)));
    let integers = items.iter().all(|item| matches!(item.revealed(), Value::Number(number) if number.is_i64()));
    if (strings || integers) && items.iter().any(Value::has_secret) {
        return Err(secret());
    }
    let key = |(index, item): (usize, &Value)| match item {
        Value::String(text) if strings => Key::String(text.clone()),
        Value::Number(number) if integers => Key::Integer(number.as_i64().unwrap_or_default()),
        _ => Key::Integer(i64::try_from(index).unwrap_or(i64::MAX)),
    };
    Ok(items.iter().enumerate().map(key).collect())
}

fn unique(eachs: &[Each]) -> Result<(), Wrong> {
    let mut seen = BTreeSet::new();
    match eachs.iter().find(|each| !seen.insert(&each.key)) {
        Some(twice) => {
            Err((format!("`for_each` has {} twice", twice.key), "each instance needs a key of its own".to_owned()))
        }
        None => Ok(()),
    }
}
