//! Runs whose time is measured on a paused clock: random graphs, and many resources of an API with a limit.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "these are tests, and their counts are small")]

use std::fmt::Write;
use std::time::Duration;

use trueup_state::Entropy;
use trueup_state::clock::SeededEntropy;

use super::support::clock::{since, uptime};
use super::support::cloud::Manners;
use super::support::kinds::KINDS;
pub(crate) use super::support::limits::Limit;
use super::support::{self, House, blueprint, on_paused_time};

/// When pending work is asked after.
const POLL_AFTER: f64 = 5.0;

/// How long it takes to ask.
const POLL: f64 = 0.1;

/// A graph of resources, to be made in so many places at once.
pub(crate) struct Graph {
    pub(crate) shape: &'static str,
    places: usize,
    nodes: Vec<Node>,
    polls: u32,
}

struct Node {
    kind: &'static str,
    /// How long the call that makes it takes, in seconds.
    takes: f64,
    after: Vec<usize>,
}

struct Dice(SeededEntropy);

impl Dice {
    /// A number of a range, both ends included.
    fn from(&self, least: usize, most: usize) -> usize {
        least + usize::try_from(self.0.number() % (most - least + 1) as u64).unwrap()
    }

    fn unit(&self) -> f64 {
        f64::from(u32::try_from(self.0.number() >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// What each node waits for.
fn edges(shape: &str, dice: &Dice, places: usize) -> Vec<Vec<usize>> {
    let mut after: Vec<Vec<usize>> = Vec::new();
    match shape {
        "chains" => {
            for _ in 0..dice.from(places / 2, places * 3) {
                for link in 0..dice.from(1, 8) {
                    let before = after.len().checked_sub(1).filter(|_| link > 0);
                    after.push(before.into_iter().collect());
                }
            }
        }
        "layers" => {
            let mut last = 0..0;
            for _ in 0..dice.from(2, 6) {
                let start = after.len();
                for _ in 0..dice.from(places, places * 3) {
                    let needs = if last.is_empty() { 0 } else { dice.from(1, 3) };
                    after.push((0..needs).map(|_| dice.from(last.start, last.end - 1)).collect());
                }
                last = start..after.len();
            }
        }
        "forks" => {
            // Each of several teams forks and joins for itself.
            for _ in 0..dice.from(places / 2, places) {
                let mut joint = None;
                for _ in 0..dice.from(1, 3) {
                    let start = after.len();
                    (0..dice.from(2, 8)).for_each(|_| after.push(joint.into_iter().collect()));
                    after.push((start..after.len()).collect());
                    joint = Some(after.len() - 1);
                }
            }
        }
        _ => {
            for node in 0..dice.from(places * 4, places * 10) {
                let needs = dice.from(0, 2).min(node);
                after.push((0..needs).map(|_| dice.from(node.saturating_sub(places * 2), node - 1)).collect());
            }
        }
    }
    after
}

impl Graph {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice(SeededEntropy::new(seed));
        let shape = ["chains", "layers", "forks", "sparse"][usize::try_from(seed % 4).unwrap()];
        let places = dice.from(2, 12);
        // From one second to thirty, each kind its own, and every resource somewhat other than its kind.
        let typical: Vec<f64> = KINDS.iter().map(|_| 30_f64.powf(dice.unit())).collect();
        let node = |after| {
            let kind = dice.from(0, KINDS.len() - 1);
            Node { kind: KINDS[kind].name, takes: typical[kind] * (0.8 + 0.4 * dice.unit()), after }
        };
        let nodes = edges(shape, &dice, places).into_iter().map(node).collect();
        let polls = if dice.from(0, 2) == 0 { 2 } else { 0 };
        Self { shape, places, nodes, polls }
    }

    fn pending(&self) -> f64 {
        f64::from(self.polls) * (POLL_AFTER + POLL)
    }

    /// The longest path, or the work of all calls shared by the places: the longer of the two, in seconds.
    pub(crate) fn bound(&self) -> f64 {
        let mut ends: Vec<f64> = Vec::new();
        for node in &self.nodes {
            let start = node.after.iter().map(|before| ends[*before]).fold(0.0, f64::max);
            ends.push(start + node.takes + self.pending());
        }
        let work: f64 = self.nodes.iter().map(|node| node.takes + f64::from(self.polls) * POLL).sum();
        ends.into_iter().fold(work / self.places as f64, f64::max)
    }

    /// The blueprint, beside resources that were there before it.
    fn text(&self, before: &str) -> String {
        let mut text = before.to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let after: Vec<String> = node.after.iter().map(|before| format!("n{before}")).collect();
            writeln!(text, "  n{number}: {{ kind: {}, depends_on: [{}] }}", node.kind, after.join(", ")).unwrap();
        }
        text
    }

    /// How long it takes to make it, in seconds, once one of each kind was made.
    pub(crate) fn makespan(&self) -> f64 {
        on_paused_time(async {
            let mut house = House::new();
            house.parallelism = self.places;
            house.cloud.set_manners(Manners { polls: self.polls, ..Manners::default() });
            let takes: Vec<f64> = self.nodes.iter().map(|node| node.takes).collect();
            let typical = |kind: &str| self.nodes.iter().find(|node| node.kind == kind).map_or(1.0, |node| node.takes);
            let typical = KINDS.map(|kind| (kind.name, typical(kind.name)));
            house.cloud.limits().takes = Some(Box::new(move |verb, request| {
                let number = request.address.to_string().strip_prefix('n').and_then(|number| number.parse().ok());
                let takes = number.and_then(|number: usize| takes.get(number)).copied();
                let kind = || typical.iter().find(|(name, _)| *name == request.kind.as_str()).unwrap().1;
                Duration::from_secs_f64(if verb == "poll" { POLL } else { takes.unwrap_or_else(kind) })
            }));
            let one_of_each = KINDS.map(|kind| format!("k_{0}: {{ kind: {0} }}", kind.name));
            let one_of_each = blueprint(&one_of_each.each_ref().map(String::as_str));
            house.up(&one_of_each).await;
            let start = support::clock::uptime();
            house.up(&self.text(&one_of_each)).await;
            support::clock::since(start).as_secs_f64()
        })
    }
}

pub(crate) const LATENCY: Duration = Duration::from_millis(50);

pub(crate) fn house(parallelism: usize) -> House {
    let mut house = House::new();
    house.parallelism = parallelism;
    house.cloud.set_manners(Manners { latency: LATENCY, ..Manners::default() });
    house
}

pub(crate) fn limit(house: &House, api: &str, limit: Limit) {
    house.cloud.limits().set(api, limit, uptime());
}

pub(crate) fn many(count: usize, line: &str) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("r{number}: {line}")).collect();
    blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// How many operations a second are done under a limit, and how many calls are refused for each that is done.
pub(crate) fn done_a_second(operations: usize, of: Limit) -> (f64, f64) {
    on_paused_time(async {
        let house = house(32);
        limit(&house, "r1", of);
        let start = uptime();
        let report = house.up(&many(operations, "{ kind: box }")).await;
        assert_eq!(report.done.len(), operations);
        let took = since(start).as_secs_f64();
        let refused = house.cloud.limits().refused("r1");
        (operations as f64 / took, refused as f64 / operations as f64)
    })
}
