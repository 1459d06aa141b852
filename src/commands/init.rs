//! `trueup init`: a commented blueprint to start from.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use trueup_engine::blueprint::{Catalog, name_from};

use crate::arguments::{DEFAULT_BLUEPRINT, InitArgs, Starter};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

/// What stands in a starter for the blueprint's name.
const NAME: &str = "blueprint: starter\n";

pub(super) fn run(arguments: &InitArgs, json: bool) -> Result<Exit, Failure> {
    let catalog = Workplace::here(1)?.catalog;
    let (provider, text) = starter(arguments.provider);
    let name = name_of(&arguments.directory);
    let path = write(&arguments.directory, &text.replacen(NAME, &format!("blueprint: {name}\n"), 1))?;
    let missing = missing(provider, &catalog);
    if json {
        draw::json(&json!({ "written": path, "blueprint": name, "provider": provider, "missing": missing }));
    } else {
        draw::put(&draw::next_steps(&path, missing.as_deref()));
    }
    Ok(Exit::Done)
}

fn starter(provider: Starter) -> (&'static str, &'static str) {
    match provider {
        Starter::Local => ("local", include_str!("../starters/local.yaml")),
        Starter::Aws => ("aws", include_str!("../starters/aws.yaml")),
        Starter::Gcp => ("gcp", include_str!("../starters/gcp.yaml")),
    }
}

/// The name of the directory, as a blueprint's.
fn name_of(directory: &Path) -> String {
    let whole = fs::canonicalize(directory).or_else(|_| std::path::absolute(directory));
    let name = whole.ok().and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    name_from(&name.unwrap_or_default())
}

/// Writes the file, which must not be there.
fn write(directory: &Path, text: &str) -> Result<PathBuf, Failure> {
    let path = directory.join(DEFAULT_BLUEPRINT);
    let fail = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists if path.symlink_metadata().is_ok() => {
            Failure::new(format!("{} is there already, and was left as it is", path.display()))
                .help("go on with `trueup validate`, or name another directory: `trueup init DIRECTORY`")
        }
        _ => Failure::new(format!("{} can't be written: {error}", path.display()))
            .help("name a directory that this user may write to: `trueup init DIRECTORY`"),
    };
    fs::create_dir_all(directory).map_err(fail)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    // `./blueprint.yaml` is `blueprint.yaml`.
    Ok(path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path))
}

/// Why a blueprint for a provider can't be used yet, if it can't.
fn missing(provider: &str, catalog: &Catalog) -> Option<String> {
    if catalog.providers.contains_key(provider) {
        return None;
    }
    Some(match catalog.left_out.get(provider) {
        Some(command) => format!("The provider `{provider}` is not built into this program. Build it in: {command}"),
        None => format!("This version of Trueup has no provider `{provider}` yet: `trueup validate` will say so."),
    })
}
