//! A machine that checks itself at its first start: its program and its report in Cloud Storage, at addresses that are signed for each.

use bytes::Bytes;
use google_cloud_auth::signer::Signer;
use google_cloud_storage::builder::storage::SignedUrlBuilder;
use http::Method;
use trueup_engine::provider::ProviderError;
use trueup_machines::startup::{self, Check, GOOD_FOR};
use trueup_machines::told::Told;
use trueup_state::{Class, Request};

use super::options::OPTIONS;
use crate::clients::{Clients, patiently};
use crate::error::failed;

/// Puts the program into the bucket, where it is not there, and says what the machine of a request is told. None where it is not to check
/// itself.
pub(super) async fn prepare(clients: &Clients, request: &Request) -> Result<Option<Told>, ProviderError> {
    let Some(check) = Check::of(request, &OPTIONS)? else { return Ok(None) };
    let (bucket, key) = (format!("projects/_/buckets/{}", check.bucket()), check.program_key());
    // What can't be signed needs no program.
    let signer = clients.signer()?;
    let get = signed(clients, &signer, (&bucket, &key), Method::GET).await?;
    let put = signed(clients, &signer, (&bucket, &check.left_key()), Method::PUT).await?;
    upload(clients, (&bucket, &key), check.program()).await?;
    Ok(Some(check.told(&get, &put)))
}

async fn signed(
    clients: &Clients,
    signer: &Signer,
    (bucket, key): (&str, &str),
    method: Method,
) -> Result<String, ProviderError> {
    let url = SignedUrlBuilder::for_object(bucket, key).with_method(method).with_expiration(GOOD_FOR);
    let url = match clients.files_root() {
        Some(root) => url.with_endpoint(root),
        None => url,
    };
    url.sign_with(signer).await.map_err(|error| {
        let message = format!("what the machine fetches and leaves can't be signed: {error}");
        ProviderError::new(Class::Denied, message)
            .help("a service account signs: act as one, by `impersonate`, or check by `via: ssh`")
    })
}

/// What the machine of a check's request has left.
pub(super) async fn left(clients: &Clients, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
    let (bucket, key) = startup::left(request, &OPTIONS)?;
    let (bucket, doing) = (format!("projects/_/buckets/{bucket}"), "read what the machine has left");
    let files = clients.files().await?;
    let ask = || async {
        let call = files.read_object(&bucket, &key);
        let mut got = call.send().await.map_err(|error| failed(doing, &error))?;
        let mut text = Vec::new();
        while let Some(more) = got.next().await {
            text.extend_from_slice(&more.map_err(|error| failed(doing, &error))?);
        }
        Ok(text)
    };
    match patiently(ask).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn upload(clients: &Clients, (bucket, key): (&str, &str), program: &str) -> Result<(), ProviderError> {
    let there = clients.storage().await?.get_object().set_bucket(bucket).set_object(key).send().await;
    if there.is_ok() {
        return Ok(());
    }
    let text = tokio::fs::read(program).await;
    let text =
        text.map_err(|error| ProviderError::new(Class::Conflict, format!("{program} can't be read: {error}")))?;
    let sum = crc32c::crc32c(&text);
    let call = clients.files().await?.write_object(bucket, key, Bytes::from(text)).with_known_crc32c(sum);
    Box::pin(call.send_buffered()).await.map(drop).map_err(|error| failed("put the program into the bucket", &error))
}
