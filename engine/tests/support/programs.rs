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

/// Where a block stands, and under which name: it may have another address and be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As `r0`.
    Plain,
    /// As `n0`.
    Renamed,
    /// As `r0`, and the only one of a `for_each`; one that is the only one of a `for_each` already is without.
    Other,
    /// As `m0/x`, in a module.
    Module,
    /// As `w0/x`, in a module of another name.
    Elsewhere,
}

/// Any forms of so many blocks.
pub(crate) fn forms(most: usize) -> impl Strategy<Value = Vec<Form>> {
    let form = prop::sample::select(vec![Form::Plain, Form::Renamed, Form::Other, Form::Module, Form::Elsewhere]);
    prop::collection::vec(form, most)
}

/// For each block another that it must know early: whether it is there depends on that one, always with the same answer.
pub(crate) type Waits = Vec<Option<usize>>;

pub(crate) fn waits(most: usize) -> impl Strategy<Value = Waits> {
    prop::collection::vec(prop::option::weighted(0.4, 0..most), most)
}

/// A block in its form.
struct Place {
    /// Its address, without a key.
    address: String,
    /// The module that it stands in.
    module: Option<String>,
    /// The name there.
    name: String,
    /// Its keys, where it has a `for_each`.
    keys: Option<Vec<String>>,
}

impl Place {
    fn new(position: usize, block: &Block, form: Form) -> Self {
        let own = block.each.map(|count| (0..count).map(|key| format!("k{key}")).collect::<Vec<_>>());
        let keys = match (form, own) {
            (Form::Other, None) => Some(vec!["only".to_owned()]),
            (Form::Other, Some(_)) => None,
            (_, own) => own,
        };
        let module = match form {
            Form::Module => Some(format!("m{position}")),
            Form::Elsewhere => Some(format!("w{position}")),
            _ => None,
        };
        let name = match form {
            Form::Plain | Form::Other => format!("r{position}"),
            Form::Renamed => format!("n{position}"),
            Form::Module | Form::Elsewhere => "x".to_owned(),
        };
        let address = module.as_ref().map_or_else(|| name.clone(), |module| format!("{module}/{name}"));
        Self { address, module, name, keys }
    }

    /// How an expression reads an attribute of it.
    fn path(&self, attribute: &str) -> String {
        match (&self.module, &self.keys) {
            (Some(module), _) => format!("module.{module}.{attribute}"),
            (None, Some(keys)) => format!("{}[\"{}\"].{attribute}", self.name, keys[0]),
            (None, None) => format!("{}.{attribute}", self.name),
        }
    }

    fn reads(&self, attribute: &str) -> String {
        format!("{{{{ {} }}}}", self.path(attribute))
    }

    /// How `depends_on` names it.
    fn needed(&self) -> String {
        self.module.as_ref().map_or_else(|| self.name.clone(), |module| format!("module.{module}"))
    }
}

/// What a block reads of others.
#[derive(Default)]
struct Reads {
    /// The texts of fields.
    fields: Vec<(&'static str, String)>,
    needs: Vec<String>,
    when: Option<String>,
}

impl Toys {
    /// The forms that the blocks of two blueprints can both have: what is not the same in both is no instance of one and none of the
    /// other.
    pub(crate) fn fit(&self, other: &Toys, forms: &[Form]) -> Vec<Form> {
        let fit = |(position, form): (usize, &Form)| match (form, &self.blocks[position], &other.blocks[position]) {
            (Form::Other, Some(own), Some(other))
                if own.each == other.each && own.each.is_none_or(|count| count == 1) =>
            {
                Form::Other
            }
            (Form::Other, ..) => Form::Renamed,
            (form, ..) => *form,
        };
        forms.iter().enumerate().map(fit).collect()
    }

    /// What moves when the blocks of another blueprint take other forms, each as `a -> b`.
    pub(crate) fn moves(&self, after: &Toys, from: &[Form], to: &[Form]) -> Vec<String> {
        let mut moves = Vec::new();
        for (position, (from, to)) in from.iter().zip(to).enumerate().filter(|(_, (from, to))| from != to) {
            let (Some(before), Some(after)) = (&self.blocks[position], &after.blocks[position]) else { continue };
            let (from, to) = (Place::new(position, before, *from), Place::new(position, after, *to));
            if let (Some(from), Some(to)) = (&from.module, &to.module) {
                moves.push(format!("{from} -> {to}"));
                continue;
            }
            // Only a form takes away or gives the one key; an edit of the `for_each` makes other things.
            let same = before.each == after.each;
            let key = |one: &Place, other: &Place| match (&one.keys, &other.keys) {
                (Some(keys), None) if same => format!("[\"{}\"]", keys[0]),
                _ => String::new(),
            };
            moves.push(format!("{}{} -> {}{}", from.address, key(&from, &to), to.address, key(&to, &from)));
        }
        moves
    }

    /// Whether a block has a `for_each` of nothing.
    pub(crate) fn has_empty_block(&self) -> bool {
        self.blocks.iter().flatten().any(|block| block.each == Some(0))
    }

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
        self.text_in(&vec![Form::Plain; self.blocks.len()], &vec![None; self.blocks.len()])
    }

    /// The blueprint with each block in its form, and waiting for what it must know.
    pub(crate) fn text_in(&self, forms: &[Form], waits: &Waits) -> String {
        let (mut resources, mut calls, mut files) = (String::new(), String::new(), String::new());
        for (position, block) in self.blocks.iter().enumerate() {
            let Some(block) = block else { continue };
            let place = Place::new(position, block, forms[position]);
            let when = waits[position].and_then(|other| self.when(position, other, forms));
            let reads = Reads { when, ..self.read(position, block, forms) };
            match &place.module {
                None => write_block(&mut resources, block, &place, &reads),
                Some(module) => {
                    write_call(&mut calls, module, &reads);
                    write_module(&mut files, module, block, &place, &reads);
                }
            }
        }
        let section = |name: &str, text: &str| {
            if text.is_empty() { format!("{name}: {{}}\n") } else { format!("{name}:\n{text}") }
        };
        let (resources, calls) = (section("resources", &resources), section("modules", &calls));
        format!("blueprint: toy\nproviders: {{ toy: {{}} }}\n{resources}{calls}{files}")
    }

    fn read(&self, position: usize, block: &Block, forms: &[Form]) -> Reads {
        let (mut host, mut base, mut needs) = (String::new(), String::new(), Vec::new());
        for (other, how) in self.reads(position, block) {
            let Some(read) = &self.blocks[other] else { continue };
            let place = Place::new(other, read, forms[other]);
            match how {
                _ if read.each.is_some() => needs.push(place.needed()),
                How::Id => host.push_str(&place.reads("id")),
                How::Base => base.push_str(&place.reads("id")),
                How::Volatile => host.push_str(&place.reads("address")),
                How::Says => needs.push(place.needed()),
            }
        }
        let fields = [("host", host), ("base", base)].into_iter().filter(|(_, value)| !value.is_empty());
        Reads { fields: fields.collect(), needs, when: None }
    }

    /// A condition that holds as soon as another block is known.
    fn when(&self, position: usize, other: usize, forms: &[Form]) -> Option<String> {
        let earlier = if self.reversed { other > position } else { other < position };
        let read = self.blocks[other].as_ref().filter(|read| earlier && read.each.is_none())?;
        let path = Place::new(other, read, forms[other]).path("address");
        Some(format!("{{{{ {path} != 'none' }}}}").replace('"', "\\\""))
    }
}

fn write_block(text: &mut String, block: &Block, place: &Place, reads: &Reads) {
    let shape = if block.shape { "round" } else { "flat" };
    let (name, kind) = (&place.name, KINDS[block.kind]);
    write!(text, "  {name}:\n    kind: {kind}\n    size: {}\n    shape: {shape}\n", block.size).unwrap();
    if let Some(note) = block.note {
        writeln!(text, "    note: n{note}").unwrap();
    }
    let tags: Vec<String> = (0..block.tags).map(|tag| format!("t{tag}: x")).collect();
    writeln!(text, "    tags: {{ {} }}", tags.join(", ")).unwrap();
    if let Some(keys) = &place.keys {
        writeln!(text, "    for_each: [{}]", keys.join(", ")).unwrap();
    }
    if let Some(when) = &reads.when {
        writeln!(text, "    when: \"{when}\"").unwrap();
    }
    if let Some(first) = block.create_first {
        writeln!(text, "    replace: {}", if first { "create_first" } else { "destroy_first" }).unwrap();
    }
    if block.verify {
        writeln!(text, "    validate: {{ level: quick }}").unwrap();
    }
    for (field, value) in &reads.fields {
        writeln!(text, "    {field}: '{value}'").unwrap();
    }
    if !reads.needs.is_empty() {
        writeln!(text, "    depends_on: [{}]", reads.needs.join(", ")).unwrap();
    }
}

/// The use of a module: it is given what its block reads.
fn write_call(text: &mut String, module: &str, reads: &Reads) {
    let inputs: Vec<String> = reads.fields.iter().map(|(field, value)| format!("{field}: '{value}'")).collect();
    let (inputs, needs) = (inputs.join(", "), reads.needs.join(", "));
    let when = reads.when.as_ref().map(|when| format!(", when: \"{when}\"")).unwrap_or_default();
    writeln!(text, "  {module}: {{ source: {module}.yaml, inputs: {{ {inputs} }}, depends_on: [{needs}]{when} }}")
        .unwrap();
}

fn write_module(text: &mut String, module: &str, block: &Block, place: &Place, reads: &Reads) {
    let variables: Vec<String> = reads.fields.iter().map(|(field, _)| format!("{field}: {{ type: string }}")).collect();
    write!(text, "# file: {module}.yaml\nblueprint: {module}\nvariables: {{ {} }}\n", variables.join(", ")).unwrap();
    if block.each.is_none() {
        writeln!(text, "outputs: {{ id: '{{{{ x.id }}}}', address: '{{{{ x.address }}}}' }}").unwrap();
    }
    let given = |(field, _): &(&'static str, String)| (*field, format!("{{{{ var.{field} }}}}"));
    let inside = Reads { fields: reads.fields.iter().map(given).collect(), ..Reads::default() };
    text.push_str("resources:\n");
    write_block(text, block, place, &inside);
}
