//! Names of ours for what Terraform calls otherwise.

use std::collections::BTreeSet;

use super::Theirs;
use crate::blueprint::schema::means_something;

/// The names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name for a resource that no other has, and a note where it is not the one that its own would make.
    pub(super) fn take(&mut self, theirs: &Theirs) -> (String, Option<String>) {
        let plain = spelled(&theirs.words.join("_"));
        let is_free = |name: &String| !means_something(name) && !self.0.contains(name);
        let kind = theirs.kind.split_once('_').map_or(theirs.kind.as_str(), |(_, kind)| kind);
        let longer = format!("{plain}_{kind}");
        let numbered = (2..).map(|number| format!("{longer}_{number}"));
        let Some(name) = [plain.clone(), longer.clone()].into_iter().chain(numbered).find(is_free) else {
            return (longer, None);
        };
        let why = if means_something(&plain) { "has a meaning of its own in expressions" } else { "is another's name" };
        let note = (name != plain).then(|| format!("it is `{name}` here: `{plain}` {why}"));
        self.0.insert(name.clone());
        (name, note)
    }
}

/// Lower-case letters, digits and `_`, a letter first.
fn spelled(text: &str) -> String {
    let plain = text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let words: Vec<&str> = plain.split('_').filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("r_{name}").trim_end_matches('_').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_ours_and_no_two_are_the_same() {
        let mut names = Names::default();
        let taken = || Some("is another's name".to_owned());
        let mut take = |kind: &str, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            let (source, attributes) = ("hashicorp/aws".to_owned(), serde_json::Map::new());
            let theirs = Theirs {
                address: String::new(),
                kind: kind.to_owned(),
                words,
                source,
                attributes,
                secrets: Vec::new(),
                problem: None,
            };
            let (name, note) = names.take(&theirs);
            (name, note.map(|note| note.split("` ").last().unwrap_or_default().to_owned()))
        };
        assert_eq!(take("aws_sqs_queue", &["net", "Events-dead", "a.b"]), ("net_events_dead_a_b".to_owned(), None));
        assert_eq!(
            take("aws_sqs_queue", &["net_events", "dead", "a_b"]),
            ("net_events_dead_a_b_sqs_queue".to_owned(), taken())
        );
        assert_eq!(
            take("aws_sqs_queue", &["net_events", "dead_a", "b"]),
            ("net_events_dead_a_b_sqs_queue_2".to_owned(), taken())
        );
        assert_eq!(take("aws_sqs_queue", &["1st"]), ("r_1st".to_owned(), None));
        assert_eq!(take("aws_sqs_queue", &["ß"]), ("r".to_owned(), None));
        let meaning = Some("has a meaning of its own in expressions".to_owned());
        assert_eq!(take("aws_sqs_queue", &["loop"]), ("loop_sqs_queue".to_owned(), meaning));
    }
}
