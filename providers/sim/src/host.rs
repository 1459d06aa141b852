//! Machines that stand for those that are made: each is told what it starts with by a file, as a cloud's machine is by its user data.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Request, Value, codec};

use crate::settings::Hosts;

/// A machine that stands for one that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Where it answers SSH.
    pub(crate) ssh: String,
    /// What it is told, which is there for as long as the machine that it stands for.
    file: PathBuf,
}

impl Host {
    /// The host of a number, from 1, round and round.
    pub(crate) fn of(hosts: &Hosts, number: u64) -> Option<Self> {
        let count = u64::try_from(hosts.ssh.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(number.saturating_sub(1) % count).ok()?;
        let file = Path::new(&hosts.directory).join(format!("{index}.json"));
        Some(Self { ssh: hosts.ssh.get(index)?.clone(), file })
    }

    /// Starts it as the machine of an id: it finds who it is in its file, which only its owner may read.
    pub(crate) fn start(&self, id: &str, request: &Request) -> Result<(), ProviderError> {
        let Request { spec, name, .. } = request;
        let said = |value: Option<&Value>| value.and_then(codec::reveal).unwrap_or_default();
        let text = json!({
            "id": id, "name": name, "ssh": said(spec.get("ssh")), "env": said(spec.get("env")),
            "user_data": said(spec.get("user_data")), "check": said(request.check.as_ref()),
            "left": self.left(id),
        })
        .to_string();
        let part = self.file.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
        let written = opened.and_then(|mut part| part.write_all(text.as_bytes()));
        let written = written.and_then(|()| std::fs::rename(&part, &self.file));
        written.map_err(|error| {
            let message = format!("the file of a host, {}, can't be written: {error}", self.file.display());
            ProviderError::new(Class::Conflict, message).code("HostUnavailable")
        })
    }

    /// Ends it as the machine of an id, if it is still that one.
    pub(crate) fn end(&self, id: &str) {
        let read = std::fs::read(&self.file).ok().and_then(|text| serde_json::from_slice::<Json>(&text).ok());
        if read.is_some_and(|read| read["id"] == id) {
            // One that is gone has ended.
            let _ = std::fs::remove_file(&self.file);
            let _ = std::fs::remove_file(self.left(id));
        }
    }

    /// What the machine of an id has left; none where there is nothing yet.
    pub(crate) fn read_left(&self, id: &str) -> Option<Vec<u8>> {
        std::fs::read(self.left(id)).ok()
    }

    /// Where that is, beside its file: for each machine another place.
    fn left(&self, id: &str) -> PathBuf {
        let number = id.rsplit('/').next().unwrap_or(id);
        self.file.with_extension(format!("{number}.left"))
    }
}
