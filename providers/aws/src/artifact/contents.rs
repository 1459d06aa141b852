//! What is in a bucket of an artifact: its contents, and the uploads of contents that never ended.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use trueup_artifacts::{Listed, Place, Unfinished};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use crate::error::{built, class_of, failed};

/// How many keys one call removes at most.
const PAGE: usize = 1000;

/// All contents, by their checksums.
pub(super) async fn list(s3: &Client, place: &Place) -> Result<BTreeMap<String, Listed>, ProviderError> {
    let pages = s3.list_objects_v2().bucket(&place.bucket).prefix(place.contents()).into_paginator().send();
    let pages: Vec<_> = pages.try_collect().await.map_err(|error| failed("list what the artifact has", &error))?;
    let objects = pages.into_iter().flat_map(|page| page.contents.unwrap_or_default());
    let listed = objects.filter_map(|object| {
        let sha256 = place.sha256_of(object.key.as_deref()?)?.to_owned();
        let size = object.size.and_then(|size| size.try_into().ok()).unwrap_or_default();
        Some((sha256, Listed { size, etag: object.e_tag.unwrap_or_default() }))
    });
    Ok(listed.collect())
}

/// The uploads that never ended, by the checksums of what they bring.
pub(super) async fn uploads(s3: &Client, place: &Place) -> Result<BTreeMap<String, Vec<Unfinished>>, ProviderError> {
    let mut found = BTreeMap::<String, Vec<Unfinished>>::new();
    let (mut key, mut id) = (None, None);
    loop {
        let call = s3.list_multipart_uploads().bucket(&place.bucket).prefix(place.contents());
        let page = call.set_key_marker(key).set_upload_id_marker(id).send().await;
        let page = page.map_err(|error| failed("list unfinished uploads", &error))?;
        for upload in page.uploads() {
            let sha256 = upload.key().and_then(|key| place.sha256_of(key));
            if let (Some(sha256), Some(id)) = (sha256, upload.upload_id()) {
                let algorithm = upload.checksum_algorithm().map(|algorithm| algorithm.as_str().to_owned());
                let upload = Unfinished { id: id.to_owned(), algorithm };
                found.entry(sha256.to_owned()).or_default().push(upload);
            }
        }
        if page.is_truncated() != Some(true) {
            return Ok(found);
        }
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
    }
}

/// Removes contents, by their checksums.
pub(super) async fn remove(s3: &Client, place: &Place, contents: &[&String]) -> Result<(), ProviderError> {
    let doing = "remove what the artifact had";
    for page in contents.chunks(PAGE) {
        let object = |sha256: &&String| built(ObjectIdentifier::builder().key(place.content(sha256)).build());
        let objects: Result<Vec<_>, _> = page.iter().map(object).collect();
        let delete = built(Delete::builder().quiet(true).set_objects(Some(objects?)).build())?;
        let removed = s3.delete_objects().bucket(&place.bucket).delete(delete).send().await;
        let removed = removed.map_err(|error| failed(doing, &error))?;
        if let Some(error) = removed.errors().first() {
            let code = error.code().unwrap_or_default();
            let class = class_of(code).unwrap_or(Class::Internal);
            let message = format!("{doing}: {}", error.message().unwrap_or("it can't be removed"));
            return Err(ProviderError::new(class, message).code(code));
        }
    }
    Ok(())
}

/// Gives up an upload: what it brought is paid for, and is in no list. One that is gone already is as well.
pub(super) async fn abort(s3: &Client, place: &Place, sha256: &str, id: &str) -> Result<(), ProviderError> {
    let call = s3.abort_multipart_upload().bucket(&place.bucket).key(place.content(sha256)).upload_id(id);
    match call.send().await.map_err(|error| failed("give up an unfinished upload", &error)) {
        Err(error) if error.code != "NoSuchUpload" => Err(error),
        _ => Ok(()),
    }
}
