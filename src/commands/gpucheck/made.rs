//! `trueup gpucheck ADDRESS`: a machine that was made, checked at any time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use trueup_checks::{Checked, GpuCheck};
use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_engine::provider::ProviderError;
use trueup_engine::{EngineError, by_hand};
use trueup_state::clock::SystemEntropy;
use trueup_state::{Address, Record, Value, codec};

use super::super::{Loaded, load, state_of};
use super::{exit, program};
use crate::arguments::{DEFAULT_BLUEPRINT, GpucheckArgs, StackArgs};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::files::from_here;
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &GpucheckArgs, json: bool) -> Result<Exit, Failure> {
    let (address, stack) = asked(arguments)?;
    let mut workplace = Workplace::here(1)?;
    let check = workplace.measure_by(arguments.gpucheck_program.as_deref());
    let loaded = load(&workplace, &stack)?;
    let (state, _) = state_of(&workplace, &loaded.stack).await?;
    let record = by_hand::recorded(&state, &address).map_err(EngineError::from)?;
    if record.kind.as_str() != GpuInstance::NAME {
        return Err(Failure::new(format!("{address} is a {}, and has no GPUs to check", record.kind)));
    }
    let asked = validate(arguments, &loaded, &address)?;
    let examined = examine(&check, record, &asked, json).await;
    match examined.found {
        Ok(checked) if checked.printed.is_null() => {
            Err(Failure::new(format!("{address}: {}", checked.message.unwrap_or_default())).exit(Exit::Failed))
        }
        Ok(checked) => print(arguments, record, &asked, &checked, json).await,
        Err(error) => Err(Failure::new(format!("{address} could not be checked: {error}"))),
    }
}

/// The machine that is asked for, and the blueprint that it is of.
fn asked(arguments: &GpucheckArgs) -> Result<(Address, StackArgs), Failure> {
    let address = arguments.what.first().map(String::as_str).unwrap_or_default();
    let address = address.parse().map_err(|error| {
        let failure = Failure::new(format!("`{address}` is no address: {error}"));
        failure.help("name a machine by its address: `trueup gpucheck 'trainer[\"a\"]' blueprint.yaml`")
    })?;
    let file = arguments.what.get(1).map_or(DEFAULT_BLUEPRINT, String::as_str);
    let Ok(blueprint) = from_here(file);
    Ok((address, StackArgs { blueprint, inputs: arguments.inputs.clone() }))
}

/// What is asked of it: what its `validate` says, and over that what the command says.
fn validate(arguments: &GpucheckArgs, loaded: &Loaded, address: &Address) -> Result<Value, Failure> {
    let said = loaded.program.resources.get(address).and_then(|resource| resource.validate.as_ref());
    let said = said.and_then(codec::reveal).unwrap_or_default();
    let mut said = said.as_object().cloned().unwrap_or_default();
    arguments.over(&mut said).map_err(Failure::new)?;
    Ok(Json::Object(said).into())
}

/// What came of one check.
pub(crate) struct Examined {
    address: Address,
    found: Result<Checked, ProviderError>,
}

/// Checks one machine, and tells on the way what it is at.
pub(crate) async fn examine(check: &GpuCheck, record: &Record, asked: &Value, json: bool) -> Examined {
    let address = record.address.clone();
    let mut last = String::new();
    let told = |note: &str| {
        if !json && !note.is_empty() && note != last {
            draw::note(&format!("  {}: {}", draw::safe::line(&address), draw::safe::line(note)));
            note.clone_into(&mut last);
        }
    };
    let found = check.examine(record, asked, &SystemEntropy, told).await;
    Examined { address, found }
}

impl Examined {
    /// It in a line.
    pub(crate) fn line(&self) -> String {
        let address = draw::safe::line(&self.address);
        match &self.found {
            Ok(Checked { passed, message, .. }) => {
                let verdict = if *passed { "passes its check" } else { "fails its check" };
                let more = message.as_ref().map(|message| format!(": {}", draw::safe::line(message)));
                let next = if *passed {
                    String::new()
                } else {
                    format!("\n  `trueup apply --replace '{address}'` makes another")
                };
                format!("{address} {verdict}{}{next}", more.unwrap_or_default())
            }
            Err(error) => format!("{address} could not be checked: {}", draw::safe::line(error)),
        }
    }

    /// It for machines.
    pub(crate) fn json(&self) -> Json {
        match &self.found {
            Ok(Checked { passed, message, .. }) => {
                json!({ "address": self.address, "passed": passed, "message": message })
            }
            Err(error) => json!({ "address": self.address, "passed": null, "message": error.to_string() }),
        }
    }

    /// How a command ends that found it.
    pub(crate) fn exit(&self) -> Exit {
        match &self.found {
            Ok(checked) if checked.passed => Exit::Done,
            Ok(_) => Exit::Changes,
            Err(_) => Exit::Error,
        }
    }
}

/// Has the program that measures draw a report that was made elsewhere, as it draws one of its own.
async fn print(
    arguments: &GpucheckArgs,
    record: &Record,
    asked: &Value,
    checked: &Checked,
    json: bool,
) -> Result<Exit, Failure> {
    let program = program(arguments.gpucheck_program.as_deref())?;
    let said = arguments.judging_words();
    let name = |word: &OsString| word.to_str().and_then(|word| word.split_once('=')).map(|(name, _)| name.to_owned());
    let names: BTreeSet<_> = said.iter().map(name).collect();
    let mut words = judging(record, asked);
    words.retain(|word| !names.contains(&name(word)));
    words.extend(said);
    words.extend(json.then(|| OsString::from("--json")));
    let status = judge(&program, &words, checked.printed.to_string().as_bytes()).await;
    let status = status.map_err(|error| Failure::new(format!("{} can't be run: {error}", program.display())))?;
    exit(&program, status)
}

/// The words by which its `validate` asks for what it does; what a person says comes after, and wins.
fn judging(record: &Record, asked: &Value) -> Vec<OsString> {
    let known = |value: Option<&Value>| value.and_then(codec::reveal).filter(|known| !known.is_null());
    let gpu = record.current.as_ref().and_then(|object| object.sent.get("gpu"));
    let of_gpu = |field: &str| known(gpu.and_then(|gpu| gpu.revealed().get(field)));
    let single = [("count", of_gpu("count")), ("model", of_gpu("model")), ("minimum", known(asked.get("minimum")))];
    let single = single.into_iter().filter_map(|(word, value)| Some((word, value?)));
    let required = known(asked.get("require")).and_then(|required| required.as_array().cloned()).unwrap_or_default();
    let all = single.chain(required.into_iter().map(|what| ("require", what)));
    all.map(|(word, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("--{word}={value}").into()
    })
    .collect()
}

async fn judge(program: &Path, words: &[OsString], report: &[u8]) -> std::io::Result<std::process::ExitStatus> {
    let mut command = Command::new(program);
    command.args(["judge", "/dev/stdin"]).args(words).stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(report).await?;
    }
    child.wait().await
}
