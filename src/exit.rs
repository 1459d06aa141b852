//! How a run of the program ends.

use std::process::ExitCode;

use trueup_engine::EngineError;
use trueup_engine::diagnostic::Diagnostics;
use trueup_engine::estate::EstateError;
use trueup_engine::provider::ProviderError;
use trueup_state::StoreError;
use trueup_state::codec::VaultError;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// There was nothing to do, or all of it is done.
    Done = 0,
    /// An error: nothing was done.
    Error = 1,
    /// Changes or drift were found; or GPUs fail.
    Changes = 2,
    /// Some resources failed; or there is no GPU to check.
    Failed = 3,
    /// Another run holds the lease.
    Held = 4,
    /// Policy, protection or a budget refuses.
    Refused = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// What is wrong with the blueprint, where that is it.
    pub(crate) diagnostics: Option<Box<Diagnostics>>,
    /// Whether an earlier phase of the same command was carried out.
    pub(crate) done: bool,
}

impl Failure {
    /// An error.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Error, message: message.into(), help: None, diagnostics: None, done: false }
    }

    /// The same with what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same after an earlier phase, which was carried out: an error that says that nothing was done would be wrong.
    pub(crate) fn after_a_phase(mut self) -> Self {
        self.done = true;
        self.exit = if self.exit == Exit::Error { Exit::Failed } else { self.exit };
        self
    }

    /// The same with another exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics: Some(Box::new(diagnostics)), ..Self::new("the blueprint is not right") }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            StoreError::Held(holder) => {
                let help = format!(
                    "it has been at it since {}; wait for it, or see `trueup unlock`",
                    crate::draw::time(holder.since)
                );
                failure.exit(Exit::Held).help(help)
            }
            StoreError::Fenced => failure.help("see what the other run did with `trueup state history`, and run again"),
            StoreError::Newer { .. } => failure.help("use the Trueup that wrote it, or a newer one"),
            StoreError::Foreign { .. } => failure.help("move the file away, or run in another directory"),
            StoreError::Renamed { known, .. } => {
                failure.help(format!("name the blueprint `{known}` again, or give the new one a file of its own"))
            }
            StoreError::Damaged { .. } => failure.help(
                "`trueup state verify` says what is damaged, and `trueup state repair` puts in order what it can",
            ),
            StoreError::ReadOnly { .. } => failure.help("make the directory writable for this user"),
            StoreError::Full { .. } => failure.help("make room, and run again: what was begun is resumed"),
            StoreError::Vault(VaultError::OtherKey { .. }) => {
                failure.help("set TRUEUP_KEY to the key that it was sealed for")
            }
            StoreError::Vault(_) => failure.help("TRUEUP_KEY holds an age identity, or the path of a file with one"),
            StoreError::Conflict { .. } | StoreError::Illegal(_) | StoreError::Backend { .. } => failure,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            EngineError::Blueprint(diagnostics) => diagnostics.into(),
            EngineError::Store(error) => error.into(),
            EngineError::StateMoved { .. } | EngineError::WorldMoved { .. } | EngineError::OtherLineage => {
                failure.help("plan again, and look at what it says now")
            }
            EngineError::Select(error) => failure.help(error.help()),
            EngineError::ByHand(error) => match error.help() {
                Some(help) => failure.help(help),
                None => failure,
            },
            EngineError::Refused(_) => failure.exit(Exit::Refused),
            EngineError::Estate(EstateError::NoProvider(name)) => {
                failure.help(format!("build Trueup with it: `cargo install --path . --features {name}`"))
            }
            EngineError::Estate(EstateError::Provider { error: ProviderError { help: Some(help), .. }, .. }) => {
                failure.help(help)
            }
            EngineError::Estate(_) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use trueup_state::Class;

    use super::*;

    #[test]
    fn what_a_provider_says_is_to_be_done_is_told() {
        let failure =
            |error| Failure::from(EngineError::from(EstateError::Provider { provider: "cloud".into(), error }));
        let error = || ProviderError::new(Class::Denied, "nobody is signed in");
        assert_eq!(failure(error().help("sign in")).help.as_deref(), Some("sign in"));
        assert_eq!(failure(error()).help, None);
    }
}
