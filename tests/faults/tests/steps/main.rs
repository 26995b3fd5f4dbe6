//! Every step of a change's way into the database and out again: it panics, the process is killed there, and where something can
//! still be refused it fails. Each twice, then the same call goes on under its key, and what is left is scanned.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod round;

use bulla_faults::{Company, Database};
use bulla_store::Step;
use round::Round;

/// The steps come in groups, so that one server serves several of them.
const GROUPS: &[&str] = &["call.", "commit.", "job.", "secret.", "approval.", "audit.", "log."];

#[test]
fn every_step_is_in_a_group() {
    for step in Step::ALL {
        let groups = GROUPS.iter().filter(|group| step.name().starts_with(**group)).count();
        assert_eq!(groups, 1, "{}", step.name());
    }
}

/// Strikes at each step of the group in every way.
fn strike(group: &str, database: Database) {
    assert!(GROUPS.contains(&group));
    let mut company = Company::start(database, 1);
    let steps: Vec<Step> = Step::ALL.iter().copied().filter(|step| step.name().starts_with(group)).collect();
    for step in steps {
        for action in round::actions(step) {
            Round::new(&mut company, database, step, action).run();
        }
    }
    company.settle(database);
}

#[test]
fn steps_of_a_call_on_sqlite() {
    strike("call.", Database::Sqlite);
}

#[test]
fn steps_of_a_call_on_postgres() {
    strike("call.", Database::Postgres);
}

#[test]
fn steps_of_a_commit_on_sqlite() {
    strike("commit.", Database::Sqlite);
}

#[test]
fn steps_of_a_commit_on_postgres() {
    strike("commit.", Database::Postgres);
}

#[test]
fn steps_of_a_job_on_sqlite() {
    strike("job.", Database::Sqlite);
}

#[test]
fn steps_of_a_job_on_postgres() {
    strike("job.", Database::Postgres);
}

#[test]
fn steps_of_a_send_on_sqlite() {
    strike("secret.", Database::Sqlite);
}

#[test]
fn steps_of_a_send_on_postgres() {
    strike("secret.", Database::Postgres);
}

#[test]
fn steps_of_a_decision_on_sqlite() {
    strike("approval.", Database::Sqlite);
}

#[test]
fn steps_of_a_decision_on_postgres() {
    strike("approval.", Database::Postgres);
}

#[test]
fn steps_of_a_checkpoint_on_sqlite() {
    strike("audit.", Database::Sqlite);
}

#[test]
fn steps_of_a_checkpoint_on_postgres() {
    strike("audit.", Database::Postgres);
}

/// PostgreSQL has a log of its own, and no step in it.
#[test]
fn steps_of_the_log_on_sqlite() {
    strike("log.", Database::Sqlite);
}
