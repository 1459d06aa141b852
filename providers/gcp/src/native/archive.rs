//! The APIs that Google publishes, asked for once and kept in files.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::Method;
use serde_json::Value as Json;
use tokio::sync::OnceCell;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Schema;
use trueup_state::{Class, Clock};

use super::collection::Collection;
use super::document::Document;
use super::schema;
use crate::clients::{Call, Clients};

/// How old what is kept may be before it is asked for again: Google changes its APIs all the time.
const FRESH: Duration = Duration::from_hours(30 * 24);

/// A kind: what is known of its collection, and the schema that this makes.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) collection: Collection,
    pub(crate) schema: Schema,
}

/// The APIs of a process.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Where they are kept.
    directory: PathBuf,
    /// Whether nobody is asked.
    is_offline: bool,
    clock: Arc<dyn Clock>,
    documents: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Document>>>>>,
    types: Mutex<BTreeMap<String, Result<Arc<Type>, String>>>,
}

impl Archive {
    pub(crate) fn new(directory: PathBuf, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { directory, is_offline, clock, documents: Mutex::default(), types: Mutex::default() }
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
        let file = self.directory.join(format!("{api}.{version}.json"));
        let kept = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match kept {
            Some(kept) if self.is_offline || self.is_fresh(&file) => Ok(kept),
            // What is old does, where nobody can be asked.
            Some(kept) => match self.ask(clients, (api, version), &file).await {
                Err(error) if error.class != Class::NotFound => {
                    tracing::debug!(%error, "{api} is known as it was when it was asked for last");
                    Ok(kept)
                }
                asked => asked,
            },
            None => self.ask(clients, (api, version), &file).await,
        }
    }

    fn is_fresh(&self, file: &Path) -> bool {
        let now = u64::try_from(self.clock.now().0).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
        let kept = fs::metadata(file).and_then(|known| known.modified());
        kept.is_ok_and(|kept| now.duration_since(kept).unwrap_or_default() < FRESH)
    }

    async fn ask(
        &self,
        clients: impl Future<Output = Result<Arc<Clients>, ProviderError>> + Send,
        (api, version): (&str, &str),
        file: &Path,
    ) -> Result<Document, ProviderError> {
        if self.is_offline {
            let message = format!(
                "the discovery document of {api}.{version} is not kept on this machine, and `--offline` asks nobody: `trueup explain` of one of its kinds fetches it"
            );
            return Err(ProviderError::new(Class::Invalid { field: None }, message));
        }
        let json = fetch(&*clients.await?, api, version).await?;
        let document = serde_json::from_value(json.clone()).map_err(|error| {
            ProviderError::new(
                Class::Internal,
                format!("what Google publishes of {api}.{version} can't be read: {error}"),
            )
        })?;
        // Whoever can't keep it asks again the next time.
        if let Err(error) = keep(file, &json) {
            tracing::debug!(%error, file = %file.display(), "the discovery document can't be kept");
        }
        Ok(document)
    }
}

/// Whole or not at all: several processes may do so at once.
fn keep(file: &Path, json: &Json) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(json.to_string().as_bytes())?;
    draft.persist(file)?;
    Ok(())
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
