//! `bucket`: where files are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `bucket`.
    Bucket = "bucket", version 1, create_first false
}

/// A place for files: model weights, data sets, results.
/// Example: `{ kind: bucket, versioning: true, lifecycle: [{ prefix: checkpoints/, expire_after_days: 30 }] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// The provider's name for it. Left out, one is made from the stack, the address and a hash. Example: `acme-weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 222), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// Where its data is, where that is not simply the provider's region: Google's `EU` or `NAM4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    pub location: Option<String>,

    /// Keep what is overwritten or deleted as earlier versions. Default: false. Example: `true`.
    #[serde(default)]
    pub versioning: bool,

    /// Who holds the key that its data is encrypted with: `provider_managed` (the default), or `{ kms_key: ID }`.
    /// Example: `{ kms_key: alias/weights }`.
    #[serde(default)]
    pub encryption: Encryption,

    /// Rules by which files expire or move to a cheaper storage class. Default: none.
    /// Example: `[{ prefix: checkpoints/, expire_after_days: 30 }]`.
    #[serde(default)]
    pub lifecycle: Vec<LifecycleRule>,

    /// Who may read it without being named: `blocked` (nobody, the default) or `read` (everyone).
    #[serde(default)]
    pub public_access: PublicAccess,

    /// Delete it even when files are in it. Default: false, which refuses. Example: `true`.
    #[serde(default)]
    #[schemars(extend("x-on-delete" = true))]
    pub force_destroy: bool,

    /// The storage class of new files. Default: `standard`.
    #[serde(default)]
    pub storage_class: StorageClass,

    /// Which web pages may read it from a browser. Default: none. Example: `[{ origins: [https://app.example.com] }]`.
    #[serde(default)]
    pub cors: Vec<CorsRule>,

    /// Where its access log goes. Default: it has none. Example: `{ bucket: "{{ logs }}", prefix: weights/ }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { object_lock: true } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// Who holds a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// The provider makes and keeps the key.
    #[default]
    ProviderManaged,
    /// A key of the cloud's key service, by its id, ARN or resource name.
    KmsKey(String),
}

/// Who may read without being named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicAccess {
    /// Nobody; what would make a file public is refused.
    #[default]
    Blocked,
    /// Everyone may read every file.
    Read,
}

/// How quickly and how dearly files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StorageClass {
    /// For files in use.
    #[default]
    Standard,
    /// For files read about once a month (S3 Standard-IA, Google Nearline).
    Infrequent,
    /// For files read about once a quarter (S3 Glacier Instant Retrieval, Google Coldline).
    Cold,
    /// For files read about once a year (S3 Glacier Deep Archive, Google Archive).
    Archive,
    /// The provider moves files as they are used (S3 Intelligent-Tiering, Google Autoclass).
    Automatic,
}

/// What becomes of files as they age. Days count from the moment a file was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct LifecycleRule {
    /// Only files whose path begins so. Default: all. Example: `checkpoints/`.
    #[serde(default)]
    pub prefix: String,

    /// Delete files after this many days. Example: `30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expire_after_days: Option<u32>,

    /// Delete earlier versions this many days after they were superseded. Example: `7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub noncurrent_expire_after_days: Option<u32>,

    /// Drop the parts of uploads that were not finished within this many days. Example: `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub abort_incomplete_uploads_after_days: Option<u32>,

    /// Move files to another storage class as they age. Example: `{ after_days: 30, storage_class: cold }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
}

/// A move to another storage class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Transition {
    /// After this many days, and not after the files expire. Example: `30`.
    #[schemars(range(min = 1), extend("x-at-most" = "expire_after_days"))]
    pub after_days: u32,
    /// To which class.
    pub storage_class: StorageClass,
}

/// Which web pages may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct CorsRule {
    /// Their origins. Example: `[https://app.example.com]`.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub origins: Vec<String>,
    /// The HTTP methods they may use. Default: `[GET, HEAD]`. Example: `[GET, PUT]`.
    #[serde(default = "read_methods")]
    #[schemars(extend("x-unordered" = true))]
    pub methods: Vec<String>,
    /// The request headers they may send. Default: none. Example: `[Authorization]`.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub headers: Vec<String>,
    /// How many seconds a browser may remember the answer. Default: 3600.
    #[serde(default = "hour")]
    pub max_age_seconds: u32,
}

/// Where an access log goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Logging {
    /// The bucket that takes the log. Example: `"{{ logs }}"`.
    #[schemars(extend("x-reference" = ["bucket"]))]
    pub bucket: Reference,
    /// What the names of the log's files begin with. Default: nothing.
    #[serde(default)]
    pub prefix: String,
}

fn read_methods() -> Vec<String> {
    vec!["GET".to_owned(), "HEAD".to_owned()]
}

fn hour() -> u32 {
    3600
}

/// What is known of a bucket once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// Its address for tools: `s3://NAME`, `gs://NAME`, `file:///DIRECTORY`.
    pub uri: String,
    /// The provider's name for it.
    pub name: String,
    /// The provider's full identifier, for policies: an ARN, a resource name, a directory.
    pub resource_id: String,
    /// Where it is: a region, a location, `local`.
    pub location: String,
}
