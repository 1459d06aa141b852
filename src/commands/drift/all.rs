//! `trueup drift --all`: every blueprint below a directory that has a state, one after the other. What can't be looked at keeps
//! nothing else from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use trueup_engine::Planned;
use trueup_engine::blueprint::name_of;

use super::{exit_of, look, shown};
use crate::arguments::{DriftArgs, InputArgs, StackArgs};
use crate::commands::load;
use crate::draw;
use crate::draw::markdown::Looked;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::workplace::{Workplace, stack_of};

/// The directory that holds the state of what was applied beside it.
const HOME: &str = ".trueup";

/// A blueprint in an environment, or a file that can't be told to be one.
struct Entry {
    stack: String,
    /// From the directory that the command was given in.
    path: PathBuf,
    /// From the directory that the state is in.
    file: PathBuf,
    environment: Option<String>,
    /// That directory, where it is another one.
    home: Option<PathBuf>,
    found: Result<Box<Planned>, Failure>,
}

pub(super) async fn run(directory: &Path, arguments: &DriftArgs, json: bool) -> Result<Exit, Failure> {
    let here = std::env::current_dir().map_err(|error| cannot(Path::new("."), &error))?;
    let mut paths = Vec::new();
    blueprints(directory, &mut paths).map_err(|error| cannot(directory, &error))?;
    let mut entries = Vec::new();
    for path in paths {
        for home in homes(&here, directory, &path) {
            let within = here.join(&path);
            let within = within.strip_prefix(&home).unwrap_or(&path).to_path_buf();
            // State, key and paths are those of the working directory that the stack was applied in.
            std::env::set_current_dir(&home).map_err(|error| cannot(&home, &error))?;
            let found = look_at(&within, &path, arguments).await;
            std::env::set_current_dir(&here).map_err(|error| cannot(&here, &error))?;
            let other = (home != here).then(|| home.strip_prefix(&here).unwrap_or(&home).to_path_buf());
            entries.extend(found.into_iter().map(|entry| Entry { home: other.clone(), ..entry }));
        }
    }
    if entries.is_empty() {
        let failure = Failure::new(format!("no blueprint below {} has a state", directory.display()));
        return Err(failure.help("`trueup apply` makes one; it is kept in the directory that it is run in"));
    }
    draw_all(&entries, arguments, json);
    Ok(worst(&entries))
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} can't be used: {error}", path.display()))
}

/// The files that may be blueprints, those of each directory in order. What is hidden is left alone, and links are not followed.
fn blueprints(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if kind.is_dir() {
            blueprints(&path, found)?;
        } else if kind.is_file() && is_yaml {
            found.push(path.strip_prefix("./").unwrap_or(&path).to_path_buf());
        }
    }
    Ok(())
}

/// The directories that a blueprint may have been applied in: this one, and those around it that keep a state.
fn homes(here: &Path, directory: &Path, file: &Path) -> BTreeSet<PathBuf> {
    let top = here.join(directory);
    let file = here.join(file);
    let around = file.ancestors().skip(1).take_while(|path| path.starts_with(&top));
    let kept = around.filter(|path| path.join(HOME).is_dir()).map(Path::to_path_buf);
    kept.chain([here.to_path_buf()]).collect()
}

/// The stacks of one file in the working directory. `path`: the file as it is shown.
async fn look_at(file: &Path, path: &Path, arguments: &DriftArgs) -> Vec<Entry> {
    let Ok(text) = files::read_text(file) else { return Vec::new() };
    let name = match name_of(&text) {
        Ok(name) => name,
        // A file of something else is none of ours.
        Err(_) if !text.lines().any(|line| line.starts_with("blueprint:")) => return Vec::new(),
        Err(reason) => {
            let failure = Failure::new(format!("{}: {reason}", path.display()));
            return vec![entry(path.display().to_string(), file, path, None, Err(failure))];
        }
    };
    let mut entries = Vec::new();
    for environment in environments(&text, arguments) {
        let stack = stack_of(name.clone(), environment.clone(), file);
        if let Some(found) = look_in(file, environment.clone(), &stack, arguments).await {
            entries.push(entry(stack.to_string(), file, path, environment, found));
        }
    }
    entries
}

fn entry(
    stack: String,
    file: &Path,
    path: &Path,
    environment: Option<String>,
    found: Result<Planned, Failure>,
) -> Entry {
    let (file, path) = (file.to_path_buf(), path.to_path_buf());
    Entry { stack, path, file, environment, home: None, found: found.map(Box::new) }
}

/// The environments that a blueprint may have been applied in.
fn environments(text: &str, arguments: &DriftArgs) -> Vec<Option<String>> {
    if let Some(environment) = &arguments.stack.inputs.env {
        return vec![Some(environment.clone())];
    }
    let whole: serde_json::Value = serde_yaml::from_str(text).unwrap_or_default();
    let declared = whole.get("environments").and_then(serde_json::Value::as_object);
    let declared = declared.into_iter().flatten().map(|(name, _)| Some(name.clone()));
    std::iter::once(None).chain(declared.filter(|name| name.as_deref() != Some("default"))).collect()
}

/// What is different of one stack; none where it has no state.
async fn look_in(
    file: &Path,
    environment: Option<String>,
    stack: &trueup_state::Stack,
    arguments: &DriftArgs,
) -> Option<Result<Planned, Failure>> {
    let workplace = match Workplace::here(arguments.run.parallelism) {
        Ok(workplace) => workplace,
        Err(failure) => return Some(Err(failure)),
    };
    match workplace.engine.store.snapshot(stack).await {
        Ok(snapshot) if snapshot.state.is_none() => return None,
        Ok(_) => {}
        Err(error) => return Some(Err(error.into())),
    }
    let inputs = InputArgs { env: environment, ..InputArgs::default() };
    let loaded = match load(&workplace, &StackArgs { blueprint: file.to_path_buf(), inputs }) {
        Ok(loaded) => loaded,
        Err(failure) => return Some(Err(failure)),
    };
    Some(look(&workplace, &loaded).await)
}

fn draw_all(entries: &[Entry], arguments: &DriftArgs, json: bool) {
    if json {
        let one = |entry: &Entry| {
            let drift = entry.found.as_ref().ok().map(|found| draw::terraform::plan(&found.plan, Some(&found.program)));
            let error = entry.found.as_ref().err().map(draw::failure_json);
            json!({ "stack": entry.stack, "file": entry.path, "drift": drift, "error": error })
        };
        return draw::json(&json!({ "stacks": entries.iter().map(one).collect::<Vec<_>>() }));
    }
    let looked: Vec<Looked<'_>> = entries
        .iter()
        .map(|entry| Looked {
            stack: entry.stack.clone(),
            file: entry.file.clone(),
            environment: entry.environment.clone(),
            home: entry.home.clone(),
            found: entry.found.as_ref().map(|found| &found.plan),
        })
        .collect();
    if arguments.markdown {
        return draw::put_value(&draw::markdown::all(&looked));
    }
    for entry in entries {
        match &entry.found {
            Ok(found) => draw::put(&format!("{}\n", draw::plan::drift(&shown(found, arguments)))),
            Err(failure) => {
                draw::note(&format!("{} ({})", draw::safe::line(&entry.stack), draw::safe::line(entry.path.display())));
                draw::failure(failure);
                draw::note("");
            }
        }
    }
    draw::put(&draw::markdown::summary(&looked));
}

/// What one report of all ends with: that something could not be looked at weighs more than what was found.
fn worst(entries: &[Entry]) -> Exit {
    let exits = entries.iter().map(|entry| entry.found.as_ref().map_or(Exit::Error, |found| exit_of(found)));
    let weight = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::Changes => 1,
        _ => 2,
    };
    exits.max_by_key(weight).unwrap_or(Exit::Done)
}
