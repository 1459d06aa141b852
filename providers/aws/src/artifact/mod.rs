//! Artifacts in S3: the calls that its buckets are asked by.

mod contents;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use aws_smithy_types::base64;
use trueup_artifacts::{Checksum, Cut, Listed, Part, Place, SourceFile, Store, Sum, To, Unfinished, Upload};
use trueup_engine::kinds::artifact::Spec;
use trueup_engine::kinds::{Artifact, Kind};
use trueup_engine::provider::{Api, ProviderError, unknown_options};
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath, Value};

use crate::clients::Clients;
use crate::error::failed;
use upload::{CUT, Sender};

/// What AWS alone has for an artifact.
const KNOWN_OPTIONS: [&str; 1] = ["checksum_algorithm"];
/// What its contents are held against, by the words of a spec. The first is the default.
static ALGORITHMS: [(&str, ChecksumAlgorithm); 2] =
    [("crc64nvme", ChecksumAlgorithm::Crc64Nvme), ("sha256", ChecksumAlgorithm::Sha256)];

/// The buckets of S3 in one account and region.
pub(crate) struct S3 {
    clients: Arc<Clients>,
}

impl S3 {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    fn sender<'a>(&'a self, place: &'a Place, spec: &Spec) -> Sender<'a> {
        Sender { s3: &self.clients.s3, place, algorithm: algorithm(spec) }
    }
}

/// CRC-64/NVME in Base64: what S3 compares with what it was sent, as a whole.
struct Crc64(Box<dyn HttpChecksum>);

impl Checksum for Crc64 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> String {
        base64::encode(self.0.finalize())
    }
}

fn crc64() -> Box<dyn Checksum> {
    Box::new(Crc64(aws_smithy_checksums::ChecksumAlgorithm::Crc64Nvme.into_impl()))
}

/// What a spec wants its contents to be held against.
fn algorithm(spec: &Spec) -> &'static ChecksumAlgorithm {
    let said = spec.options.get("aws").and_then(|options| options.get("checksum_algorithm")?.as_str());
    let [(_, default), (name, other)] = &ALGORITHMS;
    if said == Some(*name) { other } else { default }
}

/// A checksum that S3 has not.
fn algorithm_problem(spec: &Value) -> Option<Problem> {
    let path = FieldPath::from_iter(["options", "aws", "checksum_algorithm"]);
    let said = spec.at(&path)?.revealed();
    let is_known =
        said.has_unknown() || said.as_str().is_some_and(|said| ALGORITHMS.iter().any(|(name, _)| *name == said));
    let message = || format!("a checksum is `{}` or `{}`", ALGORITHMS[0].0, ALGORITHMS[1].0);
    (!is_known).then(|| Problem::new(path, message()))
}

#[async_trait]
impl Store for S3 {
    const PROVIDER: &'static str = "aws";
    const NAME: &'static str = "S3";
    const SCHEME: &'static str = "s3";

    fn region(&self) -> Option<&str> {
        Some(&self.clients.region)
    }

    fn api(&self) -> Api {
        self.clients.api("s3")
    }

    fn checksum(&self) -> fn() -> Box<dyn Checksum> {
        crc64
    }

    fn cut(&self) -> Cut {
        CUT
    }

    fn problems(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = unknown_options("aws", Artifact::NAME, &KNOWN_OPTIONS, spec);
        problems.extend(algorithm_problem(spec));
        problems
    }

    fn lacks_bucket(&self, error: &ProviderError) -> bool {
        error.code == "NoSuchBucket"
    }

    async fn read(&self, place: &Place) -> Result<Option<(String, Vec<u8>)>, ProviderError> {
        let doing = "read the manifest";
        let got = self.clients.s3.reads.get_object().bucket(&place.bucket).key(place.manifest()).send().await;
        let got = match got.map_err(|error| failed(doing, &error)) {
            Ok(got) => got,
            Err(error) if error.code == "NoSuchKey" => return Ok(None),
            Err(error) => return Err(error),
        };
        let cut_short = |error| ProviderError::new(Class::Transient, format!("{doing}: it was cut short: {error}"));
        let etag = got.e_tag.unwrap_or_default();
        let text = got.body.collect().await.map_err(cut_short)?.into_bytes();
        Ok(Some((etag, text.to_vec())))
    }

    async fn write(&self, place: &Place, text: Vec<u8>, over: Option<&str>) -> Result<(), ProviderError> {
        let call = self.clients.s3.writes.put_object().bucket(&place.bucket).key(place.manifest());
        let call = call.content_type("application/json").checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
        let call = match over {
            Some(etag) => call.if_match(etag),
            None => call.if_none_match("*"),
        };
        let sent = call.body(ByteStream::from(text)).send().await;
        sent.map(drop).map_err(|error| failed("write the manifest", &error))
    }

    async fn remove_manifest(&self, place: &Place) -> Result<(), ProviderError> {
        let removed = self.clients.s3.writes.delete_object().bucket(&place.bucket).key(place.manifest()).send().await;
        removed.map(drop).map_err(|error| failed("remove the manifest", &error))
    }

    async fn list(&self, place: &Place) -> Result<BTreeMap<String, Listed>, ProviderError> {
        contents::list(&self.clients.s3.reads, place).await
    }

    async fn unfinished(&self, place: &Place) -> Result<BTreeMap<String, Vec<Unfinished>>, ProviderError> {
        contents::uploads(&self.clients.s3.reads, place).await
    }

    async fn remove(&self, place: &Place, contents: &[&String]) -> Result<(), ProviderError> {
        contents::remove(&self.clients.s3.writes, place, contents).await
    }

    async fn abort(&self, place: &Place, sha256: &str, id: &str) -> Result<(), ProviderError> {
        contents::abort(&self.clients.s3.writes, place, sha256, id).await
    }

    async fn look(&self, place: &Place, file: &SourceFile, sum: &Sum) -> Result<Option<String>, ProviderError> {
        let sender = Sender { s3: &self.clients.s3, place, algorithm: &ALGORITHMS[0].1 };
        sender.look(file, sum).await
    }

    async fn put(&self, to: To<'_>) -> Result<String, ProviderError> {
        self.sender(to.place, to.spec).put(to.file, to.sum).await
    }

    async fn begin(&self, to: To<'_>, unfinished: &[Unfinished]) -> Result<Upload, ProviderError> {
        self.sender(to.place, to.spec).begin(to.file, to.sum, unfinished).await
    }

    async fn part(&self, to: To<'_>, id: &str, number: i32) -> Result<(i32, Part), ProviderError> {
        self.sender(to.place, to.spec).part(to.file, to.sum, id, number).await
    }

    async fn complete(&self, to: To<'_>, upload: &Upload) -> Result<String, ProviderError> {
        self.sender(to.place, to.spec).complete(to.file, to.sum, upload).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_written_as_s3_writes_it() {
        let mut sum = crc64();
        sum.update(b"12345");
        sum.update(b"6789");
        // The check value of CRC-64/NVME, of "123456789".
        assert_eq!(sum.finish(), base64::encode(0xAE8B_1486_0A79_9888_u64.to_be_bytes()));
    }
}
