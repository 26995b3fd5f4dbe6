//! Jobs: work for later, at least once, with a trace and an end that somebody sees.
//!
//! # What it promises
//! - A job is enqueued in the transaction of the call that asks for it, with the options its manifest has at that moment.
//! - **At least once.** An attempt is recorded and committed before it runs. Its success is committed together with its
//!   effects, or not at all: [`Jobs::complete`] stages it into the call's own unit, under the version of the claim as
//!   fencing token. A node that lost its lease cannot commit. The id
//!   is the same for every attempt: what a run sends carries an `Idempotency-Key` made from it.
//! - **One node wins** a job, a lock key and a probe, because a claim is a versioned write of all three. A lock key is held
//!   for as long as the job that took it is `running`; a dead node's job stops being `running` when its lease has run out,
//!   and only then is its key free.
//! - **Fairness.** A slot goes to the classes `interactive`, `normal` and `bulk` by 6 : 3 : 1 where all of them wait, and
//!   within a class to the tenant with the fewest runs in progress, in turns. What a tenant queues does not count.
//! - **Retries** wait `backoff`, doubled with each attempt up to an hour, with jitter: from half the delay to all of it.
//!   After the last one the job is `dead`: it stays until an operator retries or cancels it, or 30 days are over.
//! - **Circuit.** Consecutive failures of one job of an addon in a tenant open a pause. After it one run probes; its success
//!   closes the circuit, its failure opens it again. A failure is counted with the attempt it belongs to; a success closes
//!   right after its commit, so that a crash in between costs one more probe.
//! - **Schedules** are in UTC. Ticks that were missed, by a host that was down or a run that took too long, give one run.
//!   A tick is enqueued once, however many nodes see it. A clock that is set back by more than a minute starts them anew. A scheduled run's payload is `{}`, its subject the host.
//!
//! # Repeats
//! Enqueuing with a `unique-key` that a waiting or running job of the name has gives that job; without one it gives another.
//!
//! # Limits
//! Payloads 256 KiB, delays a year, `limits.jobs` jobs a call, unique keys 200 visible ASCII characters. Results up to 64 KiB
//! are kept, longer ones are only counted. Leases compare the clocks of nodes: they must agree within a third of a lease.
//!
//! # Errors, in order of precedence
//! In a call: `not-found` (no such job), `invalid` (payload, delay, key), `limit` (`jobs`, `payload`, `storage`). To operators:
//! `invalid` (reason), `not-found`, `conflict` (the job's state, its unique key).

mod backoff;
mod circuit;
mod claim;
mod clock_step;
mod continuation;
mod error;
mod fairness;
mod model;
mod outcome;
mod overlay;
mod retention;
mod runner;
mod schedule;
mod service;
mod store;
mod ticks;

pub use claim::{Claimed, Settled};
pub use clock_step::CLOCK_STEP_MS;
pub use error::JobError;
pub use model::{Context, Enqueue, Job, JobState, MAX_PAYLOAD, MAX_RESULT, Page};
pub use overlay::Overlay;
pub use runner::{RunJob, Runner, RunnerConfig};
pub use schedule::check as check_schedule;
pub use service::{Jobs, JobsConfig};
