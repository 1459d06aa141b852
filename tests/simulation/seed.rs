//! One seed, from an empty cloud to a calm end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use trueup_engine::by_hand::Answer;
use trueup_engine::naming::TAG_STACK;
use trueup_engine::plan::Mode;
use trueup_engine::{EngineError, PlanOptions};
use trueup_state::clock::SeededEntropy;
use trueup_state::rules::{self, Rule};
use trueup_state::{Address, Generation, KindName, Request, Status, Token, Value};

use crate::laws;
use crate::model::Model;
use crate::run::{Run, engine, load};
use crate::script::{Edit, Script, Step, What};
use crate::wire::Wire;
use crate::world::{FOREIGN, World, stack};

/// What came of a seed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What went wrong; nothing, it is to be hoped.
    pub(crate) wrongs: Vec<String>,
    /// How many resources were recorded at most.
    pub(crate) resources: usize,
    /// How often what happened.
    pub(crate) counts: BTreeMap<String, u64>,
    /// How often each rule decided.
    pub(crate) asked: BTreeMap<Rule, u64>,
    /// How many parts the script has.
    pub(crate) parts: usize,
}

/// How a seed is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    /// The parts of its script that are left out.
    pub(crate) without: BTreeSet<usize>,
    /// The rule that is switched off.
    pub(crate) off: Option<Rule>,
    /// Whether to tell what happens.
    pub(crate) tells: bool,
}

/// Runs a seed, on one thread and a clock of its own.
pub(crate) fn run(seed: u64, how: &How) -> Outcome {
    rules::switch_off(how.off);
    let script = Script::of(seed, &how.without);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be had");
    let mut outcome = runtime.block_on(async {
        let mut play =
            Play { world: World::new(script.seed, how.tells), script: &script, how, outcome: Outcome::default() };
        play.all().await;
        play.outcome
    });
    outcome.asked = rules::asked();
    outcome.parts = script.parts;
    outcome
}

struct Play<'a> {
    world: Arc<World>,
    script: &'a Script,
    how: &'a How,
    outcome: Outcome,
}

impl Play<'_> {
    async fn all(&mut self) {
        let mut model = self.script.model.clone();
        self.tell(|| model.text(&self.providers(&[], false)));
        for (number, step) in self.script.steps.iter().enumerate() {
            tokio::time::sleep(step.gap).await;
            let before = model.clone();
            step.edits.iter().for_each(|edit| edit.make(&mut model));
            if number == 0 {
                self.take_names().await;
            }
            for drift in &step.drift {
                drift.happen(&self.world, None).await;
            }
            self.tell(|| format!("-- step {number}: {step:?}"));
            self.step(step, &before, &model).await;
            if self.is_broken(&format!("after step {number}")).await {
                return;
            }
        }
        self.at_odds(&mut model).await;
        self.calm(&model).await;
        self.outcome.counts = std::mem::take(&mut self.world.ledger().counts);
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.how.tells {
            crate::say(&what());
        }
    }

    async fn is_broken(&mut self, when: &str) -> bool {
        let wrongs = laws::broken(&self.world).await;
        self.outcome.wrongs.extend(wrongs.into_iter().map(|wrong| format!("{when}: {wrong}")));
        let records = self.world.state().await.map_or(0, |state| state.records.len());
        self.outcome.resources = self.outcome.resources.max(records);
        !self.outcome.wrongs.is_empty()
    }

    /// The providers as a blueprint has them.
    fn providers(&self, weather: &[String], is_sold_out: bool) -> String {
        self.providers_at(self.script.latency, weather, is_sold_out)
    }

    fn providers_at(&self, latency: &str, weather: &[String], is_sold_out: bool) -> String {
        let nature = format!("latency: {latency}, {}", self.script.nature);
        let faults = weather.join(", ");
        let stock = if is_sold_out { ", stockouts: { us-east-1: [H100] }" } else { "" };
        format!(
            "  sim: {{ region: us-east-1, {nature}, faults: [{faults}]{stock} }}\n  \
             sim.west: {{ region: us-west-2, {nature}, faults: [{faults}] }}\n"
        )
    }

    async fn step(&mut self, step: &Step, before: &Model, model: &Model) {
        let mut wanted = model.clone();
        if step.is_probe {
            wanted.blocks.retain(|block| !block.protect);
        }
        let providers = self.providers(&step.weather, step.is_sold_out);
        let run = Run {
            text: wanted.text(&providers),
            what: step.verb,
            condemned: step.condemned,
            pause: step.pause,
            meanwhile: step.meanwhile,
            cancel: step.cancel,
            is_hazy: step.weather.iter().any(|fault| !fault.contains("call: create") && !fault.contains("lost")),
        };
        let wire = Wire::new(&self.world, self.world.process(step.is_elsewhere), step.fate);
        self.expects(&wire, model, &wanted, step.verb).await;
        let rival = async {
            let Some(after) = step.rival else { return };
            tokio::time::sleep(after).await;
            let wire = Wire::new(&self.world, self.world.process(false), None);
            // Somebody else has not heard of the last edits; but whoever calls one thing by two names at once has two things.
            let renames = step.edits.iter().any(|edit| matches!(edit, Edit::Move(_)));
            let known = if renames { model } else { before };
            let run = Run { text: known.text(&providers), ..Run::plain(What::Apply) };
            self.expects(&wire, known, known, What::Apply).await;
            let end = run.go(&wire).await;
            self.world.ledger().count(format!("rival {}", end.name()));
            self.tell(|| format!("   rival {end:?}"));
        };
        let (end, ()) = tokio::join!(run.go(&wire), rival);
        self.tell(|| format!("   {end:?}"));
        self.world.ledger().count(format!("run {}", end.name()));
    }

    /// Writes down what a run may not do.
    async fn expects(&self, wire: &Wire, model: &Model, wanted: &Model, what: What) {
        let state = self.world.state().await;
        let records = state.iter().flat_map(|state| state.records.values()).filter(|record| record.declared.protect);
        let protected = records.flat_map(|record| record.objects().filter_map(|object| object.id.clone())).collect();
        let wants = if what == What::Destroy { BTreeSet::new() } else { wanted.addresses() };
        let mut ledger = self.world.ledger();
        ledger.protected = protected;
        // Whoever knows an older blueprint wants other things.
        let known = model.addresses();
        ledger.wanted.insert(wire.holder.pid, wants.intersection(&known).cloned().collect());
    }

    /// Whoever knew an older blueprint may have made again what had moved. A person then says that nothing has.
    async fn at_odds(&self, model: &mut Model) {
        let state = self.world.state().await;
        let names: BTreeSet<String> = state
            .iter()
            .flat_map(|state| state.records.keys().chain(state.open.values().map(|open| &open.request.address)))
            .map(|address| address.block().to_string())
            .collect();
        let at_odds = model.moved.iter().filter(|(from, to)| names.contains(from) && names.contains(to));
        let at_odds: Vec<String> = at_odds.map(|(_, to)| to.clone()).collect();
        at_odds.iter().for_each(|to| model.nothing_moved_to(to));
    }

    /// Nothing goes wrong any more: one apply does the rest.
    async fn calm(&mut self, model: &Model) {
        // What a dead process sent arrives, and its lease runs out.
        tokio::time::sleep(Duration::from_mins(3)).await;
        self.clear_up();
        self.free_names().await;
        self.unstick().await;
        let (mut model, providers) = (model.clone(), self.providers_at("50ms", &[], false));
        let mut settled = self.settle(&model.text(&providers)).await;
        let says = |settled: &Result<(), EngineError>, what: &str| {
            settled.as_ref().is_err_and(|error| error.to_string().contains(what))
        };
        if says(&settled, "would move to") {
            // What has another shape than what is recorded can't be said to have moved: a person takes that out.
            model.moved.clear();
            settled = self.settle(&model.text(&providers)).await;
        }
        if says(&settled, "under the same name") {
            // Two can't have one name: a person gives the new ones another.
            model.blocks.iter_mut().filter_map(|block| block.own_name.as_mut()).for_each(|name| name.push('x'));
            settled = self.settle(&model.text(&providers)).await;
        }
        let (model, text) = (&model, model.text(&providers));
        if let Err(error) = settled {
            self.outcome.wrongs.push(format!("what was left could not be settled: {error}\n{text}"));
            return;
        }
        let wire = Wire::new(&self.world, self.world.process(false), None);
        self.expects(&wire, model, model, What::Apply).await;
        let end = Run { text: text.clone(), ..Run::plain(What::Apply) }.go(&wire).await;
        self.tell(|| format!("-- calm: {end:?}"));
        if self.is_broken("in the end").await {
            return;
        }
        if !end.is_complete() {
            self.outcome.wrongs.push(format!("the last apply did not do all: {end:?}\n{text}"));
        }
        self.is_level(&text).await;
        let differing = laws::differing(&self.world).await;
        self.outcome.wrongs.extend(differing.into_iter().map(|wrong| format!("in the end, {wrong}")));
    }

    /// A new process knows nothing of an earlier one's weather, which one block's cloud would have still where nothing is wanted there.
    fn clear_up(&self) {
        let provider = self.world.provider();
        for (name, region) in [("sim", "us-east-1"), ("sim.west", "us-west-2")] {
            let settings = format!("{{ region: {region}, latency: 50ms, {}, faults: [] }}", self.script.nature);
            let settings: serde_json::Value = serde_yaml::from_str(&settings).expect("they are settings");
            provider.scope(&name.into(), &settings.into(), None).expect("they are good");
        }
    }

    /// A further plan is empty.
    async fn is_level(&mut self, text: &str) {
        let wire = Wire::new(&self.world, self.world.process(false), None);
        let engine = engine(&wire, 0);
        let planned = match load(&self.world, text) {
            Ok(program) => engine.plan(&program, &stack(), PlanOptions::new(Mode::Apply)).await,
            Err(error) => Err(error),
        };
        match planned {
            Ok(planned) if planned.plan.is_empty() && planned.plan.drift.is_empty() => {}
            Ok(planned) => {
                let left: Vec<String> = planned.plan.changes.iter().filter_map(left).collect();
                self.outcome.wrongs.push(format!("a further plan is not empty: {left:?}\n{text}"));
            }
            Err(error) => self.outcome.wrongs.push(format!("a further plan can't be made: {error}\n{text}")),
        }
    }

    /// Recovers, and answers what no rule can, as a person does who looks at the cloud's books.
    async fn settle(&self, text: &str) -> Result<(), EngineError> {
        let wire = Wire::new(&self.world, self.world.process(false), None);
        let engine = engine(&wire, 0);
        let ((events, _kept), (_cancel, cancelled)) = (mpsc::unbounded_channel(), watch::channel(false));
        // A plan tells the cloud how it is to behave from now on.
        engine.plan(&load(&self.world, text)?, &stack(), PlanOptions::new(Mode::Apply)).await?;
        engine.recover(&stack(), Mode::Apply, &wire.holder, &events, &cancelled).await?;
        let Some(state) = self.world.state().await else { return Ok(()) };
        let objects = self.world.inspector().await.objects().await.expect("memory can be read");
        // Where a rule can, it has.
        for open in state.open.values().filter(|open| open.parked.is_some()) {
            let token = open.request.token.to_string();
            let id = objects.iter().find(|seen| seen.token == token).map(|seen| seen.id.clone());
            let answer = id.map_or(Answer::Absent, Answer::Id);
            engine.resolve(&stack(), &wire.holder, &open.request.address, &answer).await?;
        }
        self.world.end(&wire.holder);
        Ok(())
    }

    /// Another stack has taken some names.
    async fn take_names(&self) {
        for name in &self.script.taken {
            let providers = self.providers(&[], false);
            let text = format!(
                "blueprint: sim\nproviders:\n{providers}resources: {{ x: {{ kind: bucket, provider: sim }} }}\n"
            );
            let _ = load(&self.world, &text);
            let request = foreign(name);
            let managers = self.world.provider().prepare(&request.scope, &[request.kind.clone()].into()).await;
            let managers = managers.expect("it makes buckets");
            let _ = managers[&request.kind].create(&request).await;
        }
    }

    /// The other stack gives its names up.
    async fn free_names(&self) {
        let inspector = self.world.inspector().await;
        for object in inspector.objects().await.expect("memory can be read") {
            if object.address == FOREIGN {
                inspector.remove(&object.id).await.expect("memory can be written");
            }
        }
    }

    /// The cloud's support takes away what hangs; and somebody takes away what never was whole, where it is protected from replacement.
    async fn unstick(&self) {
        let (inspector, state) = (self.world.inspector().await, self.world.state().await);
        let records = state.iter().flat_map(|state| state.records.values());
        let locked = records.filter(|record| record.declared.protect && record.status == Status::Tainted);
        let locked: BTreeSet<&str> =
            locked.flat_map(|record| record.objects().filter_map(|object| object.id.as_deref())).collect();
        for object in inspector.objects().await.expect("memory can be read") {
            if object.address != FOREIGN && (object.status != "active" || locked.contains(object.id.as_str())) {
                self.world.ledger().touch(&object.id, &object.token);
                inspector.remove(&object.id).await.expect("memory can be written");
            }
        }
    }
}

fn left(change: &trueup_engine::plan::Change) -> Option<String> {
    use trueup_engine::plan::Action;
    (change.action != Action::None).then(|| format!("{:?} {} for {:?}", change.action, change.address, change.reasons))
}

/// A request of another stack.
fn foreign(name: &str) -> Request {
    let settings: BTreeMap<String, serde_json::Value> = BTreeMap::from([("region".to_owned(), "us-east-1".into())]);
    let scope = trueup_state::Scope::at("sim", settings);
    let address: Address = FOREIGN.parse().expect("it is an address");
    let spec: Value = serde_json::json!({ "name": name }).into();
    let generation: Generation = 1;
    Request {
        token: Token::new(&SeededEntropy::new(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)))),
        address,
        kind: KindName::from("bucket"),
        schema_version: 1,
        generation,
        scope,
        id: None,
        name: name.to_owned(),
        owner: BTreeMap::from([(TAG_STACK.to_owned(), "ffffffffffffffff".to_owned())]),
        spec,
        before: Value::Null,
        attributes: Value::Null,
        check: None,
    }
}
