//! What one call's store holds.

use std::sync::Arc;

use bulla_engine::{CallState, Meter, WasiCallState, WasiState};
use bulla_kernel::approvals::Approvals;
use bulla_kernel::call::Call;
use bulla_kernel::jobs::Jobs;
use bulla_kernel::keys::Keys;
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::Sequences;
use wasmtime::component::ResourceTable;

/// The rooms that guests reach.
pub struct Rooms {
    pub sequences: Arc<Sequences>,
    pub approvals: Arc<Approvals>,
    pub secrets: Arc<Secrets>,
    pub keys: Arc<Keys>,
    pub jobs: Arc<Jobs>,
}

/// A line that the guest wrote to its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    pub message: String,
}

/// Everything of one call: its unit of work, its meter, its handles. Dropped with the store's end but for what
/// [`HostState::into_parts`] saves.
pub struct HostState {
    pub(crate) call: Call,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) handles: ResourceTable,
    pub(crate) lines: Vec<LogLine>,
    meter: Meter,
    wasi: WasiState,
}

impl HostState {
    pub fn new(call: Call, rooms: Arc<Rooms>, wasi: WasiState) -> Self {
        let mut handles = ResourceTable::new();
        // One more than the limit, which wasmtime counts itself and names when it fires.
        handles.set_max_capacity((call.limits.handles as usize).saturating_add(1));
        Self { call, rooms, handles, lines: Vec::new(), meter: Meter::new(), wasi }
    }

    /// The unit of work and the log of a call that came to its end.
    pub fn into_parts(self) -> (Call, Vec<LogLine>) {
        (self.call, self.lines)
    }
}

impl CallState for HostState {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl WasiCallState for HostState {
    fn wasi(&mut self) -> &mut WasiState {
        &mut self.wasi
    }
}
