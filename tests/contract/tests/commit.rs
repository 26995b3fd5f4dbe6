//! The laws of group commit that show only where several nodes, or none, stand behind it.

use bulla_contract::{Bench, on_both};
use bulla_kernel::Core;
use bulla_store::{Entry, Expect, StoreError, Unit};
use serde_json::json;

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
