//! An API as Google publishes it: its discovery document.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

/// A discovery document. The words are those of Google's *Discovery document* reference.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Document {
    /// `pubsub`.
    pub(crate) name: String,
    /// `v1`.
    pub(crate) version: String,
    /// `https://pubsub.googleapis.com/`.
    pub(crate) root_url: String,
    /// What all paths of its methods begin with, besides: `compute/v1/`, or nothing.
    pub(crate) service_path: String,
    /// Where it is asked of what is in one location.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) schemas: BTreeMap<String, Json>,
    pub(crate) resources: BTreeMap<String, Resource>,
}

/// Where an API is, for one location.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Endpoint {
    /// `europe-west4`.
    pub(crate) location: String,
    /// `https://europe-west4-aiplatform.googleapis.com/`.
    pub(crate) endpoint_url: String,
}

/// A collection of things, and those below it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resource {
    pub(crate) methods: BTreeMap<String, Method>,
    pub(crate) resources: BTreeMap<String, Resource>,
}

/// A call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Method {
    /// `pubsub.projects.topics.create`.
    pub(crate) id: String,
    #[serde(rename = "httpMethod")]
    pub(crate) verb: String,
    pub(crate) path: String,
    /// The path with a name for each part of it, where `path` has one for several.
    pub(crate) flat_path: Option<String>,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    pub(crate) request: Option<Reference>,
    pub(crate) response: Option<Reference>,
}

/// What a call is told in its path or query.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameter {
    pub(crate) location: String,
    pub(crate) required: bool,
}

/// The name of a schema.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    #[serde(rename = "$ref")]
    pub(crate) schema: String,
}

impl Document {
    /// A collection by its way from the top: `projects.topics`.
    pub(crate) fn collection(&self, way: &str) -> Option<&Resource> {
        let mut steps = way.split('.');
        let mut found = self.resources.get(steps.next()?)?;
        for step in steps {
            found = found.resources.get(step)?;
        }
        Some(found)
    }
}

impl Method {
    /// The path of its calls below the API's own root, a name for each part.
    pub(crate) fn path(&self, of: &Document) -> String {
        format!("{}{}", of.service_path, self.flat_path.as_deref().unwrap_or(&self.path))
    }

    /// Whether it can be told something in its query.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.parameters.get(name).is_some_and(|parameter| parameter.location == "query")
    }
}
