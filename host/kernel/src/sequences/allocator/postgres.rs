//! For PostgreSQL: a reservation is one committed statement, and no row lock outlives it.

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};

use super::store::{self, Held, Next};
use super::{Allocator, Hold};
use crate::sequences::model::{Gaps, Series};

/// How long a hold outlives its reservation: longer than any call may run. A call whose hold was swept loses its commit.
const HOLD_MS: i64 = 10 * 60 * 1_000;

pub(super) struct PostgresAllocator {
    db: Db,
}

impl PostgresAllocator {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Allocator for PostgresAllocator {
    async fn take(&self, series: &Series, call: &CallId, now_ms: i64) -> Result<Hold, StoreError> {
        let again = i64::from(series.gaps == Gaps::Gapless);
        let series = series.id();
        let args =
            [(&series).into(), call.as_str().into(), again.into(), now_ms.saturating_add(HOLD_MS).into()];
        let held: Vec<Held> = self.db.shared(store::TAKE, &args).await?;
        let held = held
            .first()
            .ok_or_else(|| StoreError::Unavailable(format!("no value of `{series}` could be held")))?;
        Ok(Hold { value: held.value, fence: Some(held.fence) })
    }

    async fn peek(&self, series: &Series) -> Result<i64, StoreError> {
        let next: Vec<Next> = self.db.shared(store::PEEK, &[(&series.id()).into()]).await?;
        Ok(next.first().map_or(1, |next| next.value))
    }

    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError> {
        let id = series.number_id(hold.value);
        self.db.shared_execute(store::GIVE_BACK, &[(&id).into(), hold.fence.unwrap_or(0).into()]).await?;
        Ok(())
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
