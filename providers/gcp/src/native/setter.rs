//! Fields that are set by calls of their own, where an update does not take them: labels by `setLabels`, a disk's size by `resize`.

use serde_json::{Map as Object, Value as Json, json};

use super::collection::fields;
use super::document::{Document, Method, Resource};
use super::prose;
use super::template::Template;

/// A call that sets one field.
#[derive(Clone, Debug)]
pub(crate) struct Setter {
    /// The name of the call: `setLabels`.
    pub(crate) name: String,
    /// The field, of the thing and of what is sent.
    pub(crate) field: String,
    pub(crate) method: Method,
    /// The path of the call, without the prefix.
    pub(crate) path: Template,
    /// What goes back with it of what was read, so that nobody's change is overwritten: the field of both.
    state: Option<String>,
}

impl Setter {
    /// Those of a collection: what is called `setX` and is sent an `x`, and what only the words of its reference say.
    pub(crate) fn all(kind: &str, document: &Document, of: &Resource, (prefix, schema): (usize, &str)) -> Vec<Self> {
        let known = fields(document, schema);
        let setter = |(name, method): (&String, &Method)| {
            let sent = fields(document, &method.request.as_ref()?.schema);
            let said = prose::sets(kind, name).map(str::to_owned);
            let field = said.or_else(|| name.strip_prefix("set").map(small))?;
            let is_state = |name: &&String| name.to_lowercase().ends_with("fingerprint") && known.contains_key(*name);
            let state = sent.keys().find(is_state).cloned();
            let is_it = sent.contains_key(&field) && known.contains_key(&field);
            let path = Template::of(&method.path(document)).between(prefix, 0);
            is_it.then(|| Self { path, name: name.clone(), field, method: method.clone(), state })
        };
        of.methods.iter().filter_map(setter).collect()
    }

    /// What tells one state of the field from another: it is Google's.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether it is about what changes at a path.
    pub(crate) fn takes(&self, path: &str) -> bool {
        path.split('.').next() == Some(self.field.as_str())
    }

    /// What is sent to set the field to what is wanted.
    pub(crate) fn body(&self, wanted: &Object<String, Json>, there: &Object<String, Json>) -> Json {
        let mut body = json!({ &self.field: wanted.get(&self.field).cloned().unwrap_or_else(|| json!({})) });
        if let Some(state) = &self.state {
            body[state] = there.get(state).cloned().unwrap_or_default();
        }
        body
    }
}

/// Whether a call can set a field to another value: a disk only grows, and so do the addresses of a subnet.
pub(crate) fn can_become(field: &str, before: &Json, after: &Json) -> bool {
    let number = |value: &Json| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    match field {
        "sizeGb" => number(before).zip(number(after)).is_none_or(|(before, after)| after >= before),
        "ipCidrRange" => {
            let blocks = before.as_str().and_then(block).zip(after.as_str().and_then(block));
            blocks.is_none_or(|((start, length), (first, shorter))| {
                let mask = u32::MAX.checked_shl(32 - shorter).unwrap_or(0);
                shorter <= length && start & mask == first & mask
            })
        }
        _ => true,
    }
}

/// A block of addresses: the first, and how many bits are common to all.
fn block(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/')?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    Some((address.parse::<std::net::Ipv4Addr>().ok()?.into(), length))
}

/// `Labels` as a field is called.
fn small(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_set_and_what_shrinks_or_moves_is_another() {
        let size = |before: Json, after: Json| can_become("sizeGb", &before, &after);
        assert!(size(json!("200"), json!(300)) && !size(json!("300"), json!("200")));
        let block = |before: &str, after: &str| can_become("ipCidrRange", &json!(before), &json!(after));
        assert!(block("10.0.0.0/20", "10.0.0.0/16") && block("10.0.16.0/20", "10.0.0.0/16"));
        assert!(!block("10.0.0.0/20", "10.0.0.0/24") && !block("10.0.0.0/20", "10.64.0.0/16"));
        assert!(can_become("labels", &json!({}), &json!({ "a": "b" })));
    }
}
