//! Steps at which a test makes the host fail: with an error, with a panic, or with the end of the process.
//!
//! With the feature `failpoints` each step asks the crate `fail` what to do there; without it a step is an empty function.

use sqlx::sqlite::SqliteSynchronous;

use crate::error::StoreError;

/// Declares the steps, each with the name by which a test sets it.
macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A place on the way of a change into the database, and out to whoever waits for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step { $($(#[$doc])* $variant),* }

        impl Step {
            pub const ALL: &[Step] = &[$(Step::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Step::$variant => $name),* }
            }
        }
    };
}

steps! {
    /// The guest returned `ok`; nothing is staged.
    CallReturned = "call.returned";
    /// Effects, idempotency record and the job's success stand in one unit, which was not handed over.
    CallStaged = "call.staged";
    /// The unit is committed; nothing in memory knows.
    CallCommitted = "call.committed";
    /// All in memory knows.
    CallSettled = "call.settled";
    /// The call failed; its observations are not handed over.
    CallFailing = "call.failing";
    /// Its observations are committed.
    CallFailed = "call.failed";
    /// The batch is taken; there is no transaction.
    CommitBegin = "commit.begin";
    CommitBegun = "commit.begun";
    /// The rows are written.
    CommitWritten = "commit.written";
    /// The audit entries are written.
    CommitRecorded = "commit.recorded";
    /// Right before `COMMIT`.
    CommitPrepared = "commit.prepared";
    /// `COMMIT` and its fsync are done; nobody was told.
    CommitDurable = "commit.durable";
    /// Before each reply to a caller, after it.
    CommitReply = "commit.reply";
    CommitReplied = "commit.replied";
    /// A claim is not handed over; it is committed.
    JobClaim = "job.claim";
    JobClaimed = "job.claimed";
    /// A failed attempt is not handed over; it is committed.
    JobSettle = "job.settle";
    JobSettled = "job.settled";
    /// A request with a secret is about to leave; its answer is there.
    SecretSend = "secret.send";
    SecretSent = "secret.sent";
    /// A decision with its continuation is not handed over; it is committed.
    ApprovalDecide = "approval.decide";
    ApprovalDecided = "approval.decided";
    /// A checkpoint is signed; it is committed.
    AuditPublish = "audit.publish";
    AuditPublished = "audit.published";
}

/// Does what the test wants at this step. An error means: fail here as if the database did not answer.
#[cfg(feature = "failpoints")]
pub fn failpoint(step: Step) -> Result<(), StoreError> {
    fail::fail_point!(step.name(), |wanted| {
        tracing::warn!(step = step.name(), wanted, "failpoint");
        match wanted.as_deref() {
            Some("kill") => kill(),
            Some("contended") => Err(StoreError::Contended(format!("failpoint `{}`", step.name()))),
            _ => Err(StoreError::Unavailable(format!("failpoint `{}`", step.name()))),
        }
    });
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_: Step) -> Result<(), StoreError> {
    Ok(())
}

/// As [`failpoint`] where nothing can be refused any more: only a panic or a kill does anything.
#[inline(always)]
pub fn passed(step: Step) {
    let _nobody_hears_it = failpoint(step);
}

/// The durability that SQLite is opened with: a test that must see lost writes sets `store.synchronous` to `return(off)`.
#[cfg(feature = "failpoints")]
pub(crate) fn synchronous(configured: SqliteSynchronous) -> SqliteSynchronous {
    fail::fail_point!("store.synchronous", |wanted| match wanted.as_deref() {
        Some("off") => SqliteSynchronous::Off,
        Some("normal") => SqliteSynchronous::Normal,
        _ => configured,
    });
    configured
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn synchronous(configured: SqliteSynchronous) -> SqliteSynchronous {
    configured
}

/// `SIGKILL`, to oneself: no destructor runs and nothing is flushed.
#[cfg(feature = "failpoints")]
fn kill() -> Result<(), StoreError> {
    use rustix::process::{Signal, getpid, kill_process};
    let sent = kill_process(getpid(), Signal::KILL);
    // The signal ends this thread before the next instruction; if not, that is an error as well.
    Err(StoreError::Unavailable(format!("the process did not end: {sent:?}")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_step_has_a_name_of_its_own() {
        let names: HashSet<_> = Step::ALL.iter().map(|step| step.name()).collect();
        assert_eq!(names.len(), Step::ALL.len());
        assert!(names.iter().all(|name| !name.contains([';', '=', ' '])), "{names:?}");
    }
}
