//! `endpoint`: a model that answers requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::gpu_instance::Gpu;
use super::{Options, Tags};
use crate::typed::Sealed;

super::kind! {
    /// The kind `endpoint`.
    Endpoint = "endpoint", version 1, create_first false
}

/// A model that answers HTTP requests: a container image, or on this machine a command, kept running and checked for health.
/// Example: `{ kind: endpoint, command: [python3, serve.py], working_dir: ., model: "{{ tiny_llama.uri }}", health: { path: /healthz } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(extend("oneOf" = [{ "required": ["image"] }, { "required": ["command"] }]))]
pub struct Spec {
    /// The provider's name for it. Left out, one is made from the stack, the address and a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// The container image that serves. Either this or `command` is given. Example: `"{{ chat_image.ref }}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,

    /// The program that serves and its arguments, run without a shell; `{port}` in them becomes the port it must listen on.
    /// Either this or `image` is given. Example: `[python3, serve.py, --port, "{port}"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,

    /// The directory that `command` runs in, relative to the blueprint's file. Default: a directory of its own, which is empty.
    /// Example: `./serve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = "directory"))]
    pub working_dir: Option<String>,

    /// Where the model is; the program finds it in the environment variable `MODEL`. Example: `"{{ tiny_llama.uri }}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,

    /// What runs it, where a provider has several ways. Default: the provider's first. Example: `sagemaker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    pub runtime: Option<Runtime>,

    /// The GPUs of each replica. Default: none. Example: `{ model: L4, count: 1 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,

    /// The processor cores of each replica. Default: the provider's. Example: `4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 1024))]
    pub cpu: Option<f64>,

    /// The memory of each replica, in GiB. Default: the provider's. Example: `16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 65536))]
    pub memory_gib: Option<f64>,

    /// How many run. Default: one. Example: `{ min: 1, max: 4, target: { metric: concurrency, value: 8 } }`.
    #[serde(default)]
    pub replicas: Replicas,

    /// How it is told that a replica works. Default: `GET /healthz` answers 200. Example: `{ path: /healthz, start_timeout: 10m }`.
    #[serde(default)]
    pub health: Health,

    /// The port the program listens on. Default: the provider's choice, which it finds in the environment variable `PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,

    /// Further environment variables. A value may be a secret. Example: `{ LOG_LEVEL: info }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", extend("x-free" = true, "x-may-be-secret" = true))]
    pub env: BTreeMap<String, Sealed<String>>,

    /// Environment variables that the provider fills from its store of secrets, by their names there. Example: `{ HF_TOKEN: prod/hf }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub secrets: BTreeMap<String, String>,

    /// How long one request may take. Default: `60s`. Example: `2m`.
    #[serde(default = "minute")]
    pub request_timeout: Span,

    /// Whether everyone may call it. Default: false: callers need the provider's permission.
    #[serde(default)]
    pub public: bool,

    /// As whom the program acts at the provider: a role, a service account. Default: one that may read `model` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { variant_name: primary } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What runs an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// AWS `SageMaker`.
    Sagemaker,
    /// Google Vertex AI.
    Vertex,
    /// Google Cloud Run.
    Run,
    /// A process on this machine.
    Process,
}

/// How many replicas run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Replicas {
    /// At least so many. Default: 1. Zero, where the provider can, while nobody calls. Example: `2`.
    #[schemars(range(max = 1000), extend("x-at-most" = "max"))]
    pub min: u32,
    /// At most so many. Default: as `min`. Example: `4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// What decides between the two. Example: `{ metric: concurrency, value: 8 }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: 1, max: None, target: None }
    }
}

/// What each replica is kept at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Target {
    /// Of what.
    pub metric: Metric,
    /// How much of it a replica.
    #[schemars(range(min = 0))]
    pub value: f64,
}

/// What the number of replicas follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests that begin in a second.
    RequestsPerSecond,
    /// How busy the GPUs are, in percent.
    GpuUtilization,
    /// Requests under way at once.
    Concurrency,
}

/// How it is told that a replica works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Health {
    /// The path that answers 200 to a GET while it works. Default: `/healthz`. Example: `/healthz`.
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// How often it is asked. Default: `10s`. Example: `30s`.
    pub interval: Span,
    /// How long an answer may take. Default: `5s`. Example: `2s`.
    pub timeout: Span,
    /// How long it may take to start, loading its model included. Default: `5m`. Example: `10m`.
    pub start_timeout: Span,
    /// How long it has to finish its requests when it is told to stop. Default: `10s`. Example: `30s`.
    pub stop_timeout: Span,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            interval: Span::seconds(10),
            timeout: Span::seconds(5),
            start_timeout: Span::seconds(300),
            stop_timeout: Span::seconds(10),
        }
    }
}

fn minute() -> Span {
    Span::seconds(60)
}

/// What is known of an endpoint once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// Where requests go. Example: `http://127.0.0.1:20801`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where each replica answers, for those who balance the load themselves; null where the provider does not tell.
    #[schemars(extend("x-volatile" = true))]
    pub urls: Vec<String>,
    /// The provider's full identifier, for policies: an ARN, a resource name, a directory.
    pub resource_id: String,
    /// What it is doing: `running`, `degraded`, `stopped`; null where the provider does not tell.
    #[schemars(extend("x-volatile" = true))]
    pub status: String,
    /// Where its log is.
    pub log: String,
}
