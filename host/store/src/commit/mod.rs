//! Group commit: one task takes all units that wait and commits them in one transaction, with one fsync.

mod batch;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::db::{Db, Pool};
use crate::error::StoreError;
use crate::tx::Tx;
use crate::unit::{Entry, Unit};

/// Gives the entries of a batch their places in the audit logs: the last step inside every commit.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    async fn append(&self, tx: &mut Tx<'_>, entries: &[&Entry]) -> Result<(), StoreError>;
}

/// For tests of the store alone.
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn append(&self, _: &mut Tx<'_>, _: &[&Entry]) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct CommitterConfig {
    /// Units in one transaction at most.
    pub max_batch: usize,
    /// Units that may wait; further callers wait for a place.
    pub queue: usize,
}

impl Default for CommitterConfig {
    fn default() -> Self {
        Self { max_batch: 512, queue: 4_096 }
    }
}

struct Pending {
    unit: Unit,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// The one door for writes. Clones share the same task, which ends when the last clone is gone.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Pending>,
}

impl Committer {
    pub fn start(db: Db, journal: Arc<dyn Journal>, config: CommitterConfig) -> Self {
        let (queue, waiting) = mpsc::channel(config.queue);
        tokio::spawn(run(db, journal, config.max_batch, waiting));
        Self { queue }
    }

    /// Commits the unit, all of it or nothing. Returns after the fsync that covers it. An empty unit costs nothing.
    ///
    /// Dropping the future does not withdraw the unit: once handed over it commits or loses by itself.
    pub async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        if unit.is_empty() {
            return Ok(());
        }
        if let (Some(write), true) = (unit.writes.first(), unit.journal.is_empty()) {
            return Err(StoreError::Unaudited { table: write.table.name });
        }
        let (reply, outcome) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the committer has stopped".into());
        self.queue.send(Pending { unit, reply }).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

async fn run(db: Db, journal: Arc<dyn Journal>, max_batch: usize, mut waiting: mpsc::Receiver<Pending>) {
    let mut batch = Vec::with_capacity(max_batch);
    while waiting.recv_many(&mut batch, max_batch).await > 0 {
        let (units, replies): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|pending: Pending| (pending.unit, pending.reply)).unzip();
        let outcomes = commit_all(&db, journal.as_ref(), &units).await;
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A caller that went away does not undo its commit.
            let _ = reply.send(outcome);
        }
    }
}

/// The batch in one transaction; where it fails as a whole, each unit under a savepoint of its own.
async fn commit_all(db: &Db, journal: &dyn Journal, units: &[Unit]) -> Vec<Result<(), StoreError>> {
    match transaction(db, journal, units, Mode::Together).await {
        Ok(outcomes) => outcomes,
        Err(Broken::Before(error)) if units.len() > 1 => {
            tracing::debug!(%error, units = units.len(), "batch replayed unit by unit");
            transaction(db, journal, units, Mode::OneByOne).await.unwrap_or_else(|broken| broken.for_all(units.len()))
        }
        Err(broken) => broken.for_all(units.len()),
    }
}

enum Mode {
    Together,
    OneByOne,
}

/// Where a transaction broke. After the commit was sent its outcome is unknown, so it is not tried again.
enum Broken {
    Before(StoreError),
    AtCommit(StoreError),
}

impl Broken {
    fn for_all(self, count: usize) -> Vec<Result<(), StoreError>> {
        let (Self::Before(error) | Self::AtCommit(error)) = self;
        match (count, error) {
            (1, error) => vec![Err(error)],
            (_, error) => {
                let text = error.to_string();
                (0..count).map(|_| Err(StoreError::Unavailable(text.clone()))).collect()
            }
        }
    }
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Before(error.into())
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Before(error)
    }
}

async fn transaction(
    db: &Db,
    journal: &dyn Journal,
    units: &[Unit],
    mode: Mode,
) -> Result<Vec<Result<(), StoreError>>, Broken> {
    let at_commit = |error: sqlx::Error| Broken::AtCommit(error.into());
    match &db.pool {
        Pool::Sqlite { writer, .. } => {
            let mut open = writer.begin_with("BEGIN IMMEDIATE").await?;
            let outcomes = work(&mut Tx::Sqlite(&mut open), journal, units, mode).await?;
            open.commit().await.map_err(at_commit)?;
            Ok(outcomes)
        }
        Pool::Postgres(pool) => {
            let mut open = pool.begin().await?;
            let outcomes = work(&mut Tx::Postgres(&mut open), journal, units, mode).await?;
            open.commit().await.map_err(at_commit)?;
            Ok(outcomes)
        }
    }
}

async fn work(
    tx: &mut Tx<'_>,
    journal: &dyn Journal,
    units: &[Unit],
    mode: Mode,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    match mode {
        Mode::Together => batch::write(tx, journal, units).await,
        Mode::OneByOne => batch::write_each(tx, journal, units).await,
    }
}

#[cfg(test)]
mod tests;
