//! Sends one content: a small one whole, a large one in parts that are asked after, so that none is sent twice.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::base64;
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::contents::{self, Unfinished};
use super::place::Place;
use super::source::{SourceFile, Sum};
use crate::clients::Pair;
use crate::error::failed;

const MIB: u64 = 1024 * 1024;
/// The largest file that is sent whole, in bytes.
pub(super) const WHOLE: u64 = 16 * MIB;
/// The size of a part where the file is no larger than that allows, in bytes.
const PART: u64 = 8 * MIB;
/// How many parts S3 takes of one file.
const MOST_PARTS: u64 = 10_000;
/// How much may be in memory at once, in bytes, as long as that is more than one part.
const MEMORY: u64 = 128 * MIB;
/// The mark of a content that was sent from here: its checksum.
const MARK: &str = "trueup-sha256";

/// Sends contents of one artifact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) s3: &'a Pair<aws_sdk_s3::Client>,
    pub(super) place: &'a Place,
    pub(super) algorithm: &'a ChecksumAlgorithm,
}

/// An upload in parts.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    id: String,
    /// What is there of it, by number from 1.
    parts: BTreeMap<i32, Part>,
}

/// A part that is there.
#[derive(Clone, Debug)]
pub(super) struct Part {
    etag: String,
    sha256: Option<String>,
}

impl Upload {
    /// The numbers of the parts that are missing.
    pub(super) fn missing(&self, size: u64) -> Vec<i32> {
        (1..=count(size)).filter(|number| !self.parts.contains_key(number)).collect()
    }

    /// Takes note of a part.
    pub(super) fn has(&mut self, (number, part): (i32, Part)) {
        self.parts.insert(number, part);
    }

    /// How much of a file is there, in bytes.
    pub(super) fn done(&self, size: u64) -> u64 {
        self.parts.keys().map(|number| extent(size, *number).1).sum()
    }

    /// Whether it is this one.
    pub(super) fn is(&self, upload: &Unfinished) -> bool {
        self.id == upload.id
    }
}

/// The size of the parts of a file of a size, both in bytes: that alone decides, so that whoever goes on with an upload cuts the file alike.
pub(super) fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS).div_ceil(MIB).max(PART / MIB) * MIB
}

/// How many parts a file has.
fn count(size: u64) -> i32 {
    size.div_ceil(part_size(size)).try_into().unwrap_or(i32::MAX)
}

/// Where a part begins, and how long it is, in bytes.
fn extent(size: u64, number: i32) -> (u64, u64) {
    let offset = part_size(size) * u64::try_from(number - 1).unwrap_or_default();
    (offset, part_size(size).min(size.saturating_sub(offset)))
}

/// How many pieces fit in memory at once that have so many bytes at most.
pub(super) fn at_once(largest: u64) -> usize {
    (MEMORY / largest.max(1)).max(1).try_into().unwrap_or(1)
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
        let call =
            if self.is_sha256() { call.checksum_sha256(in_base64(sum)) } else { call.checksum_crc64_nvme(&sum.crc64) };
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
        let is_alike = |upload: &&Unfinished| upload.algorithm.as_ref().is_none_or(|with| with == self.algorithm);
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
            let is_whole = part.size.and_then(|size| size.try_into().ok()) == Some(extent(file.size(), number).1);
            // Without the checksum that S3 asks for at the end, a part is of no use.
            if is_whole && number <= count(file.size()) && (!self.is_sha256() || part.checksum_sha256.is_some()) {
                upload.has((number, Part { etag, sha256: part.checksum_sha256 }));
            }
        }
        Ok(upload)
    }

    /// Sends a part. S3 refuses one that has another checksum than it was sent with.
    pub(super) async fn part(
        &self,
        file: &SourceFile,
        sum: &Sum,
        id: String,
        number: i32,
    ) -> Result<(i32, Part), ProviderError> {
        let (offset, size) = extent(file.size(), number);
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
            call.checksum_type(ChecksumType::FullObject).checksum_crc64_nvme(&sum.crc64)
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

    /// The id of an upload, for its parts.
    pub(super) fn id(upload: &Upload) -> String {
        upload.id.clone()
    }
}

/// An upload that somebody gave up is no end: another is begun.
fn renewable(error: ProviderError) -> ProviderError {
    if error.code == "NoSuchUpload" { ProviderError { class: Class::Transient, ..error } } else { error }
}

fn etag(etag: Option<String>) -> Result<String, ProviderError> {
    etag.ok_or_else(|| ProviderError::new(Class::Internal, "S3 does not say what it took").outcome_unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = MIB * MIB;

    #[test]
    fn parts_are_as_s3_takes_them_and_make_up_the_file() {
        for size in [WHOLE + 1, 20 * MIB, 80_000 * MIB, 80_000 * MIB + 1, TIB, 5 * TIB] {
            let count = count(size);
            assert!(count >= 2 && u64::try_from(count).unwrap() <= MOST_PARTS, "{size}: {count}");
            let mut end = 0;
            for number in 1..=count {
                let (offset, length) = extent(size, number);
                assert_eq!(offset, end, "{size}: {number}");
                assert!(length >= 5 * MIB || number == count && length > 0, "{size}: {number}");
                end = offset + length;
            }
            assert_eq!(end, size);
            let at_once = at_once(part_size(size)) as u64;
            assert!(at_once == 1 || at_once * part_size(size) <= MEMORY);
        }
        assert_eq!(count(20 * MIB), 3);
    }
}
