//! Another machine type for a machine that is there: it is stopped, changed, and started again, if it ran.
//!
//! Each step is told from what EC2 shows, and not from what was done before: so it goes on wherever a run was killed. Where it can't start
//! with its new type, it gets its old one back.

use aws_sdk_ec2::types::{AttributeValue, Instance, InstanceStateName};
use serde::{Deserialize, Serialize};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::ended::{self, state};
use super::found::type_of;
use super::look::id;
use crate::clients::Clients;
use crate::error::failed;

/// A change of type that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resize {
    /// The type that it had.
    pub(super) from: String,
    /// Whether it is to run afterwards: it ran before.
    pub(super) start: bool,
    /// Why it gets its old type back, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) back: Option<Refusal>,
}

/// Why EC2 did not do a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refusal {
    class: Class,
    code: String,
    message: String,
}

impl Refusal {
    fn of(error: ProviderError) -> Self {
        Self { class: error.class, code: error.code, message: error.message }
    }

    /// The same as an error. `then`: what became of the machine.
    pub(super) fn error(&self, then: &str) -> ProviderError {
        ProviderError::new(self.class.clone(), format!("{}; {then}", self.message)).code(&self.code)
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// To be asked after again.
    Wait,
    /// It has the type that was wanted, and runs if it did.
    Done,
    /// It is to have its old type back.
    Back(Refusal),
    /// It has its old type back, and runs if it did.
    IsBack(Refusal),
    /// It has not even its old type back, or does not run.
    Lost(ProviderError),
}

impl Resize {
    /// Takes the next step of a machine that is to have a type.
    pub(super) async fn step(
        &self,
        clients: &Clients,
        machine: &Instance,
        wanted: &str,
    ) -> Result<Step, ProviderError> {
        let to = if self.back.is_some() { self.from.as_str() } else { wanted };
        let has_it = type_of(machine) == to;
        let done = match state(machine) {
            Some(InstanceStateName::Running) if has_it => return Ok(self.end()),
            Some(InstanceStateName::Stopped) if has_it && !self.start => return Ok(self.end()),
            // Why it stopped last is told until it runs again, whatever its type is by then.
            Some(InstanceStateName::Stopped) if has_it => match not_started(machine).filter(|_| self.back.is_none()) {
                Some(error) => Err(error),
                None => start(clients, machine).await,
            },
            Some(InstanceStateName::Stopped) => change(clients, machine, to).await,
            Some(InstanceStateName::Running) => stop(clients, machine).await,
            _ => return Ok(Step::Wait),
        };
        match done {
            Ok(()) => Ok(Step::Wait),
            Err(error) if matches!(error.class, Class::Transient | Class::Throttled { .. }) => Err(error),
            Err(error) => Ok(match (&self.back, state(machine)) {
                // It runs as it did.
                (None, Some(InstanceStateName::Running)) => Step::IsBack(Refusal::of(error)),
                (None, _) => Step::Back(Refusal::of(error)),
                (Some(first), _) => Step::Lost(first.error(&format!("and it can't be as it was: {}", error.message))),
            }),
        }
    }

    fn end(&self) -> Step {
        self.back.clone().map_or(Step::Done, Step::IsBack)
    }
}

/// Why a machine that was started stopped again, where AWS says so.
fn not_started(machine: &Instance) -> Option<ProviderError> {
    let code = machine.state_reason().and_then(|reason| reason.code())?;
    let is_it = code.starts_with("Server.") && code != "Server.ScheduledStop";
    is_it.then(|| ended::failure(machine))
}

async fn stop(clients: &Clients, machine: &Instance) -> Result<(), ProviderError> {
    let stopped = clients.ec2.writes.stop_instances().instance_ids(id(machine)).send().await;
    stopped.map(drop).map_err(|error| failed("stop the machine", &error))
}

async fn start(clients: &Clients, machine: &Instance) -> Result<(), ProviderError> {
    let started = clients.ec2.writes.start_instances().instance_ids(id(machine)).send().await;
    started.map(drop).map_err(|error| failed("start the machine", &error))
}

async fn change(clients: &Clients, machine: &Instance, to: &str) -> Result<(), ProviderError> {
    let call = clients.ec2.writes.modify_instance_attribute().instance_id(id(machine));
    let changed = call.instance_type(AttributeValue::builder().value(to).build()).send().await;
    changed.map(drop).map_err(|error| failed(&format!("make it a {to}"), &error))
}
