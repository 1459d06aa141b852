//! `trueup schedule print`: what runs a drift correction again and again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use trueup_state::Value;

use super::{Loaded, load};
use crate::arguments::{ScheduleCommand, SchedulePrintArgs, Scheduler};
use crate::draw;
use crate::draw::schedule::{File, Schedule};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::workplace::Workplace;

pub(super) fn run(command: &ScheduleCommand, json: bool) -> Result<Exit, Failure> {
    let ScheduleCommand::Print(arguments) = command;
    let schedule = schedule(arguments)?;
    let files = draw::schedule::files(arguments.scheduler, &schedule);
    if let Some(directory) = &arguments.out {
        write(directory, &files)?;
    }
    if json {
        let file = |file: &File| json!({ "name": file.name, "place": file.place, "text": file.text });
        draw::json(&json!({ "files": files.iter().map(file).collect::<Vec<_>>() }));
    } else if let Some(directory) = &arguments.out {
        for file in &files {
            draw::put(&format!("{} is written.\n", draw::safe::line(directory.join(&file.name).display())));
        }
    } else {
        draw::put_value(&draw::schedule::text(&files));
    }
    Ok(Exit::Done)
}

/// What is to run: the same as here, in this directory, with what was given here.
fn schedule(arguments: &SchedulePrintArgs) -> Result<Schedule, Failure> {
    // What can't be loaded here can't be run there.
    let Loaded { program, stack } = load(&Workplace::here(1)?, &arguments.stack)?;
    let cannot = |error: std::io::Error| Failure::new(format!("the working directory can't be used: {error}"));
    let directory = std::env::current_dir().map_err(cannot)?;
    let about = std::fs::metadata(&directory).map_err(cannot)?;
    let name = name_of(&["trueup-drift", &stack.blueprint, &stack.environment]);
    let is_local = program.resources.values().any(|resource| resource.provider.provider() == "local");
    Ok(Schedule {
        stack: stack.to_string(),
        program: text(&executable(arguments)?)?,
        arguments: words(arguments, &program.variables, &directory)?,
        directory: text(&directory)?,
        owner: (about.uid(), about.gid()),
        machine: if is_local { machine().map(|path| text(&path)).transpose()? } else { None },
        secrets: from_environment(arguments)?,
        every: arguments.every,
        image: arguments.image.clone().unwrap_or_default(),
        claim: arguments.claim.clone().unwrap_or_else(|| name.clone()),
        runner: arguments.runner.clone(),
        name,
    })
}

/// A name of small letters, digits and `-`, as every form takes it.
fn name_of(parts: &[&str]) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    parts.join("-").chars().map(letter).collect()
}

/// Where the program is: for Kubernetes in the image, else where this one is.
fn executable(arguments: &SchedulePrintArgs) -> Result<PathBuf, Failure> {
    match &arguments.program {
        Some(path) if path.is_absolute() => Ok(path.clone()),
        Some(path) => Err(Failure::new(format!("`--program {}` is no absolute path", path.display()))),
        None if arguments.scheduler == Scheduler::Kubernetes => Ok("/usr/local/bin/trueup".into()),
        None => std::env::current_exe().map_err(|error| {
            Failure::new(format!("it is not known where this program is: {error}")).help("say it by `--program PATH`")
        }),
    }
}

/// The arguments: those of a correction, and what the blueprint was loaded with here. A secret may not stand among them.
fn words(
    arguments: &SchedulePrintArgs,
    variables: &trueup_state::Map,
    directory: &Path,
) -> Result<Vec<String>, Failure> {
    let inputs = &arguments.stack.inputs;
    let mut words = vec!["drift".to_owned(), text(&within(&arguments.stack.blueprint, directory))?];
    words.extend(inputs.env.iter().flat_map(|name| ["--env".to_owned(), name.clone()]));
    for file in &inputs.variable_files {
        words.extend(["--var-file".to_owned(), text(&within(file, directory))?]);
    }
    for pair in &inputs.variables {
        let name = pair.split('=').next().unwrap_or_default();
        if matches!(variables.get(name), Some(Value::Secret(_))) {
            let failure = Failure::new(format!(
                "the variable `{name}` is secret, and would stand in the schedule for all to read"
            ));
            return Err(failure.help(format!("give it by the environment: `TRUEUP_VAR_{name}`")));
        }
        words.extend(["--var".to_owned(), fit(pair)?]);
    }
    words.extend(["--correct".to_owned(), "--yes".to_owned()]);
    Ok(words)
}

/// A path as it is from the working directory where it is below it: a blueprint by another path would have other paths in it.
fn within(path: &Path, directory: &Path) -> PathBuf {
    path.strip_prefix(directory).unwrap_or(path).to_path_buf()
}

/// The variables that came from the environment, and the key where that does: there they have to come from it too.
fn from_environment(arguments: &SchedulePrintArgs) -> Result<Vec<String>, Failure> {
    let inputs = files::inputs(&arguments.stack.inputs)?;
    let given = inputs.variables.into_values().map(|given| given.origin);
    let mut names: Vec<String> = given.filter(|origin| origin.starts_with("TRUEUP_VAR_")).collect();
    names.extend(std::env::var_os("TRUEUP_KEY").map(|_| "TRUEUP_KEY".to_owned()));
    names.into_iter().map(|name| fit(&name)).collect()
}

/// Where the provider `local` has stacks of this user agree on ports and GPUs.
fn machine() -> Option<PathBuf> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("trueup"))
}

fn text(path: &Path) -> Result<String, Failure> {
    let Some(text) = path.to_str() else {
        return Err(Failure::new(format!("the path {} is no text, and can't stand in a schedule", path.display())));
    };
    fit(text)
}

/// A text that every form can hold.
fn fit(text: &str) -> Result<String, Failure> {
    if text.contains(draw::safe::is_obeyed) {
        return Err(Failure::new(format!("`{text}` has a control character, and can't stand in a schedule")));
    }
    Ok(text.to_owned())
}

fn write(directory: &Path, files: &[File]) -> Result<(), Failure> {
    for file in files {
        let path = directory.join(&file.name);
        std::fs::write(&path, &file.text)
            .map_err(|error| Failure::new(format!("{} can't be written: {error}", path.display())))?;
    }
    Ok(())
}
