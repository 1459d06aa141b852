//! The program that measures, as it is carried to machines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// The program's file. It is read once, when it is first needed.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    read: Arc<OnceCell<Carried>>,
}

/// The program, read.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) bytes: Vec<u8>,
    /// SHA-256, in hexadecimal digits.
    pub(crate) digest: String,
    pub(crate) sort: Sort,
}

/// What sort of machine a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    X86,
    Arm,
    /// A script: for any.
    Any,
}

/// A program that can't be carried anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is not where it should be.
    #[error("the program gpucheck was looked for at {}, and can't be read there: {reason}", path.display())]
    Unread {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is no program for a machine that Trueup knows.
    #[error("{} is no program for Linux on x86-64 or aarch64", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
    },
}

impl Program {
    /// The program in a file.
    pub fn at(path: PathBuf) -> Self {
        Self { path, read: Arc::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn carried(&self) -> Result<&Carried, ProgramError> {
        self.read.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<Carried, ProgramError> {
        let path = || self.path.clone();
        let unread = |error: std::io::Error| ProgramError::Unread { path: path(), reason: error.to_string() };
        let bytes = tokio::fs::read(&self.path).await.map_err(unread)?;
        let digest = hex::encode(Sha256::digest(&bytes));
        let sort = sort(&bytes).ok_or_else(|| ProgramError::Strange { path: path() })?;
        Ok(Carried { bytes, digest, sort })
    }
}

/// What machine a program is for, by the header of ELF: its sixteen bytes of identity, then two of type and two of machine.
fn sort(bytes: &[u8]) -> Option<Sort> {
    if bytes.starts_with(b"#!") {
        return Some(Sort::Any);
    }
    match (bytes.get(..6)?, bytes.get(18..20)?) {
        ([0x7f, b'E', b'L', b'F', 2, 1], [0x3e, 0]) => Some(Sort::X86),
        ([0x7f, b'E', b'L', b'F', 2, 1], [0xb7, 0]) => Some(Sort::Arm),
        _ => None,
    }
}

impl Sort {
    /// Whether it runs on a machine, as `uname -sm` calls that.
    pub(crate) fn runs_on(self, machine: &str) -> bool {
        match self {
            Sort::X86 => machine == "Linux x86_64",
            Sort::Arm => machine == "Linux aarch64",
            Sort::Any => machine.starts_with("Linux "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_for_a_machine_that_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gpucheck");
        assert!(matches!(Program::at(path.clone()).carried().await, Err(ProgramError::Unread { .. })));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert_eq!(Program::at(path.clone()).carried().await.unwrap().sort, Sort::Any);
        std::fs::write(&path, "MZ of another system").unwrap();
        assert!(matches!(Program::at(path.clone()).carried().await, Err(ProgramError::Strange { .. })));
    }

    #[test]
    fn a_program_runs_where_it_was_made_for() {
        let mut elf = vec![0_u8; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18] = 0x3e;
        assert_eq!(sort(&elf), Some(Sort::X86));
        elf[18] = 0xb7;
        assert_eq!(sort(&elf), Some(Sort::Arm));
        assert_eq!(sort(&elf[..10]), None);
        assert!(Sort::X86.runs_on("Linux x86_64") && !Sort::X86.runs_on("Linux aarch64"));
        assert!(!Sort::Any.runs_on("Darwin arm64"));
    }
}
