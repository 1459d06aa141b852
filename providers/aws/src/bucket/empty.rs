//! Removes what is in a bucket: files, their earlier versions, the marks of those that were deleted, and uploads that never ended.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use trueup_engine::kinds::artifact::MANIFEST;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath};

use super::aspect::{built, unless};
use crate::clients::Pair;
use crate::error::{class_of, failed};

/// How many pages of a thousand one step removes: a call returns within seconds.
const PAGES: usize = 3;

/// What a step left.
pub(super) enum Left {
    /// The bucket is empty.
    Nothing,
    /// There is more. So many files were removed.
    More(usize),
}

/// Removes some pages.
pub(super) async fn step(s3: &Pair<aws_sdk_s3::Client>, name: &str) -> Result<Left, ProviderError> {
    let mut removed = 0;
    for _ in 0..PAGES {
        let gone = remove_page(s3, name).await?;
        removed += gone;
        if gone == 0 {
            abort_uploads(s3, name).await?;
            return Ok(Left::Nothing);
        }
    }
    Ok(Left::More(removed))
}

/// What is in the way of deleting a bucket that is not to be emptied, as far as that is certain: a version or a mark stays where versions are
/// kept, and a file that is in no artifact has nobody to remove it.
pub(super) async fn obstacle(s3: &aws_sdk_s3::Client, name: &str, has_versions: bool) -> Option<Problem> {
    let page = s3.list_object_versions().bucket(name).send().await.ok()?;
    let keys: Vec<&str> = page.versions().iter().filter_map(|version| version.key()).collect();
    let artifacts: Vec<&str> = keys.iter().filter_map(|key| key.strip_suffix(MANIFEST)).collect();
    let is_artifacts = |key: &str| artifacts.iter().any(|place| key.starts_with(place));
    let stays = has_versions || !page.delete_markers().is_empty();
    let left = keys.iter().find(|key| stays || !is_artifacts(key));
    let left = left.copied().or_else(|| page.delete_markers().first().and_then(|mark| mark.key()))?;
    let message = format!("the bucket `{name}` is not empty: `{left}` is in it");
    Some(Problem::new(FieldPath::parse("force_destroy"), message))
}

/// Removes one page of versions and marks: how many there were.
async fn remove_page(s3: &Pair<aws_sdk_s3::Client>, name: &str) -> Result<usize, ProviderError> {
    let page = s3.reads.list_object_versions().bucket(name).send().await;
    let page = page.map_err(|error| failed("list what is in the bucket", &error))?;
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let marks = page.delete_markers().iter().map(|mark| (mark.key(), mark.version_id()));
    let all: Result<Vec<_>, _> = versions
        .chain(marks)
        .map(|(key, version)| {
            let object = ObjectIdentifier::builder().key(key.unwrap_or_default());
            built(object.set_version_id(version.map(str::to_owned)).build())
        })
        .collect();
    let all = all?;
    if all.is_empty() {
        return Ok(0);
    }
    let (count, delete) = (all.len(), built(Delete::builder().quiet(true).set_objects(Some(all)).build())?);
    let removed = s3.writes.delete_objects().bucket(name).delete(delete).send().await;
    let removed = removed.map_err(|error| failed("remove what is in the bucket", &error))?;
    match removed.errors().first() {
        None => Ok(count),
        Some(error) => {
            let code = error.code().unwrap_or_default();
            let class = class_of(code).unwrap_or(Class::Internal);
            let message = format!("{} of the bucket can't be removed", error.key().unwrap_or("a file"));
            Err(ProviderError::new(class, message).code(code))
        }
    }
}

/// Gives up the uploads that never ended: what they brought is paid for, and is in no list.
async fn abort_uploads(s3: &Pair<aws_sdk_s3::Client>, name: &str) -> Result<(), ProviderError> {
    loop {
        let page = s3.reads.list_multipart_uploads().bucket(name).send().await;
        let page = page.map_err(|error| failed("list unfinished uploads", &error))?;
        if page.uploads().is_empty() {
            return Ok(());
        }
        for upload in page.uploads() {
            let call = s3.writes.abort_multipart_upload().bucket(name);
            let aborted = call.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone()).send().await;
            unless("give up an unfinished upload", aborted, "NoSuchUpload")?;
        }
    }
}
