//! Walks the operation graph: what is ready goes, longest path first; what fails holds back only what needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use trueup_state::entry::{Entry, Event};
use trueup_state::{Address, Class, Value, Verb};

use super::durations::Durations;
use super::lanes::Slot;
use super::operation::{Outcome, Work, perform};
use super::run::Run;
use super::schedule::{Ready, heights};
use super::{ApplyEvent, Done, Failure, Report, Skipped};
use crate::finish::{Finish, Finisher};
use crate::plan::{Operation, Plan};
use crate::provider::{Candidate, Check, ProviderError};
use crate::visits::Visits;

/// Where an operation is.
#[derive(Clone, Debug, PartialEq)]
enum State {
    /// It waits for so many others.
    Waiting(usize),
    /// It is under way.
    Running,
    /// It is done, or turned out not to be needed.
    Done,
    /// It failed, or will not be tried because of these.
    Lost(BTreeSet<Address>),
}

/// Carries out the operations of a plan. `durations`: how long they are likely to take.
pub async fn execute(run: &Run, plan: &Plan, finisher: &Finisher<'_>, durations: &Durations) -> Report {
    let mut walk = Walk::new(run, plan, finisher, durations);
    run.tell(ApplyEvent::Planned { operations: plan.operations.len() });
    if !plan.entries.is_empty() {
        let at = run.clock.now();
        let entries: Vec<Entry> = plan.entries.iter().map(|entry| Entry { at, ..entry.clone() }).collect();
        if let Err(error) = run.append_all(&entries).await {
            walk.report.stopped = Some(error.to_string());
        }
    }
    walk.go().await;
    walk.finish()
}

struct Walk<'a> {
    run: &'a Run,
    plan: &'a Plan,
    finisher: &'a Finisher<'a>,
    states: Vec<State>,
    followers: Vec<Vec<usize>>,
    ready: Ready,
    /// For each resource with a placement, its operations at candidates.
    branches: BTreeMap<&'a Address, Vec<usize>>,
    /// For each resource with a placement, the position of the candidate that is open.
    open: BTreeMap<Address, usize>,
    /// What an operation turned out to be, decided at the first of a pair.
    finishes: BTreeMap<usize, Finish>,
    /// Those that were begun, or could not be.
    tried: BTreeSet<usize>,
    report: Report,
    visits: Visits,
}

/// What an operation comes to.
enum Job {
    /// A call, and who is to check what it makes.
    Call(Box<Work>, Option<Arc<dyn Check>>),
    /// None: what is there is what is wanted, and only the record does not say so.
    Record(Event),
}

/// Carries an operation out. What its object needs so that it can be checked is found out first, and is journaled with it.
async fn call(run: &Run, mut work: Work, checker: Option<Arc<dyn Check>>, slot: Slot) -> Outcome {
    if let Some(checker) = checker {
        match checker.equip(&work.request).await {
            Ok(equipment) => work.request.check = Some(equipment).filter(|equipment| *equipment != Value::Null),
            Err(error) => return Outcome::Failed(Box::new(error)),
        }
    }
    perform(run, &work, slot).await
}

async fn record(run: &Run, operation: &Operation, event: Event) -> Outcome {
    run.append(&operation.address, event).await.map_or_else(Outcome::Stopped, |()| Outcome::NotNeeded)
}

impl<'a> Walk<'a> {
    fn new(run: &'a Run, plan: &'a Plan, finisher: &'a Finisher<'a>, durations: &Durations) -> Self {
        let nodes = plan.operations.len() + plan.joints;
        let mut followers = vec![Vec::new(); nodes];
        let mut waits = vec![0; nodes];
        for (from, to) in &plan.edges {
            followers[*from].push(*to);
            waits[*to] += 1;
        }
        let lane = |(index, operation): (usize, &Operation)| {
            run.lanes.lane(operation.scope.provider.provider(), &finisher.api(index))
        };
        let lanes = plan.operations.iter().enumerate().map(lane);
        let mut walk = Self {
            run,
            plan,
            finisher,
            states: waits.iter().map(|count| State::Waiting(*count)).collect(),
            followers,
            ready: Ready::new(heights(plan, durations), lanes),
            branches: BTreeMap::new(),
            open: BTreeMap::new(),
            finishes: BTreeMap::new(),
            tried: BTreeSet::new(),
            report: Report::default(),
            visits: Visits::default(),
        };
        for (index, operation) in plan.operations.iter().enumerate() {
            if let Some(candidate) = &operation.candidate {
                walk.branches.entry(&operation.address).or_default().push(index);
                // A plan has them in the order in which they are tried.
                walk.open.entry(operation.address.clone()).or_insert(candidate.position);
            }
        }
        (0..nodes).for_each(|index| walk.wake(index));
        walk
    }

    /// Puts an operation among the ready ones, if it waits for nothing more. A joint is done then.
    fn wake(&mut self, index: usize) {
        let Some(operation) = self.plan.operations.get(index) else {
            if self.states[index] == State::Waiting(0) {
                self.done(index);
            }
            return;
        };
        let is_open =
            operation.candidate.as_ref().is_none_or(|candidate| self.open[&operation.address] == candidate.position);
        if self.states[index] == State::Waiting(0) && is_open {
            self.ready.insert(index);
        }
    }

    async fn go(&mut self) {
        let mut running = FuturesUnordered::new();
        loop {
            while let Some((index, slot)) = self.next_ready() {
                if let Some(job) = self.begin(index) {
                    let (run, operation) = (self.run, &self.plan.operations[index]);
                    running.push(async move {
                        let since = run.clock.uptime();
                        let (verb, outcome) = match job {
                            Job::Call(work, checker) => (work.verb, call(run, *work, checker, slot).await),
                            Job::Record(event) => (operation.verb, record(run, operation, event).await),
                        };
                        (index, verb, outcome, run.clock.uptime().saturating_sub(since))
                    });
                }
            }
            if running.is_empty() && (self.ready.is_empty() || !self.may_start()) {
                return;
            }
            let may_start = self.may_start();
            let next_turn = self.ready.next_turn(self.run.clock.uptime()).filter(|_| may_start);
            tokio::select! {
                biased;
                finished = running.next(), if !running.is_empty() => {
                    if let Some((index, verb, outcome, took)) = finished {
                        self.ended(index, verb, outcome, took);
                    }
                }
                // Pending work gives its place back without ending.
                () = self.run.lanes.freed(), if may_start && !self.ready.is_empty() => {}
                () = self.run.clock.sleep(next_turn.unwrap_or_default()), if next_turn.is_some() => {}
                () = self.run.cancelled(), if may_start => {}
            }
        }
    }

    fn may_start(&self) -> bool {
        self.report.stopped.is_none() && !self.run.is_cancelled()
    }

    /// The next operation that may go now, with a place for it.
    fn next_ready(&mut self) -> Option<(usize, Slot)> {
        if self.may_start() { self.ready.next(self.run.clock.uptime()) } else { None }
    }

    /// What an operation comes to; nothing where it ends here already.
    fn begin(&mut self, index: usize) -> Option<Job> {
        self.states[index] = State::Running;
        let operation = &self.plan.operations[index];
        let first = self.first_of_pair(index);
        let finish = match self.finisher.finish(index, self.finishes.get(&first)) {
            Ok(finish) => finish,
            Err(error) => {
                self.failed(index, operation.verb, &error);
                return None;
            }
        };
        self.finishes.insert(first, finish.clone());
        match self.finisher.work(index, &finish) {
            Ok(Some(work)) => {
                self.run.tell(ApplyEvent::Started { address: operation.address.clone(), verb: work.verb });
                let checker = self.finisher.checker(index).filter(|_| work.verb == Verb::Create);
                Some(Job::Call(Box::new(work), checker))
            }
            Ok(None) => {
                let event = self.finisher.record(operation, &finish);
                if event.is_none() {
                    self.not_needed(index);
                }
                event.map(Job::Record)
            }
            Err(error) => {
                self.failed(index, operation.verb, &error);
                None
            }
        }
    }

    fn not_needed(&mut self, index: usize) {
        let operation = &self.plan.operations[index];
        self.run.tell(ApplyEvent::NotNeeded { address: operation.address.clone(), verb: operation.verb });
        self.finisher.show(operation);
        self.close_other_candidates(index);
        self.done(index);
    }

    fn first_of_pair(&self, index: usize) -> usize {
        self.plan.operations[index].partner.map_or(index, |partner| partner.min(index))
    }

    /// Takes in how an operation ended. `verb`: what was really done, which may be less than was planned.
    fn ended(&mut self, index: usize, verb: Verb, outcome: Outcome, took: std::time::Duration) {
        let operation = &self.plan.operations[index];
        let address = operation.address.clone();
        self.tried.insert(index);
        match outcome {
            Outcome::Done => {
                self.finisher.show(operation);
                self.run.tell(ApplyEvent::Finished { address: address.clone(), verb, took });
                self.report.done.push(Done { address, verb });
                self.close_other_candidates(index);
                self.done(index);
            }
            Outcome::NotNeeded => self.not_needed(index),
            Outcome::Failed(error) => self.failed(index, verb, &error),
            Outcome::Unfinished(reason) => {
                self.run.tell(ApplyEvent::Progress {
                    address: address.clone(),
                    verb,
                    amount: None,
                    note: Some(reason),
                });
                self.report.unfinished.push(Done { address: address.clone(), verb });
                self.lose(index, &BTreeSet::from([address]));
            }
            Outcome::Stopped(error) => {
                self.report.unfinished.push(Done { address: address.clone(), verb });
                self.report.stopped.get_or_insert(error.to_string());
                self.lose(index, &BTreeSet::from([address]));
            }
        }
    }

    fn done(&mut self, index: usize) {
        self.states[index] = State::Done;
        self.visits.nodes(1);
        self.visits.edges(self.followers[index].len());
        for follower in self.followers[index].clone() {
            if let State::Waiting(count) = &mut self.states[follower] {
                *count -= 1;
                self.wake(follower);
            }
        }
    }

    fn failed(&mut self, index: usize, verb: Verb, error: &ProviderError) {
        let address = self.plan.operations[index].address.clone();
        self.tried.insert(index);
        if self.try_next_candidate(index, error) {
            self.run.tell(ApplyEvent::NextCandidate { address, error: error.to_string() });
            return;
        }
        self.run.tell(ApplyEvent::Failed { address: address.clone(), verb, error: error.to_string() });
        self.report.failed.push(Failure {
            address: address.clone(),
            verb,
            message: error.to_string(),
            help: self.finisher.remedy(index, verb, error),
            no_capacity: matches!(error.class, Class::NoCapacity | Class::Quota),
            condemned: verb == Verb::Check && matches!(error.class, Class::Invalid { .. }),
            source: self.plan.operations[index].declared.source.clone(),
        });
        self.lose(index, &BTreeSet::from([address]));
    }

    /// Opens the next candidate's branch, where this one has no room for a new object and left nothing behind.
    fn try_next_candidate(&mut self, index: usize, error: &ProviderError) -> bool {
        let operation = &self.plan.operations[index];
        let no_room = matches!(error.class, Class::NoCapacity | Class::Quota)
            && error.applied == trueup_state::Applied::No
            && operation.verb == Verb::Create
            && self.finishes.get(&self.first_of_pair(index)).is_some_and(Finish::is_full);
        let Some(candidate) = operation.candidate.as_ref().filter(|_| no_room) else { return false };
        let Some(next) = self.after(operation, candidate).next() else { return false };
        self.open.insert(operation.address.clone(), next);
        self.abandon(&operation.address, candidate.position);
        let branch: Vec<usize> = self.branch_operations(&operation.address).map(|(index, _)| index).collect();
        branch.into_iter().for_each(|index| self.wake(index));
        true
    }

    /// One candidate took it: nothing waits for the others any more.
    fn close_other_candidates(&mut self, index: usize) {
        let operation = &self.plan.operations[index];
        if operation.verb != Verb::Create {
            return;
        }
        let Some(taken) = operation.candidate.as_ref() else { return };
        let address = operation.address.clone();
        let others: BTreeSet<usize> = self.after(operation, taken).collect();
        others.into_iter().for_each(|position| self.abandon(&address, position));
    }

    /// The positions of the candidates whose turn would come after one of a resource's.
    fn after(&self, operation: &'a Operation, candidate: &'a Candidate) -> impl Iterator<Item = usize> {
        let positions = self
            .branch_operations(&operation.address)
            .filter_map(|(_, other)| Some(other.candidate.as_ref()?.position));
        positions.skip_while(|position| *position != candidate.position).filter(|other| *other != candidate.position)
    }

    fn branch_operations(&self, address: &Address) -> impl Iterator<Item = (usize, &'a Operation)> {
        let plan = self.plan;
        self.branches.get(address).into_iter().flatten().map(|index| (*index, &plan.operations[*index]))
    }

    /// Whoever waits for this candidate's operations waits for them no more.
    fn abandon(&mut self, address: &Address, position: usize) {
        let branch = self.branch_operations(address);
        let branch =
            branch.filter(|(_, other)| other.candidate.as_ref().is_some_and(|other| other.position == position));
        for (index, _) in branch.collect::<Vec<_>>() {
            self.ready.remove(index);
            if !matches!(self.states[index], State::Done | State::Lost(_)) {
                self.done(index);
            }
        }
    }

    /// What needs a lost operation is lost too; everything else goes on.
    fn lose(&mut self, index: usize, because: &BTreeSet<Address>) {
        self.states[index] = State::Lost(because.clone());
        let mut stack = self.followers[index].clone();
        while let Some(follower) = stack.pop() {
            let known = match &mut self.states[follower] {
                State::Lost(reasons) => {
                    let before = reasons.len();
                    reasons.extend(because.iter().cloned());
                    reasons.len() == before
                }
                State::Waiting(_) => {
                    self.states[follower] = State::Lost(because.clone());
                    false
                }
                State::Running | State::Done => true,
            };
            if !known {
                stack.extend(&self.followers[follower]);
            }
        }
    }

    fn finish(mut self) -> Report {
        self.visits.tell("execute");
        self.report.interrupted = self.run.is_cancelled();
        for (index, (operation, state)) in self.plan.operations.iter().zip(&self.states).enumerate() {
            // The branches of candidates whose turn did not come are no operations that anyone waits for.
            let is_open = |candidate: &Candidate| self.open.get(&operation.address) == Some(&candidate.position);
            if !operation.candidate.as_ref().is_none_or(is_open) {
                continue;
            }
            let because = match state {
                State::Lost(because) if !self.tried.contains(&index) => because.clone(),
                State::Waiting(_) => BTreeSet::new(),
                _ => continue,
            };
            self.report.skipped.push(Skipped { address: operation.address.clone(), verb: operation.verb, because });
        }
        self.report
    }
}
