//! Makes a plan, as floor 4 asks for it: looks at what is there, and expands the blueprint with what the plan knows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use trueup_state::{Snapshot, Stack, State};

use crate::blueprint::Program;
use crate::engine::{Digester, Engine, EngineError, Looker};
use crate::estate::Estate;
use crate::obstacles;
use crate::paths::file_paths;
use crate::plan::build::{self, PlanError};
use crate::plan::moves::Moves;
use crate::plan::select::{Asked, NotSelected};
use crate::plan::{Contents, Mode, Plan};
use crate::reach::reach;
use crate::tree::Stands;

/// What a plan is made for.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// What it is for.
    pub mode: Mode,
    /// Whether everything recorded is observed first; else the plan is made from what was seen last.
    pub refresh: bool,
    /// What is asked of it beyond all that differs.
    pub asked: Asked,
}

impl PlanOptions {
    /// All that differs, and what is there now.
    pub fn new(mode: Mode) -> Self {
        Self { mode, refresh: true, asked: Asked::default() }
    }
}

/// A plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The blueprint as it is expanded with what is known by now.
    pub program: Program,
    /// The plan.
    pub plan: Plan,
    /// The stack's state, as it was read.
    pub snapshot: Snapshot,
}

/// Why there is no plan of a blueprint as it is expanded.
enum Unplanned {
    /// It does not have what was asked for, as far as is known.
    Select(Box<NotSelected>),
    Other(EngineError),
}

impl From<PlanError> for Unplanned {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Blueprint(diagnostics) => Self::Other(diagnostics.into()),
            PlanError::Select(not) => Self::Select(not),
        }
    }
}

impl From<EngineError> for Unplanned {
    fn from(error: EngineError) -> Self {
        Self::Other(error)
    }
}

impl Engine {
    /// Makes a plan. Takes no lease, and changes nothing.
    ///
    /// Which resources there are may depend on others: the blueprint is expanded again with what the plan knows of them, until
    /// that brings no more. What waits for an apply then is in [`Plan::deferred`].
    pub async fn plan(&self, program: &Program, stack: &Stack, options: PlanOptions) -> Result<Planned, EngineError> {
        let since = self.clock.uptime();
        let snapshot = self.store.snapshot(stack).await?;
        self.tell_phase("state", since);
        self.plan_from(program, stack, options, snapshot).await
    }

    /// Makes a plan from a state that was read already.
    pub async fn plan_from(
        &self,
        program: &Program,
        stack: &Stack,
        options: PlanOptions,
        mut snapshot: Snapshot,
    ) -> Result<Planned, EngineError> {
        let since = self.clock.uptime();
        if let Some(state) = &mut snapshot.state {
            reach(state, program, &self.providers);
        }
        let mut seen = self.seen(snapshot.state.as_ref().filter(|_| options.refresh)).await?;
        self.tell_phase("refresh", since);
        let (program, plan) = self.plan_on(program, stack, &options, snapshot.state.as_ref(), &mut seen).await?;
        Ok(Planned { program, plan, snapshot })
    }

    /// What is there now of what a state knows.
    pub(crate) async fn seen(&self, state: Option<&State>) -> Result<Estate, EngineError> {
        let Some(state) = state else { return Ok(Estate::default()) };
        let mut seen = Estate::prepare(&self.providers, None, Some(state)).await?;
        seen.refresh(state, &self.asker()).await;
        Ok(seen)
    }

    /// Makes a plan on a state, and the blueprint as it is expanded for it. `seen`: what was observed, by the addresses as they are
    /// recorded.
    pub(crate) async fn plan_on(
        &self,
        program: &Program,
        stack: &Stack,
        options: &PlanOptions,
        state: Option<&State>,
        seen: &mut Estate,
    ) -> Result<(Program, Plan), EngineError> {
        let mut program = program.clone();
        loop {
            let known = match self.plan_once(&program, stack, options, state, seen).await {
                Ok(plan) if plan.known == *program.known() => return Ok((program, plan)),
                Ok(plan) => plan.known,
                // What is known by now may show what was asked for.
                Err(Unplanned::Select(not)) if not.known != *program.known() => not.known,
                Err(Unplanned::Select(not)) => return Err(not.error.into()),
                Err(Unplanned::Other(error)) => return Err(error),
            };
            program = program.with_known(known)?;
        }
    }

    /// Makes a plan of a blueprint as it is expanded. `seen`: what was observed, by the addresses as they are recorded.
    async fn plan_once(
        &self,
        program: &Program,
        stack: &Stack,
        options: &PlanOptions,
        state: Option<&State>,
        seen: &mut Estate,
    ) -> Result<Plan, Unplanned> {
        let mode = options.mode;
        let since = self.clock.uptime();
        let moves = match state.filter(|_| mode == Mode::Apply) {
            Some(state) => Moves::of(program, state).map_err(EngineError::from)?,
            None => Moves::default(),
        };
        let state = state.map(|state| moves.applied(state, self.clock.now())).transpose().map_err(EngineError::from)?;
        let state = state.as_deref();
        let wanted = Some(program).filter(|_| mode != Mode::Destroy);
        if wanted.is_none() {
            Estate::acquaint(&self.providers, program, state);
        }
        let mut estate = Estate::prepare(&self.providers, wanted, state).await.map_err(EngineError::from)?;
        estate.take_over(seen, &moves);
        if let Some(program) = wanted {
            estate.look(program, &self.asker()).await;
            seen.existing.clone_from(&estate.existing);
            seen.located.clone_from(&estate.located);
        }
        let contents = self.contents(program, &estate, mode).await;
        let since = self.tell_phase("prepare", since);
        let input = build::Input {
            program,
            stack,
            state,
            estate: &estate,
            contents,
            facts: Vec::new(),
            checks: &self.checks.keys().cloned().collect(),
            moves: &moves,
            now: self.clock.now(),
            mode,
            asked: &options.asked,
            refreshed: options.refresh,
        };
        let mut plan = build::plan(&input)?;
        self.tell_phase("plan", since);
        if let (true, Some(state)) = (options.refresh, state) {
            obstacles::refuse(&mut plan, program, state, &estate).await;
        }
        Ok(plan)
    }

    /// What there is of the files that specs name.
    async fn contents(&self, program: &Program, estate: &Estate, mode: Mode) -> Contents {
        if mode == Mode::Destroy {
            return Contents::default();
        }
        let mut paths: BTreeMap<PathBuf, bool> = BTreeMap::new();
        // What follows each other is mostly alike.
        let mut without = None;
        for (resource, scopes) in estate.placed(program) {
            for scope in scopes {
                if without == Some((scope, &resource.kind)) {
                    continue;
                }
                if let Some(manager) = estate.manager(scope, &resource.kind) {
                    without = Some((scope, &resource.kind)).filter(|_| !manager.schema().has_paths());
                    for (path, is_read) in file_paths(program, resource, manager.schema()) {
                        *paths.entry(path).or_default() |= is_read;
                    }
                }
            }
        }
        if paths.is_empty() {
            return Contents::default();
        }
        let (look, digest) = (self.look.clone(), self.digest.clone());
        tokio::task::spawn_blocking(move || find(&paths, &look, &digest)).await.unwrap_or_default()
    }
}

/// Looks at paths, and into those that are read.
fn find(paths: &BTreeMap<PathBuf, bool>, look: &Looker, digest: &Digester) -> Contents {
    let mut contents = Contents::default();
    for (path, is_read) in paths {
        let (name, stands) = (path.display().to_string(), look(path));
        if *is_read && matches!(stands, Ok(Stands::File | Stands::Directory)) {
            contents.digests.insert(name.clone(), digest(path));
        }
        contents.stands.insert(name, stands);
    }
    contents
}
