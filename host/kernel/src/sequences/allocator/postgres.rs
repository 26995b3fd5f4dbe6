//! For PostgreSQL: reservations are committed statements, and no row lock outlives one.

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};

use super::reserver::Reserver;
use super::store::{self, Next};
use super::{Allocator, Hold};
use crate::sequences::model::Series;

/// How long a hold outlives its reservation: longer than any call may run. A call whose hold was swept loses its commit.
const HOLD_MS: i64 = 10 * 60 * 1_000;

pub(super) struct PostgresAllocator {
    db: Db,
    reserver: Reserver,
}

impl PostgresAllocator {
    pub fn new(db: Db) -> Self {
        Self { reserver: Reserver::start(db.clone()), db }
    }
}

#[async_trait]
impl Allocator for PostgresAllocator {
    async fn take(&self, series: &Series, call: &CallId, now_ms: i64) -> Result<Hold, StoreError> {
        self.reserver.take(series, call, now_ms.saturating_add(HOLD_MS)).await
    }

    async fn peek(&self, series: &Series) -> Result<i64, StoreError> {
        let next: Vec<Next> = self.db.shared(store::PEEK, &[(&series.id()).into()]).await?;
        Ok(next.first().map_or(1, |next| next.value))
    }

    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError> {
        give_back(&self.db, series, hold).await
    }

    /// The fence answers a doubt: where the commit came through, the hold is gone with it. A reservation whose answer never
    /// arrived is found as well.
    async fn release(&self, call: &CallId, _: &[(Series, Hold)], _: bool) -> Result<(), StoreError> {
        self.abandon(call).await
    }

    async fn abandon(&self, call: &CallId) -> Result<(), StoreError> {
        self.db.shared_execute(store::ABANDON, &[call.as_str().into()]).await?;
        Ok(())
    }

    fn settle(&self, _: &Series, _: Hold) {}

    async fn sweep(&self, now_ms: i64) -> Result<u64, StoreError> {
        self.db.shared_execute(store::SWEEP, &[now_ms.into()]).await
    }
}

pub(super) async fn give_back(db: &Db, series: &Series, hold: Hold) -> Result<(), StoreError> {
    let id = series.number_id(hold.value);
    db.shared_execute(store::GIVE_BACK, &[(&id).into(), hold.fence.unwrap_or(0).into()]).await?;
    Ok(())
}
