//! Group commit: one task takes all units that wait and commits them in one transaction, with one fsync.

mod batch;
mod health;

use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::Code;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::db::{Db, Pool};
use crate::error::StoreError;
use crate::failpoint::{Step, failpoint, passed};
use crate::tx::Tx;
use crate::unit::{Draft, Entry, Ready, Unit};

use health::Health;

/// The audit logs, as a commit writes them.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// All of an entry that is known before its place is: made by the caller of the commit, because the commits of all callers follow
    /// each other.
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError>;

    /// Gives the entries of a batch their places: the last step inside every commit.
    async fn append(&self, tx: &mut Tx<'_>, drafts: &[&Draft]) -> Result<(), StoreError>;
}

/// For tests of the store alone.
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError> {
        let text = || String::new();
        let Entry { log, body } = entry;
        Ok(Draft {
            log,
            before: body.to_string(),
            after: text(),
            at_ms: 0,
            event: text(),
            object: text(),
            trace: text(),
        })
    }

    async fn append(&self, _: &mut Tx<'_>, _: &[&Draft]) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct CommitterConfig {
    /// Units in one transaction at most.
    pub max_batch: usize,
    /// Bytes of the units in one transaction at most; a larger unit has one to itself. PostgreSQL refuses a `jsonb` array
    /// beyond 256 MiB, and memory is not free either.
    pub max_batch_bytes: usize,
    /// Units that may wait; further callers wait for a place.
    pub queue: usize,
}

impl Default for CommitterConfig {
    fn default() -> Self {
        Self { max_batch: 512, max_batch_bytes: 16 << 20, queue: 4_096 }
    }
}

/// How often a transaction that another one stood in the way of is tried.
const TRIES: u32 = 4;

struct Pending {
    unit: Ready,
    bytes: usize,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// The one door for writes. Clones share the same task, which ends when the last clone is gone.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Pending>,
    journal: Arc<dyn Journal>,
    health: Health,
}

impl Committer {
    pub fn start(db: Db, journal: Arc<dyn Journal>, config: CommitterConfig) -> Self {
        let (queue, waiting) = mpsc::channel(config.queue);
        let health = Health::default();
        tokio::spawn(run(db, journal.clone(), config, waiting, health.clone()));
        Self { queue, journal, health }
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
        let unit = ready(unit, self.journal.as_ref())?;
        let bytes = unit.bytes();
        self.queue.send(Pending { unit, bytes, reply }).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    /// False once the task behind it is gone: then nothing can be written any more, and the host must not go on.
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// What stops every write at present, such as a full disk; `None` from the next commit on.
    pub fn trouble(&self) -> Option<Code> {
        self.health.trouble()
    }

    /// What stopped every write until a moment ago: each trouble is told once, after its end.
    pub fn recovered(&self) -> Option<Code> {
        self.health.recovered()
    }

    /// Resolves when the task behind it is gone, which only a defect of the host does while there is a committer.
    pub async fn stopped(&self) {
        self.queue.closed().await;
    }
}

fn ready(unit: Unit, journal: &dyn Journal) -> Result<Ready, StoreError> {
    let drafts = unit.journal.into_iter().map(|entry| journal.draft(entry));
    Ok(Ready { journal: drafts.collect::<Result<_, _>>()?, writes: unit.writes })
}

async fn run(
    db: Db,
    journal: Arc<dyn Journal>,
    config: CommitterConfig,
    mut waiting: mpsc::Receiver<Pending>,
    health: Health,
) {
    let mut batch = Vec::with_capacity(config.max_batch);
    while waiting.recv_many(&mut batch, config.max_batch).await > 0 {
        while !batch.is_empty() {
            let first = within(&batch, config.max_batch_bytes);
            let (units, replies): (Vec<_>, Vec<_>) =
                batch.drain(..first).map(|pending: Pending| (pending.unit, pending.reply)).unzip();
            let outcomes = commit_all(&db, journal.as_ref(), &units).await;
            health.learn(&outcomes);
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                if failpoint(Step::CommitReply).is_ok() {
                    // A caller that went away does not undo its commit.
                    let _ = reply.send(outcome);
                }
                passed(Step::CommitReplied);
            }
            db.committed(first);
        }
    }
}

/// How many of the first units fit into one transaction; at least one.
fn within(batch: &[Pending], max_bytes: usize) -> usize {
    let mut bytes = 0usize;
    let fits = batch.iter().take_while(|pending| {
        bytes = bytes.saturating_add(pending.bytes);
        bytes <= max_bytes
    });
    fits.count().max(1)
}

/// The batch in one transaction; where it breaks as a whole, unit by unit.
async fn commit_all(db: &Db, journal: &dyn Journal, units: &[Ready]) -> Vec<Result<(), StoreError>> {
    match persistent(db, journal, units, Mode::Together).await {
        Ok(outcomes) => outcomes,
        // A full disk is no unit's own fault, and SQLite may have ended the transaction by itself.
        Err(Broken::Before(error)) if units.len() > 1 && !error.stops_all() => {
            tracing::debug!(%error, units = units.len(), "batch replayed unit by unit");
            replay(db, journal, units).await
        }
        Err(broken) => broken.for_all(units.len()),
    }
}

/// SQLite: under savepoints of one transaction, for one fsync. PostgreSQL: a transaction each, because units one after the
/// other take their locks in no order, and two nodes that do so wait for each other for ever.
async fn replay(db: &Db, journal: &dyn Journal, units: &[Ready]) -> Vec<Result<(), StoreError>> {
    if !db.is_postgres() {
        let replayed = persistent(db, journal, units, Mode::OneByOne).await;
        return replayed.unwrap_or_else(|broken| broken.for_all(units.len()));
    }
    let mut outcomes = Vec::with_capacity(units.len());
    for unit in units {
        match persistent(db, journal, std::slice::from_ref(unit), Mode::Together).await {
            Ok(outcome) => outcomes.extend(outcome),
            // Nobody answers: the rest need not wait for that one by one.
            Err(broken @ Broken::Begin(_)) => {
                outcomes.extend(broken.for_all(units.len() - outcomes.len()));
                return outcomes;
            }
            Err(broken) => outcomes.extend(broken.for_all(1)),
        }
    }
    outcomes
}

/// Tries again where another transaction stood in the way: of this one nothing was written. A row that another node has just inserted
/// breaks a whole batch on PostgreSQL; looked at again, it costs only the unit that came too late.
async fn persistent(
    db: &Db,
    journal: &dyn Journal,
    units: &[Ready],
    mode: Mode,
) -> Result<Vec<Result<(), StoreError>>, Broken> {
    for _ in 1..TRIES {
        match transaction(db, journal, units, mode).await {
            Err(Broken::Begin(error) | Broken::Before(error)) if passes(&error, db, units) => {
                tracing::debug!(%error, units = units.len(), "a transaction is tried again");
            }
            other => return other,
        }
    }
    transaction(db, journal, units, mode).await
}

fn passes(error: &StoreError, db: &Db, units: &[Ready]) -> bool {
    match error {
        StoreError::Contended(_) => true,
        StoreError::Conflict { .. } => db.is_postgres() && units.len() > 1,
        _ => false,
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Together,
    OneByOne,
}

/// Where a transaction broke. After the commit was sent its outcome is unknown, so it is not tried again.
enum Broken {
    /// There was no transaction: the database does not answer.
    Begin(StoreError),
    Before(StoreError),
    AtCommit(StoreError),
}

impl Broken {
    fn for_all(self, count: usize) -> Vec<Result<(), StoreError>> {
        let (Self::Begin(error) | Self::Before(error) | Self::AtCommit(error)) = self;
        match (count, error) {
            (1, error) => vec![Err(error)],
            (_, error) => (0..count).map(|_| Err(error.for_another_unit())).collect(),
        }
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
    units: &[Ready],
    mode: Mode,
) -> Result<Vec<Result<(), StoreError>>, Broken> {
    let at_begin = |error: sqlx::Error| Broken::Begin(error.into());
    let at_commit = |error: sqlx::Error| Broken::AtCommit(error.into());
    failpoint(Step::CommitBegin).map_err(Broken::Begin)?;
    let outcomes = match &db.pool {
        Pool::Sqlite { writer, .. } => {
            let mut connection = writer.acquire().await.map_err(at_begin)?;
            let written = async {
                let mut open = connection.begin_with("BEGIN IMMEDIATE").await.map_err(at_begin)?;
                let outcomes = work(&mut Tx::Sqlite(&mut open), journal, units, mode).await?;
                open.commit().await.map_err(at_commit)?;
                Ok::<_, Broken>(outcomes)
            };
            let written = written.await;
            // A full disk or a failed write makes SQLite end the transaction by itself, which sqlx does not see: its connection would
            // never begin another one (https://www.sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
            if written.is_err() {
                connection.close_on_drop();
            }
            written?
        }
        Pool::Postgres(server) => {
            let mut lent = server.lend().await.map_err(Broken::Begin)?;
            let written = async {
                let mut open = lent.connection().begin().await.map_err(at_begin)?;
                let outcomes = work(&mut Tx::Postgres(&mut open), journal, units, mode).await?;
                open.commit().await.map_err(at_commit)?;
                Ok::<_, Broken>(outcomes)
            };
            let written = timeout(server.answer, written).await;
            // Where nobody answers, nobody can tell how far it came.
            lent.heard(written).map_err(Broken::AtCommit)??
        }
    };
    failpoint(Step::CommitDurable).map_err(Broken::AtCommit)?;
    Ok(outcomes)
}

async fn work(
    tx: &mut Tx<'_>,
    journal: &dyn Journal,
    units: &[Ready],
    mode: Mode,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    failpoint(Step::CommitBegun)?;
    let outcomes = match mode {
        Mode::Together => batch::write(tx, journal, units).await,
        Mode::OneByOne => batch::write_each(tx, journal, units).await,
    }?;
    failpoint(Step::CommitPrepared)?;
    Ok(outcomes)
}

#[cfg(test)]
mod tests;
