//! Images in ECR: what its repositories are asked by.

mod repository;
mod transport;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use trueup_engine::provider::{Api, ProviderError};
use trueup_images::{Registry, Repositories, Shown};

use crate::clients::Clients;
use repository::Repository;

/// The repositories of ECR in one account and region.
pub(crate) struct Ecr {
    clients: Arc<Clients>,
}

/// Removes all images of a repository.
pub(crate) async fn empty(clients: &Clients, name: &str) -> Result<(), ProviderError> {
    Repository { ecr: &clients.ecr, name }.empty().await
}

impl Ecr {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    /// A repository: its name is what follows the registry's.
    fn of<'a>(&'a self, uri: &'a str) -> Repository<'a> {
        Repository { ecr: &self.clients.ecr, name: uri.split_once('/').map_or(uri, |(_, name)| name) }
    }
}

#[async_trait]
impl Repositories for Ecr {
    const PROVIDER: &'static str = "aws";
    const NAME: &'static str = "ECR";
    const HAS_NAMES: bool = false;
    const OPTIONS: &'static [&'static str] = &["mount_from"];

    fn api(&self) -> Api {
        self.clients.api("ecr")
    }

    /// A registry of models has an ARN.
    fn is_of_images(&self, uri: &str) -> bool {
        uri.contains('/') && !uri.contains(":sagemaker:")
    }

    async fn registry(&self, uri: &str) -> Result<Registry, ProviderError> {
        self.of(uri).registry().await
    }

    async fn image(&self, uri: &str, digest: &str) -> Result<Option<Shown>, ProviderError> {
        self.of(uri).image(digest).await
    }

    async fn retire(&self, uri: &str, digest: &str, tags: &BTreeSet<String>) -> Result<(), ProviderError> {
        self.of(uri).retire(digest, tags).await
    }
}
