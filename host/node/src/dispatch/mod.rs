//! One call, start to finish: find the addon, admit, look for a stored answer, check the input, run the guest, check the
//! output, commit everything together.

mod admit;
mod ending;
mod guest;
mod whole;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{Bytes, CallId, Coded, Failure, Fuel, Limits, Millis, TraceId, codes};
use bulla_bindings::{LogLine, Rooms};
use bulla_engine::{Engine, Frame, SCHEDULE_VERSION};
use bulla_kernel::Core;
use bulla_kernel::addons::Addons;
use bulla_kernel::admission::{Admission, Permit};
use bulla_kernel::idempotency::Idempotency;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{CallReply, CallRequest, Dispatch, Quotas, Usage};
use bulla_kernel::usage::Meter;
use bulla_server::Metrics;
use futures::FutureExt;
use tokio::runtime::Handle;

use self::whole::Whole;
use crate::storage::Storage;
use crate::supply::Supply;

/// How long a call may wait for its turn before it is `busy`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way from a request to a guest and back. Clones share everything.
#[derive(Clone)]
pub struct Dispatcher(Arc<Parts>);

/// What a dispatcher works with.
pub struct Parts {
    /// Where guests run, whoever asks.
    pub workers: Handle,
    pub core: Core,
    pub engine: Engine,
    pub supply: Arc<Supply>,
    pub rooms: Arc<Rooms>,
    pub addons: Arc<Addons>,
    pub quotas: Arc<dyn Quotas>,
    pub admission: Arc<Admission>,
    pub idempotency: Arc<Idempotency>,
    pub usage: Arc<Meter>,
    pub storage: Arc<Storage>,
    pub metrics: Arc<Metrics>,
}

impl std::ops::Deref for Dispatcher {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// A call's end, with what only its author and the operator see.
pub struct Ended {
    pub reply: CallReply,
    /// What the operator was told of a failure.
    pub internal: Option<String>,
    /// The guest's stack at a trap, innermost first.
    pub backtrace: Vec<Frame>,
    pub log: Vec<LogLine>,
}

#[async_trait]
impl Dispatch for Dispatcher {
    async fn dispatch(&self, request: CallRequest) -> CallReply {
        self.run(request).await.reply
    }
}

impl Dispatcher {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Runs a call to its end: a client that goes away does not leave half a call behind.
    pub async fn run(&self, request: CallRequest) -> Ended {
        let (this, id) = (self.clone(), CallId::draw(self.core.rng.as_ref()));
        let (trace, call) = (request.trace.clone(), id.clone());
        let work = async move { this.caught(&request, id).await };
        if Handle::try_current().is_ok_and(|here| here.id() == self.workers.id()) {
            return Whole::new(work, self.workers.clone()).await;
        }
        match self.workers.spawn(work).await {
            Ok(ended) => ended,
            Err(gone) => {
                tracing::error!(%trace, "a call was given up: {gone}");
                Ended::refused(trace, call, Failure::new(codes::INTERNAL, codes::INTERNAL.title))
            }
        }
    }

    /// A panic of the host ends one call, whose numbers come back, and nothing else: also where nobody waits for it any more.
    async fn caught(&self, request: &CallRequest, id: CallId) -> Ended {
        match AssertUnwindSafe(self.whole(request, id.clone())).catch_unwind().await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::error!(trace = %request.trace, call = %id, "a call panicked in the host");
                self.panicked(request, id).await
            }
        }
    }

    async fn whole(&self, request: &CallRequest, id: CallId) -> Ended {
        let mut ended = match self.admitted(request, id.clone()).await {
            Ok(ended) => ended,
            Err(failure) => {
                self.metrics.call_without_run(self.label(request), failure.code.name);
                Ended::refused(request.trace.clone(), id, failure)
            }
        };
        if let Err(failure) = &ended.reply.outcome {
            report(request, failure, &ended.backtrace);
        }
        for line in &ended.log {
            tracing::info!(
                target: "guest", tenant = %request.tenant, addon = %request.addon, entry = %request.entry,
                trace = %request.trace, level = line.level, "{}", line.message
            );
        }
        if let Err(failure) = &mut ended.reply.outcome {
            // The operator has read it; no response carries it.
            ended.internal = failure.internal.take();
        }
        ended
    }

    /// Finds out whether the call may run at all, and runs it.
    async fn admitted(&self, request: &CallRequest, id: CallId) -> Result<Ended, Failure> {
        let (ready, _permit) = self.turn(request).await?;
        let running = match self.begin(request, &ready).await? {
            admit::Start::Run(running) => running,
            admit::Start::Replay(stored) => return self.replayed(request, &ready, stored).await,
        };
        // What is over its limit ends with that, before anybody reads it.
        if request.input.len() as u64 <= ready.limits.input.get() {
            ready.contract().check_input(&request.input)?;
        }
        let _running = self.metrics.call_running();
        Ok(self.guarded(request, id, &ready, running).await)
    }

    /// What the call runs, and its place. While it waited for its turn the addon may have been stopped, upgraded or removed: then it
    /// is looked at anew, from the end of the queue.
    async fn turn(&self, request: &CallRequest) -> Result<(admit::Ready, Permit), Failure> {
        loop {
            let ready = self.ready(request).await?;
            let tenant = self.quotas.limits(&request.tenant, None).complete();
            let own = ready.active.manifest.suggested_rate().map(|rate| (&request.addon, rate));
            let permit = self.admission.admit_addon(&request.tenant, &tenant, own, PATIENCE).await;
            let permit = permit.map_err(|busy| {
                self.metrics.throttled(busy.reason.name());
                busy.failure()
            })?;
            if self.is_current(request, &ready) {
                return Ok((ready, permit));
            }
        }
    }

    /// The addon's name in a metric: only of addons that are there, or callers could make up labels without end.
    fn label<'a>(&self, request: &'a CallRequest) -> &'a str {
        match self.addons.find(&request.tenant, &request.addon) {
            Ok(Some(_)) => request.addon.as_str(),
            _ => "unknown",
        }
    }

    fn origin(&self, request: &CallRequest) -> Origin {
        Origin {
            tenant: Some(request.tenant.clone()),
            subject: request.principal.subject.clone(),
            trace: request.trace.clone(),
            at_ms: self.core.now_ms(),
            policy_version: Some(request.policy_version.clone()),
            call: None,
        }
    }
}

impl Ended {
    /// A call that never reached its guest.
    fn refused(trace: TraceId, call: CallId, failure: Failure) -> Self {
        let usage = Usage {
            fuel: Fuel(0),
            memory_peak: Bytes(0),
            elapsed: Millis(0),
            host_bytes: Bytes(0),
            log_bytes: Bytes(0),
        };
        let reply = CallReply {
            call,
            trace,
            usage,
            limits: Limits::default(),
            fuel_schedule: SCHEDULE_VERSION,
            replayed: false,
            outcome: Err(failure),
        };
        Self::of(reply)
    }

    /// A call without a guest's run.
    fn of(reply: CallReply) -> Self {
        Self { reply, internal: None, backtrace: Vec::new(), log: Vec::new() }
    }
}

/// For the operator: everything there is to know.
fn report(request: &CallRequest, failure: &Failure, backtrace: &[Frame]) {
    let frames: Vec<String> = backtrace.iter().map(ToString::to_string).collect();
    let mistake = failure.code == codes::INTERNAL || failure.code == codes::STORE_CORRUPT;
    let internal = failure.internal.as_deref().unwrap_or_default();
    if mistake {
        tracing::error!(
            tenant = %request.tenant, addon = %request.addon, entry = %request.entry, trace = %request.trace,
            code = failure.code.name, internal, ?frames, "{}", failure.message
        );
    } else {
        tracing::warn!(
            tenant = %request.tenant, addon = %request.addon, entry = %request.entry, trace = %request.trace,
            code = failure.code.name, internal, ?frames, "{}", failure.message
        );
    }
}
