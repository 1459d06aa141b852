//! A machine that checks itself at its first start: the program that it fetches, and what it leaves, in a bucket of the stack's. It is given one
//! address for each, which is good for that alone and for some hours, so that it needs no permission of its own.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use serde_json::json;
use trueup_engine::compose::{Companions, Part, Read, Shared, Wanted};
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::ProviderError;
use trueup_machines::told::Told;
use trueup_state::{Class, Request, Value};

use super::OPTIONS;
use super::beside::place;
use super::found::text_option;
use crate::clients::Clients;
use crate::error::failed;

/// The name of the bucket as a part, and the option that has its name.
const NAME: &str = "checks";
pub(super) const OPTION: &str = "checks_bucket";

/// How long its addresses are good: a boot, the program's way, and the longest check but a burn of more than that.
const GOOD_FOR: Duration = Duration::from_hours(6);

/// A bucket for what machines of a region that check themselves fetch and leave, for a week.
pub(super) fn companions(wanted: &Wanted<'_>) -> Companions {
    let via = wanted.validate.map(|validate| validate.get("via").and_then(|via| via.revealed().as_str()));
    if !matches!(via, Some(None | Some("startup"))) {
        return Companions::default();
    }
    let spec = json!({ "force_destroy": true, "lifecycle": [{ "expire_after_days": 7 }] });
    let part = Part {
        name: NAME.to_owned(),
        kind: Bucket::NAME.into(),
        scope: wanted.scope.clone(),
        shared: Some(Shared { name: NAME.to_owned(), key: place(wanted.scope), follows: false }),
        spec: spec.into(),
        reads: [].into(),
        after: [].into(),
        create_first: None,
        origins: [].into(),
    };
    Companions { parts: vec![part], reads: [(OPTIONS.field(OPTION), Read::of(NAME, "name"))].into() }
}

/// Puts the program into the bucket, where it is not there, and says what the machine of a request is told. None where it is not to check
/// itself.
pub(super) async fn prepare(clients: &Clients, request: &Request) -> Result<Option<Told>, ProviderError> {
    let Some(startup) = request.check.as_ref().and_then(|check| check.get("startup")).map(Value::revealed) else {
        return Ok(None);
    };
    let text = |name: &str| startup.get(name).and_then(|text| text.revealed().as_str()).unwrap_or_default();
    let (digest, bucket) = (text("digest"), bucket(request)?);
    let key = format!("gpucheck/{digest}");
    upload(&clients.s3.writes, bucket, &key, text("program")).await?;
    let signing = PresigningConfig::expires_in(GOOD_FOR)
        .map_err(|error| ProviderError::new(Class::Internal, error.to_string()))?;
    let s3 = &clients.s3.reads;
    let get = s3.get_object().bucket(bucket).key(&key).presigned(signing.clone()).await;
    let get = get.map_err(|error| failed("sign where the program is", &error))?;
    let put = s3.put_object().bucket(bucket).key(left_key(request.token.as_str())).presigned(signing).await;
    let put = put.map_err(|error| failed("sign where the report goes", &error))?;
    let words = startup.get("words").and_then(|words| words.revealed().as_list()).unwrap_or_default();
    let words = words.iter().filter_map(|word| word.revealed().as_str());
    let lines: Vec<&str> = [digest, get.uri(), put.uri()].into_iter().chain(words).collect();
    Ok(Some(Told { script: text("script").to_owned(), lines: lines.join("\n") + "\n" }))
}

/// What the machine of a check's request has left.
pub(super) async fn left(clients: &Clients, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
    let token = request.owner.get(TAG_TOKEN).map_or_else(|| request.token.as_str(), String::as_str);
    let got = clients.s3.reads.get_object().bucket(bucket(request)?).key(left_key(token)).send().await;
    let got = match got.map_err(|error| failed("read what the machine has left", &error)) {
        Ok(got) => got,
        Err(error) if error.code == "NoSuchKey" => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = got.body.collect().await.map_err(|error| ProviderError::new(Class::Transient, error.to_string()))?;
    Ok(Some(read.to_vec()))
}

fn left_key(token: &str) -> String {
    format!("left/{token}")
}

fn bucket(request: &Request) -> Result<&str, ProviderError> {
    text_option(&request.spec, OPTION).ok_or_else(|| {
        let class = Class::Invalid { field: Some(format!("options.aws.{OPTION}")) };
        ProviderError::new(class, "a machine that checks itself needs a bucket for what it fetches and leaves")
    })
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
