//! What all seeds together came to: a simulation that meets nothing proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use trueup_state::rules::Rule;

use crate::seed::Outcome;

/// So many seeds meet all that there is.
pub(crate) const ENOUGH: u64 = 500;

/// What must have happened, whatever the seeds.
const MET: [&str; 41] = [
    "begun create",
    "begun update",
    "begun delete",
    "begun check",
    "call check",
    "a check condemned",
    "create: ok",
    "create: ReplyLost",
    "create: PartlyMade",
    "create: ThrottlingException",
    "create: ServiceUnavailable",
    "create: AccessDenied",
    "create: InsufficientCapacity",
    "create: InsufficientInstanceCapacity",
    "create: AlreadyExists",
    "update: ok",
    "update: ReplyLost",
    "delete: ok",
    "delete: ReplyLost",
    "poll: ok",
    "poll: NotFound",
    "describe: ServiceUnavailable",
    "list: AccessDenied",
    "died before an event",
    "died after a call",
    "died with an append on its way",
    "died after a check began",
    "slept",
    "drift: gone",
    "drift: changed",
    "parked",
    "resolved",
    "refused",
    "run done",
    "run partly done",
    "run died",
    "run refused: the world moved",
    "run refused: the state moved",
    "rival done",
    "failed Invalid",
    "failed NoCapacity",
];

/// What seeds came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many went wrong.
    pub(crate) failed: u64,
    /// How many resources each had at most.
    resources: Vec<usize>,
    counts: BTreeMap<String, u64>,
    asked: BTreeMap<Rule, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.failed += u64::from(!outcome.wrongs.is_empty());
        self.resources.push(outcome.resources);
        for (what, count) in outcome.counts {
            *self.counts.entry(what).or_default() += count;
        }
        for (rule, count) in outcome.asked {
            *self.asked.entry(rule).or_default() += count;
        }
    }

    fn median(&self) -> usize {
        let mut sorted = self.resources.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }

    /// What did not happen, and should have.
    fn missing(&self) -> Vec<String> {
        let met = MET.iter().filter(|what| !self.counts.contains_key(**what)).map(|what| (*what).to_owned());
        let rules = Rule::ALL.iter().filter(|rule| !self.asked.contains_key(rule)).map(|rule| format!("{rule:?}"));
        met.chain(rules).collect()
    }

    /// Whether the seeds met all that there is.
    pub(crate) fn is_broad(&self) -> bool {
        let missing = self.missing();
        if self.median() < 30 {
            crate::say(&format!("the median seed has {} resources, and should have 30", self.median()));
        }
        if !missing.is_empty() {
            crate::say(&format!("these never happened: {}", missing.join(", ")));
        }
        missing.is_empty() && self.median() >= 30
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.resources.iter().min(), self.resources.iter().max());
        writeln!(f, "resources: median {}, {} to {}", self.median(), least.unwrap_or(&0), most.unwrap_or(&0))?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>9}  {what}")?;
        }
        for (rule, count) in &self.asked {
            writeln!(f, "{count:>9}  rule {rule:?}")?;
        }
        Ok(())
    }
}
