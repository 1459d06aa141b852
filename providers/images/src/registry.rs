//! A registry by the OCI distribution API: the few calls that put an image there, each by itself. What a call left behind the next one finds.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use trueup_engine::provider::ProviderError;
use trueup_oci::Descriptor;
use trueup_state::Class;

/// How much is sent at once: what is in memory of each blob, and what a call that goes wrong sends again.
const CHUNK: usize = 8 * 1024 * 1024;
/// What a registry calls the least that it takes at once.
const LEAST: &str = "oci-chunk-min-length";

/// What carries calls to a registry: a cloud's own client of HTTP.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// What a call is answered. It is sent once, and follows no redirection. The error says why no answer came.
    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Reply, String>;
}

/// An answer of HTTP.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// What it holds.
    pub body: Vec<u8>,
}

/// One repository of a registry, and who asks.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Where the registry is: `https://…`.
    pub address: String,
    /// What it is told of who asks.
    pub authorization: String,
    /// The repository's name there.
    pub name: String,
    /// What carries the calls.
    pub transport: Arc<dyn Transport>,
}

/// The class of a status, where no code says more.
fn class_of_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 | 412 => Class::Conflict,
        429 | 503 => Class::Throttled { retry_after: None },
        400..500 => Class::Invalid { field: None },
        500.. => Class::Transient,
        // It answered well, and nobody can read it.
        _ => Class::Internal,
    }
}

/// A blob on its way.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// Where it goes on.
    location: String,
    /// How many bytes the registry has of it.
    pub(crate) done: u64,
    /// How much is sent at once.
    pub(crate) chunk: usize,
}

/// What a registry answered.
struct Answer {
    status: u16,
    location: Option<String>,
    range: Option<String>,
    digest: Option<String>,
    least: Option<usize>,
    body: Vec<u8>,
}

/// What went wrong, in a registry's words.
#[derive(Deserialize)]
struct Fault {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Faults {
    errors: Vec<Fault>,
}

impl Answer {
    /// Whether it is one of these.
    fn is(self, doing: &str, well: &[u16]) -> Result<Self, ProviderError> {
        if well.contains(&self.status) {
            return Ok(self);
        }
        let said = serde_json::from_slice::<Faults>(&self.body).ok().and_then(|said| said.errors.into_iter().next());
        let (code, message) = said.map_or_else(Default::default, |said| (said.code, said.message));
        let message = if message.is_empty() { format!("it answered with the status {}", self.status) } else { message };
        let class = match code.as_str() {
            "TAG_INVALID" | "DENIED" if self.status == 400 => Class::Conflict,
            "NAME_UNKNOWN" | "BLOB_UPLOAD_UNKNOWN" => Class::NotFound,
            "TOOMANYREQUESTS" => Class::Throttled { retry_after: None },
            _ => class_of_status(self.status),
        };
        Err(ProviderError::new(class, format!("{doing}: {message}")).code(code))
    }

    /// Where an upload goes on, whose blob the registry has so many bytes of.
    fn upload(self, of: &Registry, done: u64, chunk: usize) -> Result<Upload, ProviderError> {
        let location = self
            .location
            .ok_or_else(|| ProviderError::new(Class::Internal, "the registry does not say where an upload goes on"))?;
        let chunk = chunk.max(self.least.unwrap_or_default());
        Ok(Upload { location: of.absolute(&location), done, chunk })
    }
}

impl Registry {
    /// Whether a blob is there.
    pub(crate) async fn has(&self, blob: &Descriptor) -> Result<bool, ProviderError> {
        let doing = format!("look for the blob {}", blob.digest);
        let answer = self.call("HEAD", &self.at("blobs", &blob.digest), &[], Vec::new()).await?;
        // It may be kept elsewhere, where the answer leads.
        Ok(answer.status != 404 && answer.is(&doing, &[200, 307]).map(|_| true)?)
    }

    /// Begins to send a blob; none where the registry takes it over from another of its repositories.
    pub(crate) async fn begin(&self, blob: &Descriptor, from: Option<&str>) -> Result<Option<Upload>, ProviderError> {
        let mut url = format!("{}/v2/{}/blobs/uploads/", self.address, self.name);
        if let Some(from) = from {
            url.push_str(&format!("?mount={}&from={from}", blob.digest));
        }
        let answer = self.call("POST", &url, &[], Vec::new()).await?.is("begin to send a blob", &[201, 202])?;
        if answer.status == 201 { Ok(None) } else { answer.upload(self, 0, CHUNK).map(Some) }
    }

    /// How far an upload is; none where the registry knows it no more.
    pub(crate) async fn ask(&self, upload: &Upload) -> Result<Option<Upload>, ProviderError> {
        let answer = self.call("GET", &upload.location, &[], Vec::new()).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.is("ask how far a blob is", &[204])?;
        let end = answer.range.as_deref().and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        // `0-0` is one byte, or none: the first is sent again.
        let done = end.filter(|end| *end > 0).map_or(0, |end| end + 1);
        let (chunk, location) = (upload.chunk, upload.location.clone());
        let at = Answer { location: answer.location.clone().or(Some(location)), ..answer };
        at.upload(self, done, chunk).map(Some)
    }

    /// Sends on from where an upload is.
    pub(crate) async fn append(&self, upload: &Upload, bytes: Vec<u8>) -> Result<Upload, ProviderError> {
        let (start, length) = (upload.done, bytes.len() as u64);
        let range = format!("{start}-{}", start + length - 1);
        let headers = [("content-type", "application/octet-stream"), ("content-range", range.as_str())];
        let answer = self.call("PATCH", &upload.location, &headers, bytes).await?.is("send a blob", &[202, 204])?;
        answer.upload(self, start + length, upload.chunk)
    }

    /// Ends an upload with what is left of its blob. The registry holds the whole against its digest.
    pub(crate) async fn finish(&self, upload: &Upload, blob: &Descriptor, rest: Vec<u8>) -> Result<(), ProviderError> {
        let joint = if upload.location.contains('?') { '&' } else { '?' };
        let url = format!("{}{joint}digest={}", upload.location, blob.digest);
        let headers = [("content-type", "application/octet-stream")];
        self.call("PUT", &url, &headers, rest).await?.is("end a blob", &[201]).map(drop)
    }

    /// Puts a manifest, under its digest or under a tag.
    pub(crate) async fn put(&self, blob: &Descriptor, under: &str, content: Vec<u8>) -> Result<(), ProviderError> {
        let headers = [("content-type", blob.media_type.as_str())];
        let doing = format!("put the image as `{under}`");
        let answer = self.call("PUT", &self.at("manifests", under), &headers, content).await?.is(&doing, &[201])?;
        match answer.digest.filter(|digest| *digest != blob.digest) {
            None => Ok(()),
            Some(other) => {
                let message = format!("the registry says that the image {} is {other}", blob.digest);
                Err(ProviderError::new(Class::Internal, message))
            }
        }
    }

    fn at(&self, what: &str, reference: &str) -> String {
        format!("{}/v2/{}/{what}/{reference}", self.address, self.name)
    }

    fn absolute(&self, location: &str) -> String {
        if location.starts_with('/') { format!("{}{location}", self.address) } else { location.to_owned() }
    }

    async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, ProviderError> {
        let mut told = vec![("content-length", body.len().to_string())];
        // A registry that keeps a blob elsewhere leads there with what lets one in: nobody is told twice who asks.
        if url.starts_with(&self.address) {
            told.push(("authorization", self.authorization.clone()));
        }
        told.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let lost = |error: String| {
            let message = format!("{method} {url}: no answer came: {error}");
            ProviderError::new(Class::Transient, message).outcome_unknown()
        };
        let reply = self.transport.send(method, url, told, body).await.map_err(lost)?;
        let header = |name: &str| reply.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let (location, range) = (header("location"), header("range"));
        let (digest, least) = (header("docker-content-digest"), header(LEAST).and_then(|text| text.parse().ok()));
        Ok(Answer { status: reply.status, location, range, digest, least, body: reply.body })
    }
}
