//! One file a command, each from its arguments to what it shows.

mod adopt;
mod apply;
mod ask;
mod drift;
mod explain;
mod gpucheck;
mod graph;
mod init;
mod output;
mod plan;
mod schedule;
mod schema;
#[cfg(feature = "sim")]
mod sim;
mod state;
mod unlock;
mod validate;

use clap::CommandFactory;

use crate::arguments::{Arguments, Command, Format, StackArgs, StateArgs};
use crate::exit::{Exit, Failure};
use crate::workplace::{Workplace, stack as stack_of_program, stack_of};
use crate::{draw, files};
use trueup_engine::blueprint::{Program, name_of};
use trueup_engine::diagnostic::Diagnostic;
use trueup_state::{Serial, Snapshot, Stack, State};

/// Runs a command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let format = arguments.format();
    let json = format == Format::Json;
    if matches!(format, Format::Dot | Format::Svg) && !matches!(arguments.command, Command::Graph(_)) {
        return Err(Failure::new("only `trueup graph` draws").help("leave `--format` out, or write `--format json`"));
    }
    match arguments.command {
        Command::Init(arguments) => init::run(&arguments, json),
        Command::Validate(arguments) => validate::run(&arguments, json),
        Command::Plan(arguments) => plan::run(&arguments, json).await,
        Command::Show(arguments) => plan::show(&arguments, json),
        Command::Apply(arguments) => apply::run(&arguments, json).await,
        Command::Adopt(arguments) => adopt::run(&arguments, json).await,
        Command::Destroy(arguments) => apply::destroy(&arguments, json).await,
        Command::Drift(arguments) => drift::run(&arguments, json).await,
        Command::Output(arguments) => output::run(&arguments, json).await,
        Command::Graph(arguments) => graph::run(&arguments, format).await,
        Command::Gpucheck(arguments) => gpucheck::run(&arguments, json).await,
        Command::State(command) => state::run(&command, json).await,
        Command::Schedule(command) => schedule::run(&command, json),
        #[cfg(feature = "sim")]
        Command::Sim(command) => sim::run(&command, json).await,
        Command::Unlock(arguments) => unlock::run(&arguments, json).await,
        Command::Explain(arguments) => explain::run(&arguments, json).await,
        Command::Schema => schema::run(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "trueup", &mut text);
            draw::put(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
    }
}

/// A loaded blueprint and its stack.
struct Loaded {
    program: Program,
    stack: Stack,
}

fn load(workplace: &Workplace, arguments: &StackArgs) -> Result<Loaded, Failure> {
    let since = workplace.engine.clock.uptime();
    let program = workplace.load(&arguments.blueprint, &files::inputs(&arguments.inputs)?)?;
    workplace.engine.tell_phase("load", since);
    let stack = stack_of_program(&program, &arguments.blueprint);
    workplace.desk.is_of(&stack);
    Ok(Loaded { program, stack })
}

/// Loads a blueprint, and reads the state of its stack meanwhile.
async fn load_beside_state(workplace: &Workplace, arguments: &StackArgs) -> Result<(Loaded, Snapshot), Failure> {
    let inputs = files::inputs(&arguments.inputs)?;
    let (engine, path) = (&workplace.engine, arguments.blueprint.clone());
    // A file that has no name has no stack, and loading says what is wrong with it.
    let name = files::read_text(&path).ok().and_then(|text| name_of(&text).ok());
    let named = name.map(|name| stack_of(name, inputs.environment.clone(), &path));
    let since = engine.clock.uptime();
    let read = async |stack: &Stack| {
        let snapshot = engine.store.snapshot(stack).await;
        engine.tell_phase("state", since);
        snapshot
    };
    let reading = async {
        match &named {
            Some(stack) => Some(read(stack).await),
            None => None,
        }
    };
    let (program, snapshot) = tokio::join!(workplace.load_aside(path.clone(), inputs), reading);
    let program = program?;
    let stack = stack_of_program(&program, &arguments.blueprint);
    // The file may have been given another name in between.
    let snapshot = match snapshot.filter(|_| named.as_ref() == Some(&stack)) {
        Some(snapshot) => snapshot,
        None => read(&stack).await,
    };
    Ok((Loaded { program, stack }, snapshot?))
}

/// Warns of another file with the same name, which shares the state: to apply one would delete what the other made.
fn warn_of_twin(loaded: &Loaded, snapshot: &Snapshot, json: bool) {
    let Some(other) = snapshot.file.as_ref().filter(|file| **file != loaded.stack.file) else { return };
    let same = |text: String| name_of(&text).is_ok_and(|name| name == loaded.stack.blueprint);
    // A file that was moved is no longer there.
    if !files::read_text(other).is_ok_and(same) {
        return;
    }
    let (name, other, this) = (&loaded.stack.blueprint, other.display(), loaded.stack.file.display());
    let problem =
        Diagnostic::warning(format!("{other} and {this} are both the blueprint `{name}`, and share one state"));
    let help = format!("give one of them another name, or remove {other}: what only that file has is deleted here");
    draw::warnings(&loaded.program.sources, &[problem.help(help)], json);
}

/// The stack of a blueprint's file, of which only the name is read: its variables need not be given.
fn stack_only(arguments: &StateArgs) -> Result<Stack, Failure> {
    let path = &arguments.blueprint;
    let text = files::read_text(path).map_err(|error| {
        let failure = Failure::new(format!("{} can't be read: {error}", path.display()));
        failure.help("name the blueprint's file as the last argument")
    })?;
    let name = name_of(&text).map_err(|reason| Failure::new(format!("{}: {reason}", path.display())))?;
    Ok(stack_of(name, arguments.env.clone(), path))
}

/// What can't go on without the key that secrets were sealed for.
fn no_key(what: &str) -> Failure {
    let failure = Failure::new(format!("{what} has secrets that are sealed for a key that is not here"));
    failure.help("set TRUEUP_KEY to that key, or to the path of a file with it")
}

/// The state of a stack, or an error that says that there is none.
async fn state_of(workplace: &Workplace, stack: &Stack) -> Result<(State, String), Failure> {
    let snapshot = workplace.engine.store.snapshot(stack).await?;
    let location = snapshot.location.clone();
    match snapshot.state {
        Some(state) => Ok((state, location)),
        None => Err(Failure::new(format!("{stack} has no state in {location}")).help("`trueup apply` makes it")),
    }
}

/// Where the state of a plan is and how far it has come, for its heading.
struct Standing {
    location: String,
    serial: Serial,
}
