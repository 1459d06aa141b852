//! A registry by the OCI distribution API: the few calls that put an image there, each by itself. What a call left behind the next one finds.

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;
use trueup_engine::provider::ProviderError;
use trueup_oci::Descriptor;
use trueup_state::Class;

use crate::error::class_of_status;

/// How long a connection may take, and an answer.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));
/// How much is sent at once: what is in memory of each blob, and what a call that goes wrong sends again.
const CHUNK: usize = 8 * 1024 * 1024;
/// What a registry calls the least that it takes at once.
const LEAST: &str = "oci-chunk-min-length";

/// One repository of a registry, and who asks.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    /// Where the registry is: `https://…`.
    pub(super) address: String,
    /// What it is told of who asks.
    pub(super) authorization: String,
    /// The repository's name there.
    pub(super) name: String,
}

/// A blob on its way.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// Where it goes on.
    location: String,
    /// How many bytes the registry has of it.
    pub(super) done: u64,
    /// How much is sent at once.
    pub(super) chunk: usize,
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
    pub(super) async fn has(&self, blob: &Descriptor) -> Result<bool, ProviderError> {
        let doing = format!("look for the blob {}", blob.digest);
        let answer = self.call("HEAD", &self.at("blobs", &blob.digest), &[], Vec::new()).await?;
        // It may be kept elsewhere, where the answer leads.
        Ok(answer.status != 404 && answer.is(&doing, &[200, 307]).map(|_| true)?)
    }

    /// Begins to send a blob; none where the registry takes it over from another of its repositories.
    pub(super) async fn begin(&self, blob: &Descriptor, from: Option<&str>) -> Result<Option<Upload>, ProviderError> {
        let mut url = format!("{}/v2/{}/blobs/uploads/", self.address, self.name);
        if let Some(from) = from {
            url.push_str(&format!("?mount={}&from={from}", blob.digest));
        }
        let answer = self.call("POST", &url, &[], Vec::new()).await?.is("begin to send a blob", &[201, 202])?;
        if answer.status == 201 { Ok(None) } else { answer.upload(self, 0, CHUNK).map(Some) }
    }

    /// How far an upload is; none where the registry knows it no more.
    pub(super) async fn ask(&self, upload: &Upload) -> Result<Option<Upload>, ProviderError> {
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
    pub(super) async fn append(&self, upload: &Upload, bytes: Vec<u8>) -> Result<Upload, ProviderError> {
        let (start, length) = (upload.done, bytes.len() as u64);
        let range = format!("{start}-{}", start + length - 1);
        let headers = [("content-type", "application/octet-stream"), ("content-range", range.as_str())];
        let answer = self.call("PATCH", &upload.location, &headers, bytes).await?.is("send a blob", &[202, 204])?;
        answer.upload(self, start + length, upload.chunk)
    }

    /// Ends an upload with what is left of its blob. The registry holds the whole against its digest.
    pub(super) async fn finish(&self, upload: &Upload, blob: &Descriptor, rest: Vec<u8>) -> Result<(), ProviderError> {
        let joint = if upload.location.contains('?') { '&' } else { '?' };
        let url = format!("{}{joint}digest={}", upload.location, blob.digest);
        let headers = [("content-type", "application/octet-stream")];
        self.call("PUT", &url, &headers, rest).await?.is("end a blob", &[201]).map(drop)
    }

    /// Puts a manifest, under its digest or under a tag.
    pub(super) async fn put(&self, blob: &Descriptor, under: &str, content: Vec<u8>) -> Result<(), ProviderError> {
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
        let wrong = |error: String| ProviderError::new(Class::Internal, format!("{method} {url}: {error}"));
        let length = body.len().to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|error| wrong(error.to_string()))?;
        request.set_uri(url).map_err(|error| wrong(error.to_string()))?;
        request.headers_mut().insert("content-length", length);
        // A registry that keeps a blob elsewhere leads there with what lets one in: nobody is told twice who asks.
        if url.starts_with(&self.address) {
            request.headers_mut().insert("authorization", self.authorization.clone());
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        let lost = |error: String| {
            let message = format!("{method} {url}: no answer came: {error}");
            ProviderError::new(Class::Transient, message).outcome_unknown()
        };
        let response = connector().call(request).await.map_err(|error| lost(format!("{error:?}")))?;
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let (status, location, range) = (response.status().as_u16(), header("location"), header("range"));
        let (digest, least) = (header("docker-content-digest"), header(LEAST).and_then(|text| text.parse().ok()));
        let body = ByteStream::new(response.into_body()).collect().await.map_err(|error| lost(error.to_string()))?;
        Ok(Answer { status, location, range, digest, least, body: body.to_vec() })
    }
}

/// What calls: one for the process, so that connections are shared.
fn connector() -> &'static Connector {
    static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
        let settings = HttpConnectorSettings::builder().connect_timeout(PATIENCE.0).read_timeout(PATIENCE.1).build();
        let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        builder.sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new()).connector_settings(settings).build()
    });
    &CONNECTOR
}
