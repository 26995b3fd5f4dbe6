//! For SQLite: nothing is written before the commit; heads and holes are rebuilt from the committed numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::CallId;
use bulla_store::{Db, StoreError};
use tokio::sync::Mutex;

use super::{Allocator, Hold};
use crate::sequences::model::{Gaps, Series};
use crate::sequences::store;

/// Series in memory beyond which idle ones are forgotten: a guest can name a date of any year.
const MAX_LINES: usize = 10_000;

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
    held: BTreeMap<i64, CallId>,
    /// How many holds have ended.
    ended: u64,
}

impl State {
    fn next(&self) -> i64 {
        self.free.first().copied().unwrap_or(self.head + 1)
    }

    fn take(&mut self, call: &CallId) -> i64 {
        let value = self.free.pop_first().unwrap_or(self.head + 1);
        self.head = self.head.max(value);
        self.held.insert(value, call.clone());
        value
    }

    /// In doubt the value is neither free nor taken: the line is read again before the next number is drawn.
    fn end(&mut self, value: i64, gaps: Gaps, outcome: End) {
        if self.held.remove(&value).is_none() {
            return;
        }
        self.ended += 1;
        match outcome {
            End::Committed => {}
            End::Failed if self.loaded && gaps == Gaps::Gapless => drop(self.free.insert(value)),
            // Not loaded: the look that is due finds the hole.
            End::Failed => {}
            End::Doubtful => self.loaded = false,
        }
    }

    fn rebuild(&mut self, gaps: Gaps, committed: i64, mut holes: BTreeSet<i64>) {
        let given = match gaps {
            Gaps::Gapless => 0,
            // What a failed call had is never given out again.
            Gaps::Allowed => self.head,
        };
        self.head = committed.max(self.held.keys().next_back().copied().unwrap_or(0)).max(given);
        if gaps == Gaps::Gapless {
            holes.extend(committed + 1..self.head);
        }
        self.free = holes.into_iter().filter(|value| !self.held.contains_key(value)).collect();
        self.loaded = true;
    }
}

/// How a hold ends.
#[derive(Clone, Copy)]
enum End {
    Committed,
    Failed,
    Doubtful,
}

impl MemoryAllocator {
    pub fn new(db: Db) -> Self {
        Self { db, lines: Default::default() }
    }

    async fn line(&self, series: &Series) -> Result<Arc<Line>, StoreError> {
        let line = self.named(series);
        if !line.state.lock().loaded {
            let _loading = line.loading.lock().await;
            if !line.state.lock().loaded {
                self.load(series, &line).await?;
            }
        }
        Ok(line)
    }

    fn named(&self, series: &Series) -> Arc<Line> {
        let mut lines = self.lines.lock();
        if lines.len() >= MAX_LINES && !lines.contains_key(series) {
            // A line is used by whoever has a clone of it. One that allows gaps is all that knows what failed calls had.
            lines.retain(|series, line| {
                series.gaps == Gaps::Allowed
                    || Arc::strong_count(line) > 1
                    || !line.state.lock().held.is_empty()
            });
        }
        lines.entry(series.clone()).or_default().clone()
    }

    /// What running calls hold stays held: it is not among the committed numbers. A hold that ended while the database was
    /// read may or may not be in what was read, so it is read again.
    async fn load(&self, series: &Series, line: &Line) -> Result<(), StoreError> {
        loop {
            let ended = line.state.lock().ended;
            let (head, holes) = self.committed(series).await?;
            let mut state = line.state.lock();
            if ended == state.ended {
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

    fn end(&self, series: &Series, value: i64, outcome: End) {
        if let Some(line) = self.lines.lock().get(series) {
            line.state.lock().end(value, series.gaps, outcome);
        }
    }
}

#[async_trait]
impl Allocator for MemoryAllocator {
    async fn take(&self, series: &Series, call: &CallId, _: i64) -> Result<Hold, StoreError> {
        let line = self.line(series).await?;
        let value = line.state.lock().take(call);
        Ok(Hold { value, fence: None })
    }

    /// Looks without remembering the line: a preview costs no memory.
    async fn peek(&self, series: &Series) -> Result<i64, StoreError> {
        let known = self.lines.lock().get(series).cloned();
        if let Some(line) = known {
            let state = line.state.lock();
            if state.loaded {
                return Ok(state.next());
            }
        }
        let (head, holes) = self.committed(series).await?;
        Ok(holes.first().copied().unwrap_or(head + 1))
    }

    /// Reads nothing and waits for nothing: a number comes back also where the database does not answer.
    async fn give_back(&self, series: &Series, hold: Hold) -> Result<(), StoreError> {
        self.end(series, hold.value, End::Failed);
        Ok(())
    }

    async fn release(&self, _: &CallId, held: &[(Series, Hold)], in_doubt: bool) -> Result<(), StoreError> {
        let end = if in_doubt { End::Doubtful } else { End::Failed };
        held.iter().for_each(|(series, hold)| self.end(series, hold.value, end));
        Ok(())
    }

    async fn abandon(&self, call: &CallId) -> Result<(), StoreError> {
        for (series, line) in self.lines.lock().iter() {
            let mut state = line.state.lock();
            let held = state.held.iter().filter(|(_, holder)| *holder == call);
            let held: Vec<i64> = held.map(|(value, _)| *value).collect();
            held.into_iter().for_each(|value| state.end(value, series.gaps, End::Doubtful));
        }
        Ok(())
    }

    fn settle(&self, series: &Series, hold: Hold) {
        self.end(series, hold.value, End::Committed);
    }

    async fn sweep(&self, _: i64) -> Result<u64, StoreError> {
        Ok(0)
    }
}
