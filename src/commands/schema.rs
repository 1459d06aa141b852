//! `trueup schema`: the JSON Schema of a blueprint.

use trueup_engine::blueprint::document::document;

use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) fn run() -> Result<Exit, Failure> {
    draw::json(&document(&Workplace::here(1)?.catalog));
    Ok(Exit::Done)
}
