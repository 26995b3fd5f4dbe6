//! For PostgreSQL: a reservation is one committed statement, and no row lock outlives it.

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};

use super::{Allocator, Hold};
use crate::sequences::model::{Gaps, Series};

/// How long a hold outlives its reservation: longer than any call may run. A call whose hold was swept loses its commit.
const HOLD_MS: i64 = 10 * 60 * 1_000;

pub(super) struct PostgresAllocator {
    db: Db,
}

#[derive(sqlx::FromRow)]
struct Held {
    value: i64,
    fence: i64,
}

#[derive(sqlx::FromRow)]
struct Next {
    value: i64,
}

/// The lowest free value that no other node is just taking, else the head plus one; held under a new fencing token.
const TAKE: &str = "\
WITH freed AS (
    DELETE FROM sequence_free WHERE id = (
        SELECT id FROM sequence_free WHERE series = $1 ORDER BY value LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING value
), grown AS (
    INSERT INTO sequence_head AS h (series, head)
    SELECT $1, 1 WHERE NOT EXISTS (SELECT 1 FROM freed)
    ON CONFLICT (series) DO UPDATE SET head = h.head + 1
    RETURNING head AS value
), taken AS (
    SELECT value FROM freed UNION ALL SELECT value FROM grown
)
INSERT INTO sequence_hold (id, version, series, value, call, until_ms)
SELECT $1 || '/' || lpad(value::text, 19, '0'), nextval('sequence_fence'), $1, value, $2, $3 FROM taken
RETURNING value, version AS fence";

const PEEK: &str = "\
SELECT COALESCE(
    (SELECT MIN(value) FROM sequence_free WHERE series = $1),
    (SELECT head + 1 FROM sequence_head WHERE series = $1),
    1
) AS value";

/// Only the holder of the token frees the value, and only once.
const GIVE_BACK: &str = "\
WITH released AS (
    DELETE FROM sequence_hold WHERE id = $1 AND version = $2 RETURNING id, series, value
)
INSERT INTO sequence_free (id, series, value) SELECT id, series, value FROM released WHERE $3 = 1
ON CONFLICT (id) DO NOTHING";

const SWEEP: &str = "\
WITH released AS (
    DELETE FROM sequence_hold WHERE until_ms <= $1 RETURNING id, series, value
)
INSERT INTO sequence_free (id, series, value) SELECT id, series, value FROM released
ON CONFLICT (id) DO NOTHING";

impl PostgresAllocator {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Allocator for PostgresAllocator {
    async fn take(&self, series: &Series, call: &CallId, now_ms: i64) -> Result<Hold, StoreError> {
        let series = series.id();
        let args = [(&series).into(), call.as_str().into(), (now_ms + HOLD_MS).into()];
        let held: Vec<Held> = self.db.shared(TAKE, &args).await?;
        let held = held.first().ok_or_else(|| StoreError::Unavailable(format!("no value of `{series}` could be held")))?;
        Ok(Hold { value: held.value, fence: Some(held.fence) })
    }

    async fn peek(&self, series: &Series) -> Result<i64, StoreError> {
        let next: Vec<Next> = self.db.shared(PEEK, &[(&series.id()).into()]).await?;
        Ok(next.first().map_or(1, |next| next.value))
    }

    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError> {
        let id = series.number_id(hold.value);
        let again = i64::from(series.gaps == Gaps::Gapless);
        self.db.shared_execute(GIVE_BACK, &[(&id).into(), hold.fence.unwrap_or(0).into(), again.into()]).await?;
        Ok(())
    }

    fn settle(&self, _: &Series, _: Hold) {}

    fn doubt(&self, _: &Series) {}

    async fn sweep(&self, now_ms: i64) -> Result<u64, StoreError> {
        self.db.shared_execute(SWEEP, &[now_ms.into()]).await
    }
}
