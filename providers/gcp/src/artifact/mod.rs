//! Artifacts in Cloud Storage: the calls that its buckets are asked by.
//!
//! A large content is sent in parts, files of their own that are put together in the end: so many go at once, and whoever goes on with one
//! finds what is there by a list. Every write says which generation it goes over; every content is held against its CRC32C.

mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::model::Object;
use trueup_artifacts::{Checksum, Cut, Listed, Part, Place, SourceFile, Store, Sum, To, Unfinished, Upload};
use trueup_engine::kinds::{Artifact, Kind};
use trueup_engine::provider::{Api, ProviderError, unknown_options};
use trueup_engine::schema::Problem;
use trueup_state::{Class, Value};

use crate::clients::{AT_ONCE, Clients, patiently};
use crate::error::failed;

const MIB: u64 = 1024 * 1024;
/// How large files are cut: one part, or one file, is sent by a call that ends in 40 seconds on a line of 2 Mbit/s.
const CUT: Cut = Cut { whole: 8 * MIB, part: 8 * MIB, most_parts: 8 * 1024 };
/// The mark of a content that was sent from here: its checksum.
const MARK: &str = "trueup-sha256";
/// The files of one page of a list.
const PAGE: i32 = 1000;

/// The buckets of Cloud Storage in one project.
pub(crate) struct Gcs {
    clients: Arc<Clients>,
}

/// CRC32C, as a number.
struct Crc32c(u32);

impl Checksum for Crc32c {
    fn update(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    fn finish(self: Box<Self>) -> String {
        self.0.to_string()
    }
}

fn crc32c() -> Box<dyn Checksum> {
    Box::new(Crc32c(0))
}

/// The path of a place's bucket.
fn bucket(place: &Place) -> String {
    format!("projects/_/buckets/{}", place.bucket)
}

fn crc_of(object: &Object) -> Option<u32> {
    object.checksums.as_ref().and_then(|checksums| checksums.crc32c)
}

impl Gcs {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    async fn control(&self) -> Result<&StorageControl, ProviderError> {
        self.clients.storage().await
    }

    async fn files(&self) -> Result<&Storage, ProviderError> {
        self.clients.files().await
    }

    /// A file of a bucket; none where it is not there.
    async fn see(&self, place: &Place, key: &str) -> Result<Option<Object>, ProviderError> {
        let control = self.control().await?;
        let ask = || async {
            let call = control.get_object().set_bucket(bucket(place)).set_object(key);
            call.send().await.map_err(|error| failed("look at what is there", &error))
        };
        match patiently(ask).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All files of a bucket whose names begin so.
    async fn all(&self, place: &Place, prefix: &str) -> Result<Vec<Object>, ProviderError> {
        let control = self.control().await?;
        let (mut all, mut page) = (Vec::new(), String::new());
        loop {
            let ask = || async {
                let call = control.list_objects().set_parent(bucket(place)).set_prefix(prefix).set_page_size(PAGE);
                let call = call.set_page_token(page.clone());
                call.send().await.map_err(|error| failed("list what the artifact has", &error))
            };
            let answer = patiently(ask).await?;
            all.extend(answer.objects);
            page = answer.next_page_token;
            if page.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Removes files, of the generations that are said: those for good, also where earlier ones are kept. What is gone already is as well.
    async fn remove_all(&self, place: &Place, files: Vec<(String, Option<i64>)>) -> Result<(), ProviderError> {
        let control = self.control().await?;
        let remove = async |(key, generation): (String, Option<i64>)| {
            let call = control.delete_object().set_bucket(bucket(place)).set_object(key);
            let removed = call.set_generation(generation.unwrap_or_default()).send().await;
            match removed.map_err(|error| failed("remove what the artifact had", &error)) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        let removed: Vec<_> = files.into_iter().map(remove).collect();
        let removed: Vec<_> = stream::iter(removed).buffer_unordered(AT_ONCE).collect().await;
        removed.into_iter().collect()
    }

    /// Whether a file is a content that was sent from here, and is whole.
    fn is_it(object: &Object, file: &SourceFile, sum: &Sum) -> bool {
        let is_whole = u64::try_from(object.size).ok() == Some(file.size());
        is_whole && object.metadata.get(MARK) == Some(&sum.sha256) && crc_of(object) == sum.checksum.parse().ok()
    }

    /// The generation that a content goes over: none is nought. The content itself, where it is there already.
    async fn over(&self, to: To<'_>) -> Result<Result<i64, Object>, ProviderError> {
        let there = self.see(to.place, &to.place.content(&to.sum.sha256)).await?;
        Ok(match there {
            Some(object) if Self::is_it(&object, to.file, to.sum) => Err(object),
            Some(object) => Ok(object.generation),
            None => Ok(0),
        })
    }
}

#[async_trait]
impl Store for Gcs {
    const PROVIDER: &'static str = "gcp";
    const NAME: &'static str = "Cloud Storage";
    const SCHEME: &'static str = "gs";

    fn region(&self) -> Option<&str> {
        None
    }

    fn api(&self) -> Api {
        self.clients.api("storage")
    }

    fn checksum(&self) -> fn() -> Box<dyn Checksum> {
        crc32c
    }

    fn cut(&self) -> Cut {
        CUT
    }

    fn problems(&self, spec: &Value) -> Vec<Problem> {
        unknown_options("gcp", Artifact::NAME, &[], spec)
    }

    fn lacks_bucket(&self, error: &ProviderError) -> bool {
        error.class == Class::NotFound
    }

    async fn read(&self, place: &Place) -> Result<Option<(String, Vec<u8>)>, ProviderError> {
        let doing = "read the manifest";
        let files = self.files().await?;
        let ask = || async {
            let call = files.read_object(bucket(place), place.manifest());
            let mut got = call.send().await.map_err(|error| failed(doing, &error))?;
            let (generation, mut text) = (got.object().generation, Vec::new());
            while let Some(more) = got.next().await {
                text.extend_from_slice(&more.map_err(|error| failed(doing, &error))?);
            }
            Ok((generation.to_string(), text))
        };
        match patiently(ask).await {
            Ok(got) => Ok(Some(got)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, place: &Place, text: Vec<u8>, over: Option<&str>) -> Result<(), ProviderError> {
        let over: i64 = over.and_then(|generation| generation.parse().ok()).unwrap_or_default();
        let call = self.files().await?.write_object(bucket(place), place.manifest(), Bytes::from(text));
        let call = call.set_content_type("application/json").set_if_generation_match(over);
        Box::pin(call.send_buffered()).await.map(drop).map_err(|error| failed("write the manifest", &error))
    }

    async fn remove_manifest(&self, place: &Place) -> Result<(), ProviderError> {
        self.remove_all(place, vec![(place.manifest(), None)]).await
    }

    async fn list(&self, place: &Place) -> Result<BTreeMap<String, Listed>, ProviderError> {
        let all = self.all(place, &place.contents()).await?;
        let listed = all.into_iter().filter_map(|object| {
            let size = u64::try_from(object.size).unwrap_or_default();
            Some((place.sha256_of(&object.name)?.to_owned(), Listed { size, etag: object.generation.to_string() }))
        });
        Ok(listed.collect())
    }

    async fn unfinished(&self, place: &Place) -> Result<BTreeMap<String, Vec<Unfinished>>, ProviderError> {
        let all = self.all(place, &parts::directory(place)).await?;
        let one = |sha256: String| (sha256.clone(), vec![Unfinished { id: sha256, algorithm: None }]);
        Ok(all.iter().filter_map(|object| parts::sha256_of(place, &object.name)).map(one).collect())
    }

    async fn remove(&self, place: &Place, contents: &[&String]) -> Result<(), ProviderError> {
        self.remove_all(place, contents.iter().map(|sha256| (place.content(sha256), None)).collect()).await
    }

    async fn abort(&self, place: &Place, sha256: &str, _id: &str) -> Result<(), ProviderError> {
        parts::remove(self, place, sha256).await
    }

    async fn look(&self, place: &Place, file: &SourceFile, sum: &Sum) -> Result<Option<String>, ProviderError> {
        let there = self.see(place, &place.content(&sum.sha256)).await?;
        Ok(there.filter(|object| Self::is_it(object, file, sum)).map(|object| object.generation.to_string()))
    }

    async fn put(&self, to: To<'_>) -> Result<String, ProviderError> {
        let over = match self.over(to).await? {
            Ok(over) => over,
            Err(there) => return Ok(there.generation.to_string()),
        };
        let text = to.file.piece(0, to.file.size().try_into().unwrap_or(usize::MAX)).await?;
        let files = self.files().await?;
        let call = files.write_object(bucket(to.place), to.place.content(&to.sum.sha256), Bytes::from(text));
        let call = call.set_metadata([(MARK, &to.sum.sha256)]).set_if_generation_match(over);
        let call = call.with_known_crc32c(to.sum.checksum.parse::<u32>().unwrap_or_default());
        let sent =
            Box::pin(call.send_buffered()).await.map_err(|error| failed(&format!("send {}", to.file.path), &error))?;
        Ok(sent.generation.to_string())
    }

    async fn begin(&self, to: To<'_>, _unfinished: &[Unfinished]) -> Result<Upload, ProviderError> {
        parts::there(self, to).await
    }

    async fn part(&self, to: To<'_>, _id: &str, number: i32) -> Result<(i32, Part), ProviderError> {
        parts::send(self, to, number).await.map(|part| (number, part))
    }

    async fn complete(&self, to: To<'_>, upload: &Upload) -> Result<String, ProviderError> {
        to.file.is_as_it_was()?;
        let made = match self.over(to).await? {
            Ok(over) => parts::compose(self, to, upload, over).await?,
            Err(there) => there,
        };
        self.abort(to.place, &to.sum.sha256, &upload.id).await?;
        Ok(made.generation.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_all_pieces() {
        let mut sum = crc32c();
        sum.update(b"12345");
        sum.update(b"6789");
        // The check value of CRC-32C, of "123456789".
        assert_eq!(sum.finish(), 0xE306_9283_u32.to_string());
    }
}
