//! An `endpoint`, which this cloud has no one thing for: a model, how it is run, what answers, and the network that all of them in a region
//! share.

mod config;
mod model;
mod network;
mod server;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::compose::{Composed, Composition, Located, LocatedPart, Part, Read, Shared, Wanted};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::provider::{By, Found, Manager, Observation, ProviderError, Target, unknown_options};
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{Address, FieldPath, KindName, Map, Scope, Value};

pub(crate) use config::CONFIG;
pub(crate) use model::MODEL;
pub(crate) use network::NETWORK;
pub(crate) use server::SERVER;

/// The managers of the parts, by kind.
pub(crate) type Managers = BTreeMap<KindName, std::sync::Arc<dyn Manager>>;

/// A part that is an endpoint's own.
struct Own {
    name: &'static str,
    kind: &'static str,
    /// The fields of the endpoint that it has, by the same names.
    fields: &'static [&'static str],
    /// The fields that take the id of another part.
    reads: &'static [(&'static str, &'static str)],
}

const OWN: [Own; 3] = [
    Own {
        name: "model",
        kind: MODEL,
        fields: &["image", "command", "working_dir", "model", "env", "secrets", "identity", "port", "tags"],
        reads: &[],
    },
    Own {
        name: "config",
        kind: CONFIG,
        fields: &["gpu", "cpu", "memory_gib", "replicas", "tags"],
        reads: &[("model", "model")],
    },
    Own {
        name: "endpoint",
        kind: SERVER,
        fields: &["name", "runtime", "health", "request_timeout", "public", "tags"],
        reads: &[("config", "config"), ("network", "network")],
    },
];

/// The attribute of a part that others read.
const ID: &str = "resource_id";

/// The kinds of the parts.
pub(crate) const PARTS: [&str; 4] = [MODEL, CONFIG, SERVER, NETWORK];

/// What is known of most parts once they exist.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
struct Attributes {
    /// The cloud's id for it.
    resource_id: String,
    /// The cloud's name for it.
    name: String,
}

/// The schema of a part's kind.
pub(crate) fn schema_of(kind: &str) -> Option<&'static Schema> {
    static SCHEMAS: LazyLock<BTreeMap<&str, Schema>> = LazyLock::new(|| {
        BTreeMap::from([
            // What runs a model needs the new one before the old one goes.
            (MODEL, Schema::of::<model::Spec, Attributes>(1, true)),
            (CONFIG, Schema::of::<config::Spec, Attributes>(1, false)),
            // What is known of what answers is what is known of an endpoint.
            (SERVER, Schema::of::<server::Spec, kinds::endpoint::Attributes>(1, false)),
            (NETWORK, Schema::of::<network::Spec, Attributes>(1, false)),
        ])
    });
    SCHEMAS.get(kind)
}

/// How an endpoint is composed.
pub(crate) fn composed(scope: &Scope, kind: &KindName) -> Option<Composed> {
    let parts = PARTS.map(|part| (scope.clone(), part.into()));
    (kind.as_str() == kinds::Endpoint::NAME)
        .then(|| Composed { schema: kinds::Endpoint::schema(), parts: parts.into() })
}

/// All that is known of an endpoint is known of what answers.
fn attributes() -> BTreeMap<String, Read> {
    let names = kinds::Endpoint::schema().attribute_names();
    names.into_iter().map(|name| (name.to_owned(), Read::of("endpoint", name))).collect()
}

/// What an endpoint is made of.
pub(crate) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let problems = unknown_options("sim", kinds::Endpoint::NAME, &[], wanted.spec);
    if !problems.is_empty() {
        return Err(problems);
    }
    let network = Part {
        name: "network".to_owned(),
        kind: NETWORK.into(),
        scope: wanted.scope.clone(),
        shared: Some(shared(wanted.scope)),
        after: [].into(),
        create_first: None,
        spec: Value::Map(Map::new()),
        reads: BTreeMap::new(),
        origins: BTreeMap::new(),
    };
    let parts = OWN.iter().map(|own| part(own, wanted)).chain([network]).collect();
    Ok(Composition { parts, attributes: attributes() })
}

fn part(own: &Own, wanted: &Wanted<'_>) -> Part {
    let field = |name: &&str| {
        let value = wanted.spec.get(name).filter(|value| **value != Value::Null)?;
        Some(((*name).to_owned(), value.clone()))
    };
    let path = |name: &str| FieldPath::root().field(name);
    Part {
        name: own.name.to_owned(),
        kind: own.kind.into(),
        scope: wanted.scope.clone(),
        shared: None,
        after: [].into(),
        create_first: None,
        spec: Value::Map(own.fields.iter().filter_map(field).collect()),
        reads: own.reads.iter().map(|(field, of)| (path(field), Read::of(*of, ID))).collect(),
        origins: own.fields.iter().map(|field| (path(field), path(field))).collect(),
    }
}

/// The network of a region, in one of the clouds that there are.
fn shared(scope: &Scope) -> Shared {
    let text = |name: &str| scope.settings.get(name).and_then(|value| value.as_str());
    let region = text("region").unwrap_or_default();
    let key = text("file").map_or_else(|| region.to_owned(), |file| format!("{region} of {file}"));
    Shared { name: "network".to_owned(), key, follows: false }
}

/// What an endpoint is made of that is there already, by the id or the name of what answers: from there each part names the next.
pub(crate) async fn locate(scope: &Scope, managers: &Managers, id: &str) -> Result<Option<Located>, ProviderError> {
    let Some(server) = find(managers, SERVER, &[By::Id(id), By::Name(id)]).await? else { return Ok(None) };
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, kind: &str, found: &Found, shared| {
        let part = LocatedPart { kind: kind.into(), scope: scope.clone(), id: found.id.clone(), shared };
        parts.insert(name.to_owned(), part);
    };
    put("endpoint", SERVER, &server, None);
    if let Some(network) = next(managers, NETWORK, &server, "network").await? {
        put("network", NETWORK, &network, Some(shared(scope)));
    }
    if let Some(config) = next(managers, CONFIG, &server, "config").await? {
        put("config", CONFIG, &config, None);
        if let Some(model) = next(managers, MODEL, &config, "model").await? {
            put("model", MODEL, &model, None);
        }
    }
    Ok(Some(Located { parts, attributes: attributes() }))
}

/// What a field of something names.
async fn next(managers: &Managers, kind: &str, of: &Found, field: &str) -> Result<Option<Found>, ProviderError> {
    match of.spec.get(field).and_then(|id| id.revealed().as_str()) {
        Some(id) => find(managers, kind, &[By::Id(id)]).await,
        None => Ok(None),
    }
}

/// The first that is there.
async fn find(managers: &Managers, kind: &str, by: &[By<'_>]) -> Result<Option<Found>, ProviderError> {
    let Some(manager) = managers.get(&KindName::from(kind)) else { return Ok(None) };
    let nowhere = Address::root("located");
    for by in by {
        let target = Target { address: &nowhere, generation: 0, by: *by, sent: None };
        let observed = manager.observe(&[target]).await?;
        if let Some(Observation::Present(found)) = observed.observations.into_iter().next() {
            return Ok(Some(*found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_of_an_endpoint_is_one_of_a_part() {
        let mut said: BTreeSet<&str> = OWN.iter().flat_map(|own| own.fields).copied().collect();
        // It is checked, and stands for nothing at this cloud.
        said.insert("options");
        assert_eq!(said, kinds::Endpoint::schema().fields().into_iter().collect());
    }

    #[test]
    fn a_part_has_the_fields_that_it_is_given() {
        for own in &OWN {
            let schema = schema_of(own.kind).unwrap();
            let reads = own.reads.iter().map(|(field, _)| field);
            let given: BTreeSet<&str> = own.fields.iter().chain(reads).copied().collect();
            assert_eq!(schema.fields().into_iter().collect::<BTreeSet<_>>(), given, "{}", own.kind);
            assert!(schema.attribute_names().contains(&ID));
        }
    }
}
