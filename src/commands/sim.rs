//! `trueup sim calls | objects | break`: a look into the cloud to rehearse on, and a hand that breaks things in it.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use trueup_engine::diagnostic::closest;
use trueup_provider_sim::{Call, Inspector, Seen, StorageError};
use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::{Clock, Entropy};

use crate::arguments::{SimArgs, SimBreakArgs, SimCommand};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace;

pub(super) async fn run(command: &SimCommand, json: bool) -> Result<Exit, Failure> {
    match command {
        SimCommand::Calls(arguments) => calls(arguments, json).await,
        SimCommand::Objects(arguments) => objects(arguments, json).await,
        SimCommand::Break(arguments) => break_it(arguments, json).await,
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::new(error.to_string()).help("a cloud is a file that the provider `sim` made")
    }
}

async fn inspect(file: &Path) -> Result<Inspector, Failure> {
    if !file.exists() {
        let failure = Failure::new(format!("there is no cloud at {}", file.display()));
        return Err(failure.help("apply a blueprint with the provider `sim` first, or name its `file`"));
    }
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Ok(workplace::sim(Some(file.to_owned()), &clock, &entropy).inspect().await?)
}

async fn calls(arguments: &SimArgs, json: bool) -> Result<Exit, Failure> {
    let calls = inspect(&arguments.file).await?.calls(0).await?;
    if json {
        calls.iter().for_each(draw::json_line);
    } else {
        let rows = calls.iter().map(call_row).collect::<Vec<_>>();
        draw::put(&draw::columns(&rows));
        draw::put(&format!("\n{}.\n", draw::count(calls.len(), "call")));
    }
    Ok(Exit::Done)
}

fn call_row(call: &Call) -> Vec<String> {
    let about = call.address.clone().unwrap_or_else(|| draw::count(call.objects, "object"));
    vec![draw::time(call.at), call.call.clone(), call.kind.clone(), call.region.clone(), about, call.outcome.clone()]
}

async fn objects(arguments: &SimArgs, json: bool) -> Result<Exit, Failure> {
    let objects = inspect(&arguments.file).await?.objects().await?;
    if json {
        objects.iter().for_each(draw::json_line);
    } else {
        let row = |object: &Seen| {
            let Seen { address, kind, id, name, status, .. } = object.clone();
            vec![address, kind, id, name, status]
        };
        draw::put(&draw::columns(&objects.iter().map(row).collect::<Vec<_>>()));
        draw::put(&format!("\n{}.\n", draw::count(objects.len(), "object")));
    }
    Ok(Exit::Done)
}

async fn break_it(arguments: &SimBreakArgs, json: bool) -> Result<Exit, Failure> {
    let inspector = inspect(&arguments.cloud.file).await?;
    let edits = arguments.fields.iter().map(|text| edit(text)).collect::<Result<Vec<_>, _>>()?;
    let object = one(&inspector.objects().await?, &arguments.what)?;
    if arguments.gone {
        inspector.remove(&object.id).await?;
    }
    for (field, value) in edits {
        inspector.edit(&object.id, field, value).await?;
    }
    if json {
        draw::json(&json!({ "id": object.id, "gone": arguments.gone }));
    } else {
        let what = if arguments.gone { "is gone" } else { "is changed" };
        draw::put(&format!("{} {what}. `trueup drift` finds it.\n", draw::safe::line(&object.id)));
    }
    Ok(Exit::Done)
}

/// The object of an address or an id.
fn one(objects: &[Seen], what: &str) -> Result<Seen, Failure> {
    let found: Vec<&Seen> = objects.iter().filter(|object| object.address == what || object.id == what).collect();
    match found[..] {
        [object] => Ok(object.clone()),
        [] => {
            let failure = Failure::new(format!("the cloud has nothing that was made for `{what}`"));
            Err(match closest(what, objects.iter().map(|object| object.address.as_str())) {
                Some(close) => failure.help(format!("did you mean `{close}`?")),
                None => failure.help("`trueup sim objects` shows what it has"),
            })
        }
        _ => {
            let ids: Vec<&str> = found.iter().map(|object| object.id.as_str()).collect();
            let failure = Failure::new(format!("the cloud has {} things that were made for `{what}`", ids.len()));
            Err(failure.help(format!("name one by its id: {}", ids.join(", "))))
        }
    }
}

/// A field and what it is to be; nothing where it is to go.
fn edit(text: &str) -> Result<(&str, Option<Json>), Failure> {
    let wrong =
        || Failure::new(format!("`{text}` says no field")).help("write FIELD=VALUE, such as `tags.team=nobody`");
    let (field, value) = text.split_once('=').filter(|(field, _)| !field.is_empty()).ok_or_else(wrong)?;
    let value: Json = serde_yaml::from_str(value)
        .map_err(|error| Failure::new(format!("the value of `{field}` is no YAML: {error}")))?;
    Ok((field, Some(value).filter(|value| !value.is_null())))
}
