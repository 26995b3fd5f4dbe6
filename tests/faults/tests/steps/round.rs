//! One step, struck twice in one way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bulla_faults::company::{deliveries_end, is_dense};
use bulla_faults::{Call, Company, Database, Tried, faulty};
use bulla_store::Step;
use bulla_suite::{Client, within};
use serde_json::{Value, json};

const STRIKES: usize = 2;
/// How often a strike is tried that something else than the call ran into.
const TRIES: usize = 20;
/// How long something may take that happens by itself: a checkpoint, a job that waits for its next attempt.
const BY_ITSELF: Duration = Duration::from_secs(20);
/// How long a step on the way of an answered call may take to be seen in the log.
const AT_ONCE: Duration = Duration::from_secs(2);

/// In the words of the crate `fail`.
const FAIL: &str = "1*return";
const CONTEND: &str = "1*return(contended)";
const PANIC: &str = "1*panic";
const KILL: &str = "1*return(kill)";

/// SQLite's log is carried over at each unit.
const CARRIED: (&str, &str) = ("store.carry", "return(1)");

/// How the step is struck. Contention is only where a transaction is tried again.
pub fn actions(step: Step) -> Vec<&'static str> {
    let again = [
        Step::CommitBegin,
        Step::CommitBegun,
        Step::CommitWritten,
        Step::CommitRecorded,
        Step::CommitPrepared,
    ];
    let fail = [(FAIL, step.can_fail()), (CONTEND, again.contains(&step))];
    let fail = fail.into_iter().filter_map(|(action, applies)| applies.then_some(action));
    fail.chain([PANIC, KILL]).collect()
}

/// What has to be done so that the step is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// An invoice, with its delivery.
    Issue,
    /// A call that fails.
    Fail,
    /// An invoice whose first delivery is refused.
    Refused,
    /// A decision.
    Decide,
}

impl Work {
    fn of(step: Step) -> Self {
        match step {
            Step::CallFailing | Step::CallFailed => Self::Fail,
            Step::JobSettle | Step::JobSettled => Self::Refused,
            Step::ApprovalDecide | Step::ApprovalDecided => Self::Decide,
            _ => Self::Issue,
        }
    }
}

/// Whoever waits for this step hears of its failure: an answer shows that something else was struck.
fn is_heard(step: Step, action: &str) -> bool {
    let before_the_reply = [
        Step::CallReturned,
        Step::CallStaged,
        Step::CommitBegin,
        Step::CommitBegun,
        Step::CommitWritten,
        Step::CommitRecorded,
        Step::CommitPrepared,
        Step::CommitDurable,
        Step::CommitReply,
        Step::ApprovalDecide,
    ];
    let without_an_error = [Step::CallCommitted, Step::CallFailed, Step::ApprovalDecided];
    match action {
        CONTEND => false,
        FAIL => before_the_reply.contains(&step),
        _ => before_the_reply.contains(&step) || without_an_error.contains(&step),
    }
}

/// What is done again and again until it is done, under one key.
enum Task {
    Call { call: Call, fails: bool },
    Decision { path: String, decider: Client },
}

pub struct Round<'a> {
    company: &'a mut Company,
    database: Database,
    step: Step,
    action: &'static str,
    work: Work,
}

impl<'a> Round<'a> {
    pub fn new(company: &'a mut Company, database: Database, step: Step, action: &'static str) -> Self {
        Self { company, database, step, action, work: Work::of(step) }
    }

    /// Strikes until the step was struck often enough, does what was struck to its end, and then ordinary work.
    pub fn run(mut self) {
        self.company.reluctant.store(self.work == Work::Refused, Ordering::Relaxed);
        let mut struck = 0;
        let mut task = self.task();
        for _ in 0..TRIES {
            let (fired, done) = self.strike(&task);
            struck += usize::from(fired && !(done && is_heard(self.step, self.action)));
            if done {
                self.task_is_done(&task);
                task = self.task();
            }
            if struck == STRIKES {
                break;
            }
        }
        assert_eq!(struck, STRIKES, "`{}` with `{}` was struck too seldom", self.step.name(), self.action);
        faulty::set(self.company.server(), self.step.name(), "off");
        assert!(
            self.ends_by_itself(&task),
            "after `{}` with `{}` the call did not come to its end",
            self.step.name(),
            self.action
        );
        self.task_is_done(&task);
        self.company.reluctant.store(false, Ordering::Relaxed);
        let other = self.invoice();
        assert!(self.ends_by_itself(&other), "another call after `{}`", self.step.name());
        if self.database == Database::Sqlite {
            self.leaves_no_gap();
        }
        if matches!(self.work, Work::Refused) || self.step.name().starts_with("secret") {
            // Failures in a row would pause the job.
            deliveries_end(&self.company.tenants[0]);
        }
    }

    /// At once, not only after the next start: what failed gave its number back, and the next call had it.
    fn leaves_no_gap(&self) {
        let tenant = &self.company.tenants[0];
        let dense = within(BY_ITSELF, || is_dense(tenant).then_some(()));
        assert!(
            dense.is_some(),
            "`{}` with `{}` left a gap: {:?}",
            self.step.name(),
            self.action,
            tenant.numbers("invoice")
        );
    }

    /// Whether the step was reached, and whether the call was answered for good.
    fn strike(&mut self, task: &Task) -> (bool, bool) {
        let step = self.step.name();
        if !self.in_the_background() {
            self.wait_for_quiet();
        }
        if step.starts_with("log.") {
            faulty::set(self.company.server(), CARRIED.0, CARRIED.1);
        }
        let before = faulty::fired(self.company.server(), step);
        faulty::set(self.company.server(), step, self.action);
        let done = self.attempt(task);
        let patience = if self.in_the_background() { BY_ITSELF } else { AT_ONCE };
        let server = self.company.server();
        let fired = within(patience, || (faulty::fired(server, step) > before).then_some(())).is_some();
        if self.ends_the_server() && fired {
            self.company.recover();
        } else {
            assert!(
                self.company.server().ended().is_none(),
                "`{step}` with `{}` ended the server",
                self.action
            );
            faulty::set(self.company.server(), step, "off");
        }
        (fired, done)
    }

    /// Deliveries commit as well, and would run into what is meant for the call. Those that wait for their next attempt may.
    fn wait_for_quiet(&self) {
        let tenant = &self.company.tenants[0];
        let _some_wait = within(AT_ONCE, || {
            let left = tenant.jobs("running").len() + tenant.jobs("waiting").len();
            (left == 0).then_some(())
        });
    }

    /// A panic ends the server where the task that panics is one that it cannot do without.
    fn ends_the_server(&self) -> bool {
        let step = self.step.name();
        let vital = step.starts_with("commit.")
            || step.starts_with("audit.")
            || matches!(self.step, Step::JobClaim | Step::JobClaimed);
        self.action == KILL || self.action == PANIC && vital
    }

    fn in_the_background(&self) -> bool {
        ["job.", "secret.", "audit.", "log."].iter().any(|group| self.step.name().starts_with(group))
    }

    /// Once; whether it is done.
    #[track_caller]
    fn attempt(&self, task: &Task) -> bool {
        match task {
            Task::Call { call, fails } => match self.company.ledger.attempt(self.company.clerk(0), call) {
                Tried::Acknowledged(_) => {
                    assert!(!fails, "an invalid document was accepted");
                    true
                }
                Tried::Unknown { .. } => false,
                Tried::Refused(reply) => {
                    assert!(*fails, "{} {}", reply.status, reply.text);
                    reply.guest_refused("invalid-invoice");
                    true
                }
            },
            Task::Decision { path, decider } => {
                let decider = decider.at(&self.company.bench.server.url);
                let decision = json!({"answer": "approve", "reason": "checked"});
                let request = decider.request(bulla_suite::client::Method::POST, &format!("{path}/decision"));
                let Ok(reply) = decider.try_finish(request.json(&decision)) else { return false };
                // A decision without an answer may have come through.
                matches!(reply.status, 200 | 201) || reply.body["code"] == "conflict"
            }
        }
    }

    /// As a client on a busy machine makes it: again and again with its key.
    fn ends_by_itself(&self, task: &Task) -> bool {
        within(BY_ITSELF, || self.attempt(task).then_some(())).is_some()
    }

    fn task_is_done(&self, task: &Task) {
        match task {
            Task::Call { call, fails: false } => {
                // The same again: the ledger compares.
                self.issued(call);
            }
            Task::Call { call, fails: true } => {
                self.company.ledger.forget(call);
            }
            Task::Decision { path, .. } => {
                let approval = self.company.tenants[0].admin.get(path).data();
                assert_eq!(approval["status"], "approved", "{approval}");
            }
        }
    }

    fn task(&self) -> Task {
        match self.work {
            Work::Issue | Work::Refused => self.invoice(),
            Work::Fail => Task::Call { call: self.call("wrong-totals"), fails: true },
            Work::Decide => {
                let waiting = self.issued(&self.call("above-limit"));
                let id = waiting["approval"].as_str().unwrap_or_else(|| panic!("{waiting}"));
                let tenant = &self.company.tenants[0];
                let path = tenant.path(&format!("/approvals/{id}"));
                Task::Decision { path, decider: tenant.token("grace", &["approver", "cfo"]) }
            }
        }
    }

    fn invoice(&self) -> Task {
        Task::Call { call: self.call("standard"), fails: false }
    }

    fn issued(&self, call: &Call) -> Value {
        let answered = within(BY_ITSELF, || match self.company.ledger.attempt(self.company.clerk(0), call) {
            Tried::Acknowledged(data) => Some(data),
            Tried::Unknown { .. } => None,
            refused @ Tried::Refused(_) => panic!("{refused:?}"),
        });
        answered.unwrap_or_else(|| panic!("the call did not come to its end"))
    }

    fn call(&self, sample: &str) -> Call {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let key = format!("D-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Call::of(sample, "t1", &key, &self.company.deliver_to(0))
    }
}
