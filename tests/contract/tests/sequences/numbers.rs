//! What is drawn, bound, reserved and given back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bench::{DATE, draw, grants, is_dense, issue, node};
use bulla_contract::{Bench, on_both};
use bulla_kernel::grants::Grants;
use bulla_kernel::guest_error::GuestError;
use bulla_kernel::sequences::{Gaps, NumberState, SequenceError};
use bulla_store::StoreError;

#[tokio::test]
async fn a_failed_calls_number_is_issued_again() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let mut failing = bench.call("acme", grants());
        assert_eq!(draw(&sequences, &mut failing).await, "INV-2026-00001");
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00002"
        );
        sequences.release(&mut failing, None).await;
        let preview =
            sequences.preview_for(&"acme".parse().unwrap(), &"invoice".parse().unwrap(), DATE).await.unwrap();
        assert_eq!(preview, "INV-2026-00001");
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/2").await.unwrap(),
            "INV-2026-00001"
        );
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/3").await.unwrap(),
            "INV-2026-00003"
        );
    })
    .await;
}

/// Also where PostgreSQL believes from its statistics that next to nothing is free, which changes its plans.
#[tokio::test]
async fn what_many_failed_calls_left_is_issued_one_by_one() {
    const FAILED: usize = 100;
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        if bench.is_postgres() {
            core.db.shared_execute("ANALYZE sequence_free", &[]).await.unwrap();
        }
        let mut failing: Vec<_> = (0..FAILED).map(|_| bench.call("acme", grants())).collect();
        for call in &mut failing {
            draw(&sequences, call).await;
        }
        for call in &mut failing {
            sequences.release(call, None).await;
        }
        for n in 1..=FAILED {
            let text = issue(&core, &sequences, bench.call("acme", grants()), &format!("invoice/{n}"))
                .await
                .unwrap();
            assert_eq!(text, format!("INV-2026-{n:05}"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_sequence_that_allows_gaps_never_repeats() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Allowed).await;
        let mut failing = bench.call("acme", grants());
        draw(&sequences, &mut failing).await;
        sequences.release(&mut failing, None).await;
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00002"
        );
    })
    .await;
}

#[tokio::test]
async fn nodes_racing_leave_no_duplicate_and_no_gap() {
    on_both(async |bench: Bench| {
        let (core, one) = node(&bench, Gaps::Gapless).await;
        // SQLite has one process and so one allocator; PostgreSQL has two nodes.
        let (other_core, two) =
            if bench.is_postgres() { node(&bench, Gaps::Gapless).await } else { (core.clone(), one.clone()) };
        let calls = (0..120).map(|n| {
            let (core, sequences) =
                if n % 2 == 0 { (core.clone(), one.clone()) } else { (other_core.clone(), two.clone()) };
            let mut call = bench.call("acme", grants());
            tokio::spawn(async move {
                if n % 5 == 0 {
                    draw(&sequences, &mut call).await;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    sequences.release(&mut call, None).await;
                    return None;
                }
                Some(issue(&core, &sequences, call, &format!("invoice/{n}")).await.unwrap())
            })
        });
        let issued: Vec<String> =
            futures::future::join_all(calls).await.into_iter().filter_map(|joined| joined.unwrap()).collect();
        let unique: BTreeSet<_> = issued.iter().collect();
        assert_eq!((issued.len(), unique.len()), (96, 96));
        // What failed calls left is filled before the sequence grows: then it is dense.
        let mut all = issued.clone();
        let highest = issued.iter().max().unwrap().clone();
        while !is_dense(&all) {
            let text = issue(&core, &one, bench.call("acme", grants()), &format!("late/{}", all.len()))
                .await
                .unwrap();
            assert!(text < highest, "{text} was issued while a hole below {highest} was open");
            all.push(text);
        }
    })
    .await;
}

#[tokio::test]
async fn an_object_has_one_number_and_a_number_one_object() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap();
        let again = issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await;
        assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
        // Run again, the guest itself is told.
        let key = "invoice".parse().unwrap();
        let mut told = bench.call("acme", grants()).run_again();
        let drawn = sequences.reserve(&mut told, &key, DATE, None).await.unwrap();
        let refused =
            sequences.commit(&mut told, &key, &drawn.id, &"invoice/1".parse().unwrap()).await.unwrap_err();
        assert!(matches!(refused, SequenceError::Bound { .. }), "{refused}");
        sequences.commit(&mut told, &key, &drawn.id, &"invoice/9".parse().unwrap()).await.unwrap();
        sequences.release(&mut told, None).await;
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/2").await.unwrap(),
            "INV-2026-00002"
        );
    })
    .await;
}

#[tokio::test]
async fn a_reservation_outlives_its_call_and_is_bound_or_voided_later() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let key = "invoice".parse().unwrap();
        let mut first = bench.call("acme", grants());
        let kept = sequences.reserve(&mut first, &key, DATE, Some(60)).await.unwrap();
        let lost = sequences.reserve(&mut first, &key, DATE, Some(60)).await.unwrap();
        core.committer.commit(first.effects()).await.unwrap();
        sequences.settle(&mut first);

        let mut second = bench.call("acme", grants());
        sequences.commit(&mut second, &key, &kept.id, &"invoice/1".parse().unwrap()).await.unwrap();
        core.committer.commit(second.effects()).await.unwrap();

        bench.clock.advance(Duration::from_secs(61));
        assert_eq!(sequences.sweep(&bench.origin("system")).await.unwrap(), 1);
        let mut third = bench.call("acme", grants());
        let refused = sequences.commit(&mut third, &key, &lost.id, &"invoice/2".parse().unwrap()).await;
        assert!(matches!(refused, Err(SequenceError::State { state: "void", .. })), "{refused:?}");
        let numbers = sequences.numbers(&"acme".parse().unwrap(), &key, 10).await.unwrap();
        let states: Vec<_> = numbers.iter().map(|number| (number.value, number.state)).collect();
        assert_eq!(states, [(2, NumberState::Void), (1, NumberState::Committed)]);
    })
    .await;
}

#[tokio::test]
async fn without_a_grant_nothing_is_drawn() {
    on_both(async |bench: Bench| {
        let (_, sequences) = node(&bench, Gaps::Gapless).await;
        let key = "invoice".parse().unwrap();
        let mut call = bench.call("acme", grants());
        sequences.open_for(&mut call, &key).unwrap();
        call.grants.replace(Grants::default());
        let refused = sequences.reserve(&mut call, &key, DATE, None).await.unwrap_err();
        assert!(matches!(GuestError::from(refused), GuestError::Denied(what) if what == "sequence invoice"));
        let unit = call.remains("denied");
        assert!(unit.writes.is_empty());
        assert_eq!(unit.journal[0].body["event"], "call.denied");
        // Another tenant's sequence does not exist.
        let mut stranger = bench.call("other", grants());
        let refused = sequences.open_for(&mut stranger, &key).unwrap_err();
        assert!(matches!(refused, SequenceError::UnknownSequence { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_number_returned_within_its_call_leaves_no_row() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let key = "invoice".parse().unwrap();
        let mut call = bench.call("acme", grants());
        let drawn = sequences.reserve(&mut call, &key, DATE, None).await.unwrap();
        assert!(call.sequences.holds_uncommitted());
        sequences.cancel(&mut call, &key, &drawn.id, "changed my mind").await.unwrap();
        assert!(!call.sequences.holds_uncommitted());
        core.committer.commit(call.effects()).await.unwrap();
        assert_eq!(
            issue(&core, &sequences, bench.call("acme", grants()), "invoice/1").await.unwrap(),
            "INV-2026-00001"
        );
    })
    .await;
}

#[tokio::test]
async fn the_limit_of_reservations_fires() {
    on_both(async |bench: Bench| {
        let (_, sequences) = node(&bench, Gaps::Gapless).await;
        let mut call = bench.call("acme", grants());
        call.limits.reservations = 3;
        for _ in 0..3 {
            draw(&sequences, &mut call).await;
        }
        let refused =
            sequences.reserve(&mut call, &"invoice".parse().unwrap(), DATE, None).await.unwrap_err();
        assert!(matches!(GuestError::from(refused), GuestError::Limit(which) if which == "reservations"));
        assert_eq!(
            call.sequences.uncommitted().mark("no INV-2026-00002 today"),
            "no [uncommitted INV-2026-00002] today"
        );
        sequences.release(&mut call, None).await;
    })
    .await;
}

#[tokio::test]
async fn one_call_cannot_bind_two_numbers_to_an_object() {
    on_both(async |bench: Bench| {
        let (core, sequences) = node(&bench, Gaps::Gapless).await;
        let key = "invoice".parse().unwrap();
        let object = "invoice/1".parse().unwrap();
        let mut call = bench.call("acme", grants());
        let one = sequences.reserve(&mut call, &key, DATE, None).await.unwrap();
        let two = sequences.reserve(&mut call, &key, DATE, None).await.unwrap();
        sequences.commit(&mut call, &key, &one.id, &object).await.unwrap();
        sequences.commit(&mut call, &key, &one.id, &object).await.unwrap();
        let refused = sequences.commit(&mut call, &key, &two.id, &object).await.unwrap_err();
        assert!(matches!(GuestError::from(refused), GuestError::Conflict(_)));
        core.committer.commit(call.effects()).await.unwrap();
    })
    .await;
}
