//! What the laws share: a series, nodes, a call that draws and binds.

use std::collections::BTreeSet;
use std::sync::Arc;

use bulla_contract::Bench;
use bulla_kernel::Core;
use bulla_kernel::call::Call;
use bulla_kernel::grants::Grants;
use bulla_kernel::sequences::{Definition, Gaps, Reset, Sequences};
use bulla_store::StoreError;

pub const DATE: &str = "2026-03-31";

pub fn grants() -> Grants {
    Grants { sequences: ["invoice".parse().unwrap()].into(), ..Default::default() }
}

pub fn definition(gaps: Gaps) -> Definition {
    Definition {
        format: "INV-{YYYY}-{00000}".into(),
        reset: Reset::Year,
        gaps,
        time_zone: "UTC".into(),
        fiscal_start: 1,
    }
}

pub async fn node(bench: &Bench, gaps: Gaps) -> (Core, Arc<Sequences>) {
    let core = bench.core().await;
    let sequences = Sequences::open(core.clone()).await.unwrap();
    let (tenant, key) = ("acme".parse().unwrap(), "invoice".parse().unwrap());
    sequences.define(&bench.origin("acme"), &tenant, &key, definition(gaps)).await.unwrap();
    (core, Arc::new(sequences))
}

pub async fn draw(sequences: &Sequences, call: &mut Call) -> String {
    sequences.reserve(call, &"invoice".parse().unwrap(), DATE, None).await.unwrap().text
}

/// Draws, binds and commits one number; a lost race is run again, as dispatch does.
pub async fn issue(
    core: &Core,
    sequences: &Sequences,
    mut call: Call,
    object: &str,
) -> Result<String, StoreError> {
    let key = "invoice".parse().unwrap();
    let drawn = sequences.reserve(&mut call, &key, DATE, None).await.unwrap();
    sequences.commit(&mut call, &key, &drawn.id, &object.parse().unwrap()).await.unwrap();
    let unit = call.effects();
    match core.committer.commit(unit).await {
        Ok(()) => {
            sequences.settle(&mut call);
            Ok(drawn.text)
        }
        Err(error) => {
            sequences.release(&mut call, Some(&error)).await;
            Err(error)
        }
    }
}

pub fn is_dense(numbers: &[String]) -> bool {
    let all: BTreeSet<_> = numbers.iter().cloned().collect();
    (1..=numbers.len()).all(|n| all.contains(&format!("INV-2026-{n:05}")))
}
