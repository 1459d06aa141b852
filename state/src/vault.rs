//! Secrets at rest, sealed with `age`.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::codec::{Seal, VaultError};
use crate::files::{directory_of, sync_directory};

/// Seals with one X25519 identity, which is read, or made in its file with mode 0600, when the first secret needs it.
pub struct Vault {
    source: Source,
    identity: Mutex<Option<Identity>>,
}

enum Source {
    /// The identity was given.
    Given,
    /// The identity's file. `make`: it is made where it is missing.
    File { path: PathBuf, make: bool },
}

impl Vault {
    /// The vault of an identity (`AGE-SECRET-KEY-1…`).
    pub fn from_identity(identity: &str) -> Result<Self, VaultError> {
        let identity = parse(identity).map_err(|reason| VaultError::Key { location: "given".to_owned(), reason })?;
        Ok(Self { source: Source::Given, identity: Mutex::new(Some(identity)) })
    }

    /// The vault of an identity in a file, which must be there.
    pub fn existing(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::File { path: path.into(), make: false }, identity: Mutex::new(None) }
    }

    /// The vault of an identity in a file, which is made on first use.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::File { path: path.into(), make: true }, identity: Mutex::new(None) }
    }

    /// The vault of a new identity, in a file of its own which must not be there yet.
    pub fn made_at(path: impl Into<PathBuf>) -> Result<Self, VaultError> {
        let (path, identity) = (path.into(), Identity::generate());
        write_new(&path, &identity).map_err(|error| {
            let is_there = error.kind() == io::ErrorKind::AlreadyExists;
            let reason = if is_there { "there is such a file already".to_owned() } else { error.to_string() };
            VaultError::Key { location: path.display().to_string(), reason }
        })?;
        Ok(Self { source: Source::File { path, make: false }, identity: Mutex::new(Some(identity)) })
    }

    /// A vault with an identity of its own that is written nowhere, for tests.
    pub fn ephemeral() -> Self {
        Self { source: Source::Given, identity: Mutex::new(Some(Identity::generate())) }
    }

    /// Whom it seals for, where its identity is there already: `age1…`.
    pub fn recipient(&self) -> Result<Option<String>, VaultError> {
        self.with_identity(false, |identity| identity.to_public().to_string())
    }

    /// Runs `f` with the identity; with none of it where the file is missing and is not to be made.
    fn with_identity<T>(&self, needed: bool, f: impl FnOnce(&Identity) -> T) -> Result<Option<T>, VaultError> {
        let mut held = self.identity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.is_none()
            && let Source::File { path, make } = &self.source
        {
            *held = read_or_make(path, needed && *make)?;
            if held.is_none() && needed {
                let reason = "there is no such file".to_owned();
                return Err(VaultError::Key { location: path.display().to_string(), reason });
            }
        }
        Ok(held.as_ref().map(f))
    }
}

impl Seal for Vault {
    fn seal(&self, plain: &[u8]) -> Result<String, VaultError> {
        let sealed = self.with_identity(true, |identity| encrypt(&identity.to_public(), plain))?;
        match sealed {
            Some(Ok(bytes)) => Ok(BASE64_STANDARD_NO_PAD.encode(bytes)),
            Some(Err(error)) => Err(VaultError::Damaged(error.to_string())),
            None => Err(VaultError::Damaged("there is no key".to_owned())),
        }
    }

    fn open(&self, sealed: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(sealed).map_err(|error| VaultError::Damaged(error.to_string()))?;
        match self.with_identity(false, |identity| decrypt(identity, &bytes))? {
            None | Some(Err(age::DecryptError::NoMatchingKeys)) => Ok(None),
            Some(Ok(plain)) => Ok(Some(plain)),
            Some(Err(error)) => Err(VaultError::Damaged(error.to_string())),
        }
    }
}

/// Names where the key comes from, never the key.
impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            Source::Given => f.write_str("Vault(given)"),
            Source::File { path, .. } => write!(f, "Vault({})", path.display()),
        }
    }
}

fn encrypt(recipient: &Recipient, plain: &[u8]) -> Result<Vec<u8>, io::Error> {
    let recipients = std::iter::once(recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
    let mut sealed = Vec::with_capacity(plain.len() + 256);
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(plain)?;
    writer.finish()?;
    Ok(sealed)
}

fn decrypt(identity: &Identity, sealed: &[u8]) -> Result<Vec<u8>, age::DecryptError> {
    let decryptor = age::Decryptor::new_buffered(sealed)?;
    let mut plain = Vec::new();
    decryptor.decrypt(std::iter::once(identity as &dyn age::Identity))?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn parse(text: &str) -> Result<Identity, String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    Identity::from_str(line.unwrap_or_default()).map_err(|_| "it holds no age identity (AGE-SECRET-KEY-1…)".to_owned())
}

fn read_or_make(path: &Path, make: bool) -> Result<Option<Identity>, VaultError> {
    let fail = |reason: String| VaultError::Key { location: path.display().to_string(), reason };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map(Some).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !make => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = Identity::generate();
            match write_new(path, &identity) {
                Ok(()) => Ok(Some(identity)),
                // Another process was first: its key it is.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_make(path, false),
                Err(error) => Err(fail(error.to_string())),
            }
        }
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Writes the key whole or not at all: it appears under its name by a link, which fails where another is there.
fn write_new(path: &Path, identity: &Identity) -> io::Result<()> {
    // Two vaults of one process may come here at once, and must not write to one draft.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let directory = directory_of(path);
    fs::create_dir_all(directory)?;
    let draft = directory.join(format!(".key-{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    // A process of the same id may have died here once.
    let _ = fs::remove_file(&draft);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(format!("{}\n", identity.to_string().expose_secret()).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_key_is_made_by_the_first_secret_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/trueup.key");
        let vault = Vault::at(&path);
        assert_eq!(vault.recipient().unwrap(), None);
        assert_eq!(vault.open("AAAA"), Ok(None));
        assert!(!path.exists(), "nothing was sealed yet");
        let sealed = vault.seal(b"hunter2").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        assert_eq!(Vault::existing(&path).open(&sealed).unwrap().as_deref(), Some(&b"hunter2"[..]));
    }

    #[test]
    fn a_key_that_must_be_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trueup.key");
        assert!(matches!(Vault::existing(&path).seal(b"hunter2"), Err(VaultError::Key { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn whoever_comes_second_takes_the_first_ones_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trueup.key");
        let both = [Vault::at(&path), Vault::at(&path)];
        let sealed = both.each_ref().map(|vault| vault.seal(b"hunter2").unwrap());
        assert_eq!(both[0].recipient(), both[1].recipient());
        assert_eq!(both[0].open(&sealed[1]).unwrap().as_deref(), Some(&b"hunter2"[..]));
    }

    #[test]
    fn all_who_come_at_once_have_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = Arc::new(directory.path().join("trueup.key"));
        let recipient = |path: Arc<PathBuf>| {
            let vault = Vault::at(&*path);
            vault.seal(b"hunter2").unwrap();
            vault.recipient().unwrap()
        };
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let path = Arc::clone(&path);
                std::thread::spawn(move || recipient(path))
            })
            .collect();
        let found: std::collections::BTreeSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(found, [Vault::existing(&*path).recipient().unwrap()].into());
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trueup.key");
        fs::write(&path, "hunter2").unwrap();
        let error = Vault::at(&path).seal(b"x").unwrap_err().to_string();
        assert!(error.contains(&*path.to_string_lossy()) && !error.contains("hunter2"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"hunter2");
    }

    #[test]
    fn another_key_opens_nothing_and_damage_is_told_from_it() {
        let (ours, theirs) = (Vault::ephemeral(), Vault::ephemeral());
        let sealed = ours.seal(b"hunter2").unwrap();
        assert_eq!(theirs.open(&sealed), Ok(None));
        assert!(matches!(ours.open(&sealed[..sealed.len() - 8]), Err(VaultError::Damaged(_))));
        assert_ne!(ours.seal(b"hunter2").unwrap(), sealed, "no two are alike");
    }
}
