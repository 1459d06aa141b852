//! A repository by ECR's own API: what is in it, and what goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_ecr::types::{ImageDetail, ImageFailureCode, ImageIdentifier};
use serde_json::Value as Json;
use trueup_engine::provider::ProviderError;
use trueup_images::{Registry, Shown};
use trueup_state::Class;

use super::transport::Smithy;
use crate::clients::Pair;
use crate::error::failed;

/// How many images one call removes at most.
const MOST: usize = 100;

/// A repository.
#[derive(Clone, Copy)]
pub(super) struct Repository<'a> {
    pub(super) ecr: &'a Pair<aws_sdk_ecr::Client>,
    pub(super) name: &'a str,
}

impl Repository<'_> {
    /// The registry behind it, and the right to write there, which lasts for some hours.
    pub(super) async fn registry(&self) -> Result<Registry, ProviderError> {
        let doing = "sign in to the registry";
        let answer = self.ecr.reads.get_authorization_token().send().await.map_err(|error| failed(doing, &error))?;
        let data = answer.authorization_data.unwrap_or_default().into_iter().next();
        let said = data.and_then(|data| Some((data.proxy_endpoint?, data.authorization_token?)));
        let silent = || ProviderError::new(Class::Internal, format!("{doing}: ECR gives no token"));
        let (address, token) = said.ok_or_else(silent)?;
        let address = address.trim_end_matches('/').to_owned();
        let (authorization, transport) = (format!("Basic {token}"), Arc::new(Smithy));
        Ok(Registry { address, authorization, name: self.name.to_owned(), transport })
    }

    /// An image; none where it is not there.
    pub(super) async fn image(&self, digest: &str) -> Result<Option<Shown>, ProviderError> {
        let Some(detail) = self.detail(digest).await? else { return Ok(None) };
        let mut size = detail.image_size_in_bytes().map_or(0, |size| u64::try_from(size).unwrap_or(0));
        for platform in self.platforms(&detail).await? {
            let detail = self.detail(&platform).await?;
            let of = detail.and_then(|detail| u64::try_from(detail.image_size_in_bytes()?).ok());
            size += of.unwrap_or(0);
        }
        Ok(Some(Shown { tags: detail.image_tags.unwrap_or_default().into_iter().collect(), size }))
    }

    async fn detail(&self, digest: &str) -> Result<Option<ImageDetail>, ProviderError> {
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let call = self.ecr.reads.describe_images().repository_name(self.name).image_ids(id);
        match call.send().await.map_err(|error| failed(&format!("look for the image {digest}"), &error)) {
            Ok(answer) => Ok(answer.image_details.unwrap_or_default().into_iter().next()),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The images of an index, one a platform; none of what is one itself.
    async fn platforms(&self, of: &ImageDetail) -> Result<Vec<String>, ProviderError> {
        let media = of.image_manifest_media_type().unwrap_or_default();
        let digest = of.image_digest().unwrap_or_default();
        if !media.contains("image.index") && !media.contains("manifest.list") {
            return Ok(Vec::new());
        }
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let call = self.ecr.reads.batch_get_image().repository_name(self.name).image_ids(id);
        let call = call.accepted_media_types(media);
        let answer = call.send().await.map_err(|error| failed(&format!("read the image {digest}"), &error))?;
        let image = answer.images.unwrap_or_default().into_iter().next();
        let manifest = image.and_then(|image| serde_json::from_str::<Json>(image.image_manifest()?).ok());
        let listed = manifest.as_ref().and_then(|manifest| manifest.get("manifests")?.as_array());
        let digest = |entry: &Json| entry.get("digest").and_then(Json::as_str).map(str::to_owned);
        Ok(listed.into_iter().flatten().filter_map(digest).collect())
    }

    /// Takes tags off an image, and the image away where nobody else has a tag on it; and with it its platforms, as far as they are nobody's.
    pub(super) async fn retire(&self, digest: &str, tags: &BTreeSet<String>) -> Result<(), ProviderError> {
        let Some(detail) = self.detail(digest).await? else { return Ok(()) };
        let there: BTreeSet<String> = detail.image_tags().iter().cloned().collect();
        if there.is_subset(tags) {
            let platforms = self.platforms(&detail).await?;
            self.remove([ImageIdentifier::builder().image_digest(digest).build()].into()).await?;
            for platform in platforms {
                let is_nobodys = self.detail(&platform).await?.is_some_and(|detail| detail.image_tags().is_empty());
                if is_nobodys {
                    self.remove([ImageIdentifier::builder().image_digest(platform).build()].into()).await?;
                }
            }
            return Ok(());
        }
        let own = there.intersection(tags).map(|tag| ImageIdentifier::builder().image_tag(tag).build());
        self.remove(own.collect()).await
    }

    /// Removes all images.
    pub(super) async fn empty(&self) -> Result<(), ProviderError> {
        let mut before = BTreeSet::new();
        loop {
            let call = self.ecr.reads.list_images().repository_name(self.name);
            let listed = call.send().await.map_err(|error| failed("list the images of a registry", &error));
            let ids = match listed {
                Ok(answer) => answer.image_ids.unwrap_or_default(),
                Err(error) if error.class == Class::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            if ids.is_empty() {
                return Ok(());
            }
            let digests: BTreeSet<String> = ids.into_iter().filter_map(|id| id.image_digest).collect();
            if digests == before {
                let message = "remove the images of a registry: some stay, whatever is removed";
                return Err(ProviderError::new(Class::Conflict, message));
            }
            let ids = digests.iter().map(|digest| ImageIdentifier::builder().image_digest(digest).build());
            self.remove(ids.collect()).await?;
            before = digests;
        }
    }

    /// Removes images and tags. What is gone already is fine, and what an index has in it goes once the index is gone.
    async fn remove(&self, mut ids: Vec<ImageIdentifier>) -> Result<(), ProviderError> {
        ids.truncate(MOST);
        if ids.is_empty() {
            return Ok(());
        }
        let call = self.ecr.writes.batch_delete_image().repository_name(self.name).set_image_ids(Some(ids));
        let answer = call.send().await.map_err(|error| failed("remove an image", &error))?;
        let passes = [ImageFailureCode::ImageNotFound, ImageFailureCode::ImageReferencedByManifestList];
        let failure =
            answer.failures().iter().find(|failure| failure.failure_code().is_none_or(|code| !passes.contains(code)));
        match failure {
            None => Ok(()),
            Some(failure) => {
                let why = failure.failure_reason().unwrap_or("it gave no reason");
                let code = failure.failure_code().map_or("", ImageFailureCode::as_str);
                Err(ProviderError::new(Class::Conflict, format!("remove an image: {why}")).code(code))
            }
        }
    }
}
