//! Saved plans: JSON, every secret sealed, readable by their owner alone.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;
use trueup_engine::plan::{FORMAT, Plan};
use trueup_state::codec::{self, Seal, SealedValue};

use crate::exit::Failure;
use crate::files;

/// What every saved plan has, whatever its format.
#[derive(Deserialize)]
struct Head {
    format: Option<Json>,
}

/// Saves a plan, replacing what was there only once it is whole.
pub(crate) fn save(path: &Path, plan: &Plan, vault: &dyn Seal) -> Result<(), Failure> {
    let fail = |reason: String| Failure::new(format!("the plan can't be saved as {}: {reason}", path.display()));
    let sealed =
        plan.clone().try_map(&mut |value| codec::seal(&value, vault)).map_err(|error| fail(error.to_string()))?;
    let text = serde_json::to_vec(&sealed).map_err(|error| fail(error.to_string()))?;
    files::write_private(path, &text).map_err(|error| fail(error.to_string()))
}

/// Whether a file looks like a saved plan rather than a blueprint.
pub(crate) fn is_plan(path: &Path) -> bool {
    let mark = br#"{"format":"#;
    let mut first = [0; 10];
    let read = files::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == *mark
}

/// Reads a saved plan. What is sealed for a key that is not here stays sealed.
pub(crate) fn read(path: &Path, vault: &dyn Seal) -> Result<Plan, Failure> {
    let fail = |reason: String| Failure::new(format!("{} is no plan that can be used: {reason}", path.display()));
    let bytes = files::read_all(path).map_err(|error| fail(error.to_string()))?;
    let head: Head = serde_json::from_slice(&bytes)
        .map_err(|error| fail(error.to_string()).help("`trueup plan --out FILE` saves one"))?;
    let format = head.format.as_ref().and_then(Json::as_u64);
    if format != Some(u64::from(FORMAT)) {
        let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
        return Err(
            fail(format!("its format is {found}, and this Trueup reads {FORMAT}")).help("plan again with this Trueup")
        );
    }
    let sealed: Plan<SealedValue> = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
    sealed.try_map(&mut |value| codec::open(&value, vault)).map_err(|error| fail(error.to_string()))
}
