//! The portable kinds, one file each: what may be said of it, what is known once it exists, and their documentation.
//!
//! A field is told once, in the Rust type: its doc comment is its help, its JSON Schema is what blueprints are checked against.
//! A kind means the same at every provider; what one provider alone has stands in `options`, under the provider's name.

pub mod alert;
pub mod artifact;
pub mod bucket;
pub mod budget;
pub mod build;
pub mod duration;
pub mod endpoint;
pub mod function;
pub mod gpu_instance;
pub mod identity;
pub mod image;
pub mod network;
pub mod registry;
pub mod schedule;
pub mod secret;
pub mod volume;

pub use alert::Alert;
pub use artifact::Artifact;
pub use bucket::Bucket;
pub use budget::Budget;
pub use build::Build;
pub use duration::Span;
pub use endpoint::Endpoint;
pub use function::Function;
pub use gpu_instance::GpuInstance;
pub use identity::Identity;
pub use image::Image;
pub use network::Network;
pub use registry::Registry;
pub use schedule::Schedule;
pub use secret::Secret;
pub use volume::Volume;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::schema::Schema;

/// A portable kind.
pub trait Kind: Send + Sync + Sized + std::fmt::Debug + 'static {
    /// Its name in blueprints.
    const NAME: &'static str;

    /// What may be said of it.
    type Spec: Serialize + DeserializeOwned + JsonSchema + Send + Sync + std::fmt::Debug;

    /// What is known of it only once it exists.
    type Attributes: Serialize + JsonSchema + Send + Sync + std::fmt::Debug;

    /// Its schema, made once.
    fn schema() -> &'static Schema;
}

/// Declares a kind: its type, its name, the version of its schema, and whether it is scarce.
macro_rules! kind {
    ($(#[$doc:meta])* $kind:ident = $name:literal, version $version:literal, create_first $scarce:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $kind;

        impl $crate::kinds::Kind for $kind {
            const NAME: &'static str = $name;
            type Spec = Spec;
            type Attributes = Attributes;

            fn schema() -> &'static $crate::schema::Schema {
                static SCHEMA: std::sync::LazyLock<$crate::schema::Schema> =
                    std::sync::LazyLock::new(|| $crate::schema::Schema::of::<Spec, Attributes>($version, $scarce).showing());
                &SCHEMA
            }
        }
    };
}
pub(crate) use kind;

/// A whole resource, as an expression such as `"{{ weights }}"` gives it to a field that takes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its address in the stack.
    pub address: String,
    /// Its kind.
    pub kind: String,
    /// Who made it.
    pub provider: String,
    /// Those of its attributes that stay for as long as it lives.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl Reference {
    /// An attribute that is text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(serde_json::Value::as_str)
    }
}

/// Labels on a resource, for people and bills.
pub type Tags = BTreeMap<String, String>;

/// What one provider alone has, under its name.
pub type Options = BTreeMap<String, serde_json::Map<String, serde_json::Value>>;

/// A portable kind, as lists and help show it.
#[derive(Clone, Copy, Debug)]
pub struct Portable {
    /// Its name in blueprints.
    pub name: &'static str,
    /// What may be said of it.
    pub schema: &'static Schema,
    /// What it is, in a sentence.
    pub summary: &'static str,
}

/// All portable kinds, in the order of their names.
pub fn portable() -> Vec<Portable> {
    fn of<K: Kind>(summary: &'static str) -> Portable {
        Portable { name: K::NAME, schema: K::schema(), summary }
    }
    vec![
        of::<Alert>("a measurement that somebody is told of when it is not as it should be"),
        of::<Artifact>("files in a bucket that belong together, such as a model's weights"),
        of::<Bucket>("where files are kept"),
        of::<Budget>("what may be spent in a month, and who is told"),
        of::<Build>("images that are built of a repository as it changes"),
        of::<Endpoint>("a model that answers requests"),
        of::<Function>("a program that runs when it is called"),
        of::<GpuInstance>("a machine with GPUs"),
        of::<Identity>("as whom programs act at a provider, and what they may do there"),
        of::<Image>("a container image in a registry, known by its digest"),
        of::<Network>("where machines reach each other"),
        of::<Registry>("where container images and packaged models are kept"),
        of::<Schedule>("something that is started again and again"),
        of::<Secret>("a value in a provider's own store of secrets"),
        of::<Volume>("a disk that outlives its machine, or a file system that several share"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use trueup_state::{FieldPath, Value};

    use super::*;
    use crate::schema::{marked, properties, variants};

    /// Calls `look` with every property below a schema.
    fn every_property(schema: &Json, at: &str, look: &mut dyn FnMut(&str, &Json)) {
        for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let at = format!("{at}.{name}");
            look(&at, field);
            every_property(field, &at, look);
        }
        for below in variants(schema).chain(schema.get("items")) {
            // The one property of a variant such as `{ kms_key: ID }` is described with the variant.
            let described = below.get("description").is_some();
            every_property(below, at, &mut |at, field| {
                if !described {
                    look(at, field);
                }
            });
        }
    }

    fn completed(kind: &str, spec: Json) -> Value {
        let portable = portable().into_iter().find(|portable| portable.name == kind).unwrap();
        let mut value = Value::from(spec);
        portable.schema.complete(&mut value);
        assert_eq!(portable.schema.problems(&value), []);
        value
    }

    #[test]
    fn every_field_of_every_kind_is_documented() {
        for portable in portable() {
            for schema in [&portable.schema.spec, &portable.schema.attributes] {
                every_property(schema, portable.name, &mut |at, field| {
                    assert!(field.get("description").is_some(), "{at} says nothing of itself");
                });
            }
        }
    }

    /// Whether a schema asks for text of a certain form, or for a map or a list.
    fn asks_for_a_form(schema: &Json) -> bool {
        let composed = |name: &Json| name == "object" || name == "array";
        let has_type = schema.get("type").is_some_and(|types| match types {
            Json::Array(several) => several.iter().any(composed),
            one => composed(one),
        });
        has_type || schema.get("pattern").is_some() || variants(schema).any(asks_for_a_form)
    }

    #[test]
    fn every_field_that_asks_for_a_form_has_an_example() {
        let mut without = Vec::new();
        for portable in portable() {
            every_property(&portable.schema.spec, portable.name, &mut |at, field| {
                // What a whole resource holds is written by nobody.
                let written = !at.ends_with(".attributes");
                if written && asks_for_a_form(field) && crate::help::Help::of(field).values().is_empty() {
                    without.push(at.to_owned());
                }
            });
        }
        assert!(without.is_empty(), "{without:#?}");
    }

    #[test]
    fn every_kind_has_a_name_tags_and_options() {
        for portable in portable() {
            for field in ["name", "tags", "options"] {
                assert!(properties(&portable.schema.spec).contains(&field), "{} has no {field}", portable.name);
            }
            assert!(portable.schema.is("x-immutable", &FieldPath::parse("name")));
        }
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let bucket = completed("bucket", json!({ "lifecycle": [{ "expire_after_days": 3 }] }));
        assert_eq!(bucket.get("public_access"), Some(&"blocked".into()));
        assert_eq!(bucket.get("encryption"), Some(&"provider_managed".into()));
        assert_eq!(bucket.at(&FieldPath::parse("lifecycle[0].prefix")), Some(&"".into()));
        let machine = completed("gpu_instance", json!({ "gpu": { "model": "L4" }, "disk": { "type": "fast" } }));
        assert_eq!(machine.at(&FieldPath::parse("gpu.count")), Some(&1.into()));
        assert_eq!(machine.at(&FieldPath::parse("disk.size_gb")), Some(&100.into()));
        let endpoint = completed("endpoint", json!({ "command": ["x"], "gpu": { "model": "L4" }, "health": {} }));
        assert_eq!(endpoint.at(&FieldPath::parse("gpu.count")), Some(&1.into()));
        assert_eq!(endpoint.at(&FieldPath::parse("health.path")), Some(&"/healthz".into()));
        assert_eq!(endpoint.at(&FieldPath::parse("replicas.min")), Some(&1.into()));
    }

    #[test]
    fn a_completed_spec_fits_the_kinds_own_type() {
        let machine = completed("gpu_instance", json!({ "gpu": "none", "market": { "reservation": "cr-1" } }));
        let typed: gpu_instance::Spec = crate::typed::from_value(&machine).unwrap();
        assert!(crate::typed::to_value(&typed).same(&machine));
        let endpoint = completed("endpoint", json!({ "command": ["x"], "env": { "A": "b" } }));
        let typed: endpoint::Spec = crate::typed::from_value(&endpoint).unwrap();
        assert!(crate::typed::to_value(&typed).same(&endpoint));
    }

    #[test]
    fn wrong_values_are_found_by_the_schema() {
        let problems = |kind: &Schema, spec: Json| {
            let mut value = Value::from(spec);
            kind.complete(&mut value);
            kind.problems(&value).len()
        };
        assert_eq!(problems(Bucket::schema(), json!({ "versoning": true })), 1);
        assert_eq!(problems(Endpoint::schema(), json!({ "command": ["x"], "health": { "timeout": "soon" } })), 1);
        assert_eq!(problems(Endpoint::schema(), json!({ "command": ["x"], "image": "y" })), 1);
        assert_eq!(problems(Endpoint::schema(), json!({})), 1);
        assert!(problems(GpuInstance::schema(), json!({ "gpu": { "model": "L4", "count": 0 } })) > 0);
        assert!(problems(GpuInstance::schema(), json!({})) > 0);
        assert_eq!(problems(Endpoint::schema(), json!({ "command": ["x"], "replicas": { "min": 5, "max": 4 } })), 1);
        // The least number that is not said is one.
        assert_eq!(problems(Endpoint::schema(), json!({ "command": ["x"], "replicas": { "max": 1 } })), 0);
        let rule = json!({ "expire_after_days": 9, "transition": { "after_days": 30, "storage_class": "cold" } });
        assert_eq!(problems(Bucket::schema(), json!({ "lifecycle": [rule] })), 1);
    }

    #[test]
    fn what_goes_together_is_said_by_the_schema() {
        let of = |kind: &Schema, spec: Json| {
            let mut value = Value::from(spec);
            kind.complete(&mut value);
            kind.problems(&value).into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>()
        };
        let function = json!({ "address": "f", "kind": "function", "provider": "sim", "attributes": {} });
        let starts = json!({ "function": function });
        assert_eq!(of(Schedule::schema(), json!({ "cron": "0 3 * * 1-5", "starts": starts })), [""; 0]);
        assert_eq!(of(Schedule::schema(), json!({ "every": "6h", "starts": { "queue": "arn" } })), [""; 0]);
        assert_eq!(of(Schedule::schema(), json!({ "cron": "0 3 * * *", "every": "6h", "starts": starts })), [""]);
        assert_eq!(of(Schedule::schema(), json!({ "starts": starts })), [""]);
        assert_eq!(of(Schedule::schema(), json!({ "cron": "0 3 * *", "starts": starts })), ["cron"]);
        assert_eq!(of(Schedule::schema(), json!({ "every": "6h", "starts": {} })), ["starts"]);
        assert_eq!(of(Identity::schema(), json!({ "can": [{ "read": function, "write": function }] })), ["can[0]"]);
        assert_eq!(of(Identity::schema(), json!({ "used_by": ["machine"] })), ["used_by[0]"]);
        assert_eq!(of(Function::schema(), json!({ "code": { "image": "x" }, "memory_mib": 64 })), ["memory_mib"]);
        assert_eq!(of(Function::schema(), json!({ "code": { "archive": { "file": "x.zip" } } })), ["code.archive"]);
        let built = |github: &str| json!({ "source": { "github": github }, "image": "x" });
        assert_eq!(of(Build::schema(), built("acme/chat")), [""; 0]);
        assert_eq!(of(Build::schema(), built("https://github.com/acme/chat")), ["source.github"]);
        assert_eq!(of(Budget::schema(), json!({ "amount_usd": 0 })), ["amount_usd"]);
        assert_eq!(of(Budget::schema(), json!({ "amount_usd": 5, "emails": ["ada"] })), ["emails[0]"]);
        let metric = json!({ "metric": { "namespace": "AWS/S3", "name": "BucketSizeBytes" } });
        assert_eq!(of(Alert::schema(), json!({ "watch": metric, "threshold": 1 })), [""; 0]);
        assert_eq!(of(Alert::schema(), json!({ "watch": metric })), [""]);
        assert_eq!(of(Volume::schema(), json!({ "type": "shared", "size_gb": 0 })), ["size_gb"]);
        assert_eq!(of(Network::schema(), json!({ "zones": [] })), ["zones"]);
        assert_eq!(of(Network::schema(), json!({ "zones": ["a"], "cidr": "10.0.0.0/30" })), ["cidr"]);
    }

    #[test]
    fn the_value_of_a_secret_is_sealed_and_never_read_back() {
        let secret = completed("secret", json!({ "value": "HUNTER2" }));
        assert_eq!(secret.get("value"), Some(&Value::secret("HUNTER2".into())));
        assert!(Secret::schema().is("x-write-only", &FieldPath::parse("value")));
        assert!(!Secret::schema().has_attribute("value"));
    }

    #[test]
    fn paths_that_are_read_at_plan_say_where_their_digest_goes() {
        for path in ["from.oci_layout", "from.docker_archive"] {
            let field = Image::schema().field(&FieldPath::parse(path)).unwrap();
            assert!(marked(field, "x-path"), "{field}");
            assert_eq!(field["x-digest-into"], "digest");
        }
        assert_eq!(Artifact::schema().field(&FieldPath::parse("source")).unwrap()["x-digest-into"], "digest");
        assert!(Image::schema().is("x-computed", &FieldPath::parse("digest")));
    }
}
