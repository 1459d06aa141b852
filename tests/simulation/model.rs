//! A blueprint as the simulation thinks of it, and the text that says it.

use std::collections::BTreeSet;
use std::fmt::Write;

/// What sort of thing a block makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Thing,
    Bucket,
    Registry,
    Machine,
    Endpoint,
}

impl Sort {
    pub(crate) const ALL: [Sort; 5] = [Sort::Thing, Sort::Bucket, Sort::Registry, Sort::Machine, Sort::Endpoint];

    /// Its kind in a blueprint.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Sort::Thing => "Sim::Thing",
            Sort::Bucket => "bucket",
            Sort::Registry => "registry",
            Sort::Machine => "gpu_instance",
            Sort::Endpoint => "endpoint",
        }
    }

    /// The attribute that others read.
    fn attribute(self) -> &'static str {
        match self {
            Sort::Thing => "name",
            Sort::Bucket | Sort::Registry => "uri",
            Sort::Machine => "hostname",
            Sort::Endpoint => "url",
        }
    }
}

/// One block of resources.
#[allow(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) sort: Sort,
    /// The keys of its instances; none where it is one resource.
    pub(crate) keys: Vec<&'static str>,
    /// What changes in place.
    pub(crate) size: usize,
    /// What replaces it.
    pub(crate) shape: usize,
    /// The blocks that it reads.
    pub(crate) reads: Vec<String>,
    /// Of a thing: whether what it reads is what replaces it.
    pub(crate) is_shaped: bool,
    pub(crate) protect: bool,
    /// In the second region.
    pub(crate) is_west: bool,
    /// Wherever there is room.
    pub(crate) is_placed: bool,
    /// Checked before it counts as ready.
    pub(crate) is_checked: bool,
    /// In the module.
    pub(crate) is_inner: bool,
    /// A name of its own choice, in full.
    pub(crate) own_name: Option<String>,
    /// Of a thing: whether there is one for each name of what it reads, which only an apply can tell.
    pub(crate) is_deferred: bool,
    pub(crate) create_first: bool,
}

/// All of a blueprint but its providers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) blocks: Vec<Block>,
    pub(crate) moved: Vec<(String, String)>,
    /// The calls of the module.
    pub(crate) calls: usize,
    /// A tag on everything.
    pub(crate) tag: usize,
}

impl Model {
    pub(crate) fn block(&mut self, name: &str) -> Option<&mut Block> {
        self.blocks.iter_mut().find(|block| block.name == name)
    }

    /// Takes out what is said to have moved to a name, at once or over others: nothing may have moved to what is not there.
    pub(crate) fn nothing_moved_to(&mut self, name: &str) {
        let mut gone = vec![name.to_owned()];
        while let Some(name) = gone.pop() {
            gone.extend(self.moved.iter().filter(|(_, to)| *to == name).map(|(from, _)| from.clone()));
            self.moved.retain(|(_, to)| *to != name);
        }
    }

    /// The blueprint and its module, as one text with marks between its files.
    pub(crate) fn text(&self, providers: &str) -> String {
        let mut text = format!("blueprint: sim\ntags: {{ round: r{} }}\nproviders:\n{providers}", self.tag);
        if !self.moved.is_empty() {
            text.push_str("moved:\n");
            for (from, to) in &self.moved {
                writeln!(text, "  - {{ from: {from}, to: {to} }}").expect("a string takes all");
            }
        }
        text.push_str(&self.resources(false));
        let has_inner = self.blocks.iter().any(|block| block.is_inner);
        if has_inner && self.calls > 0 {
            text.push_str("modules:\n");
            for call in 0..self.calls {
                writeln!(text, "  m{call}: {{ source: ./m.yaml }}").expect("a string takes all");
            }
        }
        if let Some(block) = self.blocks.iter().find(|block| !block.is_inner) {
            writeln!(text, "outputs:\n  first: {}", self.reading(&block.name, block.is_inner))
                .expect("a string takes all");
        }
        if has_inner {
            text.push_str("# file: m.yaml\nblueprint: inner\n");
            text.push_str(&self.resources(true));
        }
        text
    }

    fn resources(&self, is_inner: bool) -> String {
        let blocks: Vec<_> = self.blocks.iter().filter(|block| block.is_inner == is_inner).collect();
        let lines: String = blocks.iter().map(|block| self.line(block)).collect();
        if lines.is_empty() { "resources: {}\n".to_owned() } else { format!("resources:\n{lines}") }
    }

    fn line(&self, block: &Block) -> String {
        let mut fields = vec![format!("kind: {}", block.sort.kind())];
        if block.is_placed {
            fields.push("placement: [{ provider: sim }, { provider: sim.west }]".to_owned());
        } else {
            fields.push(format!("provider: {}", if block.is_west { "sim.west" } else { "sim" }));
        }
        let read = block.reads.iter().find(|name| self.knows(name, block.is_inner));
        let reading = read.map_or_else(|| "none".to_owned(), |name| self.reading(name, block.is_inner));
        if self.is_deferred(block) {
            fields.push(format!("for_each: {}", reading.replace("{{ ", "{{ [").replace(" }}", "] }}")));
        } else if !block.keys.is_empty() {
            fields.push(format!("for_each: [{}]", block.keys.join(", ")));
        }
        if block.protect {
            fields.push("protect: true".to_owned());
        }
        if block.is_checked {
            fields.push("validate: { level: quick }".to_owned());
        }
        if block.create_first {
            fields.push("replace: create_first".to_owned());
        }
        fields.extend(block.own_name.iter().map(|name| format!("name: {name}")));
        fields.push(own_fields(block, &reading));
        format!("  {}: {{ {} }}\n", block.name, fields.join(", "))
    }

    fn is_deferred(&self, block: &Block) -> bool {
        block.is_deferred && block.reads.iter().any(|name| self.knows(name, block.is_inner))
    }

    fn knows(&self, name: &str, is_inner: bool) -> bool {
        self.blocks.iter().any(|block| block.name == name && block.is_inner == is_inner)
    }

    /// An expression that reads a block.
    fn reading(&self, name: &str, is_inner: bool) -> String {
        let block = self.blocks.iter().find(|block| block.name == name && block.is_inner == is_inner);
        let Some(block) = block else { return "none".to_owned() };
        let attribute = block.sort.attribute();
        if block.keys.is_empty() && !self.is_deferred(block) {
            format!("\"{{{{ {name}.{attribute} }}}}\"")
        } else {
            format!("\"{{{{ {name} | values | map(attribute='{attribute}') | join('-') }}}}\"")
        }
    }

    /// The addresses that are wanted; of what is deferred none.
    pub(crate) fn addresses(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for block in self.blocks.iter().filter(|block| !self.is_deferred(block)) {
            let calls: Vec<String> = (0..self.calls).map(|call| format!("m{call}/")).collect();
            let around = if block.is_inner { calls } else { vec![String::new()] };
            for module in around {
                let name = format!("{module}{}", block.name);
                if block.keys.is_empty() {
                    all.insert(name.clone());
                }
                all.extend(block.keys.iter().map(|key| format!("{name}[\"{key}\"]")));
            }
        }
        all
    }
}

/// What a block's kind alone has.
fn own_fields(block: &Block, reading: &str) -> String {
    let Block { size, shape, .. } = block;
    match block.sort {
        Sort::Thing if block.is_shaped => {
            format!("properties: {{ size: {size}, text: t{shape}, shape: {reading} }}")
        }
        Sort::Thing => format!("properties: {{ size: {size}, text: {reading}, shape: s{shape} }}"),
        Sort::Bucket => format!("location: l{shape}, tags: {{ size: s{size}, reads: {reading} }}"),
        Sort::Registry => {
            format!("encryption: {{ kms_key: k{shape} }}, tags: {{ size: s{size}, reads: {reading} }}")
        }
        Sort::Machine => format!(
            "gpu: {{ model: H100 }}, machine_type: m{shape}, tags: {{ size: s{size} }}, env: {{ READS: {reading} }}"
        ),
        Sort::Endpoint => {
            format!("image: 'registry.example/i:{shape}', tags: {{ size: s{size} }}, env: {{ READS: {reading} }}")
        }
    }
}
