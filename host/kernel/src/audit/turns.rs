//! Who reads a whole log: one at a time for each log, a few over all. It may take minutes, and the memory of a bundle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::AuditError;
use super::model::LogName;

/// Over all logs. Others wait.
const AT_ONCE: usize = 4;
/// How long one waits for its turn before it is `busy`.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Turns {
    all: Arc<Semaphore>,
    logs: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), logs: Mutex::default() }
    }
}

impl Turns {
    pub async fn take(&self, log: &LogName) -> Result<Turn, AuditError> {
        let own = self.of(log);
        let taken = async {
            // The log's own turn first: who waits for it takes no place from others.
            let own = own.acquire_owned().await.ok()?;
            let place = self.all.clone().acquire_owned().await.ok()?;
            Some(Turn { _own: own, _place: place })
        };
        let busy = || AuditError::Busy { log: log.to_string() };
        timeout(PATIENCE, taken).await.ok().flatten().ok_or_else(busy)
    }

    fn of(&self, log: &LogName) -> Arc<Semaphore> {
        let mut logs = self.logs.lock();
        // Whoever has or waits for a turn holds it too.
        logs.retain(|_, turn| Arc::strong_count(turn) > 1);
        logs.entry(log.as_str().to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(20);

    fn log(tenant: &str) -> LogName {
        LogName::tenant(&tenant.parse().unwrap())
    }

    #[tokio::test]
    async fn a_log_is_read_once_at_a_time_and_keeps_no_place_from_others() {
        let turns = Turns::default();
        let first = turns.take(&log("acme")).await.unwrap();
        assert!(timeout(A_MOMENT, turns.take(&log("acme"))).await.is_err());
        let others: Vec<_> = ["b", "c", "d"].map(log).into_iter().collect();
        let mut held = Vec::new();
        for other in &others {
            held.push(timeout(A_MOMENT, turns.take(other)).await.unwrap().unwrap());
        }
        assert!(timeout(A_MOMENT, turns.take(&log("e"))).await.is_err(), "{AT_ONCE} over all");
        drop(first);
        held.push(timeout(A_MOMENT, turns.take(&log("acme"))).await.unwrap().unwrap());
        held.clear();
        turns.take(&log("f")).await.unwrap();
        assert_eq!(turns.logs.lock().len(), 1, "what nobody reads is forgotten");
    }
}
