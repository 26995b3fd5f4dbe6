//! What one call may use, what it has used, and which limit it ran into first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Bytes, Clock, Fuel, Limits, Millis};
use wasmtime::{CallHook, ResourceLimiter, StoreContextMut, Trap};

use crate::schedule::{HostPrice, SCHEDULE_VERSION, host};

/// The state of one call, as the host functions see it. The engine only needs its meter.
pub trait CallState: Send + 'static {
    fn meter(&mut self) -> &mut Meter;
}

/// A limit that was reached. An error for a host function to return: the call then ends with `memory` or `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{name}` of {limit} was reached")]
pub struct LimitFired {
    /// As `bulla_base::limits::NAMES` writes it; or `stack`, `instances`, `memories`, `tables`, `wasi-resources`, which the engine sets.
    pub name: &'static str,
    pub limit: u64,
}

/// What became of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogVerdict {
    Keep,
    /// The first line beyond the limit: drop it, and record once that lines were dropped.
    FirstDropped,
    Dropped,
}

/// What a call used, beside what it might have used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The version of the fuel schedule that `fuel` is counted in.
    pub schedule: &'static str,
    pub fuel: Fuel,
    /// The largest size of all linear memories together.
    pub memory_peak: Bytes,
    /// The largest number of elements of all tables together.
    pub table_elements_peak: u32,
    /// Bytes that host calls carried from the guest.
    pub host_bytes_in: Bytes,
    /// Bytes that host calls carried to the guest.
    pub host_bytes_out: Bytes,
    pub log: Bytes,
    /// Host calls by function.
    pub calls: BTreeMap<&'static str, u64>,
    pub input: Bytes,
    pub output: Bytes,
    pub elapsed: Duration,
    /// The limits that were in force.
    pub limits: Limits,
}

/// Owned by the state of a call, and started by [`crate::run`]. Host functions charge it before they act.
pub struct Meter {
    running: Option<Running>,
    limits: Limits,
    /// Fuel the guest had left when it entered the host function that runs now.
    fuel_left: u64,
    /// Fuel charged by that host function, not yet taken from the store.
    fuel_owed: u64,
    memory: Peak,
    tables: Peak,
    host_in: u64,
    host_out: u64,
    log: u64,
    log_dropped: bool,
    calls: BTreeMap<&'static str, u64>,
    fired: Option<LimitFired>,
}

struct Running {
    clock: Arc<dyn Clock>,
    started: Duration,
    deadline: Duration,
}

#[derive(Clone, Copy, Default)]
struct Peak {
    now: u64,
    most: u64,
}

impl Peak {
    fn set(&mut self, now: u64) {
        self.now = now;
        self.most = self.most.max(now);
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// A meter that stands still until its call starts. Until then it has no fuel.
    pub fn new() -> Self {
        Self {
            running: None,
            limits: Limits::default(),
            fuel_left: 0,
            fuel_owed: 0,
            memory: Peak::default(),
            tables: Peak::default(),
            host_in: 0,
            host_out: 0,
            log: 0,
            log_dropped: false,
            calls: BTreeMap::new(),
            fired: None,
        }
    }

    pub(crate) fn start(&mut self, limits: Limits, clock: Arc<dyn Clock>) {
        let started = clock.monotonic();
        let deadline = started.saturating_add(limits.deadline.duration());
        *self = Self { limits, running: Some(Running { clock, started, deadline }), ..Self::new() };
    }

    /// The limits of the call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a call of a host function that carries `bytes` in, and takes its price, before the function does anything.
    ///
    /// Errors are traps to return as they are: `OutOfFuel`, or [`LimitFired`] for `host-call` and `host-calls`.
    pub fn charge(&mut self, function: &HostPrice, bytes: usize) -> wasmtime::Result<()> {
        let bytes = bytes as u64;
        *self.calls.entry(function.name).or_default() += 1;
        self.take(function.of(bytes))?;
        self.host_in = self.host_in.saturating_add(bytes);
        Ok(self.host_bytes(bytes)?)
    }

    /// Counts `bytes` that a host function is about to give to the guest.
    pub fn give(&mut self, bytes: usize) -> Result<(), LimitFired> {
        self.host_out = self.host_out.saturating_add(bytes as u64);
        self.host_bytes(bytes as u64)
    }

    /// Counts a log line of `bytes` (already cut to its largest length).
    pub fn log(&mut self, bytes: usize) -> LogVerdict {
        let after = self.log.saturating_add(bytes as u64);
        if after <= self.limits.log.0 && !self.log_dropped {
            self.log = after;
            return LogVerdict::Keep;
        }
        match std::mem::replace(&mut self.log_dropped, true) {
            false => LogVerdict::FirstDropped,
            true => LogVerdict::Dropped,
        }
    }

    /// The time until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.running
            .as_ref()
            .map_or(Duration::ZERO, |running| running.deadline.saturating_sub(running.clock.monotonic()))
    }

    /// The first limit that a growing memory or table ran into. The guest may have lived on with a refusal.
    pub fn fired(&self) -> Option<LimitFired> {
        self.fired
    }

    pub(crate) fn usage(&self, fuel_left: u64) -> Usage {
        let elapsed = self
            .running
            .as_ref()
            .map_or(Duration::ZERO, |running| running.clock.monotonic().saturating_sub(running.started));
        Usage {
            schedule: SCHEDULE_VERSION,
            fuel: Fuel(self.limits.fuel.0.saturating_sub(fuel_left)),
            memory_peak: Bytes(self.memory.most),
            table_elements_peak: u32::try_from(self.tables.most).unwrap_or(u32::MAX),
            host_bytes_in: Bytes(self.host_in),
            host_bytes_out: Bytes(self.host_out),
            log: Bytes(self.log),
            calls: self.calls.clone(),
            input: Bytes(0),
            output: Bytes(0),
            elapsed,
            limits: self.limits,
        }
    }

    pub(crate) fn expired(&self) -> bool {
        self.remaining().is_zero()
    }

    /// WASI functions cannot be refused from here, so theirs is taken when they return, if need be all that is left.
    pub(crate) fn charge_wasi(&mut self) {
        *self.calls.entry(host::WASI.name).or_default() += 1;
        self.fuel_owed = self.fuel_owed.saturating_add(host::WASI.of(0));
    }

    fn take(&mut self, fuel: u64) -> Result<(), Trap> {
        self.fuel_owed = self.fuel_owed.saturating_add(fuel);
        if self.fuel_owed > self.fuel_left { Err(Trap::OutOfFuel) } else { Ok(()) }
    }

    fn host_bytes(&self, bytes: u64) -> Result<(), LimitFired> {
        let limits = &self.limits;
        within("host-call", bytes, limits.host_call.0)?;
        within("host-calls", self.host_in.saturating_add(self.host_out), limits.host_calls.0)
    }

    /// Moves one total; false when the limit, or the memory's or table's own maximum, refuses.
    fn grow(&mut self, what: Grown, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let (peak, fired) = match what {
            Grown::Memory => (&mut self.memory, LimitFired { name: "memory", limit: self.limits.memory.0 }),
            Grown::Table => {
                let limit = u64::from(self.limits.table_elements);
                (&mut self.tables, LimitFired { name: "table-elements", limit })
            }
        };
        let after = peak.now.saturating_sub(current as u64).saturating_add(desired as u64);
        if after > fired.limit {
            self.fired.get_or_insert(fired);
            return false;
        }
        // What its own maximum refuses does not grow, so it must not count.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        peak.set(after);
        true
    }
}

fn within(name: &'static str, have: u64, limit: u64) -> Result<(), LimitFired> {
    if have > limit { Err(LimitFired { name, limit }) } else { Ok(()) }
}

#[derive(Clone, Copy)]
enum Grown {
    Memory,
    Table,
}

/// A refusal is an ordinary answer to the guest (`memory.grow` gives -1): it may live on. What it says when it cannot is
/// mostly `unreachable`; which limit it was stands in `fired`.
impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Grown::Memory, current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Grown::Table, current, desired, maximum))
    }
}

/// Shows a host function the fuel that is left, and takes from the store what it charged.
///
/// A hook, and not a deduction in each host function, because generated bindings see the state of the call only, not its
/// store. Its cost is two calls of a closure for each host call.
///
/// The hooks nest: a host function that gives bytes calls the guest's allocator, and what that asks of the engine (`memory.grow`,
/// a yield at a tick of the epoch) is a host call as well. So what is owed is taken before the guest runs again, whichever way
/// it comes to run, and is forgotten nowhere.
pub(crate) fn settle<T: CallState>(
    mut store: StoreContextMut<'_, T>,
    hook: CallHook,
) -> wasmtime::Result<()> {
    match hook {
        CallHook::CallingHost => {
            let left = store.get_fuel()?;
            store.data_mut().meter().fuel_left = left;
        }
        CallHook::CallingWasm | CallHook::ReturningFromHost => {
            let owed = std::mem::take(&mut store.data_mut().meter().fuel_owed);
            if owed > 0 {
                let left = store.get_fuel()?.checked_sub(owed);
                store.set_fuel(left.unwrap_or(0))?;
                left.ok_or(Trap::OutOfFuel)?;
            }
        }
        CallHook::ReturningFromWasm => {}
    }
    Ok(())
}

/// The deadline came while a host function waited, or a guest ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct DeadlineReached;

/// Waits for `future`, at most `remaining`. For async host functions, with [`Meter::remaining`]: returning the error as a trap
/// keeps the guest's backtrace, which dropping the whole call would lose.
pub async fn race_deadline<F: Future>(remaining: Duration, future: F) -> Result<F::Output, DeadlineReached> {
    tokio::time::timeout(remaining, future).await.map_err(|_| DeadlineReached)
}

/// How long a caller that found no free instance should wait before it tries again.
pub(crate) const BUSY_RETRY: Millis = Millis(50);
