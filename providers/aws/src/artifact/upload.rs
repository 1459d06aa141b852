//! Sends one content: a small one whole, a large one in parts that are asked after, so that none is sent twice.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::base64;
use trueup_artifacts::{Cut, Part, Place, SourceFile, Sum, Unfinished, Upload, extent};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::contents;
use crate::clients::Pair;
use crate::error::failed;

const MIB: u64 = 1024 * 1024;
/// How large files are cut: S3 takes 10,000 parts of one file.
pub(super) const CUT: Cut = Cut { whole: 16 * MIB, part: 8 * MIB, most_parts: 10_000 };
/// The mark of a content that was sent from here: its checksum.
const MARK: &str = "trueup-sha256";

/// Sends contents of one artifact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) s3: &'a Pair<aws_sdk_s3::Client>,
    pub(super) place: &'a Place,
    pub(super) algorithm: &'a ChecksumAlgorithm,
}

/// A checksum as S3 writes it.
fn in_base64(sum: &Sum) -> String {
    base64::encode(hex::decode(&sum.sha256).unwrap_or_default())
}

impl Sender<'_> {
    fn is_sha256(&self) -> bool {
        *self.algorithm == ChecksumAlgorithm::Sha256
    }

    /// The `ETag` of a content that is there, if it was sent from here as a whole: then S3 has held it against its checksum.
    pub(super) async fn look(&self, file: &SourceFile, sum: &Sum) -> Result<Option<String>, ProviderError> {
        let call = self.s3.reads.head_object().bucket(&self.place.bucket).key(self.place.content(&sum.sha256));
        let there = match call.send().await.map_err(|error| failed("look at what is there", &error)) {
            Ok(there) => there,
            Err(error) if error.class == Class::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mark = there.metadata().and_then(|metadata| metadata.get(MARK));
        let is_whole = there.content_length().and_then(|size| size.try_into().ok()) == Some(file.size());
        let is_it = is_whole && mark == Some(&sum.sha256);
        Ok(there.e_tag.filter(|_| is_it))
    }

    /// Sends a small file whole: its `ETag`. S3 refuses what has another checksum.
    pub(super) async fn put(&self, file: &SourceFile, sum: &Sum) -> Result<String, ProviderError> {
        let text = file.piece(0, file.size().try_into().unwrap_or(usize::MAX)).await?;
        let call = self.s3.writes.put_object().bucket(&self.place.bucket).key(self.place.content(&sum.sha256));
        let call = call.metadata(MARK, &sum.sha256).checksum_algorithm(self.algorithm.clone());
        let call = if self.is_sha256() {
            call.checksum_sha256(in_base64(sum))
        } else {
            call.checksum_crc64_nvme(&sum.checksum)
        };
        let sent = call.body(ByteStream::from(text)).send().await;
        etag(sent.map_err(|error| failed(&format!("send {}", file.path), &error))?.e_tag)
    }

    /// Begins to send a large file in parts, or goes on with an upload that never ended.
    pub(super) async fn begin(
        &self,
        file: &SourceFile,
        sum: &Sum,
        unfinished: &[Unfinished],
    ) -> Result<Upload, ProviderError> {
        let is_alike =
            |upload: &&Unfinished| upload.algorithm.as_deref().is_none_or(|with| with == self.algorithm.as_str());
        if let Some(upload) = unfinished.iter().find(is_alike) {
            return self.there_of(file, sum, &upload.id).await;
        }
        let call = self.s3.writes.create_multipart_upload().bucket(&self.place.bucket);
        let call = call.key(self.place.content(&sum.sha256)).metadata(MARK, &sum.sha256);
        let of = if self.is_sha256() { ChecksumType::Composite } else { ChecksumType::FullObject };
        let begun = call.checksum_algorithm(self.algorithm.clone()).checksum_type(of).send().await;
        let begun = begun.map_err(|error| failed(&format!("begin to send {}", file.path), &error))?;
        let nameless = || ProviderError::new(Class::Internal, "S3 does not say what upload it began");
        Ok(Upload { id: begun.upload_id.ok_or_else(nameless)?, parts: BTreeMap::new() })
    }

    /// What is there of an upload: parts that are cut as they are here.
    async fn there_of(&self, file: &SourceFile, sum: &Sum, id: &str) -> Result<Upload, ProviderError> {
        let call = self.s3.reads.list_parts().bucket(&self.place.bucket).key(self.place.content(&sum.sha256));
        let pages: Result<Vec<_>, _> = call.upload_id(id).into_paginator().send().try_collect().await;
        let pages = pages.map_err(|error| renewable(failed("list what was sent already", &error)))?;
        let mut upload = Upload { id: id.to_owned(), parts: BTreeMap::new() };
        for part in pages.into_iter().flat_map(|page| page.parts.unwrap_or_default()) {
            let (Some(number), Some(etag)) = (part.part_number, part.e_tag) else { continue };
            let is_whole = part.size.and_then(|size| size.try_into().ok()) == Some(extent(&CUT, file.size(), number).1);
            // Without the checksum that S3 asks for at the end, a part is of no use.
            if is_whole && number <= CUT.count(file.size()) && (!self.is_sha256() || part.checksum_sha256.is_some()) {
                upload.parts.insert(number, Part { etag, sha256: part.checksum_sha256 });
            }
        }
        Ok(upload)
    }

    /// Sends a part. S3 refuses one that has another checksum than it was sent with.
    pub(super) async fn part(
        &self,
        file: &SourceFile,
        sum: &Sum,
        id: &str,
        number: i32,
    ) -> Result<(i32, Part), ProviderError> {
        let (offset, size) = extent(&CUT, file.size(), number);
        let piece = file.piece(offset, size.try_into().unwrap_or(usize::MAX)).await?;
        let call = self.s3.writes.upload_part().bucket(&self.place.bucket).key(self.place.content(&sum.sha256));
        let call = call.upload_id(id).part_number(number).checksum_algorithm(self.algorithm.clone());
        let sent = call.body(ByteStream::from(piece)).send().await;
        let sent = sent.map_err(|error| renewable(failed(&format!("send {}", file.path), &error)))?;
        Ok((number, Part { etag: etag(sent.e_tag)?, sha256: sent.checksum_sha256 }))
    }

    /// Makes a content of all parts: its `ETag`. What turns out to be another content is given up, parts and all.
    pub(super) async fn complete(
        &self,
        file: &SourceFile,
        sum: &Sum,
        upload: &Upload,
    ) -> Result<String, ProviderError> {
        file.is_as_it_was()?;
        let part = |(number, part): (&i32, &Part)| {
            let sha256 = part.sha256.clone().filter(|_| self.is_sha256());
            CompletedPart::builder().part_number(*number).e_tag(&part.etag).set_checksum_sha256(sha256).build()
        };
        let parts = CompletedMultipartUpload::builder().set_parts(Some(upload.parts.iter().map(part).collect()));
        let call = self.s3.writes.complete_multipart_upload().bucket(&self.place.bucket);
        let call = call.key(self.place.content(&sum.sha256)).upload_id(&upload.id).multipart_upload(parts.build());
        let call = if self.is_sha256() {
            call.checksum_type(ChecksumType::Composite)
        } else {
            call.checksum_type(ChecksumType::FullObject).checksum_crc64_nvme(&sum.checksum)
        };
        let call = call.mpu_object_size(file.size().try_into().unwrap_or(i64::MAX));
        match call.send().await.map_err(|error| failed(&format!("finish sending {}", file.path), &error)) {
            Ok(done) => etag(done.e_tag),
            Err(error) if matches!(error.class, Class::Invalid { .. }) => {
                contents::abort(&self.s3.writes, self.place, &sum.sha256, &upload.id).await?;
                Err(error)
            }
            Err(error) => Err(renewable(error)),
        }
    }
}

/// An upload that somebody gave up is no end: another is begun.
fn renewable(error: ProviderError) -> ProviderError {
    if error.code == "NoSuchUpload" { ProviderError { class: Class::Transient, ..error } } else { error }
}

fn etag(etag: Option<String>) -> Result<String, ProviderError> {
    etag.ok_or_else(|| ProviderError::new(Class::Internal, "S3 does not say what it took").outcome_unknown())
}
