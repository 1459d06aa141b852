//! `trueup validate`: checks a blueprint without a cloud.

use serde_json::json;

use crate::arguments::ValidateArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::workplace::Workplace;

pub(super) fn run(arguments: &ValidateArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let program = &workplace.load_every(&arguments.stack.blueprint, &files::inputs(&arguments.stack.inputs)?)?;
    draw::warnings(&program.sources, &program.warnings, json);
    if json {
        let warnings: Vec<_> = program
            .warnings
            .iter()
            .map(|warning| draw::diagnostic::json::diagnostic(&program.sources, warning))
            .collect();
        draw::json(&json!({
            "valid": true,
            "blueprint": program.name,
            "resources": program.resources.len(),
            "warnings": warnings,
        }));
    } else {
        let count = draw::count(program.resources.len(), "resource");
        draw::put(&format!("{} is valid: {count}.\n", arguments.stack.blueprint.display()));
    }
    Ok(Exit::Done)
}
