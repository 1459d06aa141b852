//! What carries calls to a registry of AWS's: the client that its SDKs have.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use trueup_images::{Reply, Transport};

/// How long a connection may take, and an answer.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// The client.
#[derive(Debug)]
pub(super) struct Smithy;

#[async_trait]
impl Transport for Smithy {
    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|error| error.to_string())?;
        request.set_uri(url).map_err(|error| error.to_string())?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        let response = connector().call(request).await.map_err(|error| format!("{error:?}"))?;
        let headers = response.headers().iter().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let status = response.status().as_u16();
        let body = ByteStream::new(response.into_body()).collect().await.map_err(|error| error.to_string())?;
        Ok(Reply { status, headers, body: body.to_vec() })
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
