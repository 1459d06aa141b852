//! `endpoint`: a command kept running as processes of this machine, each with a port of its own, checked for health.
//!
//! Nothing restarts a replica that ends until the next run: observation finds it missing, and the update that follows starts it.
//! `replicas.min` run; there is no load by which more could be started. `cpu`, `memory_gib`, `public` and `identity` are kept
//! and have no effect here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trueup_engine::kinds;
use trueup_engine::kinds::endpoint::{Attributes, Spec};
use trueup_engine::kinds::gpu_instance::Gpu;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::{Effect, Problem};
use trueup_engine::typed::TypedFound;
use trueup_state::{Clock, Entropy, FieldPath, Request, Value};

use crate::card::Cards;
use crate::claims::Claims;
use crate::gpus::{self, GpuDiscovery};
use crate::home::{self, invalid};
use crate::marks::Marks;
use crate::ports;
use crate::refuse::{entries, refuse, text};
use crate::replica::{Replica, Tended};
use crate::work::{CardOf, Step, Work};

/// How long to wait before a replica is looked at again.
const SOON: Duration = Duration::from_millis(100);

/// The manager of endpoints.
pub(crate) struct Endpoints {
    pub(crate) root: PathBuf,
    cards: Cards<Spec, Notes>,
    pub(crate) ports: Claims,
    pub(crate) gpu_claims: Claims,
    pub(crate) discovery: Arc<dyn GpuDiscovery>,
    pub(crate) clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What is noted of an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// What its replicas' fingerprints are salted with.
    salt: String,
    /// The fingerprint of what was started last, all replicas of it.
    applied: String,
    /// By what its environment is known again.
    env: Marks,
    /// Its replicas, those that ended included until they are started again.
    pub(crate) replicas: Vec<Replica>,
}

/// What the replicas of an endpoint are started with.
pub(crate) struct Plan {
    /// The program and its arguments; `{port}` is not filled in yet.
    pub(crate) command: Vec<String>,
    /// Where they run.
    pub(crate) directory: PathBuf,
    /// Their environment, but for what each has of its own.
    pub(crate) environment: BTreeMap<String, String>,
    /// The GPUs of each.
    pub(crate) gpu: Option<Gpu>,
    /// Which port the first one must have.
    pub(crate) port: Option<u16>,
    /// What tells whether a replica runs this.
    pub(crate) fingerprint: String,
}

impl Endpoints {
    pub(crate) fn new(
        home: &home::LocalHome,
        discovery: Arc<dyn GpuDiscovery>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            root: home.root.clone(),
            cards: Cards::new(&home.root, "endpoint"),
            ports: Claims::new(&home.machine, "ports"),
            gpu_claims: Claims::new(&home.machine, "gpus"),
            discovery,
            clock,
            entropy,
        }
    }

    /// The directory of an endpoint: its logs, and where it runs if it says nothing else.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join("endpoints").join(name)
    }

    /// What marks the processes of one replica; what the mark of every replica of the endpoint begins with.
    pub(crate) fn marker(&self, name: &str, index: Option<u32>) -> String {
        let endpoint = Sha256::digest(self.cards.path(name).as_os_str().as_encoded_bytes());
        let replica = index.map(|index| format!("{index}/")).unwrap_or_default();
        format!("{}/{replica}", hex::encode(&endpoint[..16]))
    }

    fn plan(&self, card: &mut CardOf<Self>, spec: &Spec) -> Result<Plan, ProviderError> {
        if card.data.salt.is_empty() {
            let mut salt = [0; 16];
            self.entropy.fill(&mut salt);
            card.data.salt = hex::encode(salt);
        }
        let mut environment = own_environment(spec);
        for (name, reference) in &spec.secrets {
            environment.insert(name.clone(), secret(name, reference)?);
        }
        if let Some(model) = &spec.model {
            environment.insert("MODEL".to_owned(), model.clone());
        }
        let directory = spec.working_dir.as_ref().map_or_else(|| self.path(&card.name), PathBuf::from);
        let command = spec.command.clone().unwrap_or_default();
        let parts = serde_json::json!([card.data.salt, command, directory, environment, spec.gpu]);
        let fingerprint = hex::encode(Sha256::digest(parts.to_string()));
        Ok(Plan { command, directory, environment, gpu: spec.gpu.clone(), port: spec.port, fingerprint })
    }
}

fn own_environment(spec: &Spec) -> BTreeMap<String, String> {
    spec.env.iter().map(|(name, value)| (name.clone(), value.reveal().clone())).collect()
}

/// What no process can be started with.
fn unstartable(spec: &Value) -> Vec<Problem> {
    let mut refused = Vec::new();
    let command = spec.get("command").and_then(|command| command.revealed().as_list()).unwrap_or_default();
    let words = command.iter().map(|word| word.revealed().as_str());
    for (index, word) in words.enumerate().filter_map(|(index, word)| Some((index, word?))) {
        let fault = match (index, word) {
            (0, "") => "a program has a name",
            (_, word) if word.contains('\0') => "no word of a command has a NUL in it",
            _ => continue,
        };
        refused.push(refuse(&format!("command[{index}]"), fault));
    }
    refused.extend(["env", "secrets"].into_iter().flat_map(|field| no_variables(spec, field)));
    refused
}

/// What no environment can have.
fn no_variables(spec: &Value, field: &str) -> Vec<Problem> {
    let fault = |name: &str, value: Option<&str>| {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Some(format!("`{name}` can't be the name of an environment variable"));
        }
        value.filter(|value| value.contains('\0')).map(|_| "no environment variable has a NUL in it".to_owned())
    };
    let faults = entries(spec, field).filter_map(|(name, value)| Some((name, fault(name, value)?)));
    faults.map(|(name, message)| Problem::new(FieldPath::root().field(field).field(name), message)).collect()
}

/// The secrets that are no files.
fn unreadable_secrets(spec: &Value) -> Vec<Problem> {
    let foreign =
        entries(spec, "secrets").filter(|(_, source)| source.is_some_and(|source| secret_file(source).is_none()));
    let problem = |(name, _): (&str, _)| {
        let message = "`local` reads a secret from a file: write `file:/absolute/path`";
        Problem::new(FieldPath::root().field("secrets").field(name), message)
    };
    foreign.map(problem).collect()
}

/// The file that holds a secret, by the name that a blueprint has for it.
fn secret_file(reference: &str) -> Option<PathBuf> {
    reference.strip_prefix("file:").and_then(home::file_path)
}

/// A secret by its name in this machine's store: a file of the user's own.
fn secret(name: &str, reference: &str) -> Result<String, ProviderError> {
    let field = format!("secrets.{name}");
    let Some(path) = secret_file(reference) else {
        return Err(invalid(&field, "it is no file"));
    };
    let text = fs::read_to_string(&path)
        .map_err(|error| invalid(&field, format!("{} can't be read: {error}", path.display())))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

impl Work for Endpoints {
    type Kind = kinds::Endpoint;
    type Data = Notes;

    fn cards(&self) -> &Cards<Spec, Notes> {
        &self.cards
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn is_there(&self, name: &str, _card: Option<&CardOf<Self>>) -> bool {
        self.path(name).is_dir()
    }

    /// Another port is another address: what reads `url` must know of it before.
    fn effect(&self, before: &Value, after: &Value) -> Option<Effect> {
        let port = |spec: &Value| spec.get("port").cloned();
        (port(before) != port(after)).then(|| Effect::Replace([FieldPath::from_iter(["port"])].into()))
    }

    fn look(&self, card: CardOf<Self>, sent: Option<&Value>) -> Result<TypedFound<kinds::Endpoint>, ProviderError> {
        let mut spec = card.spec;
        let wanted = spec.replicas.min;
        let works = |replica: &&Replica| {
            replica.index < wanted && replica.fingerprint == card.data.applied && replica.works(&spec.health)
        };
        let working: Vec<&Replica> = card.data.replicas.iter().filter(works).collect();
        let count = u32::try_from(working.len()).unwrap_or(u32::MAX);
        let altered = card.data.replicas.iter().find_map(Replica::altered_command);
        let found = card.data.replicas.iter().find_map(|replica| replica.process.environment()).unwrap_or_default();
        let urls: Vec<String> = card.data.replicas.iter().map(Replica::url).collect();
        let status = match count {
            _ if count == wanted && altered.is_none() => "running",
            0 => "stopped",
            _ => "degraded",
        };
        spec.replicas.min = count;
        spec.env = card.data.env.reveal(sent.and_then(|sent| sent.get("env")), &found);
        if altered.is_some() {
            spec.command = altered;
        }
        let directory = self.path(&card.name);
        let attributes = Attributes {
            url: urls.first().cloned(),
            urls,
            resource_id: directory.display().to_string(),
            status: status.to_owned(),
            log: home::file_uri(&directory.join("replica-0.log")),
        };
        Ok(TypedFound { id: card.name, spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        let mut refused = Vec::new();
        // One of the two is given, and what an image is need not be known.
        if spec.get("command").is_none() {
            let message = "`local` runs a command, and no container: say `command` instead of `image`";
            refused.push(refuse("image", message));
        }
        if text(spec, "runtime").is_some_and(|runtime| runtime != "process") {
            refused.push(refuse("runtime", "`local` has one runtime: `process`"));
        }
        if text(spec, "model").is_some_and(|model| model.starts_with("file://") && home::file_path(model).is_none()) {
            refused
                .push(refuse("model", "the address of a file is `file://` and an absolute path: `file:///models/a`"));
        }
        refused.extend(unstartable(spec));
        refused.extend(unreadable_secrets(spec));
        refused
    }

    fn check(&self, _request: &Request, spec: &Spec) -> Result<(), ProviderError> {
        if let Some(model) = &spec.model
            && model.starts_with("file://")
            && home::file_path(model).is_none_or(|path| !path.exists())
        {
            return Err(invalid("model", format!("there is nothing at {model}")));
        }
        if let Some(directory) = &spec.working_dir
            && !Path::new(directory).is_dir()
        {
            return Err(invalid("working_dir", format!("there is no directory {directory}")));
        }
        Ok(())
    }

    fn converge(&self, card: &mut CardOf<Self>, spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        home::make_dir(&self.path(&card.name))?;
        let plan = self.plan(card, spec)?;
        let wanted = spec.replicas.min;
        let mut busy = self.shrink(card, wanted)?;
        for index in 0..wanted {
            let tended = self.tend(card, index, &plan, spec);
            if tended.is_err() {
                self.cards.write(card)?;
            }
            if let Tended::Busy(note) = tended? {
                busy = Some(note);
                // One after the other, so that the others answer meanwhile; all at once where none answered yet.
                if card.ready {
                    break;
                }
            }
        }
        if let Some(note) = busy {
            self.cards.write(card)?;
            return Ok(Step::More { after: SOON, amount: None, note });
        }
        let path = self.cards.path(&card.name);
        ports::release(&self.ports, &path, wanted)?;
        gpus::release(&self.gpu_claims, &path, if plan.gpu.is_some() { wanted } else { 0 })?;
        card.data.env = Marks::of(&own_environment(spec), &*self.entropy);
        card.data.applied = plan.fingerprint;
        Ok(Step::Done)
    }

    fn dissolve(&self, card: &mut CardOf<Self>, _request: &Request) -> Result<Step, ProviderError> {
        // Most stop at once; one that takes longer is asked after by the next poll.
        for _ in 0..10 {
            if self.shrink(card, 0)?.is_none() {
                return self.clear(card).map(|()| Step::Done);
            }
            self.cards.write(card)?;
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(Step::More { after: SOON, amount: None, note: "stopping".to_owned() })
    }
}

impl Endpoints {
    /// Stops the replicas from a position on. What it is at, while some still run.
    fn shrink(&self, card: &mut CardOf<Self>, wanted: u32) -> Result<Option<String>, ProviderError> {
        let surplus: Vec<u32> = card.data.replicas.iter().map(|r| r.index).filter(|index| *index >= wanted).collect();
        let mut busy = None;
        for index in surplus {
            if self.stop(card, index)? {
                card.data.replicas.retain(|replica| replica.index != index);
            } else {
                busy = Some(format!("stopping replica {index}"));
            }
        }
        Ok(busy)
    }

    /// Removes all that is left when no replica runs.
    fn clear(&self, card: &CardOf<Self>) -> Result<(), ProviderError> {
        // A replica that was started right before a crash stands on no card.
        crate::process::end_marked(&self.marker(&card.name, None));
        let path = self.cards.path(&card.name);
        ports::release(&self.ports, &path, 0)?;
        gpus::release(&self.gpu_claims, &path, 0)?;
        let directory = self.path(&card.name);
        home::remove(&directory)?;
        home::prune_all(directory.parent().unwrap_or(&directory), &self.root);
        Ok(())
    }
}
