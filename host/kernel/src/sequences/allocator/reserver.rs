//! One node's reservations travel together: whatever waits for a value of the same series is served by one statement, so that a
//! thousand calls cost as many commits as there are batches, not as there are calls.

use std::collections::BTreeMap;

use bulla_base::CallId;
use bulla_store::{Db, StoreError};
use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot};

use super::Hold;
use super::store::{self, Held};
use crate::sequences::model::{Gaps, Series};

/// Reservations in one statement at most.
const BATCH: usize = 256;
/// Statements at the same time: of different series, and never all connections of the pool.
const AT_ONCE: usize = 4;
/// Reservations that may wait; further ones wait for a place.
const QUEUE: usize = 4_096;

/// The way to the task that reserves. Clones share it; it ends when the last one is gone.
#[derive(Clone)]
pub(super) struct Reserver {
    queue: mpsc::Sender<Wanted>,
}

struct Wanted {
    series: Series,
    call: CallId,
    until_ms: i64,
    reply: oneshot::Sender<Result<Hold, StoreError>>,
}

impl Reserver {
    pub fn start(db: Db) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, waiting));
        Self { queue }
    }

    /// A value for `call`, held until `until_ms`. Where the caller goes away, the value is given back.
    pub async fn take(&self, series: &Series, call: &CallId, until_ms: i64) -> Result<Hold, StoreError> {
        let stopped = || StoreError::Unavailable("nobody reserves any more".into());
        let (reply, answer) = oneshot::channel();
        let wanted = Wanted { series: series.clone(), call: call.clone(), until_ms, reply };
        self.queue.send(wanted).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

async fn run(db: Db, mut waiting: mpsc::Receiver<Wanted>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut by_series: BTreeMap<(String, bool), Vec<Wanted>> = BTreeMap::new();
        for wanted in batch.drain(..).filter(|wanted| !wanted.reply.is_closed()) {
            let again = wanted.series.gaps == Gaps::Gapless;
            by_series.entry((wanted.series.id(), again)).or_default().push(wanted);
        }
        let all = by_series.into_iter().map(|((series, again), wanted)| serve(&db, series, again, wanted));
        futures::stream::iter(all).for_each_concurrent(AT_ONCE, |served| served).await;
    }
}

/// One statement for all that want a value of this series. A call may want several.
async fn serve(db: &Db, series: String, again: bool, wanted: Vec<Wanted>) {
    let calls: Vec<&str> = wanted.iter().map(|wanted| wanted.call.as_str()).collect();
    let calls = serde_json::Value::from(calls).to_string();
    let until_ms = wanted.iter().map(|wanted| wanted.until_ms).max().unwrap_or_default();
    let args = [(&series).into(), (&calls).into(), i64::from(again).into(), until_ms.into()];
    let mut held: Vec<Held> = match db.shared(store::TAKE, &args).await {
        Ok(held) => held,
        Err(error) => {
            let text = error.to_string();
            for wanted in wanted {
                // Who went away needs no answer.
                let _ = wanted.reply.send(Err(StoreError::Unavailable(text.clone())));
            }
            return;
        }
    };
    // The lowest value to whoever came first.
    held.sort_unstable_by_key(|held| std::cmp::Reverse(held.value));
    for wanted in wanted {
        let mine = held.iter().rposition(|held| held.call == wanted.call.as_str()).map(|at| held.remove(at));
        let hold = mine.map(|held| Hold { value: held.value, fence: Some(held.fence) });
        let hold =
            hold.ok_or_else(|| StoreError::Unavailable(format!("no value of `{series}` could be held")));
        if let Err(Ok(unwanted)) = wanted.reply.send(hold)
            && let Err(error) = super::postgres::give_back(db, &wanted.series, unwanted).await
        {
            tracing::debug!(%error, series, "a value that nobody waits for is left to the sweeper");
        }
    }
}
