//! What can't be compared, since it is sealed for a key that is not here.

use owo_colors::OwoColorize;
use trueup_engine::plan::Uncompared;

use super::field_names;
use super::fields::{Row, rows_of};
use crate::arguments::View;
use crate::draw::{safe, value};

/// The most resources in the brief view.
const MOST: usize = 20;

/// Each such field, under its resource, and each such output; as lines, a few names.
pub(super) fn text(uncompared: &Uncompared, view: View) -> String {
    if uncompared.is_empty() {
        return String::new();
    }
    let words = value::CANNOT_COMPARE.yellow().to_string();
    let mut text = format!("{}\n", "Sealed for a key that is not here; TRUEUP_KEY may name it:".bold());
    let most = if view == View::Brief { MOST } else { usize::MAX };
    for (address, fields) in uncompared.fields.iter().take(most) {
        let address = safe::line(address);
        if view == View::Brief {
            text.push_str(&format!("  {}  {words}: {}\n", address.bold(), field_names(fields.iter())));
        } else {
            let row = |path| Row::of(&safe::line(path), words.clone());
            text.push_str(&format!("  {}\n{}", address.bold(), rows_of(fields.iter().map(row).collect())));
        }
    }
    if let Some(more) = uncompared.fields.len().checked_sub(most).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more\n"));
    }
    for name in &uncompared.outputs {
        text.push_str(&format!("  output {name}  {words}\n"));
    }
    text
}
