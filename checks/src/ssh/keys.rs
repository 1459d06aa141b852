//! The stack's keys. All are made from one secret of the stack's, so that none is kept: the key that logs in, and for each machine the one
//! that it is known by.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey};
use russh::keys::{PrivateKey, PublicKey};
use sha2::Sha256;

/// A key, ED25519.
#[derive(Clone, Debug)]
pub(crate) struct Key(Arc<PrivateKey>);

/// The keys that a machine has to do with.
pub(crate) struct Keys {
    /// Logs in.
    pub(crate) login: Key,
    /// The machine's, as it is told at its first start. Whoever can read that can pretend to be the machine.
    pub(crate) first: Key,
    /// The machine's, once it was told a better one in private.
    pub(crate) lasting: Key,
}

impl Keys {
    /// Those of the machine that the operation of a token made.
    pub(crate) fn of(seed: &[u8; 32], token: &str) -> Self {
        Self {
            login: Key::made(seed, "login", ""),
            first: Key::made(seed, "first", token),
            lasting: Key::made(seed, "lasting", token),
        }
    }
}

impl Key {
    fn made(seed: &[u8; 32], what: &str, whose: &str) -> Self {
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(seed).expect("HMAC takes keys of any length");
        mac.update(format!("trueup ssh {what} {whose}").as_bytes());
        let bytes: [u8; Ed25519PrivateKey::BYTE_SIZE] = mac.finalize().into_bytes().into();
        Self(Arc::new(PrivateKey::from(Ed25519Keypair::from_seed(&bytes))))
    }

    pub(crate) fn private(&self) -> Arc<PrivateKey> {
        self.0.clone()
    }

    pub(crate) fn public(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// The public part in one line, as `authorized_keys` has it.
    pub(crate) fn public_line(&self) -> String {
        let mut line = self.0.public_key().to_openssh().unwrap_or_default();
        let _ = write!(line, " trueup");
        line
    }

    /// The private part, as OpenSSH reads it.
    pub(crate) fn private_text(&self) -> String {
        self.0.to_openssh(LineEnding::LF).map(|text| text.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_for_the_same_machine_and_no_others() {
        let of = |seed: u8, token: &str| Keys::of(&[seed; 32], token);
        assert_eq!(of(1, "a").first.public(), of(1, "a").first.public());
        assert_ne!(of(1, "a").first.public(), of(1, "b").first.public());
        assert_ne!(of(1, "a").first.public(), of(1, "a").lasting.public());
        assert_eq!(of(1, "a").login.public(), of(1, "b").login.public());
        assert_ne!(of(1, "a").login.public(), of(2, "a").login.public());
    }

    #[test]
    fn keys_are_written_as_openssh_reads_them() {
        let key = Keys::of(&[7; 32], "a").first;
        assert!(key.public_line().starts_with("ssh-ed25519 AAAA") && key.public_line().ends_with(" trueup"));
        let read = PrivateKey::from_openssh(key.private_text()).unwrap();
        assert_eq!(read.public_key().key_data(), key.public().key_data());
    }
}
