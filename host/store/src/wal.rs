//! SQLite's log, carried over into the database file beside the commits. The writer would do it inside of one, and every call that is
//! under way would wait for it. The field's word is checkpoint (<https://www.sqlite.org/wal.html#ckpt>), which is another thing in an
//! audit log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use crate::error::StoreError;
use crate::failpoint::{self, Step, failpoint, passed};

/// Units between two times: some thousand pages of the log.
pub(crate) const UNITS: usize = 1_024;

/// Clones share the connection and the count.
#[derive(Clone)]
pub(crate) struct Carrier {
    connection: SqlitePool,
    since: Arc<AtomicUsize>,
    turn: Arc<Mutex<()>>,
}

impl Carrier {
    /// With a connection that nobody else uses.
    pub fn new(connection: SqlitePool) -> Self {
        Self { connection, since: Arc::default(), turn: Arc::default() }
    }

    /// So many units more are in the log. What is carried over is already durable, so nobody waits for it.
    pub fn committed(&self, units: usize) {
        let since = self.since.fetch_add(units, Ordering::Relaxed) + units;
        if since < failpoint::units_to_carry(UNITS) {
            return;
        }
        let Ok(turn) = self.turn.clone().try_lock_owned() else { return };
        self.since.store(0, Ordering::Relaxed);
        let connection = self.connection.clone();
        tokio::spawn(async move {
            if let Err(error) = carry(&connection).await {
                // The log keeps it all, and the writer has a bound of its own at which it tries as well.
                tracing::debug!(%error, "the log was not carried over");
            }
            drop(turn);
        });
    }

    pub async fn close(&self) {
        self.connection.close().await;
    }
}

async fn carry(connection: &SqlitePool) -> Result<(), StoreError> {
    failpoint(Step::LogCarry)?;
    // Passive: it takes what it can get, and neither readers nor the writer wait for it.
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await?;
    passed(Step::LogCarried);
    Ok(())
}
