use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Clock, Limits, ManualClock, Rate, TenantId};
use tokio::sync::oneshot::Receiver;

use super::lane::{Entered, State};
use super::throttled::Throttled;
use super::*;

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn limits(concurrency: u32, queue: u32) -> Limits {
    let rate = Rate { per_second: 1_000_000, burst: 1_000_000 };
    Limits { concurrency, queue, rate, ..Default::default() }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at("2026-03-31T12:00:00Z".parse().unwrap()))
}

struct Host {
    state: State,
    clock: Arc<dyn Clock>,
    waiting: Vec<(&'static str, u64, Receiver<()>)>,
}

impl Host {
    fn with(places: u32) -> Self {
        Self { state: State::new(places), clock: clock(), waiting: Vec::new() }
    }

    /// True when the call runs at once.
    fn call(&mut self, name: &'static str, limits: &Limits) -> bool {
        match self.state.enter(&tenant(name), limits, None, &self.clock).unwrap() {
            Entered::Running => true,
            Entered::Waiting { ticket, turn } => {
                self.waiting.push((name, ticket, turn));
                false
            }
        }
    }

    /// The calls whose turn has come, in no order.
    fn called(&mut self) -> Vec<&'static str> {
        let mut called = Vec::new();
        self.waiting.retain_mut(|(name, _, turn)| {
            let came = turn.try_recv().is_ok();
            called.extend(came.then_some(*name));
            !came
        });
        called
    }
}

/// The measure of waiting here is the number of calls let in before, which is the same on every machine.
#[test]
fn ten_thousand_waiting_calls_of_one_tenant_delay_another_by_one_turn_each() {
    const PLACES: u32 = 4;
    let wide = limits(PLACES, 20_000);
    let mut host = Host::with(PLACES);
    for _ in 0..10_000 {
        host.call("flood", &wide);
    }
    let mut turns = Vec::new();
    for _ in 0..100 {
        assert!(!host.call("calm", &wide), "all places are taken");
        let before = host.state.lanes[&tenant("flood")].admitted;
        let mut left = 0;
        while host.called().iter().all(|name| *name != "calm") {
            host.state.leave(&tenant("flood"));
            left += 1;
            assert!(left < 10, "it starves");
        }
        turns.push(host.state.lanes[&tenant("flood")].admitted - before);
        host.state.leave(&tenant("calm"));
    }
    turns.sort_unstable();
    assert!(turns[98] <= 1, "99 of 100 calls had at most one call of the flood before them: {turns:?}");
    assert!(host.state.lanes[&tenant("flood")].waiting() > 9_000, "the flood still waits");
}

#[test]
fn within_a_tenant_who_comes_first_is_first() {
    let mut host = Host::with(1);
    let wide = limits(1, 100);
    assert!(host.call("a", &wide));
    let tickets: Vec<u64> = (0..5)
        .map(|_| {
            host.call("a", &wide);
            host.waiting.last().unwrap().1
        })
        .collect();
    for expected in tickets {
        host.state.leave(&tenant("a"));
        let place = host.waiting.iter_mut().position(|(_, _, turn)| turn.try_recv().is_ok()).unwrap();
        assert_eq!(host.waiting.remove(place).1, expected);
    }
}

#[test]
fn a_tenant_never_runs_more_than_its_concurrency() {
    let mut host = Host::with(10);
    let two = limits(2, 100);
    assert_eq!((0..5).filter(|_| host.call("a", &two)).count(), 2);
    assert!(host.call("b", &two), "the rest of the places is for others");
    assert_eq!((host.state.lanes[&tenant("a")].running, host.state.free), (2, 7));
    host.state.leave(&tenant("a"));
    assert_eq!(host.called(), ["a"]);
    assert_eq!(host.state.lanes[&tenant("a")].running, 2);
    // A wider limit counts from the next call on.
    host.call("a", &limits(4, 100));
    assert_eq!(host.state.lanes[&tenant("a")].running, 4);
}

#[test]
fn a_full_queue_refuses_and_takes_nothing_from_the_rate() {
    let mut host = Host::with(1);
    let limits = Limits { rate: Rate { per_second: 1, burst: 3 }, ..limits(1, 1) };
    assert!(host.call("a", &limits) && !host.call("a", &limits));
    for _ in 0..10 {
        let refused = host.state.enter(&tenant("a"), &limits, None, &host.clock);
        assert!(matches!(refused, Err(Busy { reason: Reason::Queue, .. })));
    }
    host.state.leave(&tenant("a"));
    host.state.leave(&tenant("a"));
    assert!(host.call("a", &limits), "the third cell of the burst is still there");
    assert!(matches!(
        host.state.enter(&tenant("a"), &limits, None, &host.clock),
        Err(Busy { reason: Reason::Rate, .. })
    ));
}

#[test]
fn without_a_queue_or_without_concurrency_nothing_waits() {
    let mut host = Host::with(1);
    assert!(host.call("a", &limits(1, 0)));
    assert!(host.state.enter(&tenant("a"), &limits(1, 0), None, &host.clock).is_err());
    assert!(host.state.enter(&tenant("b"), &limits(0, 100), None, &host.clock).is_err());
}

#[test]
fn the_rate_is_the_clocks() {
    let clock = clock();
    let shared: Arc<dyn Clock> = clock.clone();
    let mut state = State::new(100);
    let limits = Limits { rate: Rate { per_second: 10, burst: 3 }, ..limits(100, 100) };
    let mut call = |limits: &Limits| state.enter(&tenant("a"), limits, None, &shared).map(drop);
    assert!((0..3).all(|_| call(&limits).is_ok()), "the burst");
    let busy = call(&limits).unwrap_err();
    assert_eq!((busy.reason, busy.retry_after.get()), (Reason::Rate, 100));
    clock.advance(Duration::from_millis(99));
    assert_eq!(call(&limits).unwrap_err().retry_after.get(), 1);
    clock.advance(Duration::from_millis(1));
    assert!(call(&limits).is_ok() && call(&limits).is_err());
    clock.advance(Duration::from_secs(60));
    assert_eq!((0..10).filter(|_| call(&limits).is_ok()).count(), 3, "no more than the burst is saved");
    let slower = Limits { rate: Rate { per_second: 1, burst: 1 }, ..limits };
    assert!(call(&slower).is_ok() && call(&slower).is_err(), "a changed rate counts at once");
}

#[test]
fn who_withdraws_leaves_no_trace() {
    let mut host = Host::with(1);
    let wide = limits(1, 100);
    assert!(host.call("a", &wide));
    assert!(!host.call("b", &wide) && !host.call("b", &wide));
    let (_, first, turn) = host.waiting.remove(0);
    drop(turn);
    host.state.withdraw(&tenant("b"), first);
    assert_eq!(host.state.lanes[&tenant("b")].waiting(), 1);
    host.state.leave(&tenant("a"));
    assert_eq!(host.called(), ["b"]);
    host.state.leave(&tenant("b"));
    assert_eq!(host.state.free, 1);
}

#[test]
fn a_turn_that_comes_while_its_call_goes_is_given_on() {
    let mut host = Host::with(1);
    let wide = limits(1, 100);
    assert!(host.call("a", &wide) && !host.call("b", &wide) && !host.call("c", &wide));
    let (_, ticket, turn) = host.waiting.remove(0);
    drop(turn);
    host.state.leave(&tenant("a"));
    assert_eq!(host.state.free, 0, "the turn of `b` came");
    host.state.withdraw(&tenant("b"), ticket);
    assert_eq!(host.called(), ["c"]);
    assert_eq!(host.state.lanes[&tenant("b")].running, 0);
}

#[test]
fn refusals_are_counted_by_reason() {
    let mut counted = Throttled::default();
    counted.count(Reason::Rate, 5);
    counted.count(Reason::Rate, 6);
    let mut later = Throttled::default();
    later.count(Reason::Queue, 9);
    later.merge(counted);
    later.merge(Throttled::default());
    assert_eq!(
        later.detail(),
        serde_json::json!({"first-ms": 5, "count": 3, "by-reason": {"queue": 1, "rate": 2}})
    );
}

#[test]
fn an_addons_own_rate_holds_within_its_tenants() {
    let (clock, mut state) = (clock() as Arc<dyn Clock>, State::new(100));
    let name = |text: &str| bulla_base::AddonName::new(text).unwrap();
    let (quick, slow) = (name("quick"), name("slow"));
    let own = Rate { per_second: 1, burst: 2 };
    let limits = limits(100, 100);
    let mut calls =
        |addon: &bulla_base::AddonName, rate| state.enter(&tenant("a"), &limits, Some((addon, rate)), &clock);
    assert!(calls(&slow, own).is_ok() && calls(&slow, own).is_ok());
    assert_eq!(calls(&slow, own).err().map(|busy| busy.reason), Some(Reason::Rate));
    assert!(calls(&quick, own).is_ok(), "another addon of the tenant is not concerned");
    assert!(calls(&slow, Rate { per_second: 5, burst: 5 }).is_ok(), "a changed rate starts anew");
}
