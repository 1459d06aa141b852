//! A native kind as its cloud describes it, for a reader.

use serde_json::Value as Json;

/// What is known of a native kind without making anything of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    /// What it is, in the cloud's own words.
    pub description: String,
    /// The JSON Schema of its spec, with keys of our own; see [`crate::schema`].
    pub spec: Json,
    /// The JSON Schema of its attributes, likewise.
    pub attributes: Json,
    /// Whether it can be changed once it is made; if not, any change replaces it.
    pub is_updatable: bool,
    /// Whether tags on an object can say whose it is.
    pub has_tags: bool,
    /// Which of its objects can be listed.
    pub listed: Listed,
    /// What the cloud needs to be allowed on behalf of who asks, by what is done.
    pub permissions: Vec<(String, Vec<String>)>,
}

/// Which objects of a kind can be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// None.
    No,
    /// All in a scope.
    All,
    /// Those that have the same in these properties: mostly one parent's. Any one of the sets does.
    Under(Vec<Vec<String>>),
}

impl Native {
    /// Whether what was made and is not recorded can be found: it takes a list, and tags that say whose it is.
    pub fn is_searched(&self) -> bool {
        self.has_tags && self.listed != Listed::No
    }
}
