//! `gpucheck`: measures the GPUs of this machine, judges them and says so.

mod arguments;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use trueup_gpucheck::child::{Supervised, supervise};
use trueup_gpucheck::events::{Event, Listener};
use trueup_gpucheck::judge::{Baseline, Judgement, Rules, Verdict, judge};
use trueup_gpucheck::measure::{self, Asked};
use trueup_gpucheck::report::{FORMAT, Report};
use trueup_gpucheck::{svg, table};

use crate::arguments::{Action, Arguments, Measure, Output, Progress, Required};

const ERROR: u8 = 1;
const FAILED: u8 = 2;
const ABSENT: u8 = 3;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { ERROR } else { 0 });
        }
    };
    let done = match &arguments.action {
        Some(Action::Child(measure)) => return be_the_child(measure),
        Some(Action::Judge { report, required, output }) => judge_file(report, required, output),
        None => check(&arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            let _ = writeln!(anstream::stderr(), "gpucheck: {message}");
            ExitCode::from(ERROR)
        }
    }
}

/// Measures in a process of its own, judges and prints.
fn check(arguments: &Arguments) -> Result<u8, String> {
    let rules = arguments.required.rules()?;
    for path in arguments.output.svg.iter().chain(&arguments.output.store_baseline) {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !directory.is_dir() {
            return Err(format!("{} can't be written: there is no directory {}", path.display(), directory.display()));
        }
    }
    let program = std::env::current_exe().map_err(|error| format!("where this program is can't be told: {error}"))?;
    let mut command = Command::new(program);
    command.arg("child").args(arguments.measure.again());
    let limit = Duration::from_secs(arguments.measure.limit());
    let started = now();
    let mut progress = |event: &Event| tell_progress(arguments.progress, event);
    let supervised = supervise(command, arguments.measure.level(), limit, &mut progress);
    match supervised.map_err(|error| format!("the measuring process can't be started: {error}"))? {
        Supervised::Absent(reason) => {
            let _ = writeln!(anstream::stderr(), "gpucheck: nothing to check: {reason}");
            Ok(ABSENT)
        }
        Supervised::Measured(mut report) => {
            report.started = started;
            conclude(&report, &rules, &arguments.output)
        }
    }
}

/// Judges a report of before.
fn judge_file(path: &Path, required: &Required, output: &Output) -> Result<u8, String> {
    let rules = required.rules()?;
    let read = |error: &dyn std::fmt::Display| format!("{} can't be read as a report: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| read(&error))?;
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(|error| read(&error))?;
    // What `--json` prints has it beside its judgement.
    let value = match value.get_mut("report") {
        Some(inner) => inner.take(),
        None => value,
    };
    let report: Report = serde_json::from_value(value).map_err(|error| read(&error))?;
    if report.format != FORMAT {
        return Err(read(&format!("it has form {}, and this program knows form {FORMAT}", report.format)));
    }
    conclude(&report, &rules, output)
}

/// Judges, prints and stores.
fn conclude(report: &Report, rules: &Rules, output: &Output) -> Result<u8, String> {
    let judgement = judge(report, rules);
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(|error| format!("{} can't be written: {error}", path.display()))
    };
    print(report, &judgement, output.json)?;
    if let Some(path) = &output.svg {
        write(path, &svg::svg(report, &judgement))?;
    }
    if let Some(path) = &output.store_baseline {
        let baseline = Baseline::of(report, &judgement).map_err(|error| error.to_string())?;
        write(path, &(serde_json::to_string_pretty(&baseline).map_err(|error| error.to_string())? + "\n"))?;
    }
    Ok(if judgement.verdict == Verdict::Fail { FAILED } else { 0 })
}

fn print(report: &Report, judgement: &Judgement, json: bool) -> Result<(), String> {
    let text = if json {
        let both = serde_json::json!({ "judgement": judgement, "report": report });
        serde_json::to_string_pretty(&both).map_err(|error| error.to_string())? + "\n"
    } else {
        table::table(report, judgement)
    };
    anstream::stdout().write_all(text.as_bytes()).map_err(|error| format!("the report can't be printed: {error}"))
}

/// One line for each step, on standard error.
fn tell_progress(progress: Progress, event: &Event) {
    let line = match (progress, event) {
        (Progress::None, _) | (_, Event::Report { .. }) => return,
        (Progress::Json, event) => serde_json::to_string(event).unwrap_or_default(),
        (Progress::Plain, Event::Begin { step, done, of }) => format!("[{}/{of}] {step}", done + 1),
        (Progress::Plain, Event::Tick { step, seconds, of }) => format!("{step}: {seconds:.0} of {of:.0} s"),
        (Progress::Plain, _) => return,
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Tells events on standard output, and ends when nobody listens any more.
fn be_the_child(measure: &Measure) -> ExitCode {
    // What panics is caught and told as an event.
    std::panic::set_hook(Box::new(|_| ()));
    // By hand, standard input is a terminal, or nothing.
    if !std::io::stdin().is_terminal() {
        std::thread::spawn(|| {
            let _ = std::io::stdin().lock().skip_until(b'\0');
            std::process::exit(i32::from(ERROR));
        });
    }
    measure::run(
        Asked { level: measure.level(), burn_seconds: measure.burn_seconds() },
        &Lines(Mutex::new(std::io::stdout())),
    );
    ExitCode::SUCCESS
}

/// Events as lines of JSON.
struct Lines(Mutex<std::io::Stdout>);

impl Listener for Lines {
    fn tell(&self, event: Event) {
        let line = serde_json::to_string(&event).unwrap_or_default() + "\n";
        let mut output = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let told = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        if told.is_err() {
            std::process::exit(i32::from(ERROR));
        }
    }
}

/// The time, for the report alone.
#[allow(clippy::disallowed_methods)] // The program's only look at a clock.
fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}
