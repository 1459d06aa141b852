//! `trueup explain`: what a name in a blueprint means. It needs no blueprint.

use trueup_engine::blueprint::explain::{explain, topics};

use crate::arguments::ExplainArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) fn run(arguments: &ExplainArgs, json: bool) -> Result<Exit, Failure> {
    let catalog = Workplace::here(1)?.catalog;
    match &arguments.name {
        None if json => draw::json(&draw::explain::list_json(&topics(&catalog))),
        None => draw::put(&draw::explain::list(&topics(&catalog))),
        Some(name) => {
            let topic = explain(&catalog, name).map_err(|unknown| Failure::new(unknown.message).help(unknown.help))?;
            if json {
                draw::json(&draw::explain::topic_json(&topic));
            } else {
                draw::put(&draw::explain::topic(&topic));
            }
        }
    }
    Ok(Exit::Done)
}
