//! `trueup state export`: all of the state as one document.

use trueup_engine::EngineError;
use trueup_engine::by_hand::ByHandError;
use trueup_state::document::Document;

use super::stack_only;
use crate::arguments::ExportArgs;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;
use crate::{draw, files};

pub(super) async fn run(workplace: &Workplace, arguments: &ExportArgs, json: bool) -> Result<Exit, Failure> {
    let stack = stack_only(&arguments.stack)?;
    let sealed = workplace.engine.store.sealed(&stack).await?;
    let sealed = sealed.ok_or_else(|| EngineError::from(ByHandError::NoState(stack.clone())))?;
    let document = Document::new(&stack, sealed);
    let Some(path) = &arguments.out else {
        draw::json(&document);
        return Ok(Exit::Done);
    };
    let fail = |reason: String| Failure::new(format!("the state can't be saved as {}: {reason}", path.display()));
    let text = serde_json::to_vec_pretty(&document).map_err(|error| fail(error.to_string()))?;
    files::write_private(path, &text).map_err(|error| fail(error.to_string()))?;
    if json {
        draw::json(&draw::state::by_hand::exported_json(&document, path));
    } else {
        draw::put(&draw::state::by_hand::exported(&document, path));
    }
    Ok(Exit::Done)
}
