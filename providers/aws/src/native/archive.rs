//! The types that AWS publishes, asked for once and kept in files.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_cloudformation::types::RegistryType;
use tokio::sync::OnceCell;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Schema;
use trueup_state::{Class, Clock};

use super::published::Published;
use super::schema;
use crate::clients::Clients;
use crate::error::failed;

/// How old what is kept may be before it is asked for again: AWS adds to its types all the time.
const FRESH: Duration = Duration::from_hours(30 * 24);

/// A type: what AWS publishes of it, and the schema that this makes.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) published: Published,
    pub(crate) schema: Schema,
}

/// The types of a process.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Where they are kept.
    directory: PathBuf,
    /// Whether nobody is asked.
    is_offline: bool,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Type>>>>>,
}

impl Archive {
    pub(crate) fn new(directory: PathBuf, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { directory, is_offline, clock, known: Mutex::default() }
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
        let file = self.directory.join(format!("{}.json", name.replace("::", "-")));
        let kept = fs::read(&file).ok().and_then(|bytes| read(&bytes).ok());
        match kept {
            Some(kept) if self.is_offline || self.is_fresh(&file) => Ok(kept),
            // What is old does, where nobody can be asked.
            Some(kept) => match self.ask(clients, name, &file).await {
                Err(error) if error.class != Class::NotFound => {
                    tracing::debug!(%error, "{name} is known as it was when it was asked for last");
                    Ok(kept)
                }
                asked => asked,
            },
            None => self.ask(clients, name, &file).await,
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
        name: &str,
        file: &Path,
    ) -> Result<Type, ProviderError> {
        if self.is_offline {
            let message = format!(
                "the schema of {name} is not kept on this machine, and `--offline` asks nobody: `trueup explain {name}` fetches it"
            );
            return Err(ProviderError::new(Class::Invalid { field: None }, message));
        }
        let text = fetch(&*clients.await?, name).await?;
        let read = read(text.as_bytes()).map_err(|error| {
            ProviderError::new(Class::Internal, format!("what AWS publishes of {name} can't be read: {error}"))
        })?;
        // Whoever can't keep it asks again the next time.
        if let Err(error) = keep(file, text.as_bytes()) {
            tracing::debug!(%error, file = %file.display(), "the schema can't be kept");
        }
        Ok(read)
    }
}

fn read(bytes: &[u8]) -> Result<Type, serde_json::Error> {
    let published: Published = serde_json::from_slice(bytes)?;
    let schema = schema::of(&published);
    Ok(Type { published, schema })
}

/// Whole or not at all: several processes may do so at once.
fn keep(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(bytes)?;
    draft.persist(file)?;
    Ok(())
}

async fn fetch(clients: &Clients, name: &str) -> Result<String, ProviderError> {
    let call = clients.cloud_formation.reads.describe_type().r#type(RegistryType::Resource).type_name(name);
    let answer = call.send().await.map_err(|error| failed(&format!("read the schema of {name}"), &error))?;
    let silent = || ProviderError::new(Class::Internal, format!("AWS publishes no schema of {name}"));
    answer.schema.ok_or_else(silent)
}
