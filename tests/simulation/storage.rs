//! The storage, over the wire: an append may be on its way when its process dies, and what it says is held against the cloud.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;
use trueup_engine::naming::TAG_STACK;
use trueup_provider_sim::Seen;
use trueup_state::codec::{self, SealedValue};
use trueup_state::store::Version;
use trueup_state::{
    Applied, Clock, Entry, Event, Holder, Lease, MemoryStore, Object, Serial, Snapshot, Stack, State, Store,
    StoreError, Token, Verb,
};

use crate::wire::Wire;
use crate::world::{Begun, Right, World, stack};

/// The longest that an append is on its way.
const LONGEST: u64 = 25;

/// One process's way to the storage.
#[derive(Clone)]
pub(crate) struct WiredStore {
    pub(crate) inner: MemoryStore,
    pub(crate) wire: Arc<Wire>,
}

impl std::fmt::Debug for WiredStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl WiredStore {
    fn world(&self) -> &Arc<World> {
        &self.wire.world
    }

    /// Takes effect, and is judged as it does.
    async fn arrive(self, lease: Lease, entries: Vec<Entry>) -> Result<Serial, StoreError> {
        self.wire.delay(LONGEST).await;
        let serial = self.inner.append(&lease, &entries).await?;
        self.judge_right(&lease, serial - entries.len() as u64);
        for entry in &entries {
            self.judge(&lease, entry).await;
        }
        self.world().ledger().serial = serial;
        Ok(serial)
    }

    /// Whether whoever appends may. `found`: the serial before.
    fn judge_right(&self, lease: &Lease, found: Serial) {
        let now = self.world().clock.uptime();
        let pid = lease.holder.pid;
        let mut ledger = self.world().ledger();
        let right = ledger.right.clone();
        if !right.as_ref().is_some_and(|right| right.fencing == lease.fencing && now < right.until) {
            ledger.wrong(format!("process {pid} wrote without a lease, at {now:?} with {right:?}"));
        }
        if let Some(planned) = ledger.planned.remove(&pid).filter(|planned| *planned != found) {
            ledger.wrong(format!("process {pid} carried a plan of serial {planned} out at serial {found}"));
        }
    }

    /// Whether what an entry says is so.
    async fn judge(&self, lease: &Lease, entry: &Entry) {
        let begun = |token: &Token| self.world().ledger().begun.get(token.as_str()).cloned();
        let ends = |token: &Token| self.world().ledger().begun.remove(token.as_str());
        match &entry.event {
            Event::Begin { verb, request, .. } => {
                let (about, id) = (format!("{} {}", verb.as_str(), request.address), request.id.clone());
                let begun = Begun { verb: *verb, about, id, pid: lease.holder.pid, is_handled: false };
                let mut ledger = self.world().ledger();
                ledger.count(format!("begun {}", verb.as_str()));
                ledger.begun.insert(request.token.to_string(), begun);
            }
            Event::Submitted { token, .. } => {
                if let Some(begun) = self.world().ledger().begun.get_mut(token.as_str()) {
                    begun.is_handled = true;
                }
            }
            Event::Succeeded { token, object } => {
                if let Some(begun) = ends(token) {
                    self.judge_success(&begun, object.as_deref()).await;
                }
            }
            Event::Failed { token, class, message, applied } => {
                self.world()
                    .tell(|| format!("failed: {:?} {message}", entry.address.as_ref().map(ToString::to_string)));
                if let Some(begun) = ends(token).filter(|begun| begun.verb == Verb::Create && *applied == Applied::No) {
                    self.judge_failure(&begun, token, message).await;
                }
                let class = format!("{class:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
                self.world().ledger().count(format!("failed {class}"));
            }
            Event::Parked { token, message } => {
                self.world().ledger().count("parked");
                if begun(token).is_some_and(|begun| begun.is_handled) {
                    self.world().ledger().wrong(format!("what has a handle was parked: {message}"));
                }
            }
            Event::Resolved { token, .. } => {
                ends(token);
                self.world().ledger().count("resolved");
            }
            _ => {}
        }
    }

    /// What is recorded as not made must not be there.
    async fn judge_failure(&self, begun: &Begun, token: &Token, message: &str) {
        let objects = self.world().inspector().await.objects().await.expect("memory can be read");
        let made = objects.into_iter().find(|seen| seen.token == token.as_str());
        if let Some(made) = made.filter(|made| !self.world().ledger().touched.contains(&made.id)) {
            self.world()
                .ledger()
                .wrong(format!("{} was recorded as failed ({message}), and made {}", begun.about, made.id));
        }
    }

    async fn judge_success(&self, begun: &Begun, object: Option<&Object>) {
        let id = object.map_or(begun.id.as_ref(), |object| object.id.as_ref());
        let Some(id) = id.filter(|id| !self.world().ledger().touched.contains(*id)) else { return };
        let found = self.world().inspector().await.object(id).await.expect("memory can be read");
        let wrong = match object {
            Some(object) => unlike(object, found.as_ref(), self.world().lineage().as_deref()),
            None if begun.verb == Verb::Delete => found.map(|_| format!("{id} is there")),
            None => None,
        };
        if let Some(wrong) = wrong {
            self.world().ledger().wrong(format!("{} was recorded as done, and {wrong}", begun.about));
        }
    }
}

/// In what a recorded object is not what the cloud has.
pub(crate) fn unlike(object: &Object, found: Option<&Seen>, lineage: Option<&str>) -> Option<String> {
    let id = object.id.as_deref().unwrap_or_default();
    let Some(found) = found else { return Some(format!("{id} is not there")) };
    let owner = found.owner.get(TAG_STACK).map(String::as_str);
    if owner.is_some() && owner != lineage {
        return Some(format!("{id} is another stack's"));
    }
    let recorded = codec::reveal(&object.seen).unwrap_or_default();
    (recorded != found.spec).then(|| format!("{id} is {}, not {recorded}", found.spec))
}

/// A field in which the cloud does not have what was sent last.
pub(crate) fn unsent(object: &Object, found: &Seen) -> Option<String> {
    let sent = codec::reveal(&object.sent).unwrap_or_default();
    lacking(&sent, &found.spec).map(|field| format!("{} was sent {field}, and is {}", found.id, found.spec))
}

/// A field of what is wanted that is not so. The cloud rewrites texts in lower case here and there, and fills in what is left out.
fn lacking(wanted: &Json, there: &Json) -> Option<String> {
    match (wanted, there) {
        (Json::Object(wanted), Json::Object(there)) => wanted.iter().find_map(|(name, value)| {
            let lacks = lacking(value, there.get(name).unwrap_or(&Json::Null))?;
            Some(format!("{name}: {lacks}"))
        }),
        (Json::String(wanted), Json::String(there)) if wanted.to_lowercase() == *there => None,
        _ => (wanted != there).then(|| wanted.to_string()),
    }
}

#[async_trait]
impl Store for WiredStore {
    async fn snapshot(&self, stack: &Stack) -> Result<Snapshot, StoreError> {
        let snapshot = self.inner.snapshot(stack).await?;
        self.world().knows_lineage(snapshot.state.as_ref());
        Ok(snapshot)
    }

    async fn sealed(&self, stack: &Stack) -> Result<Option<State<SealedValue>>, StoreError> {
        self.inner.sealed(stack).await
    }

    async fn lease(&self, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        let lease = self.inner.lease(stack, holder).await?;
        let now = self.world().clock.uptime();
        let is_gone = |right: &Right| self.world().is_gone(right.pid);
        let mut ledger = self.world().ledger();
        if let Some(right) = ledger.right.clone().filter(|right| now < right.until && !is_gone(right)) {
            ledger.wrong(format!("process {} took the lease of {right:?} at {now:?}", holder.pid));
        }
        ledger.right = Some(Right { pid: holder.pid, fencing: lease.fencing, until: now + holder.term });
        Ok(lease)
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), StoreError> {
        self.inner.renew(lease).await?;
        let until = self.world().clock.uptime() + lease.holder.term;
        let (now, mut ledger) = (self.world().clock.uptime(), self.world().ledger());
        match ledger.right.as_mut() {
            Some(right) if right.fencing == lease.fencing && now < right.until => right.until = until,
            other => {
                let wrong = format!("process {} renewed a lease at {now:?} with {other:?}", lease.holder.pid);
                ledger.wrong(wrong);
            }
        }
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let fencing = lease.fencing;
        self.inner.release(lease).await?;
        let mut ledger = self.world().ledger();
        if ledger.right.as_ref().is_some_and(|right| right.fencing == fencing) {
            ledger.right = None;
        }
        Ok(())
    }

    async fn holder(&self, stack: &Stack) -> Result<Option<Holder>, StoreError> {
        self.inner.holder(stack).await
    }

    async fn break_lease(&self, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        self.inner.break_lease(stack, seen).await
    }

    async fn append(&self, lease: &Lease, entries: &[Entry]) -> Result<Serial, StoreError> {
        let dies = self.wire.event().await;
        let arriving = tokio::spawn(self.clone().arrive(lease.clone(), entries.to_vec()));
        if dies {
            self.wire.die("died with an append on its way").await;
        }
        let arrived = arriving.await.expect("an append does not panic");
        self.wire.delay(LONGEST).await;
        arrived
    }

    async fn history(&self, stack: &Stack, from: Serial) -> Result<Vec<Entry>, StoreError> {
        self.inner.history(stack, from).await
    }

    async fn note(
        &self,
        stack: &Stack,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError> {
        self.inner.note(stack, key, expected, value).await
    }

    async fn read_note(&self, stack: &Stack, key: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError> {
        self.inner.read_note(stack, key).await
    }
}

/// The state and its soundness.
pub(crate) async fn is_sound(world: &World) -> Result<(), String> {
    let verified = trueup_state::soundness::verify(&world.store, &stack()).await.map_err(|error| error.to_string())?;
    match verified {
        Some(verified) if !verified.is_sound() => Err(format!("the journal is not sound: {:?}", verified.findings)),
        _ => Ok(()),
    }
}
