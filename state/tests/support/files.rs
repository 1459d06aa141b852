//! What is in the file of a store and beside it, as a stranger reads and writes it.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// What SQLite has of a state: the file, its log, and the log's index.
pub(crate) const FILES: [&str; 3] = ["", "-wal", "-shm"];

/// The file whose name goes on so.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

pub(crate) async fn sql(path: &Path, statements: &str) {
    let mut connection: SqliteConnection =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What shows damage to a checkpoint.
pub(crate) fn checkpoint_digest(serial: u64, hash: &[u8], body: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update(b"trueup checkpoint\0").chain_update(serial.to_be_bytes());
    digest.chain_update(hash).chain_update(body).finalize().to_vec()
}

/// Makes the only checkpoint say something else, where nothing of itself shows it.
pub(crate) async fn forge_checkpoint(path: &Path, from: &str, to: &str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let query = "SELECT serial, hash, body FROM checkpoints, checkpoint_parts";
    let (serial, hash, body): (i64, Vec<u8>, Vec<u8>) = sqlx::query_as(query).fetch_one(&mut connection).await.unwrap();
    let forged = String::from_utf8(body).unwrap().replacen(from, to, 1).into_bytes();
    let digest = checkpoint_digest(u64::try_from(serial).unwrap(), &hash, &forged);
    sqlx::query("UPDATE checkpoints SET digest = ?").bind(digest).execute(&mut connection).await.unwrap();
    sqlx::query("UPDATE checkpoint_parts SET body = ?").bind(forged).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
