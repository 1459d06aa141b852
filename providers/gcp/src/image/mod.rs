//! Images in Artifact Registry: what its repositories are asked by.

mod transport;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::Value as Json;
use trueup_engine::provider::{Api, ProviderError};
use trueup_images::{Registry, Repositories, Shown};
use trueup_state::Class;

use crate::clients::{Call, Clients};
use crate::native::under_way;
use transport::Reqwest;

/// The API that knows what is in a repository.
const API: (&str, &str) = ("artifactregistry", "https://artifactregistry.googleapis.com/");
/// What hosts of registries of images end with, behind their region.
const HOST: &str = "-docker.pkg.dev";
/// What an index of images is, one a platform.
const INDEXES: &str =
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// How often it is asked after a removal, and how long it waits before each.
const AFTER: (u32, Duration) = (60, Duration::from_millis(500));

/// The repositories of Artifact Registry in one project.
pub(crate) struct Repos {
    clients: Arc<Clients>,
}

/// Where images of a name are.
struct Place<'a> {
    host: &'a str,
    location: &'a str,
    project: &'a str,
    repository: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    /// By what the references of images begin with: `REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME`.
    fn of(uri: &'a str) -> Result<Self, ProviderError> {
        let strange = || ProviderError::new(Class::Internal, format!("`{uri}` is no place of images"));
        let mut words = uri.splitn(4, '/');
        let mut next = || words.next().filter(|word| !word.is_empty()).ok_or_else(strange);
        let (host, project, repository, name) = (next()?, next()?, next()?, next()?);
        let location = host.strip_suffix(HOST).ok_or_else(strange)?;
        Ok(Self { host, location, project, repository, name })
    }

    /// The path of its repository by the API.
    fn repository(&self) -> String {
        format!("v1/projects/{}/locations/{}/repositories/{}", self.project, self.location, self.repository)
    }

    /// The path of its package: what has all versions of its name.
    fn package(&self) -> String {
        format!("{}/packages/{}", self.repository(), self.name)
    }
}

impl Repos {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    fn call(doing: &str, method: Method, path: String) -> Call<'_> {
        Call { doing, method, api: API, path, query: Vec::new(), body: None }
    }

    /// The images of an index, one a platform; none of what is one itself.
    async fn platforms(&self, uri: &str, digest: &str) -> Result<Vec<String>, ProviderError> {
        let registry = self.registry(uri).await?;
        let url = format!("{}/v2/{}/manifests/{digest}", registry.address, registry.name);
        let told = vec![("authorization", registry.authorization.clone()), ("accept", INDEXES.to_owned())];
        let lost = |error: String| ProviderError::new(Class::Transient, format!("read the image {digest}: {error}"));
        let reply = registry.transport.send("GET", &url, told, Vec::new()).await.map_err(lost)?;
        let manifest: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
        let listed = manifest.get("manifests").and_then(Json::as_array).into_iter().flatten();
        let digests = listed.filter_map(|entry| entry.get("digest")?.as_str().map(str::to_owned));
        Ok(if reply.status == 200 { digests.collect() } else { Vec::new() })
    }

    /// Removes something, and waits until that is done. What is gone already is fine.
    async fn remove(&self, path: String) -> Result<(), ProviderError> {
        let doing = "remove an image";
        let mut call = Self::call(doing, Method::DELETE, path);
        if call.path.contains("/versions/") {
            // With its tags.
            call.query.push(("force".to_owned(), "true".to_owned()));
        }
        let mut answer = match self.clients.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.class == Class::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for _ in 0..AFTER.0 {
            let Some(at) = under_way(doing, &answer)? else { return Ok(()) };
            tokio::time::sleep(AFTER.1).await;
            answer = self.clients.read(&Self::call(doing, Method::GET, format!("v1/{at}"))).await?;
        }
        Err(ProviderError::new(Class::Transient, "an image that is removed goes on being removed"))
    }
}

#[async_trait]
impl Repositories for Repos {
    const PROVIDER: &'static str = "gcp";
    const NAME: &'static str = "Artifact Registry";
    const HAS_NAMES: bool = true;
    const OPTIONS: &'static [&'static str] = &[];

    fn api(&self) -> Api {
        self.clients.api("artifactregistry")
    }

    fn is_of_images(&self, uri: &str) -> bool {
        uri.split('/').next().is_some_and(|host| host.ends_with(HOST))
    }

    async fn registry(&self, uri: &str) -> Result<Registry, ProviderError> {
        let place = Place::of(uri)?;
        let address = self.clients.root("docker", &format!("https://{}/", place.host));
        let name = format!("{}/{}/{}", place.project, place.repository, place.name);
        let (address, authorization) = (address.trim_end_matches('/').to_owned(), self.clients.authorization().await?);
        Ok(Registry { address, authorization, name, transport: Arc::new(Reqwest) })
    }

    async fn image(&self, uri: &str, digest: &str) -> Result<Option<Shown>, ProviderError> {
        let place = Place::of(uri)?;
        let doing = format!("look for the image {digest}");
        let path = format!("{}/dockerImages/{}@{digest}", place.repository(), place.name);
        let shown = match self.clients.read(&Self::call(&doing, Method::GET, path)).await {
            Ok(shown) => shown,
            Err(error) if error.class == Class::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let tags = shown.get("tags").and_then(Json::as_array).into_iter().flatten();
        let tags = tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
        let size = shown.get("imageSizeBytes").and_then(|size| size.as_str()?.parse().ok());
        Ok(Some(Shown { tags, size: size.unwrap_or_default() }))
    }

    async fn retire(&self, uri: &str, digest: &str, tags: &BTreeSet<String>) -> Result<(), ProviderError> {
        let Some(there) = self.image(uri, digest).await? else { return Ok(()) };
        let package = Place::of(uri)?.package();
        if !there.tags.is_subset(tags) {
            for tag in there.tags.intersection(tags) {
                self.remove(format!("{package}/tags/{tag}")).await?;
            }
            return Ok(());
        }
        let platforms = self.platforms(uri, digest).await?;
        self.remove(format!("{package}/versions/{digest}")).await?;
        for platform in platforms {
            let is_nobodys = self.image(uri, &platform).await?.is_some_and(|image| image.tags.is_empty());
            if is_nobodys {
                self.remove(format!("{package}/versions/{platform}")).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_to_its_package() {
        let place = Place::of("europe-west4-docker.pkg.dev/acme/images/chat").unwrap();
        let package = "v1/projects/acme/locations/europe-west4/repositories/images/packages/chat";
        assert_eq!((place.host, place.package().as_str()), ("europe-west4-docker.pkg.dev", package));
        for uri in ["docker.io/acme/images/chat", "europe-west4-docker.pkg.dev/acme/images", ""] {
            assert!(Place::of(uri).is_err(), "{uri}");
        }
    }
}
