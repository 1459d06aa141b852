//! The check of a `gpu_instance`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use trueup_engine::estate::Providers;
use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::{Amount, Check, Progress, ProviderError, Unit};
use trueup_state::{Class, Clock, Entropy, Handle, Record, Request, Timestamp, Token, Value};

use crate::asked::{Asked, Gpus, OnFailure, Via};
use crate::desk::{Checked, Desk, DeskError};
use crate::doing::Doing;
use crate::here::Here;
use crate::machine::{Machine, Unreachable};
use crate::program::Program;
use crate::startup;
use crate::steps::{Far, Unbrought, bring, look, start, stop};
use crate::verdict::{Found, found};

/// How long a new machine may take until it can be reached: the largest boot for a quarter of an hour.
const BOOT: Duration = Duration::from_mins(20);
/// How long one that was made before may take.
const HERE_ALREADY: Duration = Duration::from_secs(30);
/// When to try again to reach it.
const AGAIN: Duration = Duration::from_secs(5);
/// When to ask how far it is.
const ASK: Duration = Duration::from_secs(1);

/// Has the GPUs of machines measured, and judges them.
pub struct GpuCheck {
    program: Program,
    providers: Providers,
    desk: Arc<Desk>,
    clock: Arc<dyn Clock>,
}

impl GpuCheck {
    /// A check by a program, which keeps its reports at a desk. `providers`: who made the machines.
    pub fn new(program: Program, providers: Providers, desk: Arc<Desk>, clock: Arc<dyn Clock>) -> Self {
        Self { program, providers, desk, clock }
    }

    /// Checks what was made before, outside any apply: nothing is recorded of it but its report. `told`: what it is at.
    pub async fn examine(
        &self,
        record: &Record,
        validate: &Value,
        entropy: &dyn Entropy,
        mut told: impl FnMut(&str) + Send,
    ) -> Result<Checked, ProviderError> {
        let object = record.current.as_ref().ok_or_else(|| unusable("it is not there".to_owned()))?;
        if Asked::of(validate, object.scope.provider.provider()).via == Via::Startup {
            let message = "it checks itself at its start alone: `validate: { via: ssh }` makes one that can be reached";
            return Err(unusable(message.to_owned()));
        }
        let request = Request {
            token: Token::new(entropy),
            address: record.address.clone(),
            kind: record.kind.clone(),
            schema_version: record.schema_version,
            generation: object.generation,
            scope: object.scope.clone(),
            name: String::new(),
            id: object.id.clone(),
            spec: object.sent.clone(),
            before: Value::Null,
            attributes: object.attributes.clone(),
            check: Some(validate.clone()),
            owner: BTreeMap::from([(TAG_TOKEN.to_owned(), object.token.to_string())]),
        };
        let since = self.clock.now();
        // It was there for long: who can't be reached now is not waited for as for a boot.
        let patience = i64::try_from(BOOT.saturating_sub(HERE_ALREADY).as_millis()).unwrap_or_default();
        let mut progress = self.go(&request, Doing::Reach { since: since.0 - patience }).await?;
        let failed = loop {
            match progress {
                Progress::Pending { handle, poll_after, note, .. } => {
                    told(note.as_deref().unwrap_or_default());
                    self.clock.sleep(poll_after).await;
                    progress = self.poll(&request, &handle).await?;
                }
                Progress::Done(_) => break None,
                Progress::Failed(error) => break Some(*error),
            }
        };
        let checks = self.desk.checks(&record.address).await.map_err(|error| unkept(&error))?;
        let checked = checks.into_iter().next().filter(|checked| checked.at >= since);
        // What could not be carried out has no report.
        checked.ok_or_else(|| failed.unwrap_or_else(|| unusable("its report was not kept".to_owned())))
    }

    /// Whether a provider's machine with a `validate` can be checked once more: not one that does so itself, at its first start.
    pub fn is_repeatable(validate: &Value, provider: &str) -> bool {
        Asked::of(validate, provider).via != Via::Startup
    }

    /// What a machine has left that checks itself.
    async fn left(&self, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
        let gone = || unusable(format!("no provider makes a {} there", request.kind));
        let provider = self.providers.get(request.scope.provider.provider()).ok_or_else(gone)?;
        let managers = provider.prepare(&request.scope, &BTreeSet::from([request.kind.clone()])).await?;
        managers.get(&request.kind).ok_or_else(gone)?.left(request).await
    }

    /// Waits for what a machine leaves that checks itself.
    async fn await_left(&self, request: &Request, asked: &Asked, doing: Doing) -> Result<Progress, ProviderError> {
        let Doing::Measure { since } = doing else {
            return Ok(pending(
                Doing::Measure { since: self.clock.now().0 },
                AGAIN,
                None,
                "it checks itself".to_owned(),
            ));
        };
        let left = self.left(request).await?.unwrap_or_default();
        let far = Far::told(&String::from_utf8_lossy(&left));
        let is_late = self.clock.now().since(Timestamp(since)) >= BOOT + Duration::from_secs(asked.limit());
        match far {
            Some(Far::Ended(code, text)) => self.ended(request, asked, code, &text).await,
            Some(Far::Running(what)) if is_late => self.endless(request, asked, &what).await,
            Some(Far::Running(what)) => Ok(pending(doing, AGAIN, None, what)),
            _ if is_late => {
                let why =
                    "it has left nothing of its check: it may have no way to the internet, or its image no `curl`";
                self.conclude(request, asked, Found::Nothing(why.to_owned()), None).await
            }
            _ => Ok(pending(doing, AGAIN, None, "it checks itself".to_owned())),
        }
    }

    async fn go(&self, request: &Request, doing: Doing) -> Result<Progress, ProviderError> {
        let asked = Asked::by(request);
        let reached = match asked.via {
            Via::Startup => return self.await_left(request, &asked, doing).await,
            Via::Here => Ok(Box::new(Here) as Box<dyn Machine>),
            #[cfg(feature = "ssh")]
            Via::Ssh => crate::ssh::reach(request, &self.desk).await,
            #[cfg(not(feature = "ssh"))]
            Via::Ssh => Err(Unreached::Never(no_ssh())),
        };
        let machine = match reached {
            Ok(machine) => machine,
            Err(Unreached::Never(error)) => return Err(error),
            Err(Unreached::NotNow(why)) => return self.later(request, &asked, doing, &why).await,
        };
        match doing {
            Doing::Reach { .. } => self.begin(request, &asked, machine.as_ref(), doing).await,
            Doing::Measure { .. } => self.ask(request, &asked, machine.as_ref(), doing).await,
        }
    }

    /// Brings the program to a machine, and starts it.
    async fn begin(
        &self,
        request: &Request,
        asked: &Asked,
        machine: &dyn Machine,
        doing: Doing,
    ) -> Result<Progress, ProviderError> {
        let gpus = Gpus::of(&request.spec).ok_or_else(no_gpus)?;
        let program = self.program.carried().await.map_err(|error| unusable(error.to_string()))?;
        let brought = match bring(machine, program, self.clock.as_ref()).await {
            Ok(brought) => brought,
            Err(Unbrought::Unreachable(why)) => return self.later(request, asked, doing, &why).await,
            Err(Unbrought::Strange(sort)) => {
                let path = self.program.path().display();
                let help = "build it for that, and name it by `--gpucheck-program FILE`";
                return Err(unusable(format!("{path} does not run on it, which is `{sort}`; {help}")));
            }
        };
        if let Some(there) = brought {
            let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
            let amount = Amount { done: count(there), total: count(program.bytes.len()), unit: Unit::Bytes };
            return Ok(pending(doing, Duration::ZERO, Some(amount), "gpucheck is on its way".to_owned()));
        }
        let visible = (asked.via == Via::Here).then(|| visible(&request.attributes));
        let (token, words) = (request.token.as_str(), asked.words(&gpus));
        match start(machine, token, program, visible.flatten(), &words).await {
            Ok(()) => {
                let measuring = Doing::Measure { since: self.clock.now().0 };
                Ok(pending(measuring, ASK, None, "measuring starts".to_owned()))
            }
            Err(why) => self.later(request, asked, doing, &why).await,
        }
    }

    /// Asks after the program.
    async fn ask(
        &self,
        request: &Request,
        asked: &Asked,
        machine: &dyn Machine,
        doing: Doing,
    ) -> Result<Progress, ProviderError> {
        match look(machine, request.token.as_str()).await {
            Ok(Far::Running(what)) if self.time_left(doing, asked) => Ok(pending(doing, ASK, None, what)),
            Ok(Far::Running(what)) => self.endless(request, asked, &what).await,
            Ok(Far::Ended(code, text)) => self.ended(request, asked, code, &text).await,
            // It was started anew since, perhaps: so is the check.
            Ok(Far::Absent) => {
                let again = Doing::Reach { since: self.clock.now().0 };
                Ok(pending(again, Duration::ZERO, None, "it was started anew".to_owned()))
            }
            Ok(Far::Died(what)) => {
                let why = format!("something ended gpucheck before it was done: {what}");
                self.conclude(request, asked, Found::Nothing(why), None).await
            }
            Err(why) => self.later(request, asked, doing, &why).await,
        }
    }

    /// Tries again later, for as long as that is of use.
    async fn later(
        &self,
        request: &Request,
        asked: &Asked,
        doing: Doing,
        why: &Unreachable,
    ) -> Result<Progress, ProviderError> {
        let silent = format!("the machine does not answer: {why}");
        match doing {
            _ if self.time_left(doing, asked) => Ok(pending(doing, AGAIN, None, why.to_string())),
            // That nobody comes through may be a firewall's doing.
            Doing::Reach { .. } => Ok(Progress::Failed(Box::new(ProviderError::new(Class::Transient, silent)))),
            Doing::Measure { .. } => self.conclude(request, asked, Found::Bad(silent), None).await,
        }
    }

    fn time_left(&self, doing: Doing, asked: &Asked) -> bool {
        let (since, most) = match doing {
            Doing::Reach { since } => (since, BOOT),
            Doing::Measure { since } => (since, Duration::from_secs(asked.limit())),
        };
        self.clock.now().since(Timestamp(since)) < most
    }

    /// Concludes from that it is still at something.
    async fn endless(&self, request: &Request, asked: &Asked, what: &str) -> Result<Progress, ProviderError> {
        self.conclude(request, asked, Found::Bad(format!("it does not come to an end: {what}")), None).await
    }

    /// Concludes from what the program said.
    async fn ended(&self, request: &Request, asked: &Asked, code: i32, text: &str) -> Result<Progress, ProviderError> {
        let (found, printed) = found(code, text);
        self.conclude(request, asked, found, printed).await
    }

    /// Keeps what was found, and says what becomes of the machine.
    async fn conclude(
        &self,
        request: &Request,
        asked: &Asked,
        found: Found,
        printed: Option<Json>,
    ) -> Result<Progress, ProviderError> {
        let (passed, message) = match &found {
            Found::Good(warning) => (true, warning.clone()),
            Found::Bad(why) | Found::Nothing(why) => (false, Some(why.clone())),
        };
        let checked = Checked {
            at: self.clock.now(),
            generation: request.generation,
            id: request.id.clone(),
            passed,
            message,
            printed: printed.unwrap_or_default(),
        };
        if !matches!(found, Found::Nothing(_)) {
            self.desk.remember(&request.address, &checked).await.map_err(|error| unkept(&error))?;
        }
        let failed = |class, why: String| Ok(Progress::Failed(Box::new(ProviderError::new(class, why))));
        match (found, asked.on_failure) {
            (Found::Good(_), _) | (Found::Bad(_), OnFailure::Warn) => Ok(Progress::Done(None)),
            (Found::Bad(why), OnFailure::Replace) => failed(Class::Invalid { field: None }, why),
            (Found::Bad(why), OnFailure::Fail) => failed(Class::Conflict, why),
            (Found::Nothing(why), _) => failed(Class::Internal, why),
        }
    }
}

#[async_trait]
impl Check for GpuCheck {
    async fn equip(&self, request: &Request) -> Result<Value, ProviderError> {
        let asked = Asked::by(request);
        let gpus = Gpus::of(&request.spec).ok_or_else(no_gpus)?;
        // What can't be carried anywhere is told before a machine is paid for.
        let program = self.program.carried().await.map_err(|error| unusable(error.to_string()))?;
        match asked.via {
            Via::Here => Ok(Value::Null),
            _ if request.scope.provider.provider() == "local" => {
                Err(unusable("the provider `local` is this machine: leave `via` of `validate` out".to_owned()))
            }
            #[cfg(feature = "ssh")]
            Via::Ssh => crate::ssh::equipment(request, &asked, &self.desk).await,
            #[cfg(not(feature = "ssh"))]
            Via::Ssh => Err(no_ssh()),
            Via::Startup => {
                let path = self.program.path().display().to_string();
                Ok(startup::equipment(&asked, &gpus, program, &path))
            }
        }
    }

    async fn start(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.go(request, Doing::Reach { since: self.clock.now().0 }).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.go(request, Doing::of(handle)?).await
    }

    /// What checks itself, or can't be reached, ends with its machine.
    async fn stop(&self, request: &Request) {
        let machine = match Asked::by(request).via {
            Via::Here => Box::new(Here) as Box<dyn Machine>,
            #[cfg(feature = "ssh")]
            Via::Ssh => match crate::ssh::reach(request, &self.desk).await {
                Ok(machine) => machine,
                Err(_) => return,
            },
            _ => return,
        };
        if let Err(why) = stop(machine.as_ref(), request.token.as_str()).await {
            tracing::debug!(%why, "the check goes on until its machine goes");
        }
    }
}

/// A machine that is not reached.
pub(crate) enum Unreached {
    /// Perhaps it will be.
    #[cfg_attr(not(feature = "ssh"), allow(dead_code, reason = "without SSH no machine is asked again"))]
    NotNow(Unreachable),
    /// It will never be, as things are.
    Never(ProviderError),
}

fn pending(doing: Doing, poll_after: Duration, amount: Option<Amount>, note: String) -> Progress {
    let note = Some(note).filter(|note| !note.is_empty());
    Progress::Pending { id: None, handle: doing.handle(), poll_after, amount, note }
}

/// What says which GPUs a machine's programs see, where it has only some of them.
fn visible(attributes: &Value) -> Option<&str> {
    attributes.get("environment")?.revealed().get("CUDA_VISIBLE_DEVICES")?.revealed().as_str()
}

fn unusable(message: String) -> ProviderError {
    ProviderError::new(Class::Conflict, message)
}

pub(crate) fn unkept(error: &DeskError) -> ProviderError {
    ProviderError::new(Class::Internal, error.to_string())
}

fn no_gpus() -> ProviderError {
    ProviderError::new(Class::Conflict, "a machine with `gpu: none` has no GPUs to check: leave out `validate`")
}

#[cfg(not(feature = "ssh"))]
fn no_ssh() -> ProviderError {
    ProviderError::new(
        Class::Conflict,
        "this build can't reach machines by SSH: `cargo install --path . --features ssh` makes one that can",
    )
}
