//! Several selectors as one: made once, and asked of each resource.
//!
//! Selectors that name addresses are found by walking their names, however many there are; only globs are tried one by one.

use std::collections::BTreeMap;

use trueup_state::{Address, Key, KindName, Value};

use super::pattern::{Glob, Literal, Pattern};
use super::{Selector, What};

/// What a selector looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thing<'a> {
    /// Its address.
    pub(crate) address: &'a Address,
    /// Its kind; none where that is not known yet.
    pub(crate) kind: Option<&'a KindName>,
    /// Its tags, as a value; none where it has none.
    pub(crate) tags: Option<&'a Value>,
    /// Whether it is a block or a module of which it is not known yet what there is in it.
    pub(crate) is_open: bool,
}

/// Selectors, made to be asked often.
#[derive(Debug, Default)]
pub(crate) struct Finder<'a> {
    selectors: &'a [Selector],
    names: Names,
    globs: Vec<(usize, &'a Pattern)>,
    /// Which selectors each kind fits, as far as it was asked.
    kinds: BTreeMap<KindName, Vec<usize>>,
    tags: BTreeMap<&'a str, Vec<(usize, Option<&'a Glob>)>>,
    found: Vec<bool>,
}

/// Literal addresses, name by name.
#[derive(Debug, Default)]
struct Names {
    next: BTreeMap<(String, Option<Key>), Names>,
    ends: Vec<usize>,
}

impl Names {
    fn add(&mut self, selector: usize, names: &[Literal<'_>]) {
        let Some(((name, keys), rest)) = names.split_first() else { return self.ends.push(selector) };
        for key in keys {
            self.next.entry(((*name).to_owned(), key.clone())).or_default().add(selector, rest);
        }
    }

    fn find(&self, segments: &[trueup_state::Segment], found: &mut Vec<usize>) {
        found.extend(&self.ends);
        let Some((first, rest)) = segments.split_first().filter(|_| !self.next.is_empty()) else { return };
        for key in [None].into_iter().chain(first.key.clone().map(Some)) {
            if let Some(names) = self.next.get(&(first.name.to_string(), key)) {
                names.find(rest, found);
            }
        }
    }
}

impl<'a> Finder<'a> {
    /// Makes some selectors ready.
    pub(crate) fn new(selectors: &'a [Selector]) -> Self {
        let mut finder = Self { selectors, found: vec![false; selectors.len()], ..Self::default() };
        for (at, selector) in selectors.iter().enumerate() {
            match &selector.what {
                What::Address(pattern) => match pattern.literals() {
                    Some(names) => finder.names.add(at, &names),
                    None => finder.globs.push((at, pattern)),
                },
                What::Kind(_) => {}
                What::Tag { name, value } => finder.tags.entry(name).or_default().push((at, value.as_ref())),
            }
        }
        finder
    }

    /// Whether any of them selects something. Of what is open yet, only its address tells.
    pub(crate) fn selects(&mut self, thing: &Thing<'_>) -> bool {
        let mut found = Vec::new();
        self.names.find(thing.address.segments(), &mut found);
        found.extend(self.globs.iter().filter(|(_, glob)| glob.covers(thing.address)).map(|(at, _)| *at));
        if thing.is_open {
            found.extend(self.selectors.iter().enumerate().filter_map(|(at, selector)| match &selector.what {
                What::Address(pattern) => pattern.may_cover_in(thing.address).then_some(at),
                _ => None,
            }));
        }
        if let Some(kind) = thing.kind {
            found.extend(self.of_kind(kind));
        }
        self.by_tags(thing, &mut found);
        for at in &found {
            self.found[*at] = true;
        }
        !found.is_empty()
    }

    fn of_kind(&mut self, kind: &KindName) -> &[usize] {
        let selectors = self.selectors;
        let fits = |(at, selector): (usize, &Selector)| match &selector.what {
            What::Kind(glob) => glob.matches(kind.as_str()).then_some(at),
            _ => None,
        };
        self.kinds.entry(kind.clone()).or_insert_with(|| selectors.iter().enumerate().filter_map(fits).collect())
    }

    fn by_tags(&self, thing: &Thing<'_>, found: &mut Vec<usize>) {
        if self.tags.is_empty() {
            return;
        }
        for (name, value) in thing.tags.and_then(Value::as_map).into_iter().flatten() {
            for (at, wanted) in self.tags.get(name.as_str()).into_iter().flatten() {
                // Whether a secret is what somebody guesses is nobody's to find out.
                let fits = |glob: &&Glob| text_of(value).is_some_and(|text| glob.matches(&text));
                if *value != Value::Null && wanted.as_ref().is_none_or(fits) {
                    found.push(*at);
                }
            }
        }
    }

    /// Whether some of them select by what only a resource itself tells, not its address.
    pub(crate) fn looks_inside(&self) -> bool {
        self.selectors.iter().any(|selector| !matches!(selector.what, What::Address(_)))
    }

    /// The selectors that nothing was found for, once everything was asked.
    pub(crate) fn idle(&self) -> impl Iterator<Item = &'a Selector> + '_ {
        self.selectors.iter().zip(&self.found).filter(|(_, found)| !**found).map(|(selector, _)| selector)
    }
}

/// A tag's value as it is written.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
