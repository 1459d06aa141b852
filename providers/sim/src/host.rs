//! Machines that stand for those that are made: each is told what it starts with by a file, as a cloud's machine is by its user data.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Request, Value, codec};

use crate::settings::Hosts;

/// What a machine leaves, beside its file: of each machine another one.
fn left(file: &Path, id: &str) -> PathBuf {
    let number = id.rsplit('/').next().unwrap_or(id);
    file.with_extension(format!("{number}.left"))
}

/// What a machine has left; none where there is nothing yet.
pub(crate) fn read_left(notes: &Json, id: &str) -> Option<Vec<u8>> {
    std::fs::read(left(Path::new(notes["host_file"].as_str()?), id)).ok()
}

/// The address at which a machine of a number, from 1, answers, and its file.
pub(crate) fn of(hosts: &Hosts, number: u64) -> Option<(String, PathBuf)> {
    let count = u64::try_from(hosts.ssh.len()).ok().filter(|count| *count > 0)?;
    let index = usize::try_from(number.saturating_sub(1) % count).ok()?;
    let file = Path::new(&hosts.directory).join(format!("{index}.json"));
    Some((hosts.ssh.get(index)?.clone(), file))
}

/// Starts a machine: it finds who it is in its file, which only its owner may read.
pub(crate) fn start(file: &Path, id: &str, request: &Request) -> Result<(), ProviderError> {
    let Request { spec, name, .. } = request;
    let said = |value: Option<&Value>| value.and_then(codec::reveal).unwrap_or_default();
    let text = json!({
        "id": id, "name": name, "ssh": said(spec.get("ssh")), "env": said(spec.get("env")),
        "user_data": said(spec.get("user_data")), "check": said(request.check.as_ref()),
        "left": left(file, id),
    })
    .to_string();
    let part = file.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
    let written = opened.and_then(|mut part| part.write_all(text.as_bytes()));
    let written = written.and_then(|()| std::fs::rename(&part, file));
    written.map_err(|error| {
        let message = format!("the file of a host, {}, can't be written: {error}", file.display());
        ProviderError::new(Class::Conflict, message).code("HostUnavailable")
    })
}

/// Ends the machine of an object, if its host is still its own.
pub(crate) fn end(id: &str, notes: &Json) {
    let Some(file) = notes["host_file"].as_str() else { return };
    let read = std::fs::read(file).ok().and_then(|text| serde_json::from_slice::<Json>(&text).ok());
    if read.is_some_and(|read| read["id"] == id) {
        // One that is gone has ended.
        let _ = std::fs::remove_file(file);
        let _ = std::fs::remove_file(left(Path::new(file), id));
    }
}
