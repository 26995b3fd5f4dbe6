use std::sync::Arc;
use std::time::Duration;

use bulla_base::{AddonName, Limits, Millis, Rate, TenantId};
use bulla_store::{StoreError, Unit};
use parking_lot::Mutex;

use super::error::{Busy, Reason};
use super::lane::{Entered, State};
use super::throttled::Throttled;
use crate::Core;
use crate::origin::Origin;

/// Where a call waited in vain.
const WAIT_RETRY: Millis = Millis(1_000);

#[derive(Clone)]
pub struct Admission {
    core: Core,
    state: Arc<Mutex<State>>,
}

/// What a tenant does at this moment, and what became of its calls since the host started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantLoad {
    pub tenant: TenantId,
    pub running: u32,
    pub waiting: usize,
    pub admitted: u64,
    pub refused: u64,
}

impl Admission {
    /// `places`: calls that the host runs at a time, of all tenants together.
    pub fn new(core: Core, places: u32) -> Self {
        Self { core, state: Arc::new(Mutex::new(State::new(places.max(1)))) }
    }

    /// Waits for the call's turn, at most for `wait`. Dropping the future leaves the queue.
    pub async fn admit(&self, tenant: &TenantId, limits: &Limits, wait: Duration) -> Result<Permit, Busy> {
        self.admit_addon(tenant, limits, None, wait).await
    }

    /// As [`Admission::admit`], for a call of an addon whose manifest suggests a rate of its own: it holds within the tenant's.
    pub async fn admit_addon(
        &self,
        tenant: &TenantId,
        limits: &Limits,
        own: Option<(&AddonName, Rate)>,
        wait: Duration,
    ) -> Result<Permit, Busy> {
        let entered = self.state.lock().enter(tenant, limits, own, &self.core.clock)?;
        let mut seat = Seat { state: self.state.clone(), tenant: tenant.clone(), waits: None };
        if let Entered::Waiting { ticket, turn } = entered {
            seat.waits = Some(ticket);
            // The sender is never dropped unsent while its call waits.
            if !matches!(tokio::time::timeout(wait, turn).await, Ok(Ok(()))) {
                drop(seat);
                self.state.lock().refuse(tenant, Reason::Wait, self.core.now_ms());
                return Err(Busy { reason: Reason::Wait, retry_after: WAIT_RETRY });
            }
            seat.waits = None;
        }
        Ok(Permit(seat))
    }

    /// For the metrics: every tenant that was seen, by id.
    pub fn loads(&self) -> Vec<TenantLoad> {
        let state = self.state.lock();
        let mut loads: Vec<_> = state
            .lanes
            .iter()
            .map(|(tenant, lane)| TenantLoad {
                tenant: tenant.clone(),
                running: lane.running,
                waiting: lane.waiting(),
                admitted: lane.admitted,
                refused: lane.refused,
            })
            .collect();
        loads.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        loads
    }

    /// Places of the host that no call has.
    pub fn free_places(&self) -> u32 {
        self.state.lock().free
    }

    /// Writes what was refused since the last flush, one entry a tenant; to be called each second. What cannot be written
    /// is kept for the next time.
    pub async fn flush(&self, origin: &Origin) -> Result<(), StoreError> {
        let taken = self.take_throttled();
        let mut unit = Unit::default();
        for (tenant, throttled) in &taken {
            let log = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
            unit.record(log.entry("call.throttled", tenant.as_str(), throttled.detail()));
        }
        let outcome = self.core.committer.commit(unit).await;
        if outcome.is_err() {
            let mut state = self.state.lock();
            for (tenant, throttled) in taken {
                if let Some(lane) = state.lanes.get_mut(&tenant) {
                    lane.throttled.merge(throttled);
                }
            }
        }
        outcome
    }

    fn take_throttled(&self) -> Vec<(TenantId, Throttled)> {
        let mut state = self.state.lock();
        let counted = state.lanes.iter_mut().filter(|(_, lane)| !lane.throttled.is_empty());
        counted.map(|(tenant, lane)| (tenant.clone(), std::mem::take(&mut lane.throttled))).collect()
    }
}

/// A call's place in the host. Dropping it lets the next one in.
#[must_use = "the place is given back when this is dropped"]
pub struct Permit(Seat);

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit({})", self.0.tenant)
    }
}

struct Seat {
    state: Arc<Mutex<State>>,
    tenant: TenantId,
    /// The ticket of a call that waits still.
    waits: Option<u64>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        match self.waits {
            Some(ticket) => state.withdraw(&self.tenant, ticket),
            None => state.leave(&self.tenant),
        }
    }
}
