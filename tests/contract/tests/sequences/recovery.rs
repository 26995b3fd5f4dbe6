//! After restarts, panics, lost commits and slow looks.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::{DATE, definition, draw, grants, issue, node};
use bulla_contract::{Bench, on_both};
use bulla_kernel::sequences::{Gaps, Sequences};
use bulla_store::StoreError;

#[tokio::test]
async fn holes_are_found_again_after_a_restart() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let mut lost = bench.call("acme", grants());
        draw(&sequences, &mut lost).await;
        issue(&core, &sequences, bench.call("acme", grants()), "invoice/2").await.unwrap();
        // The process dies with the first number in hand: SQLite forgets it, PostgreSQL's sweeper frees it.
        drop((lost, sequences));
        bench.clock.advance(Duration::from_secs(11 * 60));
        let (core, sequences) = (core, Sequences::open(bench.core().await).await.unwrap());
        sequences.sweep(&bench.origin("system")).await.unwrap();
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/3").await.unwrap(),
            "INV-2026-00001"
        );
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/4").await.unwrap(),
            "INV-2026-00003"
        );
    })
    .await;
}

#[tokio::test]
async fn a_swept_holds_call_loses_its_commit() {
    on_both(async |bench: Bench| {
        if !bench.is_postgres() {
            return;
        }
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let mut slow = bench.call("acme", grants());
        draw(&sequences, &mut slow).await;
        bench.clock.advance(Duration::from_secs(11 * 60));
        sequences.refresh().await.unwrap();
        sequences.sweep(&bench.origin("system")).await.unwrap();
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00001"
        );
        assert!(matches!(core.committer.commit(slow.effects()).await, Err(StoreError::Conflict { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_came_through_unheard_does_not_block_its_series() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let key = "invoice".parse().unwrap();
        for n in [1, 2] {
            let mut call = bench.call("acme", grants());
            let drawn = sequences.reserve(&mut call, &key, DATE, None).await.unwrap();
            sequences
                .commit(&mut call, &key, &drawn.id, &format!("invoice/{n}").parse().unwrap())
                .await
                .unwrap();
            core.committer.commit(call.effects()).await.unwrap();
            // The commit is there, but its answer was lost.
            sequences.release(&mut call, Some(&StoreError::Unavailable("no answer".into()))).await;
        }
        let next = issue(&core, &sequences, bench.call("acme", grants()), "invoice/3").await;
        assert_eq!(next.unwrap(), "INV-2026-00003");
        let mut lost = bench.call("acme", grants());
        assert_eq!(draw(&sequences, &mut lost).await, "INV-2026-00004");
        sequences.release(&mut lost, Some(&StoreError::Unavailable("no answer".into()))).await;
        let next = issue(&core, &sequences, bench.call("acme", grants()), "invoice/4").await;
        assert_eq!(next.unwrap(), "INV-2026-00004", "what did not come through is issued again");
    })
    .await;
}

#[tokio::test]
async fn a_call_that_panicked_leaks_no_number() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let mut gone = bench.call("acme", grants());
        draw(&sequences, &mut gone).await;
        draw(&sequences, &mut gone).await;
        let id = gone.id.clone();
        drop(gone);
        let mut other = bench.call("acme", grants());
        assert_eq!(draw(&sequences, &mut other).await, "INV-2026-00003");
        sequences.abandon(&id).await;
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00001"
        );
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/2").await.unwrap(),
            "INV-2026-00002"
        );
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/4").await.unwrap(),
            "INV-2026-00004"
        );
    })
    .await;
}

#[tokio::test]
async fn a_series_with_gaps_repeats_nothing_whatever_became_of_a_call() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Allowed).await;
        let mut lost = bench.call("acme", grants());
        draw(&sequences, &mut lost).await;
        sequences.release(&mut lost, Some(&StoreError::Unavailable("no answer".into()))).await;
        let mut swept = bench.call("acme", grants());
        assert_eq!(draw(&sequences, &mut swept).await, "INV-2026-00002");
        bench.clock.advance(Duration::from_secs(11 * 60));
        sequences.refresh().await.unwrap();
        sequences.sweep(&bench.origin("system")).await.unwrap();
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00003"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_look_that_is_slow_does_not_undo_what_was_defined_since() {
    on_both(async |bench: Bench| {
        let sequences = Arc::new(Sequences::open(bench.core().await).await.unwrap());
        let looking: Vec<_> = (0..3)
            .map(|_| {
                let sequences = sequences.clone();
                tokio::spawn(async move {
                    loop {
                        sequences.refresh().await.unwrap();
                    }
                })
            })
            .collect();
        let tenant = "acme".parse().unwrap();
        for n in 1..=40 {
            let key = format!("s{n}").parse().unwrap();
            sequences.define(&bench.origin("acme"), &tenant, &key, definition(Gaps::Gapless)).await.unwrap();
            for _ in 0..20 {
                assert_eq!(sequences.list(&tenant).len(), n, "what was acknowledged stays known");
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        looking.iter().for_each(tokio::task::JoinHandle::abort);
    })
    .await;
}

#[tokio::test]
async fn definitions_that_are_too_old_are_not_acted_on() {
    on_both(async |bench: Bench| {
        let (_, sequences) = node(&bench, Gaps::Gapless).await;
        bench.clock.advance(Duration::from_millis(1_001));
        let mut call = bench.call("acme", grants());
        let opened = sequences.open_for(&mut call, &"invoice".parse().unwrap());
        // One process writes SQLite, and knows of its own changes.
        assert_eq!(opened.is_err(), bench.is_postgres());
        sequences.refresh().await.unwrap();
        sequences.open_for(&mut call, &"invoice".parse().unwrap()).unwrap();
    })
    .await;
}
