//! Saved plans, in files that their owner alone can read.

use std::io::Read;
use std::path::Path;

use trueup_engine::plan::Plan;
use trueup_engine::plan::saved::{self, SavedError};
use trueup_state::codec::Seal;

use crate::exit::Failure;
use crate::files;

/// Saves a plan, replacing what was there only once it is whole.
pub(crate) fn save(path: &Path, plan: &Plan, vault: &dyn Seal) -> Result<(), Failure> {
    let fail = |reason: String| Failure::new(format!("the plan can't be saved as {}: {reason}", path.display()));
    let bytes = saved::write(plan, vault).map_err(|error| fail(error.to_string()))?;
    files::write_private(path, &bytes).map_err(|error| fail(error.to_string()))
}

/// Whether a file looks like a saved plan rather than a blueprint.
pub(crate) fn is_plan(path: &Path) -> bool {
    let mut first = [0; saved::MARK.len()];
    let read = files::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == saved::MARK
}

/// Reads a saved plan. What is sealed for a key that is not here stays sealed.
pub(crate) fn read(path: &Path, vault: &dyn Seal) -> Result<Plan, Failure> {
    let fail = |reason: String| Failure::new(format!("{} is no plan that can be used: {reason}", path.display()));
    let bytes = files::read_all(path).map_err(|error| fail(error.to_string()))?;
    saved::read(&bytes, vault).map_err(|error| {
        let failure = fail(error.to_string());
        match error {
            SavedError::NoPlan(_) => failure.help("`trueup plan --out FILE` saves one"),
            SavedError::OtherFormat { .. } => failure.help("plan again with this Trueup"),
            SavedError::Damaged(_) => failure.help("it was changed since it was saved: plan again"),
            SavedError::Vault(_) => failure,
        }
    })
}
