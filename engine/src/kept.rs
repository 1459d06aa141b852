//! What clouds publish of their own kinds: asked for once, and kept in files.

use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use trueup_state::{Class, Clock};

use crate::provider::ProviderError;

/// How old what is kept may be before it is asked for again: clouds add to their kinds all the time.
const FRESH: Duration = Duration::from_hours(30 * 24);

/// A directory of what is kept.
#[derive(Debug)]
pub struct Kept {
    directory: PathBuf,
    is_offline: bool,
    clock: Arc<dyn Clock>,
}

/// Something that may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a, T> {
    /// The name of its file.
    pub file: &'a str,
    /// What it is, for a person: `the schema of AWS::SQS::Queue`.
    pub what: &'a str,
    /// What fetches it, for a person who is offline.
    pub fetched_by: &'a str,
    /// Reads it.
    pub read: fn(&[u8]) -> Result<T, serde_json::Error>,
}

impl Kept {
    /// What is kept in a directory. `is_offline`: whether nobody is asked.
    pub fn new(directory: PathBuf, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { directory, is_offline, clock }
    }

    /// What is kept, or is asked for where it is not, or has become old; what is old does where nobody can be asked. The errors are those of
    /// asking, and one of class [`Class::Invalid`] where nobody may be asked.
    pub async fn get<T>(
        &self,
        wanted: Wanted<'_, T>,
        ask: impl Future<Output = Result<Vec<u8>, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let file = self.directory.join(wanted.file);
        let kept = fs::read(&file).ok().and_then(|bytes| (wanted.read)(&bytes).ok());
        let what = wanted.what;
        match kept {
            Some(kept) if self.is_offline || self.is_fresh(&file) => Ok(kept),
            Some(kept) => match asked(&wanted, &file, ask).await {
                Err(error) if error.class != Class::NotFound => {
                    tracing::debug!(%error, "{what} is known as it was when it was asked for last");
                    Ok(kept)
                }
                asked => asked,
            },
            None if self.is_offline => {
                let fetched_by = wanted.fetched_by;
                let message =
                    format!("{what} is not kept on this machine, and `--offline` asks nobody: {fetched_by} fetches it");
                Err(ProviderError::new(Class::Invalid { field: None }, message))
            }
            None => asked(&wanted, &file, ask).await,
        }
    }

    fn is_fresh(&self, file: &Path) -> bool {
        let now = u64::try_from(self.clock.now().0).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
        let kept = fs::metadata(file).and_then(|known| known.modified());
        kept.is_ok_and(|kept| now.duration_since(kept).unwrap_or_default() < FRESH)
    }
}

async fn asked<T>(
    wanted: &Wanted<'_, T>,
    file: &Path,
    ask: impl Future<Output = Result<Vec<u8>, ProviderError>> + Send,
) -> Result<T, ProviderError> {
    let (bytes, what) = (ask.await?, wanted.what);
    let read = (wanted.read)(&bytes).map_err(|error| {
        ProviderError::new(Class::Internal, format!("{what}, as it is published, can't be read: {error}"))
    })?;
    // Whoever can't keep it asks again the next time.
    if let Err(error) = keep(file, &bytes) {
        tracing::debug!(%error, file = %file.display(), "{what} can't be kept");
    }
    Ok(read)
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
