//! `trueup adopt --from-terraform`: writes a blueprint of what Terraform manages, and takes that under management.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use trueup_engine::blueprint::name_from;
use trueup_engine::blueprint::terraform::{Draft, draft, read};
use trueup_engine::by_hand::Which;

use crate::arguments::{AdoptArgs, StackArgs};
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;
use crate::{draw, files};

/// What a blueprint is called whose file has no name to go by.
const NAME: &str = "terraform";

pub(super) async fn run(arguments: &AdoptArgs, state: &Path, json: bool) -> Result<Exit, Failure> {
    let bytes =
        files::read_all(state).map_err(|error| Failure::new(format!("{} can't be read: {error}", state.display())))?;
    let theirs =
        read(&bytes).map_err(|error| Failure::new(format!("{}: {error}", state.display())).help(error.help()))?;
    let out = arguments.out.as_deref();
    if let Some(out) = out {
        must_be_free(out)?;
    }
    let workplace = Workplace::here(1)?;
    let drafted = draft(&workplace.engine.providers, &theirs, &name(out)).await;
    let drafted = drafted.map_err(|(name, error)| Failure::new(format!("the provider `{name}`: {error}")))?;
    let Some(out) = out else {
        if json {
            draw::json(&draw::adopt::draft_json(&drafted));
        } else {
            draw::put(&drafted.text);
            draw::note(&draw::adopt::drafted(&drafted));
            draw::note("Nothing was adopted: with `--out FILE` it is written there, and adopted.");
        }
        return Ok(Exit::Done);
    };
    write(out, &drafted.text)?;
    if !json {
        draw::put(&format!("Written: {}\n{}", out.display(), draw::adopt::drafted(&drafted)));
    }
    take(arguments, &workplace, drafted, out, json).await
}

/// Adopts all of it.
async fn take(
    arguments: &AdoptArgs,
    workplace: &Workplace,
    drafted: Draft,
    out: &Path,
    json: bool,
) -> Result<Exit, Failure> {
    let stack = StackArgs { blueprint: out.to_path_buf(), inputs: arguments.inputs.clone() };
    let taken = super::take(arguments, workplace, &stack, Which::Ids(drafted.ids.clone()), json).await;
    taken.map_err(|failure| match &failure.help {
        Some(_) => failure,
        None => failure.help(format!("{} stays: `trueup adopt ADDRESS --id ID {}`", out.display(), out.display())),
    })
}

/// The blueprint's name: its file's.
fn name(out: Option<&Path>) -> String {
    let stem = out.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    name_from(stem.as_deref().filter(|stem| *stem != "blueprint").unwrap_or(NAME))
}

fn must_be_free(out: &Path) -> Result<(), Failure> {
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    let failure = Failure::new(format!("{} is there already, and was left as it is", out.display()));
    Err(failure.help("name another file; its resources can be moved into a blueprint of yours"))
}

/// Writes the file, which must not be there.
fn write(out: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::new(format!("{} can't be written: {error}", out.display()));
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return must_be_free(out),
        other => other.map_err(fail)?,
    };
    file.write_all(text.as_bytes()).map_err(fail)
}
