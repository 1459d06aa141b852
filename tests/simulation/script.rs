//! What a seed says: a blueprint, a cloud, and what happens to both. Each part of it has a number, by which it can be left out: so a
//! script that fails is made smaller.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dice::Dice;
use crate::model::{Block, Model, Sort};

/// All of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) nature: String,
    /// How long its calls take, which may be longer than anybody waits.
    pub(crate) latency: &'static str,
    pub(crate) model: Model,
    /// Names that another stack has taken already.
    pub(crate) taken: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// How many parts may be left out.
    pub(crate) parts: usize,
    /// For what this seed decides later.
    pub(crate) seed: u64,
}

/// What happens between one run and the next, and that run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) gap: Duration,
    pub(crate) edits: Vec<Edit>,
    pub(crate) drift: Vec<Drift>,
    /// What goes wrong at the cloud, as its settings say it.
    pub(crate) weather: Vec<String>,
    pub(crate) is_sold_out: bool,
    /// How many checks in a hundred condemn what they check.
    pub(crate) condemned: usize,
    pub(crate) verb: What,
    /// A resource that is protected is taken out, for this run alone.
    pub(crate) is_probe: bool,
    /// What befalls the run at one of its events.
    pub(crate) fate: Option<(usize, Fate)>,
    /// On another machine, where nobody can tell whether it is alive.
    pub(crate) is_elsewhere: bool,
    /// Another run, so long after.
    pub(crate) rival: Option<Duration>,
    /// How long a person thinks about the plan.
    pub(crate) pause: Duration,
    /// What somebody changes meanwhile.
    pub(crate) meanwhile: Option<Drift>,
    /// When somebody presses Ctrl-C.
    pub(crate) cancel: Option<Duration>,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Apply,
    Destroy,
    Correct,
}

/// What befalls a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It dies before this takes effect.
    DieBefore,
    /// It dies when this has been sent.
    DieAfter,
    /// It is asleep for so long.
    Sleep(Duration),
}

/// A change of the blueprint.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Size(String),
    Shape(String),
    Drop(String),
    Add(Block),
    Keys(String, Vec<&'static str>),
    Move(String),
    Tag,
    Calls(usize),
}

/// Somebody changes an object by hand. `pick`: which, of those there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drift {
    pub(crate) pick: usize,
    pub(crate) is_gone: bool,
}

/// Draws a script, and leaves out what is asked for.
struct Draw<'a> {
    dice: Dice,
    theme: Theme,
    without: &'a BTreeSet<usize>,
    parts: usize,
}

/// What a seed is most of all about: half of them are about all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    All,
    /// Creates that only names tell apart.
    Names,
    /// Creates that only tags tell apart.
    Tags,
    /// Creates that nothing tells apart.
    Nothing,
    /// Processes that sleep, and others that come meanwhile.
    Sleepers,
    /// Long gaps.
    Days,
}

const THEMES: [Theme; 10] = [
    Theme::All,
    Theme::Names,
    Theme::All,
    Theme::Tags,
    Theme::All,
    Theme::Nothing,
    Theme::All,
    Theme::Sleepers,
    Theme::All,
    Theme::Days,
];

const LATENCIES: [&str; 5] =
    ["0ms", "50ms", "{ from: 10ms, to: 3s }", "{ median: 100ms, p99: 9s }", "{ from: 1s, to: 20s }"];

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Script {
    /// The script of a seed, without some of its parts.
    pub(crate) fn of(seed: u64, without: &BTreeSet<usize>) -> Self {
        let theme = THEMES[usize::try_from(seed % 10).expect("it is below ten")];
        let mut draw = Draw { dice: Dice::new(seed), theme, without, parts: 0 };
        let latency = draw.dice.one(&LATENCIES);
        let nature = draw.nature();
        let mut model = Model { calls: draw.dice.from(1, 2), ..Model::default() };
        // What is drawn is drawn from all there could be: leaving something out moves nothing else.
        let mut full = model.clone();
        for number in 0..draw.dice.from(9, 18) {
            let block = draw.block(number, &full);
            full.blocks.push(block.clone());
            if draw.keeps() {
                model.blocks.push(block);
            }
        }
        let taken = model.blocks.iter().filter_map(|block| block.own_name.clone()).collect();
        let mut steps = Vec::new();
        for number in 0..draw.dice.from(4, 8) {
            let step = draw.step(number, &mut full);
            if draw.keeps() {
                steps.push(step);
            }
        }
        Self { nature, latency, model, taken, steps, parts: draw.parts, seed: draw.dice.seed() }
    }
}

impl Draw<'_> {
    /// Whether the next part is kept.
    fn keeps(&mut self) -> bool {
        self.parts += 1;
        !self.without.contains(&(self.parts - 1))
    }

    /// A part that may be there; it is drawn in any case, so that leaving it out moves nothing else.
    fn may<T>(&mut self, percent: usize, draw: impl FnOnce(&Dice) -> T) -> Option<T> {
        let part = draw(&self.dice);
        let is_there = self.dice.often(percent) && self.keeps();
        is_there.then_some(part)
    }

    /// How the cloud is, as its settings say it.
    fn nature(&mut self) -> String {
        let dice = &self.dice;
        let mut settings = vec![format!("page_size: {}", dice.from(5, 60))];
        let pending = [
            format!("gpu_instance: {}s", dice.from(1, 90)),
            format!("endpoint: {}s", dice.from(1, 60)),
            format!("Sim::Thing: {}s", dice.from(0, 20)),
        ];
        settings.push(format!("pending: {{ {} }}", pending.join(", ")));
        if dice.often(20) {
            settings.push(format!("rate_limit: {{ per_second: {}, burst: 10 }}", dice.from(3, 30)));
        }
        if dice.often(60) {
            // Longer than anything is on its way, where only a name tells.
            let times = if self.theme == Theme::Names { 5 } else { 1 };
            settings.push(format!("list_lag: {}s", dice.from(1, 30) * times));
        }
        if dice.often(30) {
            settings.push("normalise: { 'Sim::Thing': { text: lower } }".to_owned());
        }
        // How each kind's creates can be told apart: by token, by name, by tag, or not at all.
        let (mut named, mut tokenless, mut untaggable) = (Vec::new(), Vec::new(), Vec::new());
        for sort in Sort::ALL {
            let chance = dice.below(100);
            let chance = match self.theme {
                Theme::Names => 40 + chance / 5,
                Theme::Tags => 65 + chance / 5,
                Theme::Nothing => 85 + chance / 7,
                Theme::Days => chance / 3,
                Theme::All | Theme::Sleepers => chance,
            };
            match chance {
                0..40 => {}
                40..65 => {
                    named.push(sort.kind());
                    tokenless.push(sort.kind());
                }
                65..92 => tokenless.push(sort.kind()),
                _ => {
                    tokenless.push(sort.kind());
                    untaggable.push(sort.kind());
                }
            }
        }
        for (field, kinds) in [("named_by_caller", named), ("tokenless", tokenless), ("untaggable", untaggable)] {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
            settings.push(format!("{field}: [{}]", kinds.join(", ")));
        }
        settings.join(", ")
    }

    fn block(&mut self, number: usize, model: &Model) -> Block {
        let dice = &self.dice;
        let sort =
            [Sort::Thing, Sort::Thing, Sort::Bucket, Sort::Registry, Sort::Machine, Sort::Machine, Sort::Endpoint]
                [dice.below(7)];
        let is_inner = dice.often(25);
        let near: Vec<&Block> = model.blocks.iter().filter(|block| block.is_inner == is_inner).collect();
        let reads: Vec<String> = match near.len() {
            0 => Vec::new(),
            some => [dice.below(some), dice.below(some)].iter().map(|at| near[*at].name.clone()).collect(),
        };
        let reads = if dice.often(65) { reads } else { Vec::new() };
        let protect = dice.often(8) && matches!(sort, Sort::Bucket | Sort::Machine) && !is_inner;
        let own_name = (dice.often(6) && sort == Sort::Bucket && !is_inner).then(|| format!("taken-{number}"));
        let keys = KEYS[..dice.from(2, 5)].to_vec();
        let is_alone = protect || own_name.is_some();
        let keys = if dice.often(35) && !is_alone { keys } else { Vec::new() };
        let is_thing = sort == Sort::Thing;
        let is_deferred = dice.often(8) && is_thing && keys.is_empty() && !is_inner;
        Block {
            name: format!("b{number}"),
            sort,
            keys,
            size: dice.below(9),
            shape: dice.below(9),
            reads: if protect { Vec::new() } else { reads },
            is_shaped: dice.often(20) && is_thing && !is_deferred,
            protect,
            is_west: dice.often(20),
            is_placed: dice.often(70) && sort == Sort::Machine,
            is_checked: dice.often(50) && sort == Sort::Machine && !protect,
            is_inner,
            own_name: own_name.clone(),
            is_deferred,
            create_first: dice.often(25) && own_name.is_none() && sort != Sort::Endpoint,
        }
    }

    fn step(&mut self, number: usize, full: &mut Model) -> Step {
        let edits = self.edits(number, full);
        let weather = self.weather();
        let theme = self.theme;
        let (rivals, pauses) = if theme == Theme::Sleepers { (40, 70) } else { (10, 35) };
        let drift = |dice: &Dice| Drift { pick: dice.below(1000), is_gone: dice.often(40) };
        Step {
            gap: self.gap(),
            edits,
            drift: (0..3).filter_map(|_| self.may(25, drift)).collect(),
            is_sold_out: self.may(25, |_| ()).is_some(),
            condemned: self.may(30, |dice| dice.from(10, 60)).unwrap_or(0),
            weather,
            verb: self.may(14, |dice| dice.one(&[What::Destroy, What::Correct, What::Correct])).unwrap_or(What::Apply),
            is_probe: self.may(7, |_| ()).is_some(),
            fate: self.may(70, |dice| (1 + dice.below(dice.one(&[4, 20, 70])), fate(dice, theme))),
            is_elsewhere: self.may(15, |_| ()).is_some(),
            rival: self.may(rivals, |dice| dice.millis(0, dice.one(&[100, 5_000, 120_000]))),
            pause: self.may(pauses, |dice| dice.millis(100, 30_000)).unwrap_or_default(),
            meanwhile: self.may(pauses / 2, drift),
            cancel: self.may(6, |dice| dice.millis(10, 60_000)),
        }
    }

    fn gap(&mut self) -> Duration {
        let short = self.dice.millis(0, 20_000);
        self.may(if self.theme == Theme::Days { 40 } else { 5 }, |dice| Duration::from_hours(dice.from(20, 90) as u64))
            .unwrap_or(short)
    }

    fn edits(&mut self, number: usize, full: &mut Model) -> Vec<Edit> {
        let mut edits = Vec::new();
        for turn in 0..self.dice.from(0, 4) {
            let Some(edit) = self.edit(number * 10 + turn, full) else { continue };
            edit.make(full);
            if self.keeps() {
                edits.push(edit);
            }
        }
        edits
    }

    fn edit(&mut self, number: usize, model: &Model) -> Option<Edit> {
        let dice = &self.dice;
        let (at, sort) = (dice.below(1000), dice.below(100));
        let (keys, calls) = (KEYS[dice.below(3)..dice.from(3, 5)].to_vec(), dice.from(1, 2));
        let new = self.block(100 + number, model);
        let block = model.blocks.get(at % model.blocks.len().max(1))?;
        let name = block.name.clone();
        let is_free = !block.protect;
        match sort {
            0..30 => Some(Edit::Size(name)),
            30..52 if is_free => Some(Edit::Shape(name)),
            52..64 if is_free => Some(Edit::Drop(name)),
            64..76 if new.own_name.is_none() => Some(Edit::Add(new)),
            76..84 if !block.keys.is_empty() => Some(Edit::Keys(name, keys)),
            84..91 if !block.is_inner => Some(Edit::Move(name)),
            91..96 => Some(Edit::Tag),
            96..100 => Some(Edit::Calls(calls)),
            _ => None,
        }
    }

    fn weather(&mut self) -> Vec<String> {
        const FAULTS: [(&str, usize); 10] = [
            ("fault: transient, rate: 0.06", 25),
            ("fault: throttled, rate: 0.05, retry_after: 3s", 20),
            ("fault: throttled, rate: 0.1, call: create", 12),
            ("fault: denied, rate: 0.02", 15),
            ("fault: lost, rate: 0.12", 35),
            ("fault: partly, rate: 0.06", 20),
            ("fault: no_capacity, rate: 0.15, kind: gpu_instance", 20),
            ("fault: transient, rate: 0.5, call: describe", 12),
            ("fault: denied, rate: 0.3, call: poll", 10),
            ("fault: stuck, call: create", 5),
        ];
        let mut weather = Vec::new();
        for (fault, percent) in FAULTS {
            weather.extend(self.may(percent, |_| format!("{{ {fault} }}")));
        }
        weather
    }
}

fn fate(dice: &Dice, theme: Theme) -> Fate {
    let chance = dice.below(10);
    match if theme == Theme::Sleepers { 4 + chance * 6 / 10 } else { chance } {
        0..4 => Fate::DieBefore,
        4..7 => Fate::DieAfter,
        _ => Fate::Sleep(dice.millis(100, dice.one(&[2_000, 90_000, 600_000]))),
    }
}

impl Edit {
    /// Makes the change, as far as what it is of is there.
    pub(crate) fn make(&self, model: &mut Model) {
        match self {
            Edit::Size(name) => change(model, name, |block| block.size += 1),
            Edit::Shape(name) => change(model, name, |block| block.shape += 1),
            Edit::Drop(name) => {
                model.blocks.retain(|block| block.name != *name);
                model.nothing_moved_to(name);
            }
            Edit::Add(block) => model.blocks.push(block.clone()),
            Edit::Keys(name, keys) => change(model, name, |block| block.keys.clone_from(keys)),
            Edit::Move(name) => moved(model, name),
            Edit::Tag => model.tag += 1,
            Edit::Calls(calls) => model.calls = *calls,
        }
    }
}

fn change(model: &mut Model, name: &str, change: impl FnOnce(&mut Block)) {
    if let Some(block) = model.block(name) {
        change(block);
    }
}

fn moved(model: &mut Model, name: &str) {
    let to = format!("{name}x");
    if model.block(name).is_none() {
        return;
    }
    for block in &mut model.blocks {
        if block.name == name {
            block.name.clone_from(&to);
        }
        block.reads.iter_mut().filter(|read| *read == name).for_each(|read| read.clone_from(&to));
    }
    model.moved.push((name.to_owned(), to));
}
