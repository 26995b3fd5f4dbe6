//! The guest's run: a fresh instance, and what it left.

use bulla_base::{Bytes, CallId, Failure, Millis, codes};
use bulla_bindings::{HostState, LogLine};
use bulla_engine::{Frame, Outcome, WasiState};
use bulla_kernel::call::Call;
use bulla_kernel::origin::CallOrigin;
use bulla_kernel::ports::{CallRequest, Usage};
use bulla_signing::manifest::DirectoryAccess;

use super::Dispatcher;
use super::admit::Ready;

/// A guest that came to its end. Its effects are still staged in `call`.
pub(super) struct Finished {
    pub call: Call,
    /// The output, checked against its schema.
    pub outcome: Result<Vec<u8>, Failure>,
    pub usage: Usage,
    pub backtrace: Vec<Frame>,
    pub log: Vec<LogLine>,
}

impl Dispatcher {
    pub(super) async fn guest(
        &self,
        request: &CallRequest,
        id: &CallId,
        ready: &Ready,
        first: bool,
    ) -> Result<Finished, Failure> {
        let wasi = self.wasi(ready)?;
        let origin = CallOrigin {
            id: id.clone(),
            addon: request.addon.clone(),
            version: ready.installed.version.clone(),
            entry: request.entry.clone(),
        };
        let call = Call::new(
            self.origin(request),
            origin,
            request.tenant.clone(),
            request.cause.clone(),
            ready.limits,
            ready.installed.grants.clone(),
        );
        let call = call.with_storage_left(self.storage.left(&request.tenant, ready.limits.storage));
        let call = if first { call } else { call.run_again() };
        let state = HostState::new(call, self.rooms.clone(), wasi);
        let (outcome, usage, state) = bulla_engine::run(
            &self.engine,
            &ready.active.loaded,
            ready.entry,
            request.entry.as_str(),
            &request.input,
            &ready.limits,
            state,
        )
        .await;
        let (call, log) = state.into_parts();
        let (outcome, backtrace) = judged(outcome, &call, ready);
        Ok(Finished { call, outcome, usage: used(&usage), backtrace, log })
    }

    /// Nothing for most addons; what the operator granted for those that import WASI.
    fn wasi(&self, ready: &Ready) -> Result<WasiState, Failure> {
        if !ready.active.loaded.uses_wasi() {
            return Ok(WasiState::default());
        }
        let grants = ready.installed.grants.current();
        let directory = grants.directory.as_ref().map(|grant| {
            let access = if grant.writable { DirectoryAccess::ReadWrite } else { DirectoryAccess::ReadOnly };
            (grant.path.as_path(), access)
        });
        WasiState::new(&self.core.clock, self.core.rng.as_ref(), directory).map_err(|error| {
            Failure::new(codes::UNAVAILABLE, "the addon's directory cannot be opened")
                .internal(error.to_string())
        })
    }
}

/// The outcome as the caller gets it. A number in a failed call's text is marked: it will be issued again.
fn judged(outcome: Outcome, call: &Call, ready: &Ready) -> (Result<Vec<u8>, Failure>, Vec<Frame>) {
    match outcome {
        Outcome::Ok(output) => (ready.contract().check_output(&output).map(|()| output), Vec::new()),
        Outcome::GuestError(error) => {
            let unseen = call.sequences.uncommitted();
            let message = unseen.mark(&error.message);
            let details = unseen.mark_json(details_of(&String::from_utf8_lossy(&error.details)));
            let addon = serde_json::json!({"code": error.code, "details": details});
            (Err(Failure::new(codes::GUEST_ERROR, message).details(addon)), Vec::new())
        }
        Outcome::Failed(failed) => (Err(failed.failure()), failed.backtrace),
    }
}

/// What is no JSON is given as text.
fn details_of(text: &str) -> serde_json::Value {
    match text {
        "" => serde_json::Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn used(usage: &bulla_engine::Usage) -> Usage {
    Usage {
        fuel: usage.fuel,
        memory_peak: usage.memory_peak,
        elapsed: Millis(u64::try_from(usage.elapsed.as_millis()).unwrap_or(u64::MAX)),
        host_bytes: Bytes(usage.host_bytes_in.0.saturating_add(usage.host_bytes_out.0)),
        log_bytes: usage.log,
    }
}
