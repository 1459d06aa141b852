//! Work that goes on at Google after it was asked for: what is kept of it, and what it says.

use std::time::Duration;

use serde_json::{Value as Json, json};
use trueup_engine::provider::{Progress, ProviderError};
use trueup_state::Handle;

use super::collection::Collection;
use crate::error::of_operation;

/// When to ask again that was asked so often: soon at first, since much is over at once, and every two seconds later.
pub(crate) fn again(asked: u32) -> Duration {
    Duration::from_millis(250 << asked.min(3))
}

/// What is known of work between two looks at it: plain data, and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// `create`, `update` or `delete`.
    pub(crate) verb: String,
    /// The id of the thing, where it is known.
    pub(crate) id: Option<String>,
    /// The path that it is asked after by, below the API's root; none where it is over, and what was made does not show yet.
    pub(crate) at: Option<String>,
    /// Since when it is waited for what was made to show, in seconds since 1970.
    pub(crate) since: i64,
    /// How often it was asked after.
    pub(crate) asked: u32,
    /// The calls that were sent for it, this one included, where one thing may take several.
    pub(crate) did: Vec<String>,
}

/// How work is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It goes on.
    Goes(Work),
    /// It is over; the name of what it was about, where it says so.
    Over(Option<String>),
    /// It failed.
    Failed(ProviderError),
}

impl Work {
    /// Work of a verb that begins.
    pub(crate) fn new(verb: &str, id: Option<String>) -> Self {
        Self { verb: verb.to_owned(), id, at: None, since: 0, asked: 0, did: Vec::new() }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle(
            json!({ "verb": self.verb, "id": self.id, "at": self.at, "since": self.since, "asked": self.asked, "did": self.did }),
        )
    }

    pub(crate) fn of(handle: &Handle) -> Self {
        let text = |name: &str| handle.0.get(name).and_then(Json::as_str).map(str::to_owned);
        let did = handle.0.get("did").and_then(Json::as_array).into_iter().flatten();
        Self {
            verb: text("verb").unwrap_or_default(),
            id: text("id"),
            at: text("at"),
            since: handle.0.get("since").and_then(Json::as_i64).unwrap_or_default(),
            asked: handle
                .0
                .get("asked")
                .and_then(Json::as_u64)
                .and_then(|asked| asked.try_into().ok())
                .unwrap_or_default(),
            did: did.filter_map(Json::as_str).map(str::to_owned).collect(),
        }
    }

    pub(crate) fn pending(self, note: Option<String>) -> Progress {
        let poll_after = again(self.asked);
        let work = Self { asked: self.asked.saturating_add(1), ..self };
        Progress::Pending { id: work.id.clone(), handle: work.handle(), poll_after, amount: None, note }
    }
}

/// Whether an answer is work, and not a thing: what the two forms of operations have, and no thing has.
pub(crate) fn is_operation(answer: &Json) -> bool {
    let named = answer.get("name").and_then(Json::as_str).unwrap_or_default();
    answer.get("kind").and_then(Json::as_str).is_some_and(|kind| kind.ends_with("#operation"))
        || named.starts_with("operations/")
        || named.contains("/operations/")
        || answer.get("operationType").is_some()
}

/// What is asked after work by, by what is said of it: its name; none where it is over, or was none.
pub(crate) fn under_way(doing: &str, said: &Json) -> Result<Option<String>, ProviderError> {
    if let Some(error) = said.get("error").filter(|error| !error.is_null()) {
        return Err(of_operation(doing, error, None));
    }
    let is_over = !is_operation(said) || said.get("done") == Some(&Json::Bool(true));
    Ok(said.get("name").and_then(Json::as_str).filter(|_| !is_over).map(str::to_owned))
}

/// How work is, by what is said of it.
pub(crate) fn step(doing: &str, of: &Collection, work: &Work, said: &Json) -> Step {
    let text = |name: &str| said.get(name).and_then(Json::as_str);
    if let Some(error) = said.get("error").filter(|error| !error.is_null()) {
        return Step::Failed(of_operation(doing, error, said.get("httpErrorStatusCode").and_then(Json::as_u64)));
    }
    let is_done = said.get("done") == Some(&Json::Bool(true)) || text("status") == Some("DONE");
    if !is_done {
        let at = match text("selfLink") {
            Some(link) => below(link),
            None => format!("{}/{}", of.prefix, text("name").unwrap_or_default()),
        };
        return Step::Goes(Work { at: Some(at), ..work.clone() });
    }
    let response = |name: &str| said.get("response")?.get(name)?.as_str().map(str::to_owned);
    Step::Over(response("name"))
}

/// What is below the root of an API in an address.
fn below(link: &str) -> String {
    let path = link.split_once("://").map_or(link, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    path.trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_work_outlives_the_process() {
        let work = Work {
            verb: "create".into(),
            id: Some("projects/p/x/y".into()),
            at: Some("v1/operations/o".into()),
            since: 7,
            asked: 3,
            did: vec!["setLabels".into()],
        };
        assert_eq!(Work::of(&work.handle()), work);
    }

    #[test]
    fn an_operation_is_told_from_a_thing() {
        assert!(is_operation(&json!({ "kind": "compute#operation", "name": "operation-1" })));
        assert!(is_operation(&json!({ "name": "projects/p/locations/l/operations/o" })));
        assert!(is_operation(&json!({ "name": "operation-1", "operationType": "CREATE_CLUSTER" })));
        assert!(!is_operation(&json!({ "name": "projects/p/topics/operations" })));
        assert!(!is_operation(&json!({ "kind": "compute#network", "name": "n" })));
    }

    #[test]
    fn an_address_is_known_below_its_root() {
        assert_eq!(below("https://www.googleapis.com/compute/v1/projects/p/o"), "compute/v1/projects/p/o");
        assert_eq!(below("https://compute.googleapis.com"), "");
    }
}
