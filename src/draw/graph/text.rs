//! The graph as a tree: under each resource stands what it depends on.

use std::collections::{BTreeMap, BTreeSet};

use owo_colors::{AnsiColors, OwoColorize};
use trueup_state::Address;
use unicode_width::UnicodeWidthStr;

use super::picture::{Fate, Node, Picture, What};
use crate::draw::{count, safe};

/// How deep a line stands at most: one that is deeper has a number that says how deep. A blueprint may be a chain of thousands.
const DEEPEST: usize = 16;

/// The most lines that reading a block as a whole may take, for all who read it: beyond that, the block has a line of its own.
const MOST_THROUGH: usize = 2_000;

/// The whole graph. What other resources share is shown at length once; of another module only the name.
pub(crate) fn text(picture: &Picture) -> String {
    let tree = Tree::new(picture);
    let mut deep = false;
    let mut text = format!("{}\n", picture.title.bold());
    for (module, roots) in tree.roots() {
        text.push('\n');
        if let Some(module) = &module {
            text.push_str(&format!("{} {}\n", "module".dimmed(), safe::line(module).bold()));
        }
        let lines = tree.lines(&roots);
        deep |= lines.iter().any(|line| line.stem.contains('⋮'));
        let width = lines.iter().map(|line| line.stem.width() + line.name.width()).max().unwrap_or(0);
        lines.iter().for_each(|line| text.push_str(&line.shown(width, picture.planned)));
    }
    text.push_str(&summary(picture, deep));
    text
}

/// What is under what. Small groups are left out: who reads one depends on all that feed it.
struct Tree<'a> {
    picture: &'a Picture,
    dependencies: BTreeMap<usize, BTreeSet<usize>>,
    modules: Vec<Option<Address>>,
}

/// One line of the tree.
struct Line<'a> {
    /// The branches that lead to it.
    stem: String,
    name: String,
    node: &'a Node,
    /// What is to be said of it beside its kind.
    remark: &'static str,
}

impl<'a> Tree<'a> {
    fn new(picture: &'a Picture) -> Self {
        let mut feeds: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (from, to) in &picture.edges {
            feeds.entry(*to).or_default().insert(*from);
        }
        let small = small_groups(picture, &feeds);
        let through = |at: usize| match feeds.get(&at).filter(|_| small.contains(&at)) {
            Some(feeding) => feeding.clone(),
            None => [at].into(),
        };
        let resolved = feeds.iter().filter(|(to, _)| !small.contains(to));
        let dependencies =
            resolved.map(|(to, from)| (*to, from.iter().flat_map(|at| through(*at)).collect())).collect();
        let modules = picture.nodes.iter().map(|node| node.address.parent()).collect();
        Self { picture, dependencies, modules }
    }

    fn below(&self, at: usize) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.dependencies.get(&at).into_iter().flatten().copied()
    }

    /// In each module, what nothing else of it depends on.
    fn roots(&self) -> BTreeMap<Option<Address>, Vec<usize>> {
        let used: BTreeSet<usize> = (0..self.modules.len())
            .flat_map(|at| self.below(at).filter(move |below| self.modules[*below] == self.modules[at]))
            .collect();
        let mut roots: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, node) in self.picture.nodes.iter().enumerate() {
            if node.what != What::Group && !used.contains(&at) {
                roots.entry(self.modules[at].clone()).or_default().push(at);
            }
        }
        roots
    }

    /// The lines of one module. No recursion: a chain may be as long as the blueprint.
    fn lines(&self, roots: &[usize]) -> Vec<Line<'a>> {
        let mut lines = Vec::new();
        let mut told = BTreeSet::new();
        for root in roots {
            let module = &self.modules[*root];
            let mut open = vec![(*root, String::new(), String::new(), 0)];
            while let Some((at, stem, rest, depth)) = open.pop() {
                let node = &self.picture.nodes[at];
                let elsewhere = self.modules[at] != *module;
                let again = !told.insert((at, elsewhere)) && self.below(at).next().is_some();
                let name = if elsewhere { node.full_label() } else { node.label() };
                let name = if node.what == What::Group { format!("all of {name}") } else { name };
                let remark = match (elsewhere, again) {
                    (true, _) => "elsewhere",
                    (false, true) => "above",
                    (false, false) => "",
                };
                lines.push(Line { stem, name, node, remark });
                if elsewhere || again {
                    continue;
                }
                for (place, below) in self.below(at).rev().enumerate() {
                    let (branch, gap) = match place {
                        _ if depth >= DEEPEST => (format!("⋮{} ", depth + 1), ""),
                        0 => ("└─ ".to_owned(), "   "),
                        _ => ("├─ ".to_owned(), "│  "),
                    };
                    open.push((below, format!("{rest}{branch}"), format!("{rest}{gap}"), depth + 1));
                }
            }
        }
        lines
    }
}

/// The groups that are left out: those of which a line for each that feeds it, under each that reads it, are not too many.
fn small_groups(picture: &Picture, feeds: &BTreeMap<usize, BTreeSet<usize>>) -> BTreeSet<usize> {
    let mut readers: BTreeMap<usize, usize> = BTreeMap::new();
    for (from, _) in &picture.edges {
        *readers.entry(*from).or_default() += 1;
    }
    let count = |group: usize| feeds.get(&group).map_or(0, BTreeSet::len) * readers.get(&group).copied().unwrap_or(0);
    let groups = (0..picture.nodes.len()).filter(|at| picture.nodes[*at].what == What::Group);
    groups.filter(|group| count(*group) <= MOST_THROUGH).collect()
}

impl Line<'_> {
    fn shown(&self, width: usize, planned: bool) -> String {
        let gap = " ".repeat(width.saturating_sub(self.stem.width() + self.name.width()));
        let kind = self.node.kind().map(ToString::to_string).unwrap_or_default();
        let fate = self.node.fate();
        let sign = if planned { format!("{} ", fate.sign().color(colour(fate)).bold()) } else { String::new() };
        let name = self.name.color(colour(fate));
        let remark = if self.remark.is_empty() { String::new() } else { format!("  {}", self.remark.dimmed()) };
        let line = format!("  {sign}{}{name}{gap}  {}{remark}", self.stem.dimmed(), kind.dimmed());
        format!("{}\n", line.trim_end())
    }
}

fn colour(fate: Fate) -> AnsiColors {
    match fate {
        Fate::Stays => AnsiColors::Default,
        Fate::Create => AnsiColors::Green,
        Fate::Update => AnsiColors::Yellow,
        Fate::Replace => AnsiColors::Magenta,
        Fate::Delete => AnsiColors::Red,
        Fate::Record => AnsiColors::Cyan,
    }
}

fn summary(picture: &Picture, deep: bool) -> String {
    let resources: usize = picture.nodes.iter().map(Node::count).sum();
    if resources == 0 {
        return "\nThere are no resources.\n".to_owned();
    }
    let mut text = format!("\n{}", count(resources, "resource"));
    if picture.planned {
        for (fate, count) in picture.fates().into_iter().filter(|(fate, _)| *fate != Fate::Stays) {
            text.push_str(&format!(", {count} to {}", fate.word()));
        }
    }
    text.push_str(". What stands under a line is what it depends on");
    text.push_str(if deep { "; beyond a depth of 16, `⋮` says how deep.\n" } else { ".\n" });
    text
}
