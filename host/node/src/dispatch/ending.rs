//! After the guest: all its effects together, or none and what was observed.

use bulla_base::{CallId, Coded, Failure, codes};
use bulla_bindings::LogLine;
use bulla_engine::SCHEDULE_VERSION;
use bulla_kernel::call::Call;
use bulla_kernel::idempotency::{Running, Stored};
use bulla_kernel::ports::{CallReply, CallRequest, Cause};
use bulla_kernel::sequences::Uncommitted;
use bulla_store::{Step, StoreError, Unit, failpoint, passed};
use serde_json::json;

use super::admit::{Ready, replay};
use super::guest::Finished;
use super::{Dispatcher, Ended};

/// Why a call that returned `ok` did not commit.
enum Lost {
    /// Another change came first; `again`: nothing left the host, so it may run once more.
    Race {
        again: bool,
        failure: Failure,
    },
    /// Another node answered the same `Idempotency-Key`.
    Answered(Stored),
    Failed(Failure),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.failure())
    }
}

impl Dispatcher {
    /// Runs the guest and ends the call; a lost race is run once more, under the key that it holds.
    pub(super) async fn guarded(
        &self,
        request: &CallRequest,
        id: CallId,
        ready: &Ready,
        mut running: Option<Running>,
    ) -> Ended {
        let mut earlier: Option<Box<Call>> = None;
        loop {
            let first = earlier.is_none();
            let mut finished = match self.guest(request, &id, ready, first).await {
                Ok(finished) => finished,
                Err(failure) => {
                    let failure = match &mut earlier {
                        Some(earlier) => self.failed(earlier, failure).await,
                        None => failure,
                    };
                    return Ended::refused(request.trace.clone(), id, failure);
                }
            };
            if let Some(earlier) = earlier.take() {
                finished.call.carry(*earlier);
            }
            match self.end(request, ready, finished, &mut running, first).await {
                Ok(ended) => return ended,
                Err(lost) => earlier = Some(lost),
            }
        }
    }

    /// Commits or gives up what a guest left. `Err`: its race was lost, and it `may` run again.
    async fn end(
        &self,
        request: &CallRequest,
        ready: &Ready,
        finished: Finished,
        running: &mut Option<Running>,
        may: bool,
    ) -> Result<Ended, Box<Call>> {
        let Finished { mut call, outcome, usage, backtrace, mut log } = finished;
        let warning = self.usage.check_budget(&mut call, &ready.budget, &usage);
        let unseen = call.sequences.uncommitted();
        let committed = match outcome {
            Ok(output) => self.commit(&mut call, &output, running).await.map(|()| output),
            Err(failure) => Err(Lost::Failed(failure)),
        };
        let mut first = None;
        let outcome = match committed {
            Ok(output) => Ok(output),
            Err(Lost::Race { again: true, .. }) if may => return Err(Box::new(call)),
            Err(Lost::Answered(stored)) => self.discarded(&mut call, &stored).await.map(|()| {
                first = Some(stored);
                Vec::new()
            }),
            Err(Lost::Race { failure, .. } | Lost::Failed(failure)) => {
                Err(self.failed(&mut call, failure).await)
            }
        };
        let counted = match (&outcome, &first) {
            (Ok(_), None) => Ok(()),
            // It used what it used, for nothing.
            (Ok(_), Some(_)) => Err(codes::CONFLICT),
            (Err(failure), _) => Err(failure.code),
        };
        self.usage.count(&call, &usage, counted, warning.as_ref());
        self.metrics.call(request.addon.as_str(), counted.map_or_else(|code| code.name, |()| "ok"), &usage);
        for exceeded in warning.iter().flat_map(|warning| &warning.exceeded) {
            self.metrics.over_budget(request.addon.as_str(), exceeded.what);
        }
        let reply = match first {
            Some(stored) => replay(request, ready, stored),
            None => CallReply {
                call: call.id.clone(),
                trace: request.trace.clone(),
                usage,
                limits: ready.limits,
                fuel_schedule: SCHEDULE_VERSION,
                replayed: false,
                outcome: outcome.map_err(|failure| marked(&unseen, failure, &mut log)),
            },
        };
        Ok(Ended { reply, internal: None, backtrace, log })
    }

    /// Effects, audit, idempotency record and the job's success: one unit, one commit.
    async fn commit(
        &self,
        call: &mut Call,
        output: &[u8],
        running: &mut Option<Running>,
    ) -> Result<(), Lost> {
        failpoint(Step::CallReturned)?;
        if let Some(running) = running {
            call.take_storage(running.size(output)).map_err(|error| Lost::Failed(error.failure()))?;
        }
        let enqueues = !call.jobs.is_empty();
        let (used, mut unit) = (call.storage_used(), call.effects());
        let stored = running.as_ref().map(|running| {
            if unit.journal.is_empty() {
                // The answer alone is a change as well.
                let detail = json!({"response-bytes": output.len()});
                unit.record(call.origin.entry("call.answered", &call.name(), detail));
            }
            running.stage(&mut unit, &call.id, &call.origin.trace, output, self.core.now_ms())
        });
        if let Some((job, attempt)) = call.job().map(|(job, attempt)| (job.clone(), attempt)) {
            let completed = self.rooms.jobs.complete(&mut unit, &job, attempt, output).await;
            completed.map_err(|error| Lost::Failed(error.failure()))?;
        }
        failpoint(Step::CallStaged)?;
        if let Err(error) = self.core.committer.commit(unit).await {
            return Err(self.lost(call, error, running.as_mut()).await);
        }
        passed(Step::CallCommitted);
        self.rooms.sequences.settle(call);
        self.storage.add(&call.tenant, used);
        if let (Some(running), Some(stored)) = (running.take(), stored) {
            self.idempotency.committed(running, stored);
        }
        passed(Step::CallSettled);
        // Each time the runners look into the database: not after calls that gave them nothing to do.
        if enqueues {
            self.rooms.jobs.wake();
        }
        Ok(())
    }

    async fn lost(&self, call: &mut Call, error: StoreError, running: Option<&mut Running>) -> Lost {
        self.rooms.sequences.release(call, Some(&error)).await;
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
        self.rooms.sequences.release(call, None).await;
        let observations = call.remains(failure.code.name);
        let recorded = match failpoint(Step::CallFailing) {
            Ok(()) => self.core.committer.commit(observations).await,
            refused => refused,
        };
        passed(Step::CallFailed);
        match recorded {
            Ok(()) => failure,
            Err(error) => unrecorded(&error, failure.code.name),
        }
    }

    /// The same for a call in whose place another one's response is given.
    async fn discarded(&self, call: &mut Call, first: &Stored) -> Result<(), Failure> {
        let unit = call.discarded(&first.call, &first.trace);
        self.core.committer.commit(unit).await.map_err(|error| unrecorded(&error, "replayed"))
    }

    /// The host's own code failed in the midst of the call, and all that the call knew is gone.
    pub(super) async fn panicked(&self, request: &CallRequest, id: CallId) -> Ended {
        self.rooms.sequences.abandon(&id).await;
        let mut unit = Unit::default();
        let object = format!("{}/{}", request.addon, request.entry);
        let detail = json!({"code": codes::INTERNAL.name, "call": id});
        unit.record(self.origin(request).entry("call.failed", &object, detail));
        let failure = match self.core.committer.commit(unit).await {
            Ok(()) => Failure::new(codes::INTERNAL, codes::INTERNAL.title),
            Err(error) => unrecorded(&error, codes::INTERNAL.name),
        };
        Ended::refused(request.trace.clone(), id, failure)
    }
}

fn unrecorded(error: &StoreError, code: &str) -> Failure {
    tracing::error!(%error, code, "a failed call could not be recorded");
    // What stops every write has a code that says so, and how long to wait.
    if error.stops_all() {
        return error.failure();
    }
    Failure::new(codes::UNAVAILABLE, codes::UNAVAILABLE.title).internal(error.to_string())
}

/// What the operator reads of a failed call: its numbers are issued again. The caller's texts were marked with the outcome.
fn marked(unseen: &Uncommitted, failure: Failure, log: &mut [LogLine]) -> Failure {
    for line in log {
        line.message = unseen.mark(&line.message);
    }
    Failure { internal: failure.internal.as_deref().map(|text| unseen.mark(text)), ..failure }
}
