//! A machine on which scripts can be run.

use async_trait::async_trait;

/// A machine. Scripts are ours, and the same for every machine; all that differs is their input.
#[async_trait]
pub(crate) trait Machine: Send + Sync {
    /// Runs a script of the shell's, with bytes for its standard input.
    async fn run(&self, script: &str, input: &[u8]) -> Result<Output, Unreachable>;
}

/// What came of a script.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// How it ended; none where something ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// What it complained of.
    pub(crate) stderr: String,
}

impl Output {
    /// What it printed, if it did what it should.
    pub(crate) fn good(self, doing: &str) -> Result<String, Unreachable> {
        if self.code == Some(0) {
            return Ok(String::from_utf8_lossy(&self.stdout).into_owned());
        }
        let complaint = self.stderr.lines().last().unwrap_or("it does not say why").trim();
        Err(Unreachable(format!("it can't {doing}: {complaint}")))
    }
}

/// A machine that can't be reached, or on which nothing can be done; why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(pub(crate) String);

impl Unreachable {
    pub(crate) fn of(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// The most bytes that are taken of what a machine says.
#[cfg(feature = "ssh")]
pub(crate) const MOST: usize = 16 * 1024 * 1024;
