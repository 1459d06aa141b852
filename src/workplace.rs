//! Puts a run together: the stack, its state and key, the providers that are built in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use trueup_checks::{Desk, GpuCheck, Program as Measurer};
use trueup_engine::Engine;
use trueup_engine::blueprint::{Catalog, Inputs, Program, ProviderEntry, expand};
use trueup_engine::estate::Providers;
use trueup_engine::kinds::{self, Kind};
use trueup_engine::plan::{Plan, saved};
use trueup_engine::provider::Check;
use trueup_engine::tree;
use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::codec::VaultError;
use trueup_state::holder::ThisHost;
use trueup_state::sqlite::SqliteStore;
use trueup_state::vault::Vault;
use trueup_state::{Clock, Entropy, Holder, Stack, Store, StoreError};

use crate::exit::Failure;
use crate::files::Disk;

/// The directory that holds state, key and what the provider `local` makes, in the working directory.
const HOME: &str = ".trueup";

/// The variable that holds an age identity, or the path of a file with one.
const KEY: &str = "TRUEUP_KEY";

/// The providers that a build may leave out.
const LEFT_OUT: [&str; 4] = ["local", "sim", "aws", "gcp"];

/// The providers that are yet to be written.
const PLANNED: [&str; 1] = ["azure"];

/// Whether what is kept of clouds' own schemas has to do.
static OFFLINE: OnceLock<bool> = OnceLock::new();

/// Says whether this run takes the schemas of native kinds from what is kept alone; without it, it asks for what is not.
pub(crate) fn stay_offline(is_offline: bool) {
    // Once said, it stays so.
    let _ = OFFLINE.set(is_offline);
}

/// Everything that a command works with.
pub(crate) struct Workplace {
    /// The engine, with its store and providers.
    pub(crate) engine: Engine,
    /// What seals secrets.
    pub(crate) vault: Arc<Vault>,
    /// What blueprints may name.
    pub(crate) catalog: Arc<Catalog>,
    /// Where checks keep their reports.
    pub(crate) desk: Arc<Desk>,
}

impl Workplace {
    /// The workplace of the working directory.
    pub(crate) fn here(parallelism: usize) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let vault = Arc::new(vault()?);
        let store = store(vault.clone());
        let providers = providers(&clock, &entropy)?;
        let catalog = Arc::new(catalog(&providers));
        let look = Arc::new(|path: &Path| tree::stands_at(path).map_err(|error| error.to_string()));
        let digest = Arc::new(|path: &Path| tree::tree_digest(path).map_err(|error| error.to_string()));
        let desk = Arc::new(Desk::new(store.clone(), vault.clone(), entropy.clone()));
        let engine = Engine { store, providers, checks: BTreeMap::new(), clock, entropy, look, digest, parallelism };
        let mut workplace = Self { engine, vault, catalog, desk };
        workplace.measure_by(None);
        Ok(workplace)
    }

    /// Has the GPUs of machines measured by a program: by the one beside this where none is named.
    pub(crate) fn measure_by(&mut self, named: Option<&Path>) -> Arc<GpuCheck> {
        let (program, providers) = (Measurer::at(measurer(named)), self.engine.providers.clone());
        let check = Arc::new(GpuCheck::new(program, providers, self.desk.clone(), self.engine.clock.clone()));
        let checks = BTreeMap::from([(kinds::GpuInstance::NAME.into(), check.clone() as Arc<dyn Check>)]);
        self.engine.checks = checks;
        check
    }

    /// Loads a blueprint from its file.
    pub(crate) fn load(&self, path: &Path, inputs: &Inputs) -> Result<Program, Failure> {
        Ok(expand::load(path, inputs, &Disk, &self.catalog)?)
    }

    /// Loads a blueprint from its file on another thread.
    pub(crate) async fn load_aside(&self, path: PathBuf, inputs: Inputs) -> Result<Program, Failure> {
        let (catalog, engine) = (self.catalog.clone(), self.engine.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let since = engine.clock.uptime();
            let loaded = expand::load(&path, &inputs, &Disk, &catalog);
            engine.tell_phase("load", since);
            loaded
        });
        let loaded = loading.await.map_err(|error| match error.try_into_panic() {
            // Its words may repeat a secret: what may be said of it was said by who saw it.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Failure::new(format!("the blueprint can't be loaded: {error}")),
        })?;
        Ok(loaded?)
    }

    /// Loads a blueprint from its file, and checks what its other environments say.
    pub(crate) fn load_every(&self, path: &Path, inputs: &Inputs) -> Result<Program, Failure> {
        Ok(expand::load_every(path, inputs, &Disk, &self.catalog)?)
    }

    /// Loads the blueprint that a saved plan carries.
    pub(crate) fn reload(&self, plan: &Plan) -> Result<Program, Failure> {
        Ok(saved::reload(plan, &self.catalog)?)
    }

    /// This process, as the holder of a lease.
    pub(crate) fn holder(&self, operation: &str) -> Holder {
        ThisHost::holder(operation, self.engine.clock.now())
    }
}

/// Where the program is that measures GPUs: where it was said to be, else beside this one.
pub(crate) fn measurer(named: Option<&Path>) -> PathBuf {
    const NAME: &str = "gpucheck";
    let path = match named {
        // Without a directory in it, it would be looked for in all those of `PATH`.
        Some(path) => std::path::absolute(path),
        None => std::env::current_exe().map(|this| this.with_file_name(NAME)),
    };
    path.unwrap_or_else(|_| named.unwrap_or(Path::new(NAME)).to_owned())
}

/// The state of the working directory, its secrets sealed by a vault.
pub(crate) fn store(vault: Arc<Vault>) -> Arc<dyn Store> {
    let location = Path::new(HOME).join("state.db");
    Arc::new(SqliteStore::new(location, vault, Arc::new(SystemClock), Arc::new(SystemEntropy), Arc::new(ThisHost)))
}

/// What the environment is called where none is chosen.
pub(crate) const DEFAULT_ENVIRONMENT: &str = "default";

/// The stack of a loaded blueprint.
pub(crate) fn stack(program: &Program, file: &Path) -> Stack {
    stack_of(program.name.clone(), Some(program.environment.clone()), file)
}

/// The stack of a blueprint's name in an environment.
pub(crate) fn stack_of(blueprint: String, environment: Option<String>, file: &Path) -> Stack {
    let environment = environment.unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
    Stack { blueprint, environment, file: file.to_path_buf() }
}

/// What seals secrets. A key that was given is read at once: what needs it may come only after much was done.
fn vault() -> Result<Vault, Failure> {
    let fail = |error: VaultError| Failure::from(StoreError::from(error));
    let Some(given) = std::env::var_os(KEY) else { return Ok(Vault::at(Path::new(HOME).join("key"))) };
    if let Some(text) = given.to_str().filter(|text| text.trim_start().starts_with("AGE-SECRET-KEY-")) {
        return Vault::from_identity(text).map_err(fail);
    }
    let vault = Vault::existing(&given);
    if vault.recipient().map_err(fail)?.is_none() {
        let reason = "there is no such file".to_owned();
        return Err(fail(VaultError::Key { location: Path::new(&given).display().to_string(), reason }));
    }
    Ok(vault)
}

#[cfg_attr(
    not(any(feature = "local", feature = "sim")),
    expect(unused_variables, unused_mut, clippy::unnecessary_wraps, reason = "no provider is built in")
)]
fn providers(clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Result<Providers, Failure> {
    let mut providers = Providers::new();
    #[cfg(feature = "local")]
    {
        let root = std::path::absolute(Path::new(HOME).join("local"));
        let root = root.map_err(|error| Failure::new(format!("the working directory can't be used: {error}")))?;
        let home = trueup_provider_local::LocalHome { root, machine: machine_home()? };
        let local = trueup_provider_local::LocalProvider::new(home, clock.clone(), entropy.clone());
        providers.insert("local".to_owned(), Arc::new(local));
    }
    #[cfg(feature = "sim")]
    providers.insert("sim".to_owned(), Arc::new(sim(None, clock, entropy)));
    #[cfg(feature = "aws")]
    {
        let is_offline = OFFLINE.get().copied().unwrap_or_default();
        let aws = trueup_provider_aws::AwsProvider::new(cache_home()?.join("aws-types"), is_offline, clock.clone());
        providers.insert("aws".to_owned(), Arc::new(aws));
    }
    #[cfg(feature = "gcp")]
    {
        let is_offline = OFFLINE.get().copied().unwrap_or_default();
        let gcp = trueup_provider_gcp::GcpProvider::new(cache_home()?.join("gcp-apis"), is_offline, clock.clone());
        providers.insert("gcp".to_owned(), Arc::new(gcp));
    }
    Ok(providers)
}

/// The cloud to rehearse on that is in a file; in the working directory's where none is named.
#[cfg(feature = "sim")]
pub(crate) fn sim(
    file: Option<PathBuf>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> trueup_provider_sim::SimProvider {
    let file = file.unwrap_or_else(|| Path::new(HOME).join("sim.db"));
    trueup_provider_sim::SimProvider::in_file(file, clock.clone(), entropy.clone())
}

/// Where stacks of this user agree on what there is one of: ports and GPUs.
#[cfg(feature = "local")]
fn machine_home() -> Result<PathBuf, Failure> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")));
    let state = state.ok_or_else(|| Failure::new("neither XDG_STATE_HOME nor HOME names a directory"))?;
    Ok(state.join("trueup"))
}

/// Where what can be had again is kept, for all stacks of this user.
#[cfg(any(feature = "aws", feature = "gcp"))]
fn cache_home() -> Result<PathBuf, Failure> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
    let cache = cache.ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME names a directory"))?;
    Ok(cache.join("trueup"))
}

fn catalog(providers: &Providers) -> Catalog {
    let entry = |provider: &Arc<dyn trueup_engine::provider::Provider>| ProviderEntry {
        kinds: provider.kinds(),
        natives: provider.natives(),
        settings: provider.settings_schema(),
    };
    let left_out = LEFT_OUT.into_iter().filter(|name| !providers.contains_key(*name));
    Catalog {
        kinds: kinds::portable().into_iter().map(|kind| (kind.name.into(), kind.schema)).collect(),
        providers: providers.iter().map(|(name, provider)| (name.clone(), entry(provider))).collect(),
        left_out: left_out.map(|name| (name.to_owned(), format!("cargo install --path . --features {name}"))).collect(),
        planned: PLANNED.into_iter().map(str::to_owned).collect(),
    }
}
