//! Steps at which a test makes the host fail: with an error, with a panic, or with the end of the process.
//!
//! With the feature `failpoints` each step asks the crate `fail` what to do there; without it a step is an empty function.

use sqlx::sqlite::SqliteSynchronous;

use crate::error::StoreError;

/// Declares the steps, each with the name by which a test sets it, and whether the host can still fail there.
macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $can_fail:literal;)*) => {
        /// A place on the way of a change into the database, and out to whoever waits for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step { $($(#[$doc])* $variant),* }

        impl Step {
            pub const ALL: &[Step] = &[$(Step::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Step::$variant => $name),* }
            }

            /// False: what the step belongs to is done, and only a panic or the end of the process means anything there.
            pub fn can_fail(self) -> bool {
                match self { $(Step::$variant => $can_fail),* }
            }
        }
    };
}

steps! {
    /// The guest returned `ok`; nothing is staged.
    CallReturned = "call.returned", true;
    /// Effects, idempotency record and the job's success stand in one unit, which was not handed over.
    CallStaged = "call.staged", true;
    /// The unit is committed; nothing in memory knows.
    CallCommitted = "call.committed", false;
    /// All in memory knows.
    CallSettled = "call.settled", false;
    /// The call failed; its observations are not handed over.
    CallFailing = "call.failing", true;
    /// Its observations are committed.
    CallFailed = "call.failed", false;
    /// The batch is taken; there is no transaction.
    CommitBegin = "commit.begin", true;
    CommitBegun = "commit.begun", true;
    /// The rows are written.
    CommitWritten = "commit.written", true;
    /// The audit entries are written.
    CommitRecorded = "commit.recorded", true;
    /// Right before `COMMIT`.
    CommitPrepared = "commit.prepared", true;
    /// `COMMIT` and its fsync are done; nobody was told.
    CommitDurable = "commit.durable", true;
    /// Before each reply to a caller, after it.
    CommitReply = "commit.reply", true;
    CommitReplied = "commit.replied", false;
    /// A claim is not handed over; it is committed.
    JobClaim = "job.claim", true;
    JobClaimed = "job.claimed", false;
    /// A failed attempt is not handed over; it is committed.
    JobSettle = "job.settle", true;
    JobSettled = "job.settled", false;
    /// A request with a secret is about to leave; its answer is there.
    SecretSend = "secret.send", true;
    SecretSent = "secret.sent", true;
    /// A decision with its continuation is not handed over; it is committed.
    ApprovalDecide = "approval.decide", true;
    ApprovalDecided = "approval.decided", false;
    /// A checkpoint is signed; it is committed.
    AuditPublish = "audit.publish", true;
    AuditPublished = "audit.published", false;
    /// SQLite's log is about to be carried over into the database file; it is.
    LogCarry = "log.carry", true;
    LogCarried = "log.carried", false;
}

/// Does what the test wants at this step. An error means: fail here as if the database did not answer.
#[inline(always)]
pub fn failpoint(step: Step) -> Result<(), StoreError> {
    debug_assert!(step.can_fail(), "{}", step.name());
    reached(step)
}

/// The same where nothing can be refused any more: only a panic or a kill does anything.
#[inline(always)]
pub fn passed(step: Step) {
    debug_assert!(!step.can_fail(), "{}", step.name());
    let _nobody_hears_it = reached(step);
}

#[cfg(feature = "failpoints")]
fn reached(step: Step) -> Result<(), StoreError> {
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
fn reached(_: Step) -> Result<(), StoreError> {
    Ok(())
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

/// After how many units SQLite's log is carried over: a test that wants to meet it sets `store.carry` to `return(16)`.
#[cfg(feature = "failpoints")]
pub(crate) fn units_to_carry(usual: usize) -> usize {
    fail::fail_point!("store.carry", |wanted| {
        wanted.and_then(|units| units.parse().ok()).unwrap_or(usual)
    });
    usual
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn units_to_carry(usual: usize) -> usize {
    usual
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

    #[test]
    #[cfg(debug_assertions)]
    fn a_step_is_reached_only_in_the_way_it_was_declared() {
        for step in Step::ALL {
            let fails = std::panic::catch_unwind(|| failpoint(*step)).is_ok();
            let passes = std::panic::catch_unwind(|| passed(*step)).is_ok();
            assert_eq!((fails, passes), (step.can_fail(), !step.can_fail()), "{}", step.name());
        }
    }
}
