//! A large content on its way: parts, each a file of its own beside the contents, which are put together in the end.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use google_cloud_storage::model::compose_object_request::SourceObject;
use google_cloud_storage::model::{Object, ObjectChecksums};
use trueup_artifacts::{Part, Place, To, Upload, extent};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::{CUT, Gcs, MARK, bucket};
use crate::clients::AT_ONCE;
use crate::error::failed;

/// What the directory of parts is called.
const PARTS: &str = "parts";
/// How many files one call puts together.
const MOST: usize = 32;

/// The directory of an artifact's parts.
pub(super) fn directory(place: &Place) -> String {
    format!("{}/{PARTS}/", place.path)
}

/// What the keys of a content's parts begin with.
pub(super) fn of(place: &Place, sha256: &str) -> String {
    format!("{}{sha256}/", directory(place))
}

fn key(place: &Place, sha256: &str, number: i32) -> String {
    format!("{}{number:05}", of(place, sha256))
}

/// The checksum of the content that a key is a part of.
pub(super) fn sha256_of(place: &Place, key: &str) -> Option<String> {
    let (sha256, _) = key.strip_prefix(&directory(place))?.split_once('/')?;
    (sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| sha256.to_owned())
}

/// What is there of a content: parts that are cut as they are here.
pub(super) async fn there(store: &Gcs, to: To<'_>) -> Result<Upload, ProviderError> {
    let prefix = of(to.place, &to.sum.sha256);
    let mut upload = Upload { id: to.sum.sha256.clone(), parts: [].into() };
    for object in store.all(to.place, &prefix).await? {
        let Some(number) = object.name.strip_prefix(&prefix).and_then(|number| number.parse().ok()) else { continue };
        let size = extent(&CUT, to.file.size(), number).1;
        if (1..=CUT.count(to.file.size())).contains(&number) && u64::try_from(object.size).ok() == Some(size) {
            upload.parts.insert(number, Part { etag: object.generation.to_string(), sha256: None });
        }
    }
    Ok(upload)
}

/// Sends a part. One that is there already, because its reply was lost, stays.
pub(super) async fn send(store: &Gcs, to: To<'_>, number: i32) -> Result<Part, ProviderError> {
    let (offset, size) = extent(&CUT, to.file.size(), number);
    let key = key(to.place, &to.sum.sha256, number);
    let piece = to.file.piece(offset, size.try_into().unwrap_or(usize::MAX)).await?;
    let sum = crc32c::crc32c(&piece);
    let call = store.files().await?.write_object(bucket(to.place), key.clone(), Bytes::from(piece));
    let call = call.set_if_generation_match(0_i64).with_known_crc32c(sum);
    let error = match Box::pin(call.send_buffered()).await {
        Ok(sent) => return Ok(Part { etag: sent.generation.to_string(), sha256: None }),
        Err(error) => failed(&format!("send {}", to.file.path), &error),
    };
    if error.class != Class::Conflict {
        return Err(error);
    }
    let is_it = |object: &Object| u64::try_from(object.size).ok() == Some(size) && super::crc_of(object) == Some(sum);
    match store.see(to.place, &key).await? {
        Some(object) if is_it(&object) => Ok(Part { etag: object.generation.to_string(), sha256: None }),
        // Something else has its name: without it, the next try is free to send.
        Some(_) => {
            store.remove_all(to.place, vec![(key, None)]).await?;
            Err(ProviderError { class: Class::Transient, ..error })
        }
        None => Err(ProviderError { class: Class::Transient, ..error }),
    }
}

/// Makes a content of all its parts, over the generation that is there. Cloud Storage holds it against its checksum.
pub(super) async fn compose(store: &Gcs, to: To<'_>, upload: &Upload, over: i64) -> Result<Object, ProviderError> {
    let name = |number: &i32| key(to.place, &to.sum.sha256, *number);
    let mut sources: Vec<(String, i64)> =
        upload.parts.iter().map(|(number, part)| (name(number), part.etag.parse().unwrap_or_default())).collect();
    for level in 1.. {
        if sources.len() <= MOST {
            break;
        }
        let group = async |(index, group): (usize, Vec<(String, i64)>)| {
            let key = format!("{}group-{level}-{index:05}", of(to.place, &to.sum.sha256));
            let made = Object::new().set_name(&key).set_bucket(bucket(to.place));
            // One of before may be of other parts.
            joined(store, made, &group, None, None).await.map(|made| (key, made.generation))
        };
        let groups: Vec<_> = sources.chunks(MOST).map(<[_]>::to_vec).enumerate().map(group).collect();
        let groups: Vec<_> = stream::iter(groups).buffered(AT_ONCE).collect().await;
        sources = groups.into_iter().collect::<Result<_, _>>().map_err(lost)?;
    }
    let made = Object::new().set_name(to.place.content(&to.sum.sha256)).set_bucket(bucket(to.place));
    let made = made.set_metadata([(MARK, &to.sum.sha256)]);
    let sum = to.sum.checksum.parse::<u32>().ok();
    let made = joined(store, made, &sources, Some(over), sum).await;
    match made {
        // What turns out to be another content is given up, parts and all.
        Err(error) if matches!(error.class, Class::Invalid { .. }) => {
            remove(store, to.place, &to.sum.sha256).await?;
            Err(error)
        }
        made => made.map_err(lost),
    }
}

/// Removes all parts of a content. What a bucket keeps for its time stays, and costs what it costs.
pub(super) async fn remove(store: &Gcs, place: &Place, sha256: &str) -> Result<(), ProviderError> {
    let all = store.all(place, &of(place, sha256)).await?;
    let files = all.into_iter().map(|object| (object.name, Some(object.generation))).collect();
    match store.remove_all(place, files).await {
        Err(error) if error.message.contains("retention policy") => Ok(()),
        removed => removed,
    }
}

async fn joined(
    store: &Gcs,
    made: Object,
    sources: &[(String, i64)],
    over: Option<i64>,
    crc32c: Option<u32>,
) -> Result<Object, ProviderError> {
    let source = |(name, generation): &(String, i64)| SourceObject::new().set_name(name).set_generation(*generation);
    let call = store.control().await?.compose_object().set_destination(made);
    let call = call.set_source_objects(sources.iter().map(source)).set_or_clear_if_generation_match(over);
    let call = match crc32c {
        Some(sum) => call.set_object_checksums(ObjectChecksums::new().set_crc32c(sum)),
        None => call,
    };
    call.send().await.map_err(|error| failed("put a file together", &error))
}

/// Parts that somebody removed are no end: they are sent again.
fn lost(error: ProviderError) -> ProviderError {
    if error.class == Class::NotFound { ProviderError { class: Class::Transient, ..error } } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_back_to_its_content() {
        let place = Place { scheme: "gs", bucket: "b".into(), path: "models/tiny".into() };
        let sum = "a".repeat(64);
        assert_eq!(key(&place, &sum, 7), format!("models/tiny/parts/{sum}/00007"));
        assert_eq!(sha256_of(&place, &key(&place, &sum, 7)), Some(sum));
        for key in ["models/tiny/parts/x/1", "models/tiny/parts/readme", "models/other/parts/x/1"] {
            assert_eq!(sha256_of(&place, key), None, "{key}");
        }
    }
}
