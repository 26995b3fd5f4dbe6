//! The laws of idempotency keys on both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, in its helpers too")]

use std::time::Duration;

use bulla_base::{Bytes, CallId, Clock, Millis, SystemRng};
use bulla_contract::{Bench, on_both};
use bulla_kernel::Core;
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::idempotency::{
    Begun, Idempotency, IdempotencyConfig, IdempotencyError, Key, KeyText, RequestHash, Running,
};
use bulla_store::{StoreError, Unit};

const TTL: Millis = Millis(60_000);

fn key(tenant: &str, text: &str) -> Key {
    Key::new(
        &tenant.parse().unwrap(),
        &"ann".parse().unwrap(),
        &"einvoice".parse().unwrap(),
        &"submit".parse().unwrap(),
        KeyText::new(text).unwrap(),
    )
}

fn input(text: &str) -> RequestHash {
    RequestHash::of(text.as_bytes())
}

struct Node {
    core: Core,
    idempotency: Idempotency,
}

impl Node {
    async fn on(bench: &Bench) -> Self {
        let core = bench.core().await;
        let config = IdempotencyConfig { ttl: TTL, cache: Bytes(1 << 20) };
        Self { idempotency: Idempotency::new(core.clone(), config), core }
    }

    async fn first(&self, key: Key, hash: RequestHash) -> Running {
        match self.idempotency.begin(key, hash).await.unwrap() {
            Begun::First(running) => running,
            Begun::Replay(stored) => panic!("replayed {stored:?}"),
        }
    }

    async fn replayed(&self, key: Key, hash: RequestHash) -> Vec<u8> {
        match self.idempotency.begin(key, hash).await.unwrap() {
            Begun::Replay(stored) => stored.response.to_vec(),
            Begun::First(running) => panic!("ran as {running:?}"),
        }
    }

    /// A call that answers `response`.
    async fn finish(
        &self,
        bench: &Bench,
        running: Running,
        response: &str,
    ) -> Result<(), (Running, StoreError)> {
        let origin = bench.origin("acme");
        let mut unit = Unit::default();
        let call = CallId::draw(&SystemRng);
        let stored =
            running.stage(&mut unit, &call, &origin.trace, response.as_bytes(), bench.clock.now_ms());
        unit.record(origin.entry("test.called", call.as_str(), serde_json::json!({})));
        match self.core.committer.commit(unit).await {
            Ok(()) => {
                self.idempotency.committed(running, stored);
                Ok(())
            }
            Err(error) => Err((running, error)),
        }
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_response_on_every_node() {
    on_both(async |bench| {
        let (one, two) = (Node::on(&bench).await, Node::on(&bench).await);
        let running = one.first(key("acme", "k"), input("{\"a\": 1}")).await;
        one.finish(&bench, running, "\0first").await.unwrap();
        for node in [&one, &two, &one, &two] {
            assert_eq!(node.replayed(key("acme", "k"), input("{\"a\":1}")).await, b"\0first");
            let other = node.idempotency.begin(key("acme", "k"), input("{\"a\":2}")).await;
            assert!(matches!(other, Err(IdempotencyError::Mismatch)));
        }
        let elsewhere = one.first(key("globex", "k"), input("{\"a\":1}")).await;
        drop(elsewhere);
    })
    .await;
}

#[tokio::test]
async fn while_it_runs_a_second_one_is_refused_and_a_failed_one_may_run_again() {
    on_both(async |bench| {
        let one = Node::on(&bench).await;
        let running = one.first(key("acme", "k"), input("1")).await;
        let second = one.idempotency.begin(key("acme", "k"), input("1")).await;
        assert!(matches!(second, Err(IdempotencyError::InFlight)));
        let other = one.idempotency.begin(key("acme", "k"), input("2")).await;
        assert!(matches!(other, Err(IdempotencyError::Mismatch)));
        drop(running);
        let again = one.first(key("acme", "k"), input("2")).await;
        one.finish(&bench, again, "second").await.unwrap();
        assert_eq!(one.replayed(key("acme", "k"), input("2")).await, b"second");
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_one_wins_and_the_other_is_given_its_response() {
    on_both(async |bench| {
        let (one, two) = (Node::on(&bench).await, Node::on(&bench).await);
        for round in 0..10 {
            let text = format!("k{round}");
            let mine = one.first(key("acme", &text), input("1")).await;
            let theirs = two.first(key("acme", &text), input("1")).await;
            let outcomes = tokio::join!(one.finish(&bench, mine, "one"), two.finish(&bench, theirs, "two"));
            let (node, won, lost) = match outcomes {
                (Ok(()), Err(lost)) => (&two, "one", lost),
                (Err(lost), Ok(())) => (&one, "two", lost),
                other => panic!("{other:?}"),
            };
            let (mut running, error) = lost;
            assert!(matches!(error, StoreError::Conflict { .. }));
            let winner = node.idempotency.winner(&mut running).await.unwrap().unwrap();
            assert_eq!(*winner.response, *won.as_bytes());
        }
    })
    .await;
}

#[tokio::test]
async fn the_loser_with_another_input_is_told_so() {
    on_both(async |bench| {
        let (one, two) = (Node::on(&bench).await, Node::on(&bench).await);
        let mine = one.first(key("acme", "k"), input("1")).await;
        let theirs = two.first(key("acme", "k"), input("2")).await;
        one.finish(&bench, mine, "one").await.unwrap();
        let (mut running, _) = two.finish(&bench, theirs, "two").await.unwrap_err();
        assert!(matches!(two.idempotency.winner(&mut running).await, Err(IdempotencyError::Mismatch)));
    })
    .await;
}

#[tokio::test]
async fn a_key_is_free_again_when_its_time_is_up_swept_or_not() {
    on_both(async |bench| {
        let (one, two) = (Node::on(&bench).await, Node::on(&bench).await);
        let running = one.first(key("acme", "k"), input("1")).await;
        one.finish(&bench, running, "first").await.unwrap();
        bench.clock.advance(Duration::from_millis(TTL.get() - 1));
        assert_eq!(one.replayed(key("acme", "k"), input("1")).await, b"first");
        assert_eq!(one.idempotency.sweep(&bench.origin("system")).await.unwrap(), 0);
        bench.clock.advance(Duration::from_millis(1));
        let running = one.first(key("acme", "k"), input("2")).await;
        one.finish(&bench, running, "next").await.unwrap();
        for node in [&one, &two] {
            assert_eq!(node.replayed(key("acme", "k"), input("2")).await, b"next");
        }
        assert_eq!(one.idempotency.sweep(&bench.origin("system")).await.unwrap(), 0, "it is in use again");
    })
    .await;
}

#[tokio::test]
async fn the_sweeper_removes_what_is_over_and_says_how_many() {
    on_both(async |bench| {
        let (one, two) = (Node::on(&bench).await, Node::on(&bench).await);
        for n in 0..5 {
            let running = one.first(key("acme", &format!("k{n}")), input("1")).await;
            one.finish(&bench, running, "12345").await.unwrap();
        }
        bench.clock.advance(Duration::from_millis(TTL.get()));
        let running = one.first(key("acme", "later"), input("1")).await;
        one.finish(&bench, running, "12345").await.unwrap();
        let kept =
            |sizes: std::collections::BTreeMap<_, Bytes>| sizes.values().map(|size| size.get()).sum::<u64>();
        let before = kept(one.idempotency.kept().await.unwrap());

        let origin = bench.origin("system");
        let swept = tokio::join!(one.idempotency.sweep(&origin), two.idempotency.sweep(&origin));
        assert_eq!(swept.0.unwrap() + swept.1.unwrap(), 5);
        let after = kept(one.idempotency.kept().await.unwrap());
        assert_eq!(after, ("ann".len() + "einvoice/submit".len() + "later".len() + 5) as u64);
        assert!(before > after);
        assert_eq!(one.replayed(key("acme", "later"), input("1")).await, b"12345");

        let audit = Audit::new(bench.core().await, DEFAULT_ORIGIN, None).unwrap();
        let entries = audit.list(&LogName::system(), &Query::default()).await.unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].body["detail"]["count"], 5);
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_old_record_is_swept_during_the_call_can_be_run_again() {
    on_both(async |bench| {
        let node = Node::on(&bench).await;
        let running = node.first(key("acme", "k"), input("1")).await;
        node.finish(&bench, running, "first").await.unwrap();
        bench.clock.advance(Duration::from_millis(TTL.get()));
        let again = node.first(key("acme", "k"), input("2")).await;
        assert_eq!(node.idempotency.sweep(&bench.origin("system")).await.unwrap(), 1);
        let (mut running, error) = node.finish(&bench, again, "second").await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }));
        assert!(node.idempotency.winner(&mut running).await.unwrap().is_none());
        node.finish(&bench, running, "second").await.unwrap();
        assert_eq!(node.replayed(key("acme", "k"), input("2")).await, b"second");
    })
    .await;
}
