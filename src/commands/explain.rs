//! `trueup explain`: what a name in a blueprint means. It needs no blueprint.

use trueup_engine::blueprint::explain::{Topic, Unknown, explain, explain_native, native_kind, topics};

use crate::arguments::ExplainArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &ExplainArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    match &arguments.name {
        None if json => draw::json(&draw::explain::list_json(&topics(&workplace.catalog))),
        None => draw::put(&draw::explain::list(&topics(&workplace.catalog))),
        Some(name) => {
            let topic = topic(&workplace, name).await?;
            if json {
                draw::json(&draw::explain::topic_json(&topic));
            } else {
                draw::put(&draw::explain::topic(&topic));
            }
        }
    }
    Ok(Exit::Done)
}

/// What a name means. A native kind is its provider's to tell, which may ask its cloud.
async fn topic(workplace: &Workplace, name: &str) -> Result<Topic, Failure> {
    let catalog = &workplace.catalog;
    let told = |unknown: Unknown| Failure::new(unknown.message).help(unknown.help);
    if let Some((kind, maker)) = native_kind(catalog, name)
        && let Some(provider) = workplace.engine.providers.get(maker)
    {
        let described = provider.describe(&kind).await;
        let native = described.map_err(|error| {
            let failure = Failure::new(format!("the provider `{maker}`: {error}"));
            Failure { help: error.help, ..failure }
        })?;
        if let Some(native) = native {
            return explain_native(catalog, name, maker, native).map_err(told);
        }
    }
    explain(catalog, name).map_err(told)
}
