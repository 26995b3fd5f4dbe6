//! Whose turn it is: the tenants' queues and the round they go. Pure state; the lock and the waiting are the service's.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{AddonName, Clock, Limits, Millis, Rate, TenantId};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::oneshot;

use super::error::{Busy, Reason};
use super::throttled::Throttled;

/// Where a full queue is concerned: nobody knows when it will have room.
const QUEUE_RETRY: Millis = Millis(1_000);

pub(super) struct State {
    /// Places of the host that no call has.
    pub free: u32,
    pub lanes: HashMap<TenantId, Lane>,
    /// Tenants with a waiting call and room for it, in the order of their turns.
    round: VecDeque<TenantId>,
    next_ticket: u64,
}

/// One tenant. It stays once it was seen: its rate is remembered.
#[derive(Default)]
pub(super) struct Lane {
    pub running: u32,
    concurrency: u32,
    /// By ticket, which is by time of arrival.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    in_round: bool,
    rate: Option<Limited>,
    /// Addons whose manifest suggests a rate.
    addons: HashMap<AddonName, Limited>,
    pub admitted: u64,
    pub refused: u64,
    pub throttled: Throttled,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, LimiterClock, NoOpMiddleware<Duration>>;

/// A limiter, and the rate it was made for.
struct Limited {
    rate: Rate,
    limiter: Limiter,
}

/// How a call enters.
pub(super) enum Entered {
    /// It runs.
    Running,
    /// It waits, until the channel speaks.
    Waiting { ticket: u64, turn: oneshot::Receiver<()> },
}

impl State {
    pub fn new(places: u32) -> Self {
        Self { free: places, lanes: HashMap::new(), round: VecDeque::new(), next_ticket: 0 }
    }

    pub fn enter(
        &mut self,
        tenant: &TenantId,
        limits: &Limits,
        own: Option<(&AddonName, Rate)>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Entered, Busy> {
        let lane = self.lanes.entry(tenant.clone()).or_default();
        lane.concurrency = limits.concurrency;
        let outcome = lane.check(limits, own, clock, self.free);
        if let Err(busy) = outcome {
            lane.refuse(busy.reason, clock.now_ms());
            return Err(busy);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let (speak, mut turn) = oneshot::channel();
        lane.waiting.insert(ticket, speak);
        self.join_round(tenant);
        self.hand_out();
        Ok(match turn.try_recv() {
            Ok(()) => Entered::Running,
            Err(_) => Entered::Waiting { ticket, turn },
        })
    }

    /// A place comes back.
    pub fn leave(&mut self, tenant: &TenantId) {
        self.free += 1;
        if let Some(lane) = self.lanes.get_mut(tenant) {
            lane.running -= 1;
        }
        self.join_round(tenant);
        self.hand_out();
    }

    /// A call stops waiting. Where its turn came in the same moment, the place comes back.
    pub fn withdraw(&mut self, tenant: &TenantId, ticket: u64) {
        let waited = self.lanes.get_mut(tenant).and_then(|lane| lane.waiting.remove(&ticket));
        if waited.is_none() {
            self.leave(tenant);
        }
    }

    pub fn refuse(&mut self, tenant: &TenantId, reason: Reason, now_ms: i64) {
        if let Some(lane) = self.lanes.get_mut(tenant) {
            lane.refuse(reason, now_ms);
        }
    }

    fn join_round(&mut self, tenant: &TenantId) {
        if let Some(lane) = self.lanes.get_mut(tenant)
            && !lane.in_round
            && lane.has_turn()
        {
            lane.in_round = true;
            self.round.push_back(tenant.clone());
        }
    }

    /// Afterwards no place is free, or nobody in the round can take one.
    fn hand_out(&mut self) {
        while self.free > 0 {
            let Some(tenant) = self.round.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&tenant) else { continue };
            lane.in_round = false;
            if lane.has_turn() {
                lane.admit_first();
                self.free -= 1;
            }
            self.join_round(&tenant);
        }
    }
}

impl Lane {
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn has_turn(&self) -> bool {
        !self.waiting.is_empty() && self.running < self.concurrency
    }

    /// A full queue is looked at first: a call that is refused for it takes nothing from the rate.
    fn check(
        &mut self,
        limits: &Limits,
        own: Option<(&AddonName, Rate)>,
        clock: &Arc<dyn Clock>,
        free: u32,
    ) -> Result<(), Busy> {
        let runs_at_once = free > 0 && self.waiting.is_empty() && self.running < self.concurrency;
        let full = self.waiting.len() >= limits.queue as usize;
        if limits.concurrency == 0 || (full && !runs_at_once) {
            return Err(Busy { reason: Reason::Queue, retry_after: QUEUE_RETRY });
        }
        // An addon beyond its own rate takes nothing from its tenant's.
        if let Some((addon, rate)) = own {
            match self.addons.get_mut(addon).filter(|limited| limited.rate == rate) {
                Some(limited) => limited.check(clock)?,
                None => {
                    let limited = Limited::new(rate, clock);
                    limited.check(clock)?;
                    self.addons.insert(addon.clone(), limited);
                }
            }
        }
        match &self.rate {
            Some(limited) if limited.rate == limits.rate => limited.check(clock),
            _ => self.rate.insert(Limited::new(limits.rate, clock)).check(clock),
        }
    }

    /// The one that waits longest runs.
    fn admit_first(&mut self) {
        let Some((_, speak)) = self.waiting.pop_first() else { return };
        self.running += 1;
        self.admitted += 1;
        // Where the receiver is gone the call is being dropped: it finds its ticket gone, and gives the place back.
        let _ = speak.send(());
    }

    fn refuse(&mut self, reason: Reason, now_ms: i64) {
        self.refused += 1;
        self.throttled.count(reason, now_ms);
    }
}

impl Limited {
    fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Self {
        // A cell takes at least a nanosecond, which is as fine as the limiter counts.
        let cells = |count: u32| NonZeroU32::new(count.min(1_000_000_000)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(cells(rate.per_second)).allow_burst(cells(rate.burst));
        Self { rate, limiter: RateLimiter::direct_with_clock(quota, LimiterClock(clock.clone())) }
    }

    fn check(&self, clock: &Arc<dyn Clock>) -> Result<(), Busy> {
        self.limiter.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(clock.monotonic());
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            Busy { reason: Reason::Rate, retry_after: Millis(millis.max(1)) }
        })
    }
}

struct LimiterClock(Arc<dyn Clock>);

impl governor::clock::Clock for LimiterClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}
