//! The portable kinds, one file each: what may be said of it, what is known once it exists, and their documentation.
//!
//! A field is told once, in the Rust type: its doc comment is its help, its JSON Schema is what blueprints are checked against.
//! A kind means the same at every provider; what one provider alone has stands in `options`, under the provider's name.

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
                    std::sync::LazyLock::new(|| $crate::schema::Schema::of::<Spec, Attributes>($version, $scarce));
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
