//! The rules that keep things from being lost, doubled or orphaned, by name.
//!
//! Each is asked at the one place that it governs. A simulation switches one off and finds a run that goes wrong without it: so every
//! rule is shown to be needed, and the simulation to see it. That takes the feature `rules`, which tests alone turn on; without it
//! every rule holds, and asking costs nothing.

/// One rule, of recovery or of leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// What the provider goes on with is asked after by its handle.
    Poll,
    /// A create whose token is still valid is repeated with it.
    RepeatWithToken,
    /// A token is no longer trusted once its time is over.
    TokenLapses,
    /// A create that chose its name is looked for by that name.
    LookByName,
    /// What has the name is ours only if its tags say so.
    OnlyOurs,
    /// A create that set tags is looked for by them.
    LookByTag,
    /// What does not show yet may be on its way, or missing from lists still.
    Quiet,
    /// What is found while it is being made still is waited for.
    WaitForPending,
    /// A create of which nothing can tell waits for a person.
    Park,
    /// What an update did is compared by the next plan.
    CompareUpdate,
    /// A delete is done once its object is not there.
    LookAfterDelete,
    /// A provider that does not answer says nothing of an object.
    SilenceIsNoAbsence,
    /// A reply that was lost is looked into within the run.
    LookIntoLost,
    /// Where only the asking failed, the operation stays open.
    AskingEndsNothing,
    /// A stack has one lease at a time.
    OneHolder,
    /// An append with an older lease is refused.
    Fencing,
    /// An append past the deadline is refused.
    Deadline,
    /// No call is sent without the time left on the lease to hear of it.
    TimeForACall,
    /// A plan of a state that moved on is refused.
    SerialMoved,
    /// A plan of a world that moved on is refused.
    WorldMoved,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 20] = [
        Rule::Poll,
        Rule::RepeatWithToken,
        Rule::TokenLapses,
        Rule::LookByName,
        Rule::OnlyOurs,
        Rule::LookByTag,
        Rule::Quiet,
        Rule::WaitForPending,
        Rule::Park,
        Rule::CompareUpdate,
        Rule::LookAfterDelete,
        Rule::SilenceIsNoAbsence,
        Rule::LookIntoLost,
        Rule::AskingEndsNothing,
        Rule::OneHolder,
        Rule::Fencing,
        Rule::Deadline,
        Rule::TimeForACall,
        Rule::SerialMoved,
        Rule::WorldMoved,
    ];

    /// Whether it holds here: always, but in a simulation that has switched it off.
    #[cfg(not(feature = "rules"))]
    #[inline]
    #[allow(clippy::unused_self, reason = "with the feature it is asked which")]
    pub fn holds(self) -> bool {
        true
    }

    /// Whether it holds here: always, but in a simulation that has switched it off.
    #[cfg(feature = "rules")]
    pub fn holds(self) -> bool {
        switch::holds(self)
    }

    /// Whether something is so, or is taken to be so because the rule that asks for it is switched off.
    pub fn keeps(self, is_so: bool) -> bool {
        is_so || !self.holds()
    }
}

#[cfg(feature = "rules")]
pub use switch::{asked, switch_off};

#[cfg(feature = "rules")]
mod switch {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::Rule;

    thread_local! {
        static OFF: RefCell<Option<Rule>> = const { RefCell::new(None) };
        static ASKED: RefCell<BTreeMap<Rule, u64>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// Switches a rule off for this thread, or all of them on, and forgets how often each was asked.
    pub fn switch_off(rule: Option<Rule>) {
        OFF.set(rule);
        ASKED.take();
    }

    /// How often each rule decided something on this thread since the last switch.
    pub fn asked() -> BTreeMap<Rule, u64> {
        ASKED.with_borrow(Clone::clone)
    }

    pub(super) fn holds(rule: Rule) -> bool {
        ASKED.with_borrow_mut(|asked| *asked.entry(rule).or_default() += 1);
        OFF.with_borrow(|off| *off != Some(rule))
    }
}
