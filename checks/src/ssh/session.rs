//! One connection, by `russh`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, Preferred};

use super::keys::Key;
use crate::machine::{MOST, Machine, Output, Unreachable};

/// How long a connection may take to come about, and how long it may be silent.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);

/// Why nobody is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    /// Nobody answers, or not in a way that makes sense.
    Silent(String),
    /// Who answers has another key.
    Stranger,
    /// The key that logs in is not taken.
    Refused,
}

/// A connection to a machine, logged in.
pub(super) struct Session(Handle<Known>);

/// Knows a machine by its key.
struct Known {
    key: PublicKey,
    is_stranger: Arc<AtomicBool>,
}

impl client::Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let is_known = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.key.key_data(),
            PublicKeyOrCertificate::Certificate(_) => false,
        };
        self.is_stranger.store(!is_known, Ordering::Relaxed);
        Ok(is_known)
    }
}

impl Session {
    /// Connects to a machine that has a key, and logs in with another.
    pub(super) async fn open(host: &str, port: u16, user: &str, login: &Key, known: &Key) -> Result<Self, Unmet> {
        let config = client::Config {
            inactivity_timeout: Some(SILENCE),
            // The one sort of key that machines are given.
            preferred: Preferred { key: Cow::Borrowed(&[Algorithm::Ed25519]), ..Preferred::default() },
            ..client::Config::default()
        };
        let is_stranger = Arc::new(AtomicBool::new(false));
        let handler = Known { key: known.public().clone(), is_stranger: is_stranger.clone() };
        let connecting = client::connect(Arc::new(config), (host, port), handler);
        let mut handle = match tokio::time::timeout(CONNECT, connecting).await {
            Err(_) => return Err(Unmet::Silent(format!("no answer within {} s", CONNECT.as_secs()))),
            Ok(Err(_)) if is_stranger.load(Ordering::Relaxed) => return Err(Unmet::Stranger),
            Ok(Err(error)) => return Err(Unmet::Silent(error.to_string())),
            Ok(Ok(handle)) => handle,
        };
        let key = PrivateKeyWithHashAlg::new(login.private(), None);
        let authenticating = handle.authenticate_publickey(user, key);
        match tokio::time::timeout(CONNECT, authenticating).await {
            Err(_) => Err(Unmet::Silent(format!("no answer within {} s", CONNECT.as_secs()))),
            Ok(Err(error)) => Err(Unmet::Silent(error.to_string())),
            Ok(Ok(result)) if result.success() => Ok(Self(handle)),
            Ok(Ok(_)) => Err(Unmet::Refused),
        }
    }

    async fn script(&self, script: &str, input: &[u8]) -> Result<Output, russh::Error> {
        let channel = self.0.channel_open_session().await?;
        channel.exec(true, format!("exec sh -c {}", quoted(script))).await?;
        let (mut reader, writer) = channel.split();
        let write = async {
            writer.data(input).await?;
            writer.eof().await
        };
        let mut output = Output { code: None, stdout: Vec::new(), stderr: String::new() };
        let read = async {
            let mut complaints = Vec::new();
            while let Some(message) = reader.wait().await {
                match message {
                    ChannelMsg::Data { data } if output.stdout.len() < MOST => output.stdout.extend_from_slice(&data),
                    ChannelMsg::ExtendedData { data, .. } if complaints.len() < MOST => {
                        complaints.extend_from_slice(&data);
                    }
                    ChannelMsg::ExitStatus { exit_status } => output.code = i32::try_from(exit_status).ok(),
                    _ => {}
                }
            }
            output.stderr = String::from_utf8_lossy(&complaints).into_owned();
        };
        // A script that wants no more of its input closes it: how it ended says whether that was right.
        let (_, ()) = tokio::join!(write, read);
        Ok(output)
    }
}

#[async_trait]
impl Machine for Session {
    async fn run(&self, script: &str, input: &[u8]) -> Result<Output, Unreachable> {
        let output = self.script(script, input).await.map_err(|error| Unreachable::of("SSH", &error))?;
        if output.code.is_none() {
            return Err(Unreachable("SSH: the connection was cut".to_owned()));
        }
        Ok(output)
    }
}

/// A text as one word of a shell's.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_one_word() {
        assert_eq!(quoted("echo 'a b'"), r"'echo '\''a b'\'''");
    }
}
