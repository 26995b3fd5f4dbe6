//! After the guest: all its effects together, or none and what was observed.

use bulla_base::{CallId, Coded, Failure, codes};
use bulla_engine::SCHEDULE_VERSION;
use bulla_kernel::call::Call;
use bulla_kernel::idempotency::{Running, Stored};
use bulla_kernel::ports::{CallReply, CallRequest, Cause};
use bulla_store::StoreError;

use super::admit::{Ready, replay};
use super::guest::Finished;
use super::{Dispatcher, Ended};

/// Why a call that returned `ok` did not commit.
enum Lost {
    /// Another change came first; `again`: nothing left the host, so it may run once more.
    Race { again: bool, failure: Failure },
    /// Another node answered the same `Idempotency-Key`.
    Answered(Stored),
    Failed(Failure),
}

impl Dispatcher {
    /// Runs the guest and ends the call; a lost race is run once more.
    pub(super) async fn guarded(
        &self,
        request: &CallRequest,
        id: CallId,
        ready: &Ready,
        mut running: Option<Running>,
    ) -> Ended {
        let mut first = true;
        loop {
            let finished = match self.guest(request, &id, ready).await {
                Ok(finished) => finished,
                Err(failure) => return Ended::refused(request.trace.clone(), id, failure),
            };
            let Finished { mut call, outcome, usage, backtrace, log } = finished;
            let warning = self.usage.check_budget(&mut call, &ready.budget, &usage);
            let outcome = match outcome {
                Ok(output) => self.commit(&mut call, &output, running.take()).await.map(|()| output),
                Err(failure) => Err((Lost::Failed(self.failed(&mut call, failure).await), None)),
            };
            let outcome = match outcome {
                Ok(output) => Ok(output),
                Err((Lost::Race { again: true, .. }, kept)) if first => {
                    first = false;
                    running = kept;
                    continue;
                }
                Err((Lost::Answered(stored), _)) => {
                    let reply = replay(request, ready, stored);
                    return Ended { reply, internal: None, backtrace, log };
                }
                Err((Lost::Race { failure, .. } | Lost::Failed(failure), _)) => Err(failure),
            };
            let counted = outcome.as_ref().map(|_| ()).map_err(|failure| failure.code);
            self.usage.count(&call, &usage, counted, warning.as_ref());
            self.metrics.call(request.addon.as_str(), counted.map_or_else(|code| code.name, |()| "ok"), &usage);
            for exceeded in warning.iter().flat_map(|warning| &warning.exceeded) {
                self.metrics.over_budget(request.addon.as_str(), exceeded.what);
            }
            let reply = CallReply {
                call: id,
                trace: request.trace.clone(),
                usage,
                limits: ready.limits,
                fuel_schedule: SCHEDULE_VERSION,
                replayed: false,
                outcome,
            };
            return Ended { reply, internal: None, backtrace, log };
        }
    }

    /// Effects, audit, idempotency record and the job's success: one unit, one commit.
    async fn commit(
        &self,
        call: &mut Call,
        output: &[u8],
        running: Option<Running>,
    ) -> Result<(), (Lost, Option<Running>)> {
        let mut unit = call.effects();
        let stored = running.as_ref().map(|running| {
            running.stage(&mut unit, &call.id, &call.origin.trace, output, self.core.now_ms())
        });
        if let Some((job, attempt)) = call.job().map(|(job, attempt)| (job.clone(), attempt))
            && let Err(error) = self.rooms.jobs.complete(&mut unit, &job, attempt, output).await
        {
            self.rooms.sequences.release(call, false).await;
            return Err((Lost::Failed(error.failure()), running));
        }
        match self.core.committer.commit(unit).await {
            Ok(()) => {
                self.rooms.sequences.settle(call);
                if let (Some(running), Some(stored)) = (running, stored) {
                    self.idempotency.committed(running, stored);
                }
                self.rooms.jobs.wake();
                Ok(())
            }
            Err(error) => Err((self.lost(call, error, running.as_ref()).await, running)),
        }
    }

    async fn lost(&self, call: &mut Call, error: StoreError, running: Option<&Running>) -> Lost {
        self.rooms.sequences.release(call, true).await;
        let race = matches!(error, StoreError::Conflict { .. });
        if let (true, Some(running)) = (race, running) {
            match self.idempotency.winner(running).await {
                Ok(Some(stored)) => return Lost::Answered(stored),
                Ok(None) => {}
                Err(error) => return Lost::Failed(error.failure()),
            }
        }
        if race {
            // A job's claim is checked in the same commit: a second run would lose it as well.
            let again = !call.has_sent() && matches!(call.cause, Cause::Request { .. });
            return Lost::Race { again, failure: error.failure() };
        }
        Lost::Failed(error.failure())
    }

    /// The effects are gone; what was observed is committed in a unit of its own.
    async fn failed(&self, call: &mut Call, failure: Failure) -> Failure {
        self.rooms.sequences.release(call, false).await;
        match self.core.committer.commit(call.remains(failure.code.name)).await {
            Ok(()) => failure,
            Err(error) => {
                tracing::error!(%error, code = failure.code.name, "a failed call could not be recorded");
                Failure::new(codes::UNAVAILABLE, codes::UNAVAILABLE.title).internal(error.to_string())
            }
        }
    }
}
