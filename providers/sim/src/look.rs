//! A look into the cloud from outside of any stack: what was asked of it, what it has, and a hand that breaks things.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use trueup_state::{Clock, Entropy, Timestamp, Verb};

use crate::cloud::{Cloud, Rows};
use crate::object::Object;
use crate::storage::{StorageError, Table};

/// Looks into a cloud.
#[derive(Clone, Debug)]
pub struct Inspector {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// One call of the audit log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Call {
    /// Its number, from 1.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// What was called: `create`, `update`, `delete`, `poll`, `describe`, `list`.
    pub call: String,
    /// Of which kind.
    pub kind: String,
    /// In which region.
    pub region: String,
    /// For which resource; none of a call for several.
    pub address: Option<String>,
    /// The token of the operation.
    pub token: Option<String>,
    /// The object that it made, or was about.
    pub object: Option<String>,
    /// How many objects it was about, or answered with.
    pub objects: usize,
    /// `ok`, or the code of the error that it was answered with.
    pub outcome: String,
}

/// An object of the cloud.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Seen {
    /// The cloud's id.
    pub id: String,
    /// What sort of thing it is.
    pub kind: String,
    /// Where.
    pub region: String,
    /// Its name.
    pub name: String,
    /// The address that it was made for.
    pub address: String,
    /// The token of the operation that made it.
    pub token: String,
    /// The owner tags on it; none on what has no tags.
    pub owner: BTreeMap<String, String>,
    /// `active`, or what is being done to it: `pending`, `updating`, `deleting`.
    pub status: String,
    /// What it is; of a secret only a digest is known.
    pub spec: Json,
    /// When it was made.
    pub made_at: Timestamp,
}

/// How many rows are read at once.
const PAGE: usize = 1000;

impl Inspector {
    /// Whoever reads commits, too: what is only dropped keeps others out for as long as nobody gets to it.
    async fn rows(&self) -> Result<Rows<'_>, StorageError> {
        Rows::begin(self.cloud.storage.as_ref(), self.entropy.as_ref()).await
    }

    /// The calls after one, oldest first.
    pub async fn calls(&self, after: u64) -> Result<Vec<Call>, StorageError> {
        let (mut rows, mut all, mut after) = (self.rows().await?, Vec::new(), after);
        loop {
            let page = rows.calls(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            all.extend(page.into_iter().map(|(number, logged)| Call {
                number,
                at: logged.at,
                call: logged.call,
                kind: logged.kind,
                region: logged.region,
                address: logged.address,
                token: logged.token,
                object: logged.object,
                objects: logged.objects,
                outcome: logged.outcome,
            }));
        }
        rows.commit().await?;
        Ok(all)
    }

    /// What there is, in the order of the ids.
    pub async fn objects(&self) -> Result<Vec<Seen>, StorageError> {
        let (mut rows, mut all, mut after, now) = (self.rows().await?, Vec::new(), String::new(), self.clock.now());
        loop {
            let page = rows.objects("", &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            all.extend(page.into_iter().filter(|object| !object.is_gone(now)).map(|object| seen(object, now)));
        }
        rows.commit().await?;
        Ok(all)
    }

    /// What has an id, if it is there.
    pub async fn object(&self, id: &str) -> Result<Option<Seen>, StorageError> {
        let now = self.clock.now();
        let mut rows = self.rows().await?;
        let object = rows.get::<Object>(Table::Objects, id).await?;
        rows.commit().await?;
        Ok(object.filter(|object| !object.is_gone(now)).map(|object| seen(object, now)))
    }

    /// Changes a field of an object behind everybody's back, as somebody at a console would; with no value, takes it away. False where
    /// there is no such object.
    pub async fn edit(&self, id: &str, field: &str, value: Option<Json>) -> Result<bool, StorageError> {
        let mut rows = self.rows().await?;
        let Some(mut object) = rows.get::<Object>(Table::Objects, id).await? else { return Ok(false) };
        put(&mut object.spec, field, value);
        rows.put(Table::Objects, id, &object).await?;
        rows.commit().await?;
        Ok(true)
    }

    /// Deletes an object behind everybody's back. False where there is no such object.
    pub async fn remove(&self, id: &str) -> Result<bool, StorageError> {
        let mut rows = self.rows().await?;
        let Some(object) = rows.get::<Object>(Table::Objects, id).await? else { return Ok(false) };
        // One that is being deleted is counted no more.
        if object.work.is_none_or(|work| work.verb != Verb::Delete) {
            rows.count(&object, -1).await?;
        }
        rows.remove(Table::Objects, id).await?;
        rows.commit().await?;
        Ok(true)
    }
}

fn seen(object: Object, now: Timestamp) -> Seen {
    let status = object.status(now, "active").to_owned();
    let Object { id, kind, region, name, address, token, owner, spec, made_at, .. } = object;
    Seen { id, kind, region, name, address, token, owner, status, spec, made_at }
}

/// Sets a field at a path of names with dots between them.
fn put(spec: &mut Json, field: &str, value: Option<Json>) {
    let (around, name) = field.rsplit_once('.').map_or((None, field), |(around, name)| (Some(around), name));
    let mut at = spec;
    for step in around.into_iter().flat_map(|around| around.split('.')) {
        if !at.is_object() {
            *at = serde_json::json!({});
        }
        at = &mut at[step];
    }
    if !at.is_object() {
        *at = serde_json::json!({});
    }
    match (at.as_object_mut(), value) {
        (Some(map), Some(value)) => {
            map.insert(name.to_owned(), value);
        }
        (Some(map), None) => {
            map.remove(name);
        }
        (None, _) => {}
    }
}
