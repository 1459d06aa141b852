//! `image`: a container image in a registry, known by its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `image`.
    Image = "image", version 1, create_first false
}

/// A container image, copied into a registry and known there by its digest.
/// Example: `{ kind: image, registry: "{{ images }}", from: { oci_layout: ./images/chat }, tag: [v1] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// A name for it among the stack's images. Left out, one is made from the stack, the address and a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-immutable" = true, "x-shown" = true))]
    pub name: Option<String>,

    /// The registry that keeps it. Example: `"{{ images }}"`.
    #[schemars(extend("x-immutable" = true, "x-reference" = ["registry"]))]
    pub registry: Reference,

    /// Where it is copied from. Example: `{ oci_layout: ./images/chat }`.
    pub from: From,

    /// The digest of the files at `from`, where it names files; found when the plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-computed" = true))]
    pub digest: Option<String>,

    /// Its tags in the registry. Default: one made from its digest, which no other image can take. Example: `[v1, stable]`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")), extend("x-unordered" = true, "x-shown" = true))]
    pub tag: Vec<String>,

    /// Of an image for several platforms, take this one alone. Default: all of them. Example: `linux/amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?$"))]
    pub platform: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name. Example: `{ aws: { mount_from: base-images } }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// Where an image is copied from: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A directory in the OCI image layout, relative to the blueprint's file. Example: `{ oci_layout: ./images/chat }`.
    OciLayout(#[schemars(length(min = 1), extend("x-path" = "directory", "x-digest-into" = "digest"))] String),
    /// A file as `docker save` writes it, relative to the blueprint's file. Example: `{ docker_archive: ./images/chat.tar }`.
    DockerArchive(#[schemars(length(min = 1), extend("x-path" = "file", "x-digest-into" = "digest"))] String),
    /// An image in another registry. Example: `{ reference: docker://docker.io/library/python:3.13-slim }`.
    Reference(#[schemars(length(min = 1))] String),
}

/// What is known of an image once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The image by its digest: `REGISTRY@sha256:…`. It never means another image.
    #[schemars(extend("x-volatile" = true))]
    pub r#ref: String,
    /// Its digest in the registry, `sha256:…`.
    #[schemars(extend("x-volatile" = true))]
    pub digest: String,
    /// The image by its first tag: `REGISTRY:TAG`.
    #[schemars(extend("x-volatile" = true))]
    pub uri: String,
    /// The size of all its parts, in bytes.
    #[schemars(extend("x-volatile" = true))]
    pub size_bytes: u64,
}
