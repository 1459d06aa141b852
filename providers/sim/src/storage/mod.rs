//! What the cloud remembers: tables of keys in order, changed by transactions, in a file or in memory.

mod memory;
mod sqlite;

use async_trait::async_trait;

pub(crate) use memory::Memory;
pub(crate) use sqlite::File;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Objects by their ids.
    Objects = 0,
    /// The ids of objects by their names: `REGION/KIND/NAME`.
    Names = 1,
    /// What tokens were used for.
    Tokens = 2,
    /// How many objects there are of what a quota counts: `REGION/WHAT`.
    Counts = 3,
    /// What there is one of: the last number, the salt, how it behaves, the state of a rate limit, how often a fault has
    /// come due.
    Meta = 4,
    /// The audit log, by numbers.
    Calls = 5,
}

/// What a transaction may fail of.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file can't be used.
    #[error("the cloud's file {file} can't be used: {reason}")]
    File {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// A row is not what this version writes.
    #[error("the cloud has a row that this version can't read: {0}")]
    Row(String),
}

/// Where the cloud is kept.
#[async_trait]
pub(crate) trait Storage: Send + Sync + std::fmt::Debug {
    /// Begins a transaction, once no other is open. Nothing of it is kept unless it is committed.
    async fn begin(&self) -> Result<Box<dyn Transaction + '_>, StorageError>;
}

/// Rows that are read and changed together.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// The row of a key.
    async fn get(&mut self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes the row of a key.
    async fn put(&mut self, table: Table, key: &str, row: Vec<u8>) -> Result<(), StorageError>;

    /// Removes the row of a key.
    async fn remove(&mut self, table: Table, key: &str) -> Result<(), StorageError>;

    /// At most `limit` rows whose keys begin with a prefix and come after another key, in the order of their keys.
    async fn page(&mut self, table: Table, prefix: &str, after: &str, limit: usize) -> Result<Rows, StorageError>;

    /// Keeps what was changed: it outlives the process from here on.
    async fn commit(self: Box<Self>) -> Result<(), StorageError>;
}

/// Rows with their keys.
pub(crate) type Rows = Vec<(String, Vec<u8>)>;

/// The first key after all that begin with a prefix.
fn past(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn both(directory: &tempfile::TempDir) -> Vec<Box<dyn Storage>> {
        vec![Box::new(Memory::default()), Box::new(File::open(&directory.path().join("sim.db")).await.unwrap())]
    }

    #[tokio::test]
    async fn what_is_committed_stays_and_what_is_not_does_not() {
        let directory = tempfile::tempdir().unwrap();
        for storage in both(&directory).await {
            let mut first = storage.begin().await.unwrap();
            first.put(Table::Objects, "a", b"1".to_vec()).await.unwrap();
            first.put(Table::Names, "a", b"2".to_vec()).await.unwrap();
            first.commit().await.unwrap();
            let mut given_up = storage.begin().await.unwrap();
            given_up.put(Table::Objects, "a", b"3".to_vec()).await.unwrap();
            given_up.put(Table::Objects, "b", b"3".to_vec()).await.unwrap();
            given_up.remove(Table::Names, "a").await.unwrap();
            drop(given_up);
            let mut second = storage.begin().await.unwrap();
            assert_eq!(second.get(Table::Objects, "a").await.unwrap(), Some(b"1".to_vec()));
            assert_eq!(second.get(Table::Objects, "b").await.unwrap(), None);
            assert_eq!(second.get(Table::Names, "a").await.unwrap(), Some(b"2".to_vec()));
            second.remove(Table::Objects, "a").await.unwrap();
            second.commit().await.unwrap();
            assert_eq!(storage.begin().await.unwrap().get(Table::Objects, "a").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_page_has_what_begins_with_its_prefix_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for storage in both(&directory).await {
            let mut rows = storage.begin().await.unwrap();
            for key in ["b/2", "a/1", "b/1", "b/3", "c/1", "b", "b/\u{1f600}"] {
                rows.put(Table::Objects, key, key.into()).await.unwrap();
            }
            rows.put(Table::Names, "b/9", b"another table".to_vec()).await.unwrap();
            let keys = |rows: Rows| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
            assert_eq!(keys(rows.page(Table::Objects, "b/", "", 2).await.unwrap()), ["b/1", "b/2"]);
            assert_eq!(keys(rows.page(Table::Objects, "b/", "b/2", 9).await.unwrap()), ["b/3", "b/\u{1f600}"]);
            assert!(rows.page(Table::Objects, "d", "", 9).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_file_is_met_again_by_another_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/sim.db");
        let first = File::open(&path).await.unwrap();
        let second = File::open(&path).await.unwrap();
        let mut writing = first.begin().await.unwrap();
        writing.put(Table::Meta, "k", b"v".to_vec()).await.unwrap();
        writing.commit().await.unwrap();
        assert_eq!(second.begin().await.unwrap().get(Table::Meta, "k").await.unwrap(), Some(b"v".to_vec()));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(directory.path().join("no.db"), "this is no database, and longer than a header of one").unwrap();
        assert!(File::open(&directory.path().join("no.db")).await.is_err());
    }
}
