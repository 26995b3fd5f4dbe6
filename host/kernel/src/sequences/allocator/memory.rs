//! For SQLite: nothing is written before the commit; heads and holes are rebuilt from the committed numbers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};
use tokio::sync::Mutex;

use super::{Allocator, Hold};
use crate::sequences::model::{Gaps, Series};
use crate::sequences::store;

pub(super) struct MemoryAllocator {
    db: Db,
    lines: parking_lot::Mutex<HashMap<Series, Arc<Line>>>,
}

/// One series. The outer lock is held while the line is read from the database, so that it is read once.
#[derive(Default)]
struct Line {
    loading: Mutex<()>,
    state: parking_lot::Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: bool,
    /// The highest value that was ever given out.
    head: i64,
    free: BTreeSet<i64>,
    held: BTreeSet<i64>,
}

impl State {
    fn next(&self) -> i64 {
        self.free.first().copied().unwrap_or(self.head + 1)
    }

    fn take(&mut self) -> i64 {
        let value = self.free.pop_first().unwrap_or(self.head + 1);
        self.head = self.head.max(value);
        self.held.insert(value);
        value
    }

    fn rebuild(&mut self, gaps: Gaps, committed: i64, mut holes: BTreeSet<i64>) {
        self.head = committed.max(self.held.last().copied().unwrap_or(0));
        if gaps == Gaps::Gapless {
            holes.extend(committed + 1..self.head);
        }
        self.free = holes.difference(&self.held).copied().collect();
        self.loaded = true;
    }
}

impl MemoryAllocator {
    pub fn new(db: Db) -> Self {
        Self { db, lines: Default::default() }
    }

    async fn line(&self, series: &Series) -> Result<Arc<Line>, StoreError> {
        let line = self.lines.lock().entry(series.clone()).or_default().clone();
        if !line.state.lock().loaded {
            let _loading = line.loading.lock().await;
            if !line.state.lock().loaded {
                self.load(series, &line).await?;
            }
        }
        Ok(line)
    }

    /// What running calls hold stays held: it is not among the committed numbers. A hold that ended while the database was
    /// read may or may not be in what was read, so it is read again.
    async fn load(&self, series: &Series, line: &Line) -> Result<(), StoreError> {
        loop {
            let held = line.state.lock().held.clone();
            let (head, holes) = self.committed(series).await?;
            let mut state = line.state.lock();
            if held.is_subset(&state.held) {
                state.rebuild(series.gaps, head, holes);
                return Ok(());
            }
        }
    }

    /// The highest committed value and the values below it that have no row.
    async fn committed(&self, series: &Series) -> Result<(i64, BTreeSet<i64>), StoreError> {
        let extent = store::extent(&self.db, series).await?;
        if series.gaps == Gaps::Allowed || extent.count == extent.head {
            return Ok((extent.head, BTreeSet::new()));
        }
        let taken: BTreeSet<i64> = store::values(&self.db, series).await?.into_iter().collect();
        let head = taken.last().copied().unwrap_or(0);
        Ok((head, (1..head).filter(|value| !taken.contains(value)).collect()))
    }
}

#[async_trait]
impl Allocator for MemoryAllocator {
    async fn take(&self, series: &Series, _: &CallId, _: i64) -> Result<Hold, StoreError> {
        let line = self.line(series).await?;
        let value = line.state.lock().take();
        Ok(Hold { value, fence: None })
    }

    async fn peek(&self, series: &Series) -> Result<i64, StoreError> {
        Ok(self.line(series).await?.state.lock().next())
    }

    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError> {
        let line = self.line(series).await?;
        let mut state = line.state.lock();
        if state.held.remove(&hold.value) && state.loaded && series.gaps == Gaps::Gapless {
            state.free.insert(hold.value);
        }
        Ok(())
    }

    fn settle(&self, series: &Series, hold: Hold) {
        if let Some(line) = self.lines.lock().get(series) {
            line.state.lock().held.remove(&hold.value);
        }
    }

    fn doubt(&self, series: &Series) {
        if let Some(line) = self.lines.lock().get(series) {
            line.state.lock().loaded = false;
        }
    }

    async fn sweep(&self, _: i64) -> Result<u64, StoreError> {
        Ok(0)
    }
}
