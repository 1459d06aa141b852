//! `trueup output`: the stack's outputs.

use std::path::PathBuf;

use serde_json::Map as JsonMap;
use trueup_state::codec::{self, Redaction};
use trueup_state::{State, Value};

use super::{no_key, stack_only, state_of};
use crate::arguments::{DEFAULT_BLUEPRINT, OutputArgs, StateArgs};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &OutputArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let (name, blueprint) = split(&arguments.what)?;
    let stack = stack_only(&StateArgs { blueprint, env: arguments.env.clone() })?;
    let (state, _) = state_of(&workplace, &stack).await?;
    if arguments.reveal {
        let asked = |(output, _): &(&String, &Value)| name.as_ref().is_none_or(|name| name == *output);
        if let Some((locked, _)) = state.outputs.iter().filter(asked).find(|(_, value)| value.has_locked()) {
            return Err(no_key(&format!("the output `{locked}`")));
        }
    }
    let shown = |value: &Value| {
        let revealed = if arguments.reveal { codec::reveal(value) } else { None };
        revealed.unwrap_or_else(|| codec::redact(value, Redaction::Words))
    };
    match &name {
        None if json => {
            let all: JsonMap<_, _> = state.outputs.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
            draw::json(&all);
        }
        None if arguments.reveal => {
            let revealed = state.outputs.iter().map(|(name, value)| (name.clone(), value.revealed().clone())).collect();
            draw::put(&draw::outputs(&revealed));
        }
        None => draw::put(&draw::outputs(&state.outputs)),
        Some(name) => {
            let value = shown(one(&state, name)?);
            match value.as_str() {
                Some(text) if !json => draw::put_value(&format!("{text}\n")),
                _ => draw::json(&value),
            }
        }
    }
    Ok(Exit::Done)
}

/// Which output, and of which blueprint. A file's name has a `.` or a `/`, which no output's has, so one argument tells what it is.
fn split(what: &[PathBuf]) -> Result<(Option<String>, PathBuf), Failure> {
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let (mut name, mut blueprint) = (None, None);
    for argument in what {
        match argument.to_str().filter(|text| is_name(text)) {
            Some(text) if name.is_none() => name = Some(text.to_owned()),
            None if blueprint.is_none() => blueprint = Some(argument.clone()),
            _ => {
                let failure = Failure::new(format!("`{}` is one too many", argument.display()));
                return Err(failure.help("name one output and one blueprint; a file without a `.` reads `./file`"));
            }
        }
    }
    Ok((name, blueprint.unwrap_or_else(|| DEFAULT_BLUEPRINT.into())))
}

fn one<'a>(state: &'a State, name: &str) -> Result<&'a Value, Failure> {
    state.outputs.get(name).ok_or_else(|| {
        let names: Vec<&str> = state.outputs.keys().map(String::as_str).collect();
        let there =
            if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) };
        Failure::new(format!("there is no output `{name}`; {there}"))
    })
}
