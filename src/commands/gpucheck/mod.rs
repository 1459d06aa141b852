//! `trueup gpucheck`: has the GPUs of this machine measured and judged, by a program of its own; or those of a machine that was made.

mod made;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::GpucheckArgs;
use crate::exit::{Exit, Failure};
use crate::workplace::measurer;

pub(super) use made::{Examined, examine};

/// The name of the program, and what makes it.
const NAME: &str = "gpucheck";
const HELP: &str =
    "`cargo build -p trueup-gpucheck` makes it; where it is elsewhere, say so by `--gpucheck-program FILE`";

pub(super) async fn run(arguments: &GpucheckArgs, json: bool) -> Result<Exit, Failure> {
    if !arguments.what.is_empty() {
        return made::run(arguments, json).await;
    }
    let program = program(arguments.gpucheck_program.as_deref())?;
    let cannot =
        |error: std::io::Error| Failure::new(format!("{} can't be run: {error}", program.display())).help(HELP);
    // Heard from before there is anything that it could leave behind.
    let end = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut command = Command::new(&program);
    command.args(arguments.words()).args(json.then_some("--json")).kill_on_drop(true);
    let child = command.spawn().map_err(cannot)?;
    let status = wait(child, end).await?.map_err(cannot)?;
    exit(&program, status)
}

/// Where the program is: where it was said to be, else beside this one.
fn program(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = measurer(named);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!("the program {NAME} was looked for at {}, and is not there", path.display())).help(HELP))
}

/// Waits for its end. A terminal's Ctrl-C reaches both, and ends both; who ends this process alone must not leave GPUs burning.
async fn wait(mut child: Child, mut end: Signal) -> Result<std::io::Result<ExitStatus>, Failure> {
    tokio::select! {
        status = child.wait() => Ok(status),
        _ = end.recv() => Err(Failure::new(format!("{NAME} was ended before it was done: Trueup was told to end"))),
    }
}

/// How this program ends: as that one did, if its end means something.
fn exit(program: &Path, status: ExitStatus) -> Result<Exit, Failure> {
    let known = [Exit::Done, Exit::Error, Exit::Changes, Exit::Failed];
    let same = known.into_iter().find(|exit| status.code() == Some(*exit as i32));
    same.ok_or_else(|| Failure::new(format!("{} ended without a judgement: {status}", program.display())))
}
