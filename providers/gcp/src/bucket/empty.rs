//! What is in a bucket: whether anything is, and how it is removed.

use futures::stream::{self, StreamExt};
use google_cloud_storage::client::StorageControl;
use google_cloud_storage::model::Object;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath};

use super::path;
use crate::clients::{AT_ONCE, patiently};
use crate::error::failed;

/// The files of one step: what is removed before it is asked again whether that goes on.
const STEP: i32 = 1000;

async fn list(storage: &StorageControl, bucket: &str, most: i32) -> Result<Vec<Object>, ProviderError> {
    let ask = || async {
        let call = storage.list_objects().set_parent(path(bucket)).set_versions(true).set_page_size(most);
        call.send().await.map_err(|error| failed("list what is in the bucket", &error))
    };
    Ok(patiently(ask).await?.objects)
}

/// Removes some of what is in a bucket, every version of it; how many files that was.
pub(super) async fn step(storage: &StorageControl, bucket: &str) -> Result<usize, ProviderError> {
    let objects = list(storage, bucket, STEP).await?;
    let remove = async |object: &Object| {
        let call = storage.delete_object().set_bucket(path(bucket)).set_object(&object.name);
        let removed = call.set_generation(object.generation).send().await;
        match removed.map_err(|error| failed("remove a file from the bucket", &error)) {
            Err(error) if error.class != Class::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    let removed: Vec<_> = objects.iter().map(remove).collect();
    let removed: Vec<_> = stream::iter(removed).buffer_unordered(AT_ONCE).collect().await;
    removed.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(objects.len())
}

/// That a bucket which may not be emptied is not empty.
pub(super) async fn obstacle(storage: &StorageControl, bucket: &str) -> Option<Problem> {
    let there = list(storage, bucket, 1).await.ok()?;
    let first = there.first()?;
    let message = format!(
        "the bucket `{bucket}` is not empty: `{}` is in it. With `force_destroy: true`, applied first, what is in it goes too",
        first.name
    );
    Some(Problem::new(FieldPath::parse("force_destroy"), message))
}
