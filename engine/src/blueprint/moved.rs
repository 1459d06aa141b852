//! `moved`: what was recorded under one address and is declared under another now.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::address::AddressError;
use trueup_state::{Address, Segment};

use super::expand::Room;
use super::fields::{MOVED, names};
use super::foreign::Place;
use super::schema::{File, known_fields, misspelt, text, wrong_type};
use super::sight::suggest;
use super::source::{Content, Node};
use super::world::{Frame, Instances};
use crate::diagnostic::{Diagnostic, Span};

/// A resource, a block with a `for_each`, or a module that has got another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its former address.
    pub from: Address,
    /// Its address now.
    pub to: Address,
    /// Where the blueprint says so.
    pub span: Span,
    /// Where it says the address now.
    pub to_span: Span,
}

/// All moves of a blueprint, found by what has moved.
#[derive(Clone, Debug, Default)]
pub struct MoveTable {
    list: Vec<Move>,
    /// The moves of a block or a module, or of instances of it.
    by_block: BTreeMap<Address, Vec<usize>>,
}

impl Move {
    /// The address that a former one has now; none where this move is not about it.
    fn target(&self, address: &Address) -> Option<Address> {
        moved(address, &self.from, &self.to)
    }
}

/// The address that one has once what is at `from` is at `to`: it may be that itself, an instance of it, or stand in it. None where
/// that is not so, or several instances would become one.
pub(crate) fn moved(address: &Address, from: &Address, to: &Address) -> Option<Address> {
    let (inner, from) = (address.segments(), from.segments());
    let (last, before) = from.split_last()?;
    let at = inner.get(before.len()).filter(|at| inner.starts_with(before) && at.name == last.name)?;
    let mut segments = to.segments().to_vec();
    let end = segments.last_mut()?;
    if at.key != last.key {
        // All of a `for_each` has moved: each instance keeps its key.
        if last.key.is_some() || end.key.is_some() {
            return None;
        }
        end.key.clone_from(&at.key);
    }
    segments.extend_from_slice(&inner[from.len()..]);
    Address::from_segments(segments)
}

impl MoveTable {
    fn new(list: Vec<Move>) -> Self {
        let mut by_block: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (position, entry) in list.iter().enumerate() {
            by_block.entry(entry.from.block()).or_default().push(position);
        }
        Self { list, by_block }
    }

    /// Whether nothing has moved.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What an address is after the first move that is about it or about what it stands in, the outermost first.
    fn step(&self, address: &Address) -> Option<(Address, &Move)> {
        let around: Vec<Address> = std::iter::successors(Some(address.clone()), Address::parent).collect();
        let blocks = around.iter().rev().filter_map(|part| self.by_block.get(&part.block()));
        let mut entries = blocks.flatten().map(|position| &self.list[*position]);
        entries.find_map(|entry| Some((entry.target(address)?, entry)))
    }

    /// The address that a recorded one has now, and the first move that says so; none where nothing is said of it.
    pub fn target(&self, address: &Address) -> Option<(Address, &Move)> {
        let mut found: Option<(Address, &Move)> = None;
        // What was moved may have been moved again since. Moves in a circle are refused when the blueprint is loaded.
        for _ in 0..self.list.len() {
            let now = found.as_ref().map_or(address, |(now, _)| now);
            let Some((next, by)) = self.step(now) else { break };
            let by = found.as_ref().map_or(by, |(_, first)| first);
            found = Some((next, by));
        }
        found
    }
}

/// A resource or a module that has got another address.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) from: (Address, Span),
    pub(super) to: (Address, Span),
}

/// The entries of a file's `moved`.
pub(super) fn read(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<Entry> {
    const EXAMPLE: &str = "write `- { from: OLD, to: NEW }` for each";
    let items = match &node.content {
        Content::List(items) => &items[..],
        Content::Null => &[],
        _ => {
            problems.push(wrong_type(node, "`moved`", "a list").help(EXAMPLE));
            &[]
        }
    };
    let entry = |node: &Node| {
        if !matches!(node.content, Content::Map(_)) {
            problems.push(wrong_type(node, "an entry of `moved`", "a map").help(EXAMPLE));
            return None;
        }
        known_fields(node, Place::Moved, &names(&MOVED), problems);
        let mut address = |field: &str| {
            let Some(at) = node.get(field) else {
                if misspelt(node, field, &names(&MOVED)).is_some() {
                    return None;
                }
                let message = format!("an entry of `moved` has no `{field}`");
                problems.push(Diagnostic::error(message).at(node.span, "this entry").help(EXAMPLE));
                return None;
            };
            let (text, span) = text(at, &format!("`{field}`"), problems)?;
            let address = self::address(text, field == "from");
            let refuse = |(reason, help): (&str, String)| {
                let problem = Diagnostic::error(format!("`{text}` is no address: {reason}"));
                problems.push(problem.at(span, "this address").help(help));
            };
            Some((address.map_err(refuse).ok()?, span))
        };
        let (from, to) = (address("from"), address("to"));
        Some(Entry { from: from?, to: to? })
    };
    items.iter().filter_map(entry).collect()
}

/// Reads an address. What was never the name of anything has not moved either; where it has moved to is looked up.
fn address(text: &str, was_recorded: bool) -> Result<Address, (&'static str, String)> {
    let example = || "write it as plans do: `trainer`, `trainer[\"a\"]`, `serving/chat` in a module".to_owned();
    let address: Address = text.parse().map_err(|error: AddressError| (error.reason, example()))?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if was_recorded && address.segments().iter().any(|segment| !segment.name.chars().all(fits)) {
        let plain = text.replace("module.", "").replace('.', "/");
        let help =
            if text.contains("module.") { format!("write `{plain}`: an address has no dots in it") } else { example() };
        return Err(("a name has lower-case letters, digits and `_`", help));
    }
    Ok(address)
}

/// The moves of a blueprint and of its modules.
pub(super) fn moves(
    files: &[File<'_>],
    rooms: &BTreeMap<Option<Address>, Room<'_>>,
    frame: &Frame,
    problems: &mut Vec<Diagnostic>,
) -> MoveTable {
    let mut list = Vec::new();
    for (module, room) in rooms {
        let inside = |address: &Address| match module {
            Some(module) => join(module, address.segments()),
            None => address.clone(),
        };
        let entry = |entry: &Entry| {
            let ((from, span), (to, to_span)) = (&entry.from, &entry.to);
            Move { from: inside(from), to: inside(to), span: *span, to_span: *to_span }
        };
        list.extend(files[room.file].moved.iter().map(entry));
    }
    let table = MoveTable::new(list);
    let found: Vec<Diagnostic> = table.list.iter().filter_map(|entry| wrong(entry, &table, frame)).collect();
    let circle = if found.is_empty() { circle(&table) } else { None };
    problems.extend(found.into_iter().chain(circle));
    table
}

fn join(module: &Address, inner: &[Segment]) -> Address {
    let segments = module.segments().iter().chain(inner).cloned().collect();
    Address::from_segments(segments).unwrap_or_else(|| module.clone())
}

fn wrong(entry: &Move, table: &MoveTable, frame: &Frame) -> Option<Diagnostic> {
    let Move { from, to, span, to_span } = entry;
    if from == to {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved to itself"));
        return Some(problem.at(*span, "this address").help("take this entry out"));
    }
    if is_inside(from, to) || is_inside(to, from) {
        let problem = Diagnostic::error(format!("`{from}` can't have moved to `{to}`: one is a part of the other"));
        return Some(problem.at(*span, "this entry").help("take this entry out"));
    }
    let others = || table.by_block.get(&from.block()).into_iter().flatten().map(|position| &table.list[*position]);
    if let Some(twin) = others().find(|other| other.from == *from && other.to != *to && other.span < *span) {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved twice")).at(*span, "to here");
        return Some(problem.at(twin.span, "and to here").help("keep one of them"));
    }
    if is_declared(from, to, frame) {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved, and is still there"));
        let problem = problem.at(*span, "the blueprint declares this address");
        return Some(problem.help("take its block out, or this entry"));
    }
    if table.step(to).is_some() || can_take(to, from, frame) {
        return None;
    }
    let known = frame.addresses();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let plain = to.to_string().strip_prefix("module.").map(str::to_owned).filter(|name| known.contains(&name.as_str()));
    let help = match plain {
        Some(name) => format!("write `{name}`: an address has no `module.` in it"),
        None => suggest(&to.to_string(), &known, "there are", "declare it first"),
    };
    let problem = Diagnostic::error(format!("nothing is declared at `{to}`, where `{from}` is said to have moved"));
    Some(problem.at(*to_span, "this address").help(help))
}

/// Whether an address stands in a module or an instance at another.
pub(crate) fn is_inside(inner: &Address, outer: &Address) -> bool {
    inner.segments().len() > outer.segments().len() && inner.is_in(outer)
}

/// Whether the blueprint has something at an address, other than the block that it moved into.
fn is_declared(from: &Address, to: &Address, frame: &Frame) -> bool {
    let block = from.block();
    let into_instances = from.key().is_none() && to.block() == block;
    match (frame.block(&block).or_else(|| frame.call(&block)), from.key()) {
        (None | Some(Instances::Absent), _) | (Some(Instances::Unknown), Some(_)) => false,
        (Some(Instances::Keyed(keys)), Some(key)) => keys.contains(key),
        (Some(Instances::Keyed(_) | Instances::Unknown), None) => !into_instances,
        (Some(Instances::One), key) => key.is_none(),
    }
}

/// Whether the blueprint has what may have moved to an address.
fn can_take(to: &Address, from: &Address, frame: &Frame) -> bool {
    // What stands in a module that may not be there, or not yet, is not declared by itself.
    let open = |address: &Address| {
        let instances = frame.call(&address.block());
        matches!(instances, Some(Instances::Unknown | Instances::Absent))
    };
    let around = std::iter::successors(to.parent(), Address::parent);
    if around.collect::<Vec<_>>().iter().any(open) {
        return true;
    }
    match (frame.block(&to.block()).or_else(|| frame.call(&to.block())), to.key()) {
        (None, _) => false,
        (Some(Instances::Keyed(keys)), Some(key)) => keys.contains(key),
        (Some(Instances::Keyed(_)), None) => from.key().is_none(),
        (Some(Instances::One), key) => key.is_none(),
        (Some(Instances::Unknown | Instances::Absent), _) => true,
    }
}

/// A move from which others lead back, or on without an end.
fn circle(table: &MoveTable) -> Option<Diagnostic> {
    // Addresses from which moves are known to come to rest.
    let mut at_rest: BTreeSet<Address> = BTreeSet::new();
    for entry in &table.list {
        let mut way = vec![entry.to.clone()];
        while let Some((next, _)) = way.last().filter(|now| !at_rest.contains(*now)).and_then(|now| table.step(now)) {
            if way.len() > table.list.len() {
                let problem = Diagnostic::error(format!("`{}` is said to have moved in a circle", entry.from));
                let problem = problem.at(entry.span, "from here, moves lead on without an end");
                return Some(problem.help("take one of these entries out"));
            }
            way.push(next);
        }
        at_rest.extend(way);
    }
    None
}
