//! What the stacks of one user share on this machine: who has which port and which GPU. One file for each that is taken.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trueup_engine::provider::ProviderError;

use crate::home::{self, Doing, Lock};

/// Who has something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The card of the object that has it. A claim whose card is gone is nobody's.
    pub(crate) card: PathBuf,
    /// Which of the object's parts: the position of a replica.
    pub(crate) part: u32,
}

/// The claims on things of one sort.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    machine: PathBuf,
    directory: PathBuf,
}

/// The claims, held against every other process, so that looking and taking are one.
pub(crate) struct Held<'a> {
    claims: &'a Claims,
    _lock: Lock,
}

impl Claims {
    /// The claims on `ports` or `gpus`.
    pub(crate) fn new(machine: &Path, what: &str) -> Self {
        Self { machine: machine.to_owned(), directory: machine.join(what) }
    }

    /// Waits until nobody else looks or takes.
    pub(crate) fn hold(&self) -> Result<Held<'_>, ProviderError> {
        Ok(Held { _lock: Lock::hold(&self.machine)?, claims: self })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.json"))
    }
}

impl Held<'_> {
    /// All that is taken, with its owner. Claims of objects that are gone are given up on the way.
    pub(crate) fn all(&self) -> Result<Vec<(String, Owner)>, ProviderError> {
        let mut taken = Vec::new();
        let directory = &self.claims.directory;
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(taken),
            Err(error) => return Err(home::io_error(format!("list {}", directory.display()), &error)),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let key = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
            let Some(key) = key else { continue };
            let owner = fs::read(&path).ok().and_then(|content| serde_json::from_slice::<Owner>(&content).ok());
            match owner {
                Some(owner) if owner.card.exists() => taken.push((key.to_owned(), owner)),
                _ => home::remove(&path)?,
            }
        }
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(taken)
    }

    /// What an object has.
    pub(crate) fn of(&self, card: &Path) -> Result<Vec<(String, Owner)>, ProviderError> {
        Ok(self.all()?.into_iter().filter(|(_, owner)| owner.card == card).collect())
    }

    /// Takes something; false if somebody has it.
    pub(crate) fn take(&self, key: &str, owner: &Owner) -> Result<bool, ProviderError> {
        home::make_dir(&self.claims.directory)?;
        let path = self.claims.path(key);
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(home::io_error(format!("write {}", path.display()), &error)),
        };
        let content = serde_json::to_vec(owner).unwrap_or_default();
        file.write_all(&content).and_then(|()| file.sync_all()).doing("write", &path)?;
        Ok(true)
    }

    /// Gives up what an object has, where `keep` does not say otherwise.
    pub(crate) fn release(&self, card: &Path, keep: impl Fn(&Owner) -> bool) -> Result<(), ProviderError> {
        for (key, owner) in self.of(card)? {
            if !keep(&owner) {
                home::remove(&self.claims.path(&key))?;
            }
        }
        Ok(())
    }
}

/// Leaves no empty directory behind. Not before the last act: with the directory the lock on it goes, and another may hold the next one.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        home::prune_all(&self.claims.directory, &self.claims.machine);
    }
}
