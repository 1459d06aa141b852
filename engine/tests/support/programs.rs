//! Random blueprints of toy kinds: resources that read each other, are told apart by `for_each`, and are edited.

use std::fmt::Write;

use proptest::prelude::*;

/// One block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    kind: usize,
    size: u8,
    shape: bool,
    note: Option<u8>,
    tags: u8,
    /// How many instances; none without `for_each`.
    each: Option<u8>,
    create_first: Option<bool>,
    /// What it reads, by position among all blocks, and how.
    reads: Vec<(usize, How)>,
    verify: bool,
}

/// How a block reads another.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Its id, in a field that can be changed.
    Id,
    /// Its id, in a field that can't.
    Base,
    /// An attribute that changes with it.
    Volatile,
    /// It only says so.
    Says,
}

/// A blueprint: the blocks that are in it, in the order in which they may read each other.
#[derive(Clone, Debug)]
pub(crate) struct Toys {
    blocks: Vec<Option<Block>>,
    /// Reads run the other way.
    reversed: bool,
}

const KINDS: [&str; 4] = ["box", "named", "tagged", "scarce"];

fn block(count: usize) -> impl Strategy<Value = Block> {
    let how = prop_oneof![3 => Just(How::Id), 2 => Just(How::Base), 1 => Just(How::Volatile), 2 => Just(How::Says)];
    let reads = prop::collection::vec((0..count, how), 0..4);
    let order = prop_oneof![2 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (
        (0..KINDS.len(), 0..3_u8, any::<bool>(), prop::option::of(0..2_u8), 0..3_u8),
        prop::option::weighted(0.2, 0..3_u8),
        order,
        reads,
        prop::bool::weighted(0.2),
    )
        .prop_map(|((kind, size, shape, note, tags), each, create_first, reads, verify)| Block {
            kind,
            size,
            shape,
            note,
            tags,
            each,
            create_first,
            reads,
            verify,
        })
}

/// Blueprints of up to `most` blocks.
pub(crate) fn toys(most: usize) -> impl Strategy<Value = Toys> {
    let blocks = prop::collection::vec(prop::option::weighted(0.8, block(most)), most);
    (blocks, prop::bool::weighted(0.2)).prop_map(|(blocks, reversed)| Toys { blocks, reversed })
}

/// A blueprint and what it is edited to: each block of the first, of the second, or edited a little.
pub(crate) fn edited(most: usize) -> impl Strategy<Value = (Toys, Toys)> {
    let choices = prop::collection::vec((0..4_u8, any::<bool>(), any::<bool>()), most);
    (toys(most), toys(most), choices, prop::bool::weighted(0.2)).prop_map(|(before, other, choices, reversed)| {
        let pick = |(position, (choice, shape, note)): (usize, (u8, bool, bool))| {
            let (old, new) = (before.blocks[position].clone(), other.blocks[position].clone());
            match (choice, old) {
                (0, _) => new,
                (1, Some(old)) => Some(Block { shape, note: note.then_some(7), ..old }),
                // A kind stays what it is, so that what is recorded has something to compare with.
                (2, Some(old)) => new.map(|new| Block { kind: old.kind, each: old.each, ..new }),
                (_, old) => old,
            }
        };
        let blocks = choices.into_iter().enumerate().map(pick).collect();
        let after = Toys { blocks, reversed: before.reversed != reversed };
        (before, after)
    })
}

impl Toys {
    /// The blocks that one reads, with how.
    fn reads(&self, position: usize, block: &Block) -> Vec<(usize, How)> {
        let earlier = |other: usize| if self.reversed { other > position } else { other < position };
        let mut reads = block.reads.clone();
        reads.retain(|(other, _)| earlier(*other) && self.blocks[*other].is_some());
        reads.sort_by_key(|(other, _)| *other);
        reads.dedup_by_key(|(other, _)| *other);
        reads
    }

    pub(crate) fn text(&self) -> String {
        let mut text = "blueprint: toy\nproviders: { toy: {} }\nresources:\n".to_owned();
        if self.blocks.iter().all(Option::is_none) {
            return text.replace("resources:\n", "resources: {}\n");
        }
        for (position, block) in self.blocks.iter().enumerate() {
            if let Some(block) = block {
                self.write(&mut text, position, block);
            }
        }
        text
    }

    fn write(&self, text: &mut String, position: usize, block: &Block) {
        let shape = if block.shape { "round" } else { "flat" };
        let kind = KINDS[block.kind];
        write!(text, "  r{position}:\n    kind: {kind}\n    size: {}\n    shape: {shape}\n", block.size).unwrap();
        if let Some(note) = block.note {
            writeln!(text, "    note: n{note}").unwrap();
        }
        let tags: Vec<String> = (0..block.tags).map(|tag| format!("t{tag}: x")).collect();
        writeln!(text, "    tags: {{ {} }}", tags.join(", ")).unwrap();
        if let Some(count) = block.each {
            let keys: Vec<String> = (0..count).map(|key| format!("k{key}")).collect();
            writeln!(text, "    for_each: [{}]", keys.join(", ")).unwrap();
        }
        if let Some(first) = block.create_first {
            writeln!(text, "    replace: {}", if first { "create_first" } else { "destroy_first" }).unwrap();
        }
        if block.verify {
            writeln!(text, "    validate: {{ level: quick }}").unwrap();
        }
        let (mut host, mut base, mut needs) = (String::new(), String::new(), Vec::new());
        for (other, how) in self.reads(position, block) {
            let keyed = self.blocks[other].as_ref().is_some_and(|other| other.each.is_some());
            match how {
                _ if keyed => needs.push(format!("r{other}")),
                How::Id => write!(host, "{{{{ r{other}.id }}}}").unwrap(),
                How::Base => write!(base, "{{{{ r{other}.id }}}}").unwrap(),
                How::Volatile => write!(host, "{{{{ r{other}.address }}}}").unwrap(),
                How::Says => needs.push(format!("r{other}")),
            }
        }
        for (field, value) in [("host", host), ("base", base)] {
            if !value.is_empty() {
                writeln!(text, "    {field}: '{value}'").unwrap();
            }
        }
        if !needs.is_empty() {
            writeln!(text, "    depends_on: [{}]", needs.join(", ")).unwrap();
        }
    }
}
