//! One fault in a good blueprint: it is read all the same, or an error points at the fault, or at a use of what it changed.

#![allow(clippy::unwrap_used)]

mod reading;

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use reading::{Shelf, draw, given, load_from};

/// A good blueprint, with the catalog that it is written for.
fn good() -> Vec<(Shelf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let yaml = |directory: &str, shelf: Shelf| {
        let entries = std::fs::read_dir(root.join(directory)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
        files.sort();
        files.into_iter().map(move |path| (shelf, std::fs::read_to_string(path).unwrap()))
    };
    yaml("tests/good", Shelf::Small).chain(yaml("../blueprints", Shelf::Portable)).collect()
}

/// What is done to a blueprint, at some place of it.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    DropLine,
    DoubleLine,
    SwapLines,
    SwapValues,
    Retype(&'static str),
    Misspell(char),
    DropMark,
    InsertTab,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let values =
        vec!["7", "-1.5", "text", "true", "~", "[a]", "{ a: b }", "\"\"", "\"{{ nowhere }}\"", "\"{{ var }}\""];
    prop_oneof![
        Just(Mutation::DropLine),
        Just(Mutation::DoubleLine),
        Just(Mutation::SwapLines),
        Just(Mutation::SwapValues),
        prop::sample::select(values).prop_map(Mutation::Retype),
        prop::char::range('a', 'z').prop_map(Mutation::Misspell),
        Just(Mutation::DropMark),
        Just(Mutation::InsertTab),
    ]
}

/// A blueprint with a fault, and the lines that the fault is on, from 0.
struct Faulty {
    text: String,
    lines: Vec<usize>,
}

/// The part of a line that is no comment.
fn said(line: &str) -> &str {
    line.find(" #").or_else(|| line.starts_with('#').then_some(0)).map_or(line, |comment| &line[..comment]).trim_end()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The places of a text's lines that say something.
fn spoken(lines: &[String]) -> Vec<usize> {
    (0..lines.len()).filter(|line| !said(&lines[*line]).trim().is_empty()).collect()
}

/// The stretches of a line that are one value.
fn values(line: &str) -> Vec<std::ops::Range<usize>> {
    let line = said(line);
    let mut values = Vec::new();
    for (colon, _) in line.match_indices(": ") {
        let start = colon + 2;
        let rest = &line[start..];
        let length = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|end| end + 2),
            Some('{' | '[') => None,
            _ => Some(rest.find([',', '}', ']']).unwrap_or(rest.len())),
        };
        values.extend(length.filter(|length| *length > 0).map(|length| start..start + length));
    }
    values
}

fn places_of(line: &str, fits: fn(char) -> bool) -> Vec<usize> {
    said(line).char_indices().filter(|(_, c)| fits(*c)).map(|(at, _)| at).collect()
}

/// Makes one fault. None where there is nothing at the place for it.
fn mutate(good: &str, mutation: Mutation, first: Index, second: Index) -> Option<Faulty> {
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    let spoken = spoken(&lines);
    let line = *first.get(&spoken);
    let pick = |places: Vec<usize>| (!places.is_empty()).then(|| *second.get(&places));
    let mut faults = vec![line];
    match mutation {
        Mutation::DropLine => {
            lines.remove(line);
        }
        Mutation::DoubleLine => lines.insert(line, lines[line].clone()),
        Mutation::SwapLines => {
            let other = *second.get(&spoken);
            lines.swap(line, other);
            faults.push(other);
        }
        Mutation::SwapValues => {
            let other = *second.get(&spoken);
            let (one, two) = (values(&lines[line]).pop()?, values(&lines[other]).pop()?);
            let (a, b) = (lines[line][one.clone()].to_owned(), lines[other][two.clone()].to_owned());
            lines[line].replace_range(one, &b);
            if other != line {
                lines[other].replace_range(two, &a);
            }
            faults.push(other);
        }
        Mutation::Retype(value) => {
            let values = values(&lines[line]);
            let at = pick((0..values.len()).collect())?;
            lines[line].replace_range(values[at].clone(), value);
        }
        Mutation::Misspell(letter) => {
            let at = pick(places_of(&lines[line], |c| c.is_ascii_lowercase()))?;
            lines[line].replace_range(at..=at, &letter.to_string());
        }
        Mutation::DropMark => {
            let at = pick(places_of(&lines[line], |c| "\"'{}[]:,".contains(c)))?;
            lines[line].remove(at);
        }
        Mutation::InsertTab => lines[line].insert(0, '\t'),
    }
    let mut text = lines.join("\n");
    text.push('\n');
    (text.trim_end() != good.trim_end()).then_some(Faulty { text, lines: faults })
}

/// The keys that a line stands in, from the top, each with its line; its own last.
fn owners(lines: &[&str], line: usize) -> Vec<(usize, String)> {
    let key = |line: &str| line.trim_start().split(':').next().unwrap_or_default().trim_matches('"').to_owned();
    let Some(own) = lines.get(line) else { return Vec::new() };
    let mut owners = vec![(line, key(own))];
    let mut depth = indent(own);
    for above in (0..line).rev() {
        if !said(lines[above]).trim().is_empty() && indent(lines[above]) < depth {
            depth = indent(lines[above]);
            owners.insert(0, (above, key(lines[above])));
        }
    }
    owners
}

/// The line with which what begins on a line ends.
fn end_of(lines: &[&str], line: usize) -> usize {
    let inside = |other: &&str| said(other).trim().is_empty() || indent(other) > indent(lines[line]);
    line + lines[line + 1..].iter().take_while(|other| inside(other)).count()
}

/// What a fault touches, beside the lines that it is on.
#[derive(Default)]
struct Touched {
    /// Names that may have gone or changed: of the keys that it stands in, and of an anchor. Whoever reads them is concerned.
    names: BTreeSet<String>,
    /// Blocks of which it changes what they are: their kind, their type, … All that stands in them is concerned.
    blocks: BTreeSet<String>,
    /// Whether it changes what resources or providers there are: each resource without a provider is concerned.
    providers: bool,
}

impl Touched {
    /// Notes what a fault on a line touches: in the good text what was there, in the faulty one what is.
    fn note(&mut self, lines: &[&str], line: usize) {
        let says_what = ["kind", "type", "provider", "for_each", "when", "placement"];
        let owners: Vec<String> = owners(lines, line).into_iter().map(|(_, key)| key).collect();
        let section = owners.first().map(String::as_str).unwrap_or_default();
        if matches!(section, "variables" | "resources" | "modules" | "providers" | "environments") {
            // An alias of a provider is read with the provider before it: `local.second`.
            self.names.extend(owners.iter().skip(1).flat_map(|name| name.split('.')).map(str::to_owned));
        }
        if owners.len() > 2 && owners.iter().any(|key| says_what.contains(&key.as_str())) {
            self.blocks.insert(owners[1].clone());
        }
        self.providers |= section == "providers" || (section == "resources" && owners.len() == 1);
        let anchors = lines.get(line).into_iter().flat_map(|line| line.split(['&', '*']).skip(1));
        let name =
            |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
        self.names.extend(anchors.map(name));
    }

    /// The lines that read one of the names: in an expression, by an alias, in `depends_on`, `provider` or `moved`.
    fn readers(&self, lines: &[&str]) -> BTreeSet<usize> {
        let marks = ["{{", "depends_on", "provider", "*", "from:"];
        let words = |line: &str| {
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| self.names.contains(word))
        };
        (0..lines.len()).filter(|at| words(lines[*at]) && marks.iter().any(|mark| lines[*at].contains(mark))).collect()
    }
}

/// The lines of a faulty text on which an error may point: those next to a fault, the keys that it stands in, which may now lack it,
/// and what it touches.
fn concerned(good: &str, faulty: &Faulty) -> BTreeSet<usize> {
    let before: Vec<&str> = good.lines().collect();
    let lines: Vec<&str> = faulty.text.lines().collect();
    let mut touched = Touched::default();
    let mut places = BTreeSet::new();
    for line in &faulty.lines {
        touched.note(&before, *line);
        touched.note(&lines, *line);
        places.extend(line.saturating_sub(1)..=line + 1);
        // What stands above a fault has the same number in both texts.
        let owners = owners(&lines, *line).into_iter().chain(owners(&before, *line));
        places.extend(owners.map(|(line, _)| line));
        // A line that was put in may cut a block in two: the rest of it is where it was.
        let block = self::owners(&before, *line).into_iter().nth(1).filter(|(_, name)| touched.blocks.contains(name));
        places.extend(block.into_iter().flat_map(|(start, _)| start..=end_of(&before, start) + 1));
        // The name of a section, moved or gone: what follows stands in another.
        let is_section = |text: &[&str]| text.get(*line).is_some_and(|line| indent(line) == 0);
        if is_section(&before) || is_section(&lines) {
            places.extend(*line..lines.len());
        }
    }
    let mut readers = touched.readers(&lines);
    // Whoever reads a block depends on which instances it has, and so on what its `for_each` and its `when` read.
    let decides = |line: &usize| ["for_each:", "when:"].iter().any(|key| lines[*line].contains(key));
    let blocks =
        readers.iter().filter(|line| decides(line)).filter_map(|line| owners(&lines, *line).into_iter().nth(1));
    touched.names.extend(blocks.map(|(_, block)| block).collect::<Vec<_>>());
    readers.extend(touched.readers(&lines));
    places.extend(&readers);
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| indent(line) == 2) {
        if touched.blocks.contains(line.trim().split(':').next().unwrap_or_default()) {
            places.extend(at..=end_of(&lines, at));
        }
        if touched.providers {
            places.insert(at);
        }
        // What `for_each` reads is read as `each` in the rest of the block.
        if (at..=end_of(&lines, at)).any(|line| readers.contains(&line) && lines[line].contains("for_each")) {
            places.extend((at..=end_of(&lines, at)).filter(|line| lines[*line].contains("each.")));
        }
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn an_error_is_where_the_fault_is(which: Index, mutation in mutation(), first: Index, second: Index) {
        let good = good();
        let (shelf, good) = which.get(&good);
        let read = load_from(*shelf, good.as_bytes(), &given(&[]));
        prop_assert!(read.is_ok(), "{}", draw(&read.unwrap_err()));
        let Some(faulty) = mutate(good, mutation, first, second) else { return Err(TestCaseError::reject("no place")) };
        let Err(errors) = load_from(*shelf, faulty.text.as_bytes(), &given(&[])) else { return Ok(()) };
        let places = concerned(good, &faulty);
        let place = |span| errors.sources.place(span).map_or(0, |place| place.line - 1);
        // What is wrong in a module because of the blueprint points at the blueprint too.
        let own = errors.list.iter().flat_map(|error| &error.labels).filter(|label| label.span.file.0 == 0);
        let found: BTreeSet<usize> = own.map(|label| place(label.span)).collect();
        prop_assert!(!found.is_disjoint(&places), "{:?} on {:?}\n{}\n{}", mutation, faulty.lines, draw(&errors), faulty.text);
    }
}
