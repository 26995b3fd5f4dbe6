//! The laws of group commit that show only where several nodes, or none, stand behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bulla_contract::{Bench, on_both, on_postgres};
use bulla_kernel::Core;
use bulla_kernel::audit::AuditJournal;
use bulla_store::{Committer, CommitterConfig, Draft, Entry, Expect, Journal, StoreError, Tx, Unit};
use serde_json::json;
use tokio::sync::Semaphore;

bulla_store::table! {
    /// A table with a constraint that a row can break.
    NUMBERS = "sequence_number" {
        tenant: text, series_key: text, period: text, value: bigint, number: text, state: text, reservation: text,
        reserved_ms: bigint, expires_ms: bigint
    }
}

fn entry(log: &str) -> Entry {
    let body = json!({"v": 1, "at-ms": 0, "event": "law.tried", "object": "law", "subject": "ada", "trace": "0", "detail": {}});
    Entry { log: log.into(), body }
}

/// A row that its table refuses where `value` is 0.
fn numbered(id: &str, value: i64) -> Unit {
    let row = json!({
        "tenant": "acme", "series_key": "s", "period": "", "value": value, "number": id, "state": "void",
        "reservation": id, "reserved_ms": 0, "expires_ms": 0,
    });
    let mut unit = Unit::default();
    unit.put(&NUMBERS, id, Expect::Absent, &row);
    unit.record(entry("acme"));
    unit
}

/// Entries for all logs, from the `start`th on: each unit takes the heads of the logs in another order than the next.
fn units(node: usize, round: usize) -> Vec<Unit> {
    let logs = ["alpha", "beta", "gamma", "delta"];
    let mut units: Vec<Unit> = (0..logs.len())
        .map(|n| {
            let log = if node == 0 { logs[n] } else { logs[logs.len() - 1 - n] };
            let mut unit = numbered(&format!("{node}/{round}/{n}"), 1);
            unit.journal[0].log = log.into();
            unit
        })
        .collect();
    units.insert(2, numbered(&format!("bad/{node}/{round}"), 0));
    units
}

/// All at once, so that they meet in one batch.
async fn commit_all(core: &Core, node: usize, round: usize) -> Vec<Result<(), StoreError>> {
    let commits = units(node, round).into_iter().map(|unit| core.committer.commit(unit));
    futures::future::join_all(commits).await
}

#[tokio::test]
async fn nodes_that_replay_broken_batches_do_not_stand_in_each_others_way() {
    on_both(async |bench: Bench| {
        let one = bench.core().await;
        let two = if bench.is_postgres() { bench.core().await } else { one.clone() };
        for round in 0..25 {
            let (left, right) = tokio::join!(commit_all(&one, 0, round), commit_all(&two, 1, round));
            for outcomes in [left, right] {
                for (n, outcome) in outcomes.into_iter().enumerate() {
                    assert_eq!(outcome.is_ok(), n != 2, "round {round}, unit {n}: {outcome:?}");
                }
            }
        }
    })
    .await;
}

/// The audit's journal, which counts the transactions that come to it and lets each through with leave.
struct Gate {
    journal: AuditJournal,
    came: AtomicUsize,
    leave: Semaphore,
}

#[async_trait]
impl Journal for Gate {
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError> {
        self.journal.draft(entry)
    }

    async fn append(&self, tx: &mut Tx<'_>, drafts: &[&Draft]) -> Result<(), StoreError> {
        self.came.fetch_add(1, Ordering::Relaxed);
        let leave = self.leave.acquire().await;
        leave.map_err(|_| StoreError::Unavailable("the gate is closed".into()))?.forget();
        self.journal.append(tx, drafts).await
    }
}

async fn gated(bench: &Bench, leave: usize) -> (Committer, Arc<Gate>) {
    let gate = Gate { journal: AuditJournal::new(), came: AtomicUsize::new(0), leave: Semaphore::new(leave) };
    let gate = Arc::new(gate);
    (Committer::start(bench.db().await, gate.clone(), CommitterConfig::default()), gate)
}

/// Or a caller that sends one key to two nodes again and again would have every batch written unit by unit, with an fsync for each.
#[tokio::test]
async fn a_row_that_another_node_inserts_first_costs_its_unit_and_not_the_batch() {
    on_postgres(&async |bench: Bench| {
        let ((slow, held), (one, counted)) = (gated(&bench, 0).await, gated(&bench, 100).await);
        let first = tokio::spawn(async move { slow.commit(numbered("shared", 1)).await });
        while held.came.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // The row of the other node is there and not committed: this batch waits for it.
        let batch = ["shared", "a", "b", "c"].map(|id| one.commit(numbered(id, 2)));
        let batch = futures::future::join_all(batch);
        let leave = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            held.leave.add_permits(1);
        };
        let (outcomes, ()) = tokio::join!(batch, leave);
        first.await.expect("it ends").expect("it came first");
        assert!(matches!(outcomes[0], Err(StoreError::Conflict { .. })), "{outcomes:?}");
        assert!(outcomes[1..].iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(counted.came.load(Ordering::Relaxed), 1, "the batch was written as one");
    })
    .await;
}
