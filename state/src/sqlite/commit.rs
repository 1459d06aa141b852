//! Appends: many calls in one commit.
//!
//! What a stack's journal adds up to stays in memory between commits, with its lease and head as they were. A commit that finds
//! both unchanged in the file, within its own transaction, need not read them: it is one exchange with SQLite. One that does not
//! reads them again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sqlx::sqlite::SqliteConnection;

use super::Shared;
use super::reader::{self, Ask};
use super::tables::{self, Known, Step};
use super::transactions::{Outcome, begin, end};
use super::writer::{Names, names};
use crate::entry::Serial;
use crate::journal::{self, Batch, Head, Live, Row};
use crate::leases::Kept;
use crate::store::{Lease, Stack, StoreError};

/// Stacks by their ids.
pub(super) type Pages = BTreeMap<i64, Page>;

type Answers = Vec<Result<Serial, StoreError>>;

/// A stack as it stands after its last commit, or within one.
#[derive(Debug)]
pub(super) struct Page {
    known: Known,
    pub(super) kept: Kept,
    pub(super) live: Live,
    /// Where the journal ends in the file.
    head: Head,
    /// What this commit adds to it.
    rows: Vec<Row>,
    /// Whether the state is sealed for another by these rows: the first secrets are among them, or it is rekeyed.
    sealed: bool,
}

/// Appends what is asked for, each request all or none.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    shared: &Shared,
    ids: &mut BTreeMap<Names, i64>,
    mut pages: Pages,
    requests: &[(Lease, Batch)],
) -> Outcome<(Pages, Answers)> {
    if let Some(answers) = append_unread(connection, shared, ids, &mut pages, requests).await? {
        return Ok((pages, answers));
    }
    let mut transaction = begin(connection).await?;
    let outcome = append_read(&mut transaction, shared, ids, requests).await;
    end(transaction, outcome).await
}

/// Without reading first; none where that won't do, and then nothing is written.
async fn append_unread(
    connection: &mut SqliteConnection,
    shared: &Shared,
    ids: &BTreeMap<Names, i64>,
    pages: &mut Pages,
    requests: &[(Lease, Batch)],
) -> Outcome<Option<Answers>> {
    let Some(id) = one_stack(ids, requests) else { return Ok(None) };
    let Some(mut page) = pages.remove(&id) else { return Ok(None) };
    let answers: Answers = requests.iter().map(|(lease, batch)| page.add(shared, lease, batch)).collect();
    // What was found in memory to be over may have been renewed elsewhere.
    if page.sealed || answers.iter().any(|answer| matches!(answer, Err(StoreError::Fenced))) {
        return Ok(None);
    }
    if !page.rows.is_empty() {
        let rows = std::mem::take(&mut page.rows);
        let step = Step { lease: &page.kept, from: page.head, to: page.live.head(), rows };
        if !tables::advance(connection, id, step).await? {
            return Ok(None);
        }
        page.head = page.live.head();
    }
    pages.insert(id, page);
    Ok(Some(answers))
}

/// The stack that all requests are about, as nearly always.
fn one_stack(ids: &BTreeMap<Names, i64>, requests: &[(Lease, Batch)]) -> Option<i64> {
    let (first, rest) = requests.split_first()?;
    let same = |(lease, _): &(Lease, Batch)| {
        lease.stack.blueprint == first.0.stack.blueprint && lease.stack.environment == first.0.stack.environment
    };
    if rest.iter().all(same) { ids.get(&names(&first.0.stack)).copied() } else { None }
}

async fn append_read(
    connection: &mut SqliteConnection,
    shared: &Shared,
    ids: &mut BTreeMap<Names, i64>,
    requests: &[(Lease, Batch)],
) -> Outcome<(Pages, Answers)> {
    let mut pages = Pages::new();
    let mut answers = Answers::new();
    for (lease, batch) in requests {
        let Some(id) = id_of(connection, ids, &lease.stack).await? else {
            answers.push(Err(StoreError::Fenced));
            continue;
        };
        let page = match pages.entry(id) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => place.insert(Page::read(connection, id).await?),
        };
        answers.push(page.add(shared, lease, batch));
    }
    for (id, page) in &mut pages {
        page.write(connection, shared, *id).await?;
    }
    Ok((pages, answers))
}

async fn id_of(
    connection: &mut SqliteConnection,
    ids: &mut BTreeMap<Names, i64>,
    stack: &Stack,
) -> Outcome<Option<i64>> {
    let names = names(stack);
    if !ids.contains_key(&names) {
        for (id, known) in tables::stacks(connection).await? {
            ids.insert((known.blueprint, known.environment), id);
        }
    }
    Ok(ids.get(&names).copied())
}

impl Page {
    async fn read(connection: &mut SqliteConnection, id: i64) -> Outcome<Self> {
        let missing = || journal::damaged(None, "the stack has no journal");
        let known = tables::stack(connection, id).await?;
        let kept = tables::lease(connection, id).await?;
        let lineage = known.lineage.as_deref().ok_or_else(missing)?;
        let journal = reader::journal(connection, id, lineage, Ask::State).await?.ok_or_else(missing)?;
        let live = journal.replay(&Ok)?;
        if journal.head.serial > 0 {
            // What is read may begin at a checkpoint there; what is written is put where this is found.
            let last = tables::hash_at(connection, id, journal.head.serial).await?;
            journal::Chain::after(last).ends_at(journal.head)?;
        }
        Ok(Self { known, kept, head: live.head(), live, rows: Vec::new(), sealed: false })
    }

    fn add(&mut self, shared: &Shared, lease: &Lease, batch: &Batch) -> Result<Serial, StoreError> {
        self.kept.check(lease, &*shared.clock)?;
        let recipient = batch.check_recipient(self.known.recipient.as_deref())?;
        let serial = self.live.add(batch, &mut self.rows)?;
        if self.known.recipient != recipient {
            self.known.recipient = recipient;
            self.sealed = true;
        }
        Ok(serial)
    }

    async fn write(&mut self, connection: &mut SqliteConnection, shared: &Shared, id: i64) -> Outcome<()> {
        if !self.rows.is_empty() {
            tables::add_rows(connection, id, std::mem::take(&mut self.rows)).await?;
            self.head = self.live.head();
            tables::save_head(connection, id, &self.head).await?;
        }
        if std::mem::take(&mut self.sealed) {
            tables::save_stack(connection, id, &self.known).await?;
        }
        if let Some(recipient) = &self.known.recipient {
            let names = (self.known.blueprint.clone(), self.known.environment.clone());
            shared.remember(names, recipient.clone());
        }
        Ok(())
    }
}
