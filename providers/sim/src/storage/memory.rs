//! A cloud in memory: for simulation and benchmarks.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::{Rows, Storage, StorageError, Table, Transaction, past};

type Place = (Table, String);
type All = BTreeMap<Place, Vec<u8>>;

/// A cloud that is gone with its process.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<All>);

/// A transaction, with what undoes it.
struct Changes<'a> {
    rows: MutexGuard<'a, All>,
    undo: Vec<(Place, Option<Vec<u8>>)>,
}

impl Drop for Changes<'_> {
    fn drop(&mut self) {
        for (key, row) in self.undo.drain(..).rev() {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }
}

#[async_trait]
impl Storage for Memory {
    async fn begin(&self) -> Result<Box<dyn Transaction + '_>, StorageError> {
        Ok(Box::new(Changes { rows: self.0.lock().await, undo: Vec::new() }))
    }
}

#[async_trait]
impl Transaction for Changes<'_> {
    async fn get(&mut self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(&(table, key.to_owned())).cloned())
    }

    async fn put(&mut self, table: Table, key: &str, row: Vec<u8>) -> Result<(), StorageError> {
        let key = (table, key.to_owned());
        let before = self.rows.insert(key.clone(), row);
        self.undo.push((key, before));
        Ok(())
    }

    async fn remove(&mut self, table: Table, key: &str) -> Result<(), StorageError> {
        let key = (table, key.to_owned());
        let before = self.rows.remove(&key);
        self.undo.push((key, before));
        Ok(())
    }

    async fn page(&mut self, table: Table, prefix: &str, after: &str, limit: usize) -> Result<Rows, StorageError> {
        let from = if after > prefix {
            Bound::Excluded((table, after.to_owned()))
        } else {
            Bound::Included((table, prefix.to_owned()))
        };
        let rows = self.rows.range((from, Bound::Excluded((table, past(prefix)))));
        Ok(rows.take(limit).map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StorageError> {
        self.undo.clear();
        Ok(())
    }
}
