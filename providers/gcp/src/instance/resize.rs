//! Another machine type, or another service account, for a machine that is there: it is stopped, changed, and started again, if it ran.
//!
//! Each step is told from what Google shows, and not from what was done before: so it goes on wherever a run was killed. Where it can't start
//! with its new type, it gets its old one back.

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{
    Instance, InstancesSetMachineTypeRequest, InstancesSetServiceAccountRequest, Operation,
};
use serde::{Deserialize, Serialize};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Request, Value};

use super::catalog::COMPUTE;
use super::found::type_of;
use super::launch::{SCOPE, address};
use crate::clients::Clients;
use crate::error::failed;

/// A change that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resize {
    /// The type that it had.
    from: String,
    /// Whether it is to run afterwards: it ran before.
    start: bool,
    /// Why it gets its old type back, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<Refusal>,
}

/// Why Google did not do a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refusal {
    class: Class,
    code: String,
    message: String,
}

impl Resize {
    fn of(machine: &Instance) -> Self {
        Self { from: type_of(machine).to_owned(), start: machine.status == Some(Status::Running), back: None }
    }

    /// The same after a step that failed, from where it goes back; none where there is nothing to go back to, or that was tried.
    pub(super) fn failed(&self, error: &ProviderError, machine: &Instance) -> Option<Self> {
        let may_go_back = self.back.is_none() && self.start && machine.status != Some(Status::Running);
        let (class, code, message) = (error.class.clone(), error.code.clone(), error.message.clone());
        may_go_back.then(|| Self { back: Some(Refusal { class, code, message }), ..self.clone() })
    }

    /// Why it has its old type back, now that it has.
    pub(super) fn error(&self) -> Option<ProviderError> {
        let Refusal { class, code, message } = self.back.clone()?;
        Some(
            ProviderError::new(class, format!("{message}; the machine is a {} as before, and runs", self.from))
                .code(code),
        )
    }
}

/// What comes next for a machine.
pub(super) enum Next {
    /// A change begins, which is to be kept before anything is done: what stops for it is to run again.
    Begins,
    /// A call that was made.
    Goes(Box<Operation>),
    /// It has its type and its account, and runs if it did.
    Level,
}

/// What comes next for a machine that is to have a type and an account. `change`: what goes on, which begins here.
pub(super) async fn next(
    clients: &Clients,
    request: &Request,
    machine: &Instance,
    (zone, change): (&str, &mut Option<Resize>),
) -> Result<Next, ProviderError> {
    let is_back = change.as_ref().is_some_and(|change| change.back.is_some());
    let wanted = change.as_ref().filter(|_| is_back).map(|change| change.from.clone());
    let wanted = wanted.or_else(|| COMPUTE.machine_type(&request.spec).map(str::to_owned)).unwrap_or_default();
    let account = request.spec.get("identity").and_then(|identity| identity.revealed().as_str());
    let account = account.map(|account| address(&clients.project, account));
    let there = machine.service_accounts.first().and_then(|account| account.email.clone());
    // What differs and is to stay so is no change: only what was planned stops a machine.
    let is_planned = (
        COMPUTE.machine_type(&request.before) != COMPUTE.machine_type(&request.spec),
        request.before.get("identity") != request.spec.get("identity"),
    );
    let is_other_type = type_of(machine) != wanted && (is_back || is_planned.0);
    let is_other_account = !is_back && there != account && is_planned.1;
    let Some(change) = change else {
        if !is_other_type && !is_other_account {
            return Ok(Next::Level);
        }
        *change = Some(Resize::of(machine));
        return Ok(Next::Begins);
    };
    let (compute, project) = (clients.compute().await?, &clients.project);
    let name = machine.name.as_deref().unwrap_or_default();
    let instances = &compute.instances;
    let (doing, sent) = match machine.status {
        Some(Status::Running) if is_other_type || is_other_account => {
            ("stop the machine", instances.stop().set_project(project).set_zone(zone).set_instance(name).send().await)
        }
        Some(Status::Terminated | Status::Stopped) if is_other_type => {
            let body =
                InstancesSetMachineTypeRequest::new().set_machine_type(format!("zones/{zone}/machineTypes/{wanted}"));
            let call = instances.set_machine_type().set_project(project).set_zone(zone).set_instance(name);
            ("change the machine's type", call.set_body(body).send().await)
        }
        Some(Status::Terminated | Status::Stopped) if is_other_account => {
            let body = InstancesSetServiceAccountRequest::new();
            let body = account.map_or(body.clone(), |account| body.set_email(account).set_scopes([SCOPE]));
            let call = instances.set_service_account().set_project(project).set_zone(zone).set_instance(name);
            ("change the machine's service account", call.set_body(body).send().await)
        }
        Some(Status::Terminated | Status::Stopped) if change.start => {
            ("start the machine", instances.start().set_project(project).set_zone(zone).set_instance(name).send().await)
        }
        Some(Status::Running | Status::Terminated | Status::Stopped) => return Ok(Next::Level),
        _ => return Err(ProviderError::new(Class::Conflict, "the machine is on its way to run, or to stop")),
    };
    sent.map(|operation| Next::Goes(Box::new(operation))).map_err(|error| failed(doing, &error))
}

/// Whether a machine of a type can become one of another: those with GPUs of their own have disks of their own too, which go when it is
/// stopped, but for G2.
pub(super) fn can_become(was: &str, will: &str) -> bool {
    let (was, will) = (was.split('-').next().unwrap_or_default(), will.split('-').next().unwrap_or_default());
    let has_own = |family: &str| ["a2", "a3", "a4", "a4x", "g4"].contains(&family);
    let of_g2 = (was == "g2", will == "g2");
    !has_own(was) && !has_own(will) && of_g2.0 == of_g2.1
}

/// Whether a spec's machine is bought so that what is stopped can be started again where it will.
pub(super) fn is_on_demand(spec: &Value) -> bool {
    spec.get("market").is_some_and(|market| market.revealed().as_str() == Some("on_demand"))
        && super::options::is_so(spec, "flex_start") != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_disks_of_its_own_stays_what_it_is() {
        assert!(can_become("g2-standard-4", "g2-standard-8") && can_become("e2-standard-2", "n2-standard-8"));
        assert!(can_become("n1-standard-4", "n1-highmem-8"));
        assert!(!can_become("a2-highgpu-1g", "a2-highgpu-2g") && !can_become("n1-standard-4", "g2-standard-4"));
        assert!(!can_become("a3-highgpu-8g", "a3-megagpu-8g"));
    }
}
