//! `trueup state import`: puts an exported state where nothing is recorded.

use trueup_state::Stack;
use trueup_state::document::{Document, DocumentError};

use super::stack_only;
use crate::arguments::ImportArgs;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;
use crate::{draw, files};

pub(super) async fn run(workplace: &Workplace, arguments: &ImportArgs, json: bool) -> Result<Exit, Failure> {
    let stack = stack_only(&arguments.stack)?;
    let what = arguments.file.display();
    let bytes = files::read_all(&arguments.file);
    let bytes = bytes.map_err(|error| Failure::new(format!("{what} can't be read: {error}")))?;
    let fail =
        |error: DocumentError| Failure::new(format!("{what} can't be imported: {error}")).help(remedy(&error, &stack));
    let document = Document::read(&bytes).map_err(fail)?;
    let state = if arguments.as_copy {
        document.copy(&*workplace.vault, &*workplace.engine.entropy)
    } else {
        document.state_for(&stack, &*workplace.vault)
    };
    let state = state.map_err(fail)?;
    let lineage = state.lineage.clone();
    let serial = workplace.engine.restore(&stack, &workplace.holder("state import"), state).await?;
    if json {
        draw::json(&draw::state::by_hand::imported_json(&document, &lineage, serial));
    } else if arguments.as_copy {
        draw::put(&draw::state::by_hand::copied(&document, &lineage, &stack));
    } else {
        draw::put(&draw::state::by_hand::imported(&document, &stack));
    }
    Ok(Exit::Done)
}

fn remedy(error: &DocumentError, stack: &Stack) -> String {
    let copy = "; `--as-copy` records the same things in this stack, too";
    match error {
        DocumentError::Malformed(_) => "`trueup state export --out FILE` writes one".to_owned(),
        DocumentError::Newer { .. } => "use the Trueup that wrote it, or a newer one".to_owned(),
        DocumentError::OtherStack(owner) if owner.blueprint == stack.blueprint => {
            format!("choose its environment: `--env {}`{copy}", owner.environment)
        }
        DocumentError::OtherStack(owner) => {
            format!("name the file of the blueprint `{}` as the last argument{copy}", owner.blueprint)
        }
        DocumentError::Open(_) => "`trueup apply` there settles them; export it again then".to_owned(),
        DocumentError::Locked => "set TRUEUP_KEY to that key, or to the path of a file with it".to_owned(),
        DocumentError::Vault(_) => "take another copy: this one was changed since it was written".to_owned(),
    }
}
