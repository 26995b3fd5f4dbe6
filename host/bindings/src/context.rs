//! `bulla:kernel/context`

use bulla_engine::{CallState, schedule::host};

use crate::state::HostState;
use crate::world::bulla::kernel::context::{ApprovalInfo, Host, Info, JobInfo};

impl Host for HostState {
    fn current(&mut self) -> wasmtime::Result<Info> {
        self.meter().charge(&host::CONTEXT_CURRENT, 0)?;
        let call = &self.call;
        Ok(Info {
            call_id: call.id.to_string(),
            trace_id: call.origin.trace.to_string(),
            subject: call.subject.to_string(),
            now_ms: u64::try_from(call.origin.at_ms).unwrap_or(0),
            entry: call.addon().entry.to_string(),
            job: call.job().map(|(id, attempt)| JobInfo { id: id.to_string(), attempt }),
            approval: call.approval().map(|(id, requester, decider)| ApprovalInfo {
                id: id.to_string(),
                requester: requester.to_string(),
                decider: decider.to_string(),
            }),
        })
    }
}
