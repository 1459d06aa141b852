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

#[cfg(test)]
mod tests {
    use trueup_state::FieldPath;

    use super::*;

    #[test]
    fn the_brief_view_lists_some_and_tells_how_many_more() {
        let field = |number: usize| (format!("a{number}").parse().unwrap(), [FieldPath::parse("token")].into());
        let uncompared = |count| Uncompared { fields: (0..count).map(field).collect(), ..Uncompared::default() };
        let listed = |count, view| {
            let text = text(&uncompared(count), view);
            (text.matches("token").count(), text.contains("  and 5 more\n"), text.contains("more"))
        };
        assert_eq!(listed(MOST, View::Brief), (MOST, false, false));
        assert_eq!(listed(MOST + 5, View::Brief), (MOST, true, true));
        assert_eq!(listed(MOST + 5, View::Normal), (MOST + 5, false, false));
    }
}
