//! `artifact`: files in a bucket that belong together, such as a model's weights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `artifact`.
    Artifact = "artifact", version 1, create_first false
}

/// The name of the manifest beside an artifact's files. A source may not hold a file of this name at its top.
pub const MANIFEST: &str = "trueup-manifest.json";

/// Files in a bucket that belong together: a model's weights, a data set. What is in them is compared by checksum.
/// Example: `{ kind: artifact, bucket: "{{ weights }}", source: ./models/tiny-llama }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// Its name in the bucket. Left out, one is made from the stack, the address and a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// The bucket that keeps it. Example: `"{{ weights }}"`.
    #[schemars(extend("x-immutable" = true, "x-reference" = ["bucket"]))]
    pub bucket: Reference,

    /// The file or directory that is copied, relative to the blueprint's file. A symbolic link in it counts as the file that it leads to,
    /// as in a cache of models; one to a directory, or to nothing, is an error. Example: `./models/tiny-llama`.
    #[schemars(length(min = 1), extend("x-path" = true, "x-digest-into" = "digest"))]
    pub source: String,

    /// The digest of what `source` holds, found when the plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-computed" = true))]
    pub digest: Option<String>,

    /// Where in the bucket its files go. Default: its name. Example: `models/tiny-llama`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 900), extend("x-immutable" = true, "x-shown" = true))]
    pub path: Option<String>,

    /// A label for people, written into the manifest. Example: `2026-11-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { checksum_algorithm: sha256 } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What is known of an artifact once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The directory of its files: `s3://BUCKET/PATH`, `gs://BUCKET/PATH`, `file:///DIRECTORY`.
    pub uri: String,
    /// The manifest: each file with its size and SHA-256.
    pub manifest: String,
    /// The digest of its files, `sha256:…`.
    #[schemars(extend("x-volatile" = true))]
    pub digest: String,
    /// The size of its files together, in bytes.
    #[schemars(extend("x-volatile" = true))]
    pub size_bytes: u64,
    /// How many files it has.
    #[schemars(extend("x-volatile" = true))]
    pub files: u64,
}
