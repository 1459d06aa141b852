//! What carries calls to a registry of Google's.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use trueup_images::{Reply, Transport};

/// How long a connection may take, and an answer.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// The client.
#[derive(Debug)]
pub(super) struct Reqwest;

/// What calls: one for the process, so that connections are shared.
static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| {
    let client = reqwest::Client::builder().redirect(Policy::none()).connect_timeout(PATIENCE.0).timeout(PATIENCE.1);
    client.build().map_err(|error| error.to_string())
});

#[async_trait]
impl Transport for Reqwest {
    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let method = method.parse().map_err(|_| format!("`{method}` is no method"))?;
        let mut request = CLIENT.as_ref().map_err(Clone::clone)?.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let words = |error: reqwest::Error| error.without_url().to_string();
        let reply = request.send().await.map_err(words)?;
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = reply.headers().iter().filter_map(header).collect();
        let status = reply.status().as_u16();
        Ok(Reply { status, headers, body: reply.bytes().await.map_err(words)?.to_vec() })
    }
}
