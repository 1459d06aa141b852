//! What providers say before a plan is made: scopes, managers, and what is there now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use trueup_state::{Address, Generation, KindName, Map, Object, ProviderName, Scope, State, Value};

use crate::asking::Asker;
use crate::blueprint::{Program, Resource};
use crate::compose::{Composer, Located, Makes, Whole};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::moves::Moves;
use crate::provider::{By, Candidate, Found, Manager, Observation, Provider, ProviderError, Target};

/// The providers that are built in, by name.
pub type Providers = BTreeMap<String, Arc<dyn Provider>>;

/// What providers said: with it, planning needs no provider any more.
#[derive(Default)]
pub struct Estate {
    /// For each resource of the program its scopes: one a candidate, or one alone without a placement. None of a resource that is
    /// yet to be made with settings of its provider that only apply can tell.
    pub scopes: BTreeMap<Address, Vec<Scope>>,
    /// What was observed of each object that the state knows; nothing of any without a refresh.
    pub observations: Arc<BTreeMap<(Address, Generation), Observation>>,
    /// Objects of the stack's lineage that the state does not know.
    pub orphans: Vec<(KindName, Found)>,
    /// What was observed of what is read and never managed.
    pub existing: BTreeMap<Address, Observation>,
    /// What is read and made of parts: which these are.
    pub(crate) located: BTreeMap<Address, Located>,
    managers: BTreeMap<(Scope, KindName), Arc<dyn Manager>>,
    composers: BTreeMap<(Scope, KindName), Composer>,
}

/// Why an estate can't be known.
#[derive(Debug, thiserror::Error)]
pub enum EstateError {
    /// The blueprint says something that a provider can't take.
    #[error(transparent)]
    Blueprint(#[from] Diagnostics),
    /// A provider that something recorded needs is not built in.
    #[error("the provider `{0}` is not built in, and the state has objects of it")]
    NoProvider(String),
    /// A provider can't be used.
    #[error("the provider `{provider}` can't be used: {error}")]
    Provider {
        /// Which.
        provider: ProviderName,
        /// What it says.
        error: ProviderError,
    },
}

impl Estate {
    /// Resolves the scopes of a program's resources and prepares the managers for them and for everything recorded.
    pub async fn prepare(
        providers: &Providers,
        program: Option<&Program>,
        state: Option<&State>,
    ) -> Result<Self, EstateError> {
        let mut estate = Self::default();
        let mut needed: BTreeMap<Scope, BTreeSet<KindName>> = BTreeMap::new();
        let mut last = None;
        let mut need = |scope: &Scope, kind: &KindName| {
            // What follows each other is mostly alike.
            if !last.as_ref().is_some_and(|(known, of)| known == scope && of == kind) {
                needed.entry(scope.clone()).or_default().insert(kind.clone());
                last = Some((scope.clone(), kind.clone()));
            }
        };
        if let Some(program) = program {
            estate.scopes = scopes(providers, program, state)?;
            for (resource, scopes) in estate.placed(program) {
                scopes.iter().for_each(|scope| need(scope, &resource.kind));
            }
        }
        for record in state.into_iter().flat_map(|state| state.records.values()) {
            record.objects().for_each(|object| need(&object.scope, &record.kind));
        }
        for open in state.into_iter().flat_map(|state| state.open.values()) {
            need(&open.request.scope, &open.request.kind);
        }
        estate.composed(providers, &mut needed);
        for (scope, kinds) in needed {
            let provider = provider_of(providers, &scope)?;
            let managers = provider
                .prepare(&scope, &kinds)
                .await
                .map_err(|error| EstateError::Provider { provider: scope.provider.clone(), error })?;
            estate.managers.extend(managers.into_iter().map(|(kind, manager)| ((scope.clone(), kind), manager)));
        }
        Ok(estate)
    }

    /// Takes what is composed out of what is needed, and puts in what its parts may be, and the companions of what is managed.
    fn composed(&mut self, providers: &Providers, needed: &mut BTreeMap<Scope, BTreeSet<KindName>>) {
        let mut parts = BTreeSet::new();
        for (scope, kinds) in needed.iter_mut() {
            let Some(provider) = providers.get(scope.provider.provider()) else { continue };
            kinds.retain(|kind| {
                let who = |makes| Composer { provider: provider.clone(), makes };
                let key = || (scope.clone(), kind.clone());
                let Some(composed) = provider.composes(scope, kind) else {
                    let beside = provider.accompanies(scope, kind);
                    if !beside.is_empty() {
                        parts.extend(beside);
                        self.composers.insert(key(), who(Makes::Beside));
                    }
                    return true;
                };
                parts.extend(composed.parts);
                self.managers.insert(key(), Arc::new(Whole { schema: composed.schema }));
                self.composers.insert(key(), who(Makes::Whole(composed.schema)));
                false
            });
        }
        for (scope, kind) in parts {
            needed.entry(scope).or_default().insert(kind);
        }
        needed.retain(|_, kinds| !kinds.is_empty());
    }

    /// Who composes a kind in a scope; none where it is managed.
    pub(crate) fn composer(&self, scope: &Scope, kind: &KindName) -> Option<&Composer> {
        self.parted(scope, kind).filter(|composer| composer.is_of_parts())
    }

    /// Who says which parts a resource of a kind has in a scope, be it made of them or have them beside it.
    pub(crate) fn parted(&self, scope: &Scope, kind: &KindName) -> Option<&Composer> {
        // Most stacks have nothing of the sort, and are asked of each of their resources.
        if self.composers.is_empty() {
            return None;
        }
        self.composers.get(&(scope.clone(), kind.clone()))
    }

    /// Lets providers know what a blueprint sets them to, where nothing of it is wanted. What they can't take is no matter then.
    pub(crate) fn acquaint(providers: &Providers, program: &Program, state: Option<&State>) {
        let _ = scopes(providers, program, state);
    }

    /// An estate of managers that are at hand, for tests of the planner.
    pub fn of(scopes: BTreeMap<Address, Vec<Scope>>, managers: Vec<(Scope, KindName, Arc<dyn Manager>)>) -> Self {
        let managers = managers.into_iter().map(|(scope, kind, manager)| ((scope, kind), manager)).collect();
        Self { scopes, managers, ..Self::default() }
    }

    /// The resources that have scopes, with these. Both are in the order of addresses.
    pub(crate) fn placed<'e>(&'e self, program: &'e Program) -> impl Iterator<Item = (&'e Resource, &'e Vec<Scope>)> {
        let mut scopes = self.scopes.iter().peekable();
        program.resources.iter().filter_map(move |(address, resource)| {
            while scopes.next_if(|(placed, _)| *placed < address).is_some() {}
            scopes.next_if(|(placed, _)| *placed == address).map(|(_, scopes)| (resource, scopes))
        })
    }

    /// The manager of a kind in a scope.
    pub fn manager(&self, scope: &Scope, kind: &KindName) -> Option<&Arc<dyn Manager>> {
        self.managers.get(&(scope.clone(), kind.clone()))
    }

    /// Takes over what was observed before, under the addresses that what is recorded has now.
    pub fn take_over(&mut self, seen: &Estate, moves: &Moves) {
        let moves: BTreeMap<&Address, &Address> = moves.now.iter().map(|(to, (from, _))| (from, to)).collect();
        self.observations = if moves.is_empty() {
            seen.observations.clone()
        } else {
            let to = |address| moves.get(address).copied().unwrap_or(address).clone();
            let observed = seen.observations.iter();
            Arc::new(observed.map(|((address, of), found)| ((to(address), *of), found.clone())).collect())
        };
        self.orphans.clone_from(&seen.orphans);
        self.existing.clone_from(&seen.existing);
        self.located.clone_from(&seen.located);
    }

    /// Observes what is read and never managed, where that was not done yet: by its id, and where nothing has that, by its name.
    pub(crate) async fn look(&mut self, program: &Program, asker: &Asker) {
        let mut groups: BTreeMap<(Scope, KindName), Vec<(&Address, &str)>> = BTreeMap::new();
        for (address, resource) in program.resources.iter().filter(|(address, _)| !self.existing.contains_key(*address))
        {
            let scope = self.scopes.get(address).and_then(|scopes| scopes.first());
            if let (Some(name), Some(scope)) = (&resource.existing, scope) {
                groups.entry((scope.clone(), resource.kind.clone())).or_default().push((address, name));
            }
        }
        let (parted, groups): (BTreeMap<_, _>, BTreeMap<_, _>) =
            groups.into_iter().partition(|(group, _)| self.composer(&group.0, &group.1).is_some());
        let found = groups.into_iter().map(|(group, targets)| {
            let manager = self.managers.get(&group).cloned();
            async move { look(asker, manager, &targets).await }
        });
        let found = futures::future::join_all(found).await;
        let parted = parted.iter().flat_map(|(group, targets)| targets.iter().map(move |target| (group, *target)));
        let this = &*self;
        let parted = parted.map(|(group, target)| async move {
            let composer = &this.composers[group];
            (target.0, this.look_at_parts(composer, (&group.0, &group.1), target).await)
        });
        let parted = futures::future::join_all(parted).await;
        self.existing.extend(found.into_iter().flatten());
        for (address, (observation, located)) in parted {
            self.existing.insert(address.clone(), observation);
            self.located.extend(located.map(|located| (address.clone(), located)));
        }
    }

    /// Observes every object that the state knows, one call for each kind and scope, all at once.
    pub(crate) async fn refresh(&mut self, state: &State, asker: &Asker) {
        let mut groups: BTreeMap<(Scope, KindName), Vec<(&Address, &Object)>> = BTreeMap::new();
        for record in state.records.values() {
            for object in record.objects().filter(|object| object.id.is_some()) {
                groups.entry((object.scope.clone(), record.kind.clone())).or_default().push((&record.address, object));
            }
        }
        let observed = groups.into_iter().map(|(group, objects)| {
            let manager = self.managers.get(&group).cloned();
            async move { (group.1, observe(asker, manager, &objects).await) }
        });
        for (kind, (observations, orphans)) in futures::future::join_all(observed).await {
            // Whose it is, is recorded: that is asked of orphans alone.
            let kept = observations.into_iter().map(|(key, mut observation)| {
                if let Observation::Present(found) = &mut observation {
                    found.owner.clear();
                }
                (key, observation)
            });
            Arc::make_mut(&mut self.observations).extend(kept);
            self.orphans.extend(orphans.into_iter().map(|found| (kind.clone(), found)));
        }
    }
}

/// What is known of something that is read: its attributes, those that are not there null.
pub fn attributes_of(resource: &Resource, found: &Found) -> Value {
    let attributes = &found.attributes;
    resource.schema.map_or_else(|| attributes.clone(), |schema| schema.whole_attributes(attributes))
}

/// Observes things of one kind in one scope that belong to somebody else.
async fn look(
    asker: &Asker,
    manager: Option<Arc<dyn Manager>>,
    names: &[(&Address, &str)],
) -> BTreeMap<Address, Observation> {
    let mut found: BTreeMap<Address, Observation> = BTreeMap::new();
    for by_name in [false, true] {
        let open: Vec<(&Address, &str)> =
            names.iter().copied().filter(|(address, _)| !found.contains_key(*address)).collect();
        if open.is_empty() {
            break;
        }
        let targets: Vec<Target<'_>> = open
            .iter()
            .map(|(address, name)| Target {
                address,
                generation: 0,
                by: if by_name { By::Name(name) } else { By::Id(name) },
                sent: None,
            })
            .collect();
        let answer = match &manager {
            Some(manager) => asker.observe(manager.as_ref(), &targets).await.map_err(|error| error.to_string()),
            None => Err("its provider does not make this kind".to_owned()),
        };
        match answer {
            Ok(observed) if observed.observations.len() == open.len() => {
                let answers = open.iter().zip(observed.observations);
                let kept = answers.filter(|(_, observation)| by_name || !observation.is_absent());
                found.extend(kept.map(|((address, _), observation)| ((*address).clone(), observation)));
            }
            Ok(_) => {
                let unsure = || Observation::Indeterminate("the provider did not answer for every object".to_owned());
                found.extend(open.iter().map(|(address, _)| ((*address).clone(), unsure())));
            }
            Err(reason) => {
                let unsure = || Observation::Indeterminate(reason.clone());
                found.extend(open.iter().map(|(address, _)| ((*address).clone(), unsure())));
            }
        }
    }
    found
}

type Observations = Vec<((Address, Generation), Observation)>;

/// Observes objects of one kind in one scope. A failed call leaves all of them indeterminate.
pub(crate) async fn observe(
    asker: &Asker,
    manager: Option<Arc<dyn Manager>>,
    objects: &[(&Address, &Object)],
) -> (Observations, Vec<Found>) {
    let targets: Vec<Target<'_>> = objects
        .iter()
        .map(|(address, object)| Target {
            address,
            generation: object.generation,
            by: By::Id(object.id.as_deref().unwrap_or_default()),
            sent: Some(&object.sent),
        })
        .collect();
    let keys = objects.iter().map(|(address, object)| ((*address).clone(), object.generation));
    let answer = match manager {
        Some(manager) => asker.observe(manager.as_ref(), &targets).await.map_err(|error| error.to_string()),
        None => Err("its provider makes this kind no more".to_owned()),
    };
    match answer {
        Ok(observed) if observed.observations.len() == objects.len() => {
            (keys.zip(observed.observations).collect(), observed.orphans)
        }
        Ok(_) => (unsure(keys, "the provider did not answer for every object"), Vec::new()),
        Err(reason) => (unsure(keys, &reason), Vec::new()),
    }
}

fn unsure(keys: impl Iterator<Item = (Address, Generation)>, reason: &str) -> Observations {
    keys.map(|key| (key, Observation::Indeterminate(reason.to_owned()))).collect()
}

fn provider_of<'a>(providers: &'a Providers, scope: &Scope) -> Result<&'a Arc<dyn Provider>, EstateError> {
    let name = scope.provider.provider();
    providers.get(name).ok_or_else(|| EstateError::NoProvider(name.to_owned()))
}

fn scopes(
    providers: &Providers,
    program: &Program,
    state: Option<&State>,
) -> Result<BTreeMap<Address, Vec<Scope>>, Diagnostics> {
    let mut list = Vec::new();
    let mut scopes = Vec::with_capacity(program.resources.len());
    let mut before: Option<(&Resource, Scope)> = None;
    for (address, resource) in program.resources.iter() {
        if let Some((other, scope)) = &before
            && is_placed_like(resource, other)
        {
            scopes.push((address.clone(), vec![scope.clone()]));
            continue;
        }
        let record = state.and_then(|state| state.records.get(address)).and_then(|record| record.current.as_ref());
        match resource_scopes(providers, program, resource, record) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                let known = !settings(program, resource, &resource.provider).has_unknown();
                before = found.first().filter(|_| known).map(|scope| (resource, scope.clone()));
                scopes.push((address.clone(), found));
            }
            Err(problem) if list.contains(&*problem) => {}
            Err(problem) => list.push(*problem),
        }
    }
    if list.is_empty() {
        Ok(scopes.into_iter().collect())
    } else {
        Err(Diagnostics { sources: program.sources.clone(), list })
    }
}

/// Whether a resource goes where another one does, that has no placement: the instances of a block do.
fn is_placed_like(resource: &Resource, other: &Resource) -> bool {
    let alike = resource.provider == other.provider && resource.module == other.module;
    alike && resource.candidates.is_empty() && other.candidates.is_empty()
}

/// What a provider is set to where a resource stands.
fn settings<'a>(program: &'a Program, resource: &Resource, name: &ProviderName) -> &'a Value {
    static NONE: LazyLock<Value> = LazyLock::new(|| Value::Map(Map::new()));
    program.settings(resource, name).map_or(&NONE, |settings| &settings.value)
}

/// Where a blueprint makes things, and by whom, each once. What is in error is left out.
pub(crate) fn places(providers: &Providers, program: &Program) -> BTreeSet<Scope> {
    let mut places = BTreeSet::new();
    let mut before: Option<&Resource> = None;
    for resource in program.resources.values() {
        if !before.is_some_and(|other| is_placed_like(resource, other)) {
            places.extend(resource_scopes(providers, program, resource, None).into_iter().flatten());
            before = Some(resource);
        }
    }
    places
}

fn resource_scopes(
    providers: &Providers,
    program: &Program,
    resource: &Resource,
    record: Option<&Object>,
) -> Result<Vec<Scope>, Box<Diagnostic>> {
    let settings = |name: &ProviderName| settings(program, resource, name);
    let names = match &resource.candidates[..] {
        [] => vec![&resource.provider],
        candidates => candidates.iter().map(|candidate| &candidate.provider).collect(),
    };
    if names.iter().any(|name| settings(name).has_unknown()) {
        // What exists stays where it is until the settings are known.
        let stays =
            record.filter(|object| resource.candidates.is_empty() && object.scope.provider == resource.provider);
        return Ok(stays.map(|object| object.scope.clone()).into_iter().collect());
    }
    let one = |name: &ProviderName, candidate: Option<&Candidate>| {
        let fail =
            |message: String| Box::new(Diagnostic::error(message).at(resource.span, resource.address.to_string()));
        let provider = providers
            .get(name.provider())
            .ok_or_else(|| fail(format!("the provider `{}` is not built in", name.provider())))?;
        provider.scope(name, settings(name), candidate).map_err(|invalid| {
            // What a candidate says stands in its resource; all else with the provider.
            let own = candidate.is_none().then(|| program.settings(resource, name)?.node.as_ref()).flatten();
            let place = own.and_then(|node| node.nearest(&invalid.path));
            let problem = Diagnostic::error(format!("provider `{name}`: {}", invalid.message));
            Box::new(problem.at(place.unwrap_or(resource.span), "this can't be used"))
        })
    };
    if resource.candidates.is_empty() {
        return Ok(vec![one(&resource.provider, None)?]);
    }
    resource.candidates.iter().map(|candidate| one(&candidate.provider, Some(candidate))).collect()
}
