//! `moved`: what was recorded under one address and is declared under another now.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{Address, Segment};

use super::expand::Room;
use super::schema::File;
use super::sight::suggest;
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
}

impl Move {
    /// The address that a former one has now; none where this move is not about it.
    fn target(&self, address: &Address) -> Option<Address> {
        let (inner, from) = (address.segments(), self.from.segments());
        let (last, before) = from.split_last()?;
        let at = inner.get(before.len()).filter(|at| inner.starts_with(before) && at.name == last.name)?;
        let mut segments = self.to.segments().to_vec();
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
}

/// The address that a recorded one has now, and the first move that says so; none where nothing is said of it.
pub fn target<'a>(moves: &'a [Move], address: &Address) -> Option<(Address, &'a Move)> {
    let mut found: Option<(Address, &Move)> = None;
    // What was moved may have been moved again since. Moves in a circle are refused when the blueprint is loaded.
    for _ in 0..moves.len() {
        let now = found.as_ref().map_or(address, |(now, _)| now);
        let Some((next, by)) = moves.iter().find_map(|by| Some((by.target(now)?, by))) else { break };
        let by = found.as_ref().map_or(by, |(_, first)| first);
        found = Some((next, by));
    }
    found
}

/// The moves of a blueprint and of its modules.
pub(super) fn moves(
    files: &[File<'_>],
    rooms: &BTreeMap<Option<Address>, Room<'_>>,
    frame: &Frame,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Move> {
    let mut moves = Vec::new();
    let mut places = Vec::new();
    for (module, room) in rooms {
        let inside = |address: &Address| match module {
            Some(module) => join(module, address.segments()),
            None => address.clone(),
        };
        for entry in &files[room.file].moved {
            moves.push(Move { from: inside(&entry.from.0), to: inside(&entry.to.0), span: entry.from.1 });
            places.push(entry.to.1);
        }
    }
    let before = problems.len();
    for (entry, to) in moves.iter().zip(places) {
        problems.extend(wrong(entry, to, &moves, frame));
    }
    if problems.len() == before {
        problems.extend(circle(&moves));
    }
    moves
}

fn join(module: &Address, inner: &[Segment]) -> Address {
    let segments = module.segments().iter().chain(inner).cloned().collect();
    Address::from_segments(segments).unwrap_or_else(|| module.clone())
}

fn wrong(entry: &Move, to_span: Span, moves: &[Move], frame: &Frame) -> Option<Diagnostic> {
    let Move { from, to, span } = entry;
    if from == to {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved to itself"));
        return Some(problem.at(*span, "this address").help("take this entry out"));
    }
    let twin = moves.iter().find(|other| other.from == *from && (other.to != *to) && other.span < *span);
    if let Some(twin) = twin {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved twice")).at(*span, "to here");
        return Some(problem.at(twin.span, "and to here").help("keep one of them"));
    }
    if is_declared(from, to, frame) {
        let problem = Diagnostic::error(format!("`{from}` is said to have moved, and is still there"));
        let problem = problem.at(*span, "the blueprint declares this address");
        return Some(problem.help("take its block out, or this entry"));
    }
    let goes_on = moves.iter().any(|other| other.target(to).is_some());
    if goes_on || can_take(to, from, frame) {
        return None;
    }
    let known = frame.addresses();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem = Diagnostic::error(format!("nothing is declared at `{to}`, where `{from}` is said to have moved"));
    let plain = to.to_string().strip_prefix("module.").map(str::to_owned).filter(|name| known.contains(&name.as_str()));
    let help = match plain {
        Some(name) => format!("write `{name}`: an address has no `module.` in it"),
        None => suggest(&to.to_string(), &known, "there are", "declare it first"),
    };
    Some(problem.at(to_span, "this address").help(help))
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

fn circle(moves: &[Move]) -> Option<Diagnostic> {
    for entry in moves {
        let mut seen = BTreeSet::from([entry.from.clone()]);
        let mut now = entry.to.clone();
        while let Some(next) = moves.iter().find_map(|other| other.target(&now)) {
            if !seen.insert(now.clone()) || next == entry.from {
                let problem = Diagnostic::error(format!("`{}` is said to have moved back to where it was", entry.from));
                return Some(problem.at(entry.span, "this move").help("take one of these entries out"));
            }
            now = next;
        }
    }
    None
}
