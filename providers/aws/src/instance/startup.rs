//! A machine that checks itself at its first start: its program and its report in S3, at addresses that are signed for each.

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use trueup_engine::provider::ProviderError;
use trueup_machines::startup::{self, Check, GOOD_FOR};
use trueup_machines::told::Told;
use trueup_state::{Class, Request};

use super::OPTIONS;
use crate::clients::Clients;
use crate::error::failed;

/// Puts the program into the bucket, where it is not there, and says what the machine of a request is told. None where it is not to check
/// itself.
pub(super) async fn prepare(clients: &Clients, request: &Request) -> Result<Option<Told>, ProviderError> {
    let Some(check) = Check::of(request, &OPTIONS)? else { return Ok(None) };
    let (bucket, key) = (check.bucket(), check.program_key());
    upload(&clients.s3.writes, bucket, &key, check.program()).await?;
    let signing = PresigningConfig::expires_in(GOOD_FOR)
        .map_err(|error| ProviderError::new(Class::Internal, error.to_string()))?;
    let s3 = &clients.s3.reads;
    let get = s3.get_object().bucket(bucket).key(&key).presigned(signing.clone()).await;
    let get = get.map_err(|error| failed("sign where the program is", &error))?;
    let put = s3.put_object().bucket(bucket).key(check.left_key()).presigned(signing).await;
    let put = put.map_err(|error| failed("sign where the report goes", &error))?;
    Ok(Some(check.told(get.uri(), put.uri())))
}

/// What the machine of a check's request has left.
pub(super) async fn left(clients: &Clients, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
    let (bucket, key) = startup::left(request, &OPTIONS)?;
    let got = clients.s3.reads.get_object().bucket(bucket).key(key).send().await;
    let got = match got.map_err(|error| failed("read what the machine has left", &error)) {
        Ok(got) => got,
        Err(error) if error.code == "NoSuchKey" => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = got.body.collect().await.map_err(|error| ProviderError::new(Class::Transient, error.to_string()))?;
    Ok(Some(read.to_vec()))
}

async fn upload(s3: &Client, bucket: &str, key: &str, program: &str) -> Result<(), ProviderError> {
    let there = s3.head_object().bucket(bucket).key(key).send().await;
    if there.is_ok() {
        return Ok(());
    }
    let body = ByteStream::from_path(program).await;
    let body =
        body.map_err(|error| ProviderError::new(Class::Conflict, format!("{program} can't be read: {error}")))?;
    let put = s3.put_object().bucket(bucket).key(key).checksum_algorithm(ChecksumAlgorithm::Sha256).body(body);
    put.send().await.map(drop).map_err(|error| failed("put the program into the bucket", &error))
}
