//! Files as the engine reads them, and variables as they are given from outside.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use trueup_engine::blueprint::{Given, Inputs, Loader, MAX_BYTES};
use trueup_state::Value;

use crate::arguments::InputArgs;
use crate::exit::Failure;
use crate::workplace::DEFAULT_ENVIRONMENT;

/// Reads the file system.
pub(crate) struct Disk;

impl Loader for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
    }
}

/// A path as it is given, relative to the working directory where it is below it: however a blueprint is named, what is recorded of its
/// paths stays the same.
#[expect(clippy::unnecessary_wraps, reason = "what reads an argument may refuse it")]
pub(crate) fn from_here(given: &str) -> Result<PathBuf, std::convert::Infallible> {
    let path = Path::new(given);
    let here = std::env::current_dir().ok();
    let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    Ok(below.filter(|path| !path.as_os_str().is_empty()).unwrap_or(path).to_path_buf())
}

/// Opens a file. What is none is refused before: to open a pipe may wait for ever, and a device may never end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file, but a pipe or a device"));
    }
    File::open(path)
}

/// All of a file, however long it is.
pub(crate) fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that its owner alone can read, replacing what was there only once it is whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let draft = path.with_file_name(name);
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })
}

/// The bytes of a file, at most one more than a blueprint may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file, with the same limits.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    if bytes.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 10 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// The prefix of the environment variables that set variables.
const PREFIX: &str = "TRUEUP_VAR_";

/// What a blueprint is loaded with: `TRUEUP_VAR_name`, over it `--var-file`, over it `--var`.
pub(crate) fn inputs(arguments: &InputArgs) -> Result<Inputs, Failure> {
    // `default` is what the environment is called where none is chosen.
    let environment = arguments.env.clone().filter(|name| name != DEFAULT_ENVIRONMENT);
    let mut inputs = Inputs { environment, ..Inputs::default() };
    for (name, text) in std::env::vars_os() {
        let Some((variable, name)) = name.to_str().and_then(|name| Some((name.strip_prefix(PREFIX)?, name))) else {
            continue;
        };
        let text = text.into_string().map_err(|_| Failure::new(format!("the text of {name} is not UTF-8")))?;
        let given = Given { value: Value::String(text), is_text: true, origin: name.to_owned() };
        inputs.variables.insert(variable.to_owned(), given);
    }
    for path in &arguments.variable_files {
        for (name, value) in read_variables(path)? {
            let given = Given { value, is_text: false, origin: path.display().to_string() };
            inputs.variables.insert(name, given);
        }
    }
    for pair in &arguments.variables {
        let Some((name, text)) = pair.split_once('=') else {
            // It is not repeated: it may be the value, and secret.
            return Err(Failure::new("a `--var` has no `=`, and so no value").help("write `--var name=value`"));
        };
        let given = Given { value: text.into(), is_text: true, origin: "--var".to_owned() };
        inputs.variables.insert(name.to_owned(), given);
    }
    Ok(inputs)
}

fn read_variables(path: &Path) -> Result<Vec<(String, Value)>, Failure> {
    let fail = |reason: String| Failure::new(format!("{} can't be used: {reason}", path.display()));
    let text = read_text(path).map_err(|error| fail(error.to_string()))?;
    match trueup_engine::blueprint::plain_values(&text) {
        Ok(Value::Map(map)) => Ok(map.into_iter().collect()),
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(_) => Err(fail("it does not hold a map of variables".to_owned()).help("write `name: value`, one a line")),
        Err(reason) => Err(fail(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("endless")).unwrap();
        for (path, kind) in [
            (directory.path().to_owned(), io::ErrorKind::IsADirectory),
            (at("pipe"), io::ErrorKind::InvalidInput),
            ("/dev/zero".into(), io::ErrorKind::InvalidInput),
            (at("endless"), io::ErrorKind::InvalidInput),
            (at("nothing"), io::ErrorKind::NotFound),
        ] {
            assert_eq!(Disk.read(&path).unwrap_err().kind(), kind, "{}", path.display());
            assert_eq!(read_text(&path).unwrap_err().kind(), kind, "{}", path.display());
        }
        let error = Disk.read(&at("loop")).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn no_more_of_a_file_is_read_than_may_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_BYTES as u64 * 100).unwrap();
        assert_eq!(Disk.read(file.path()).unwrap().len(), MAX_BYTES + 1);
        assert_eq!(read_text(file.path()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
