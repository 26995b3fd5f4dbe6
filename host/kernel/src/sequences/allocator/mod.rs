//! Who gets which value: in memory where one process serves the database, in PostgreSQL where many do.

mod memory;
mod postgres;
mod reserver;
mod store;

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};

use super::model::Series;

/// A value that one running call has, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub value: i64,
    /// The token that the commit must find unchanged; none where the hold lives in memory.
    pub fence: Option<i64>,
}

#[async_trait]
pub(super) trait Allocator: Send + Sync {
    /// The lowest free value, else the next one.
    async fn take(&self, series: &Series, call: &CallId, now_ms: i64) -> Result<Hold, StoreError>;

    /// The value that `take` would give now.
    async fn peek(&self, series: &Series) -> Result<i64, StoreError>;

    /// The running call does not want it after all: in a gapless series the value is free again. Again: nothing happens.
    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError>;

    /// The call did not commit: as `give_back` for all that it held. `in_doubt`: its commit may have come through all the
    /// same, and only what is committed says which.
    async fn release(&self, call: &CallId, held: &[(Series, Hold)], in_doubt: bool)
    -> Result<(), StoreError>;

    /// As `release` in doubt, of a call that came to no end and cannot say what it held: it panicked.
    async fn abandon(&self, call: &CallId) -> Result<(), StoreError>;

    /// The call committed: the value is taken for ever.
    fn settle(&self, series: &Series, hold: Hold);

    /// Frees what dead nodes hold. Says how many values it freed.
    async fn sweep(&self, now_ms: i64) -> Result<u64, StoreError>;
}

pub(super) fn for_database(db: &Db) -> Box<dyn Allocator> {
    if db.is_postgres() {
        Box::new(postgres::PostgresAllocator::new(db.clone()))
    } else {
        Box::new(memory::MemoryAllocator::new(db.clone()))
    }
}
