//! The rows of one transaction, as what they mean.

use serde::Serialize;
use serde::de::DeserializeOwned;
use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_state::{Entropy, Timestamp};

use super::Logged;
use crate::attributes::gpus;
use crate::object::Object;
use crate::storage::{Storage, StorageError, Table, Transaction};

/// The rows of one transaction.
pub(crate) struct Rows<'a> {
    transaction: Box<dyn Transaction + 'a>,
    /// What secrets are digested with.
    pub(crate) salt: String,
}

/// What a token was used for.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub(crate) struct Use {
    /// What tells one request from another.
    pub(crate) digest: String,
    /// What it made.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Timestamp,
}

impl<'a> Rows<'a> {
    /// Begins a transaction. The first of all draws the salt.
    pub(crate) async fn begin(storage: &'a dyn Storage, entropy: &dyn Entropy) -> Result<Self, StorageError> {
        let mut rows = Self { transaction: storage.begin().await?, salt: String::new() };
        if let Some(salt) = rows.get(Table::Meta, "salt").await? {
            rows.salt = salt;
            return Ok(rows);
        }
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        rows.salt = hex::encode(bytes);
        let salt = rows.salt.clone();
        rows.put(Table::Meta, "salt", &salt).await?;
        Ok(rows)
    }

    /// The row of a key.
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        table: Table,
        key: &str,
    ) -> Result<Option<T>, StorageError> {
        let row = self.transaction.get(table, key).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Writes the row of a key.
    pub(crate) async fn put<T: Serialize + Sync>(
        &mut self,
        table: Table,
        key: &str,
        row: &T,
    ) -> Result<(), StorageError> {
        let row = serde_json::to_vec(row).map_err(|error| StorageError::Row(error.to_string()))?;
        self.transaction.put(table, key, row).await
    }

    /// Removes the row of a key.
    pub(crate) async fn remove(&mut self, table: Table, key: &str) -> Result<(), StorageError> {
        self.transaction.remove(table, key).await
    }

    /// At most `limit` objects whose ids begin with a prefix and come after another, in order.
    pub(crate) async fn objects(
        &mut self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StorageError> {
        let rows = self.transaction.page(Table::Objects, prefix, after, limit).await?;
        rows.iter().map(|(_, row)| read(row)).collect()
    }

    /// At most `limit` calls of the audit log after one, with their numbers.
    pub(crate) async fn calls(&mut self, after: u64, limit: usize) -> Result<Vec<(u64, Logged)>, StorageError> {
        let rows = self.transaction.page(Table::Calls, "", &numbered(after), limit).await?;
        rows.iter().map(|(key, row)| Ok((u64::from_str_radix(key, 16).unwrap_or_default(), read(row)?))).collect()
    }

    /// A number that was given to nothing else of its sort.
    pub(crate) async fn next(&mut self, sort: &str) -> Result<u64, StorageError> {
        let number = self.get::<u64>(Table::Meta, sort).await?.unwrap_or_default() + 1;
        self.put(Table::Meta, sort, &number).await?;
        Ok(number)
    }

    /// Counts an object in (1) or out (-1), for quotas: itself, and its GPUs by their model.
    pub(crate) async fn count(&mut self, object: &Object, sign: i64) -> Result<(), StorageError> {
        let is_machine = object.kind == GpuInstance::NAME;
        let (model, gpu_count) = if is_machine { gpus(&object.spec) } else { (String::new(), 0) };
        for (what, number) in [(object.kind.as_str(), 1), (model.as_str(), i64::from(gpu_count))] {
            if number > 0 {
                let key = format!("{}/{what}", object.region);
                let count = self.get::<i64>(Table::Counts, &key).await?.unwrap_or_default();
                self.put(Table::Counts, &key, &(count + sign * number).max(0)).await?;
            }
        }
        Ok(())
    }

    /// Writes a call into the audit log.
    pub(crate) async fn log(&mut self, call: &Logged) -> Result<(), StorageError> {
        let number = self.next("call").await?;
        self.put(Table::Calls, &numbered(number), call).await
    }

    /// Keeps what was changed.
    pub(crate) async fn commit(self) -> Result<(), StorageError> {
        self.transaction.commit().await
    }
}

/// A number as a key: keys are in the order of their numbers.
fn numbered(number: u64) -> String {
    format!("{number:016x}")
}

fn read<T: DeserializeOwned>(row: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(row).map_err(|error| StorageError::Row(error.to_string()))
}
