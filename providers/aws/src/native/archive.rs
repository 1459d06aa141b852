//! The types that AWS publishes, asked for once and kept in files.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cloudformation::types::RegistryType;
use tokio::sync::OnceCell;
use trueup_engine::kept::{Kept, Wanted};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Schema;
use trueup_state::{Class, Clock};

use super::published::Published;
use super::schema;
use crate::clients::Clients;
use crate::error::failed;

/// A type: what AWS publishes of it, and the schema that this makes.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) published: Published,
    pub(crate) schema: Schema,
}

/// The types of a process.
#[derive(Debug)]
pub(crate) struct Archive {
    kept: Kept,
    known: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Type>>>>>,
}

impl Archive {
    /// Those that are kept in a directory. `is_offline`: whether nobody is asked.
    pub(crate) fn new(directory: PathBuf, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { kept: Kept::new(directory, is_offline, clock), known: Mutex::default() }
    }

    /// A type by its name; none where AWS has no such type. `clients`: whom to ask, which is found out only where it is not kept.
    pub(crate) async fn get(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        name: &str,
    ) -> Result<Option<Arc<Type>>, ProviderError> {
        let cell =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        let known = cell.get_or_try_init(|| async { self.load(clients, name).await.map(Arc::new) }).await;
        match known {
            Ok(known) => Ok(Some(known.clone())),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn load(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        name: &str,
    ) -> Result<Type, ProviderError> {
        let wanted = Wanted {
            file: &format!("{}.json", name.replace("::", "-")),
            what: &format!("the schema of {name}"),
            fetched_by: &format!("`trueup explain {name}`"),
            read,
        };
        let ask = Box::pin(async { fetch(&*clients.await?, name).await.map(String::into_bytes) });
        self.kept.get(wanted, ask).await
    }
}

fn read(bytes: &[u8]) -> Result<Type, serde_json::Error> {
    let published: Published = serde_json::from_slice(bytes)?;
    let schema = schema::of(&published);
    Ok(Type { published, schema })
}

async fn fetch(clients: &Clients, name: &str) -> Result<String, ProviderError> {
    let call = clients.cloud_formation.reads.describe_type().r#type(RegistryType::Resource).type_name(name);
    let answer = call.send().await.map_err(|error| failed(&format!("read the schema of {name}"), &error))?;
    let silent = || ProviderError::new(Class::Internal, format!("AWS publishes no schema of {name}"));
    answer.schema.ok_or_else(silent)
}
