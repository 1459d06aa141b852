//! The APIs that Google publishes, asked for once and kept in files.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use serde_json::Value as Json;
use tokio::sync::OnceCell;
use trueup_engine::kept::{Kept, Wanted};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Schema;
use trueup_state::{Class, Clock};

use super::collection::Collection;
use super::document::Document;
use super::schema;
use crate::clients::{Call, Clients};

/// A kind: what is known of its collection, and the schema that this makes.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) collection: Collection,
    pub(crate) schema: Schema,
}

/// The APIs of a process.
#[derive(Debug)]
pub(crate) struct Archive {
    kept: Kept,
    documents: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Document>>>>>,
    types: Mutex<BTreeMap<String, Result<Arc<Type>, String>>>,
}

impl Archive {
    /// Those that are kept in a directory. `is_offline`: whether nobody is asked.
    pub(crate) fn new(directory: PathBuf, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { kept: Kept::new(directory, is_offline, clock), documents: Mutex::default(), types: Mutex::default() }
    }

    /// A kind by its name; within, why it can't be managed. `clients`: whom to ask, which is found out only where the API is not kept.
    pub(crate) async fn get(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        kind: &str,
    ) -> Result<Result<Arc<Type>, String>, ProviderError> {
        let Some((api, version, way)) = super::parts(kind) else {
            let message =
                format!("a native kind of Google's is an API, its version and a collection, and not `{kind}`");
            return Ok(Err(format!("{message}: `pubsub.v1.projects.topics`")));
        };
        let document = match self.document(clients, api, version).await {
            Ok(document) => document,
            Err(error) if error.class == Class::NotFound => {
                return Ok(Err(format!("Google publishes no API `{api}` in a version `{version}`")));
            }
            Err(error) => return Err(error),
        };
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let known = types.entry(kind.to_owned()).or_insert_with(|| {
            let collection = Collection::of(kind, &document, way)?;
            Ok(Arc::new(Type { schema: schema::of(&document, &collection), collection }))
        });
        Ok(known.clone())
    }

    async fn document(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        api: &str,
        version: &str,
    ) -> Result<Arc<Document>, ProviderError> {
        let name = format!("{api}.{version}");
        let cell = self.documents.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone();
        cell.get_or_try_init(|| async { self.load(clients, api, version).await.map(Arc::new) }).await.cloned()
    }

    async fn load(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        api: &str,
        version: &str,
    ) -> Result<Document, ProviderError> {
        let wanted = Wanted {
            file: &format!("{api}.{version}.json"),
            what: &format!("the discovery document of {api}.{version}"),
            fetched_by: "`trueup explain` of one of its kinds",
            read: |bytes| serde_json::from_slice(bytes),
        };
        let ask = Box::pin(async { Ok(fetch(&*clients.await?, api, version).await?.to_string().into_bytes()) });
        self.kept.get(wanted, ask).await
    }
}

/// An API's own service tells of it.
async fn fetch(clients: &Clients, api: &str, version: &str) -> Result<Json, ProviderError> {
    let root = format!("https://{api}.googleapis.com/");
    let call = Call {
        doing: &format!("read the discovery document of {api}.{version}"),
        method: Method::GET,
        api: (api, &root),
        path: "$discovery/rest".to_owned(),
        query: vec![("version".to_owned(), version.to_owned())],
        body: None,
    };
    clients.read(&call).await
}
