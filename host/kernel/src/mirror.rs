//! A small table held in memory, for rooms whose rows are read on every call and changed by operators.
//!
//! Own writes show at once. On PostgreSQL other nodes write too: [`Mirror::refresh`] is to be called every
//! [`REFRESH_EVERY`]; a mirror that could not look for [`MAX_STALENESS`] says so, and its room fails closed. Rows are never
//! removed from such a table (a removed thing leaves its row, emptied), so that the sum of the row versions grows with every
//! change: one aggregate tells whether anything happened.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_store::{Fingerprint, Row, Sql, StoreError};
use tokio::sync::Mutex;

use crate::core::Core;

/// How often a node on PostgreSQL looks for changes of other nodes.
pub const REFRESH_EVERY: Duration = Duration::from_millis(250);
/// How old a node's view may be before the room refuses to act on it.
pub const MAX_STALENESS: Duration = Duration::from_secs(1);

/// What the mirror keeps of a row.
pub trait Mirrored: Send + Sync + 'static {
    type Row: Row;
    /// `count(*) AS rows` and `CAST(sum(version) AS BIGINT) AS versions` of the table.
    const FINGERPRINT: Sql;
    /// Every row.
    const ALL: Sql;

    fn from_row(row: Self::Row) -> Self;
    fn id(&self) -> &str;
    fn version(&self) -> i64;
}

type Entries<E> = HashMap<String, Arc<E>>;

pub struct Mirror<E> {
    core: Core,
    entries: ArcSwap<Entries<E>>,
    /// What the entries were read under. The lock orders reloads and own writes.
    seen: Mutex<Option<Fingerprint>>,
    /// Monotonic milliseconds of the last look.
    looked_ms: AtomicU64,
}

impl<E: Mirrored> Mirror<E> {
    pub async fn load(core: &Core) -> Result<Self, StoreError> {
        let mirror = Self {
            core: core.clone(),
            entries: ArcSwap::default(),
            seen: Mutex::new(None),
            looked_ms: AtomicU64::new(0),
        };
        mirror.refresh().await?;
        Ok(mirror)
    }

    /// Looks for changes; reads the rows only where there are any. Entries whose row did not change stay as they are.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        let started = self.monotonic_ms();
        let now = self.core.db.fetch_one::<Fingerprint>(&E::FINGERPRINT, &[]).await?;
        if now.is_none() || *seen != now {
            let rows = self.core.db.fetch::<E::Row>(&E::ALL, &[]).await?;
            let old = self.entries.load();
            let fresh = rows.into_iter().map(|row| {
                let entry = E::from_row(row);
                let kept = old.get(entry.id()).filter(|kept| kept.version() == entry.version());
                let entry = kept.cloned().unwrap_or_else(|| Arc::new(entry));
                (entry.id().to_owned(), entry)
            });
            self.entries.store(Arc::new(fresh.collect()));
            *seen = now;
        }
        // The view is as old as the moment the look began.
        self.looked_ms.store(started, Ordering::Release);
        Ok(())
    }

    /// Shows a row that this node just committed.
    pub async fn show(&self, entry: E) {
        let _order = self.seen.lock().await;
        let entry = Arc::new(entry);
        self.entries.rcu(|entries| {
            let mut entries = Entries::clone(entries);
            if entries.get(entry.id()).is_none_or(|there| there.version() < entry.version()) {
                entries.insert(entry.id().to_owned(), Arc::clone(&entry));
            }
            entries
        });
    }

    pub fn get(&self, id: &str) -> Option<Arc<E>> {
        self.entries.load().get(id).cloned()
    }

    /// How many entries `wanted` holds for.
    pub fn count(&self, wanted: impl Fn(&E) -> bool) -> usize {
        self.entries.load().values().filter(|entry| wanted(entry)).count()
    }

    /// False where another node may have changed something longer ago than [`MAX_STALENESS`] and this node did not look.
    pub fn is_fresh(&self) -> bool {
        let age = self.monotonic_ms().saturating_sub(self.looked_ms.load(Ordering::Acquire));
        !self.core.db.is_postgres() || u128::from(age) <= MAX_STALENESS.as_millis()
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.core.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}
