//! A load of invoicing calls, and a server that is killed under it again and again: half of the time at a random moment, half of
//! the time at a failpoint. Every client writes down what it was told.
//!
//! `BULLA_TEST_KILLS` says how often (50 where it is not set, a fifth of it on PostgreSQL), `BULLA_TEST_SEED` when and where.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod killer;

use bulla_faults::{Company, Database, Ledger, Load};
use killer::Killer;

const TENANTS: usize = 6;
const CLIENTS_PER_TENANT: usize = 2;

#[test]
fn nothing_is_lost_doubled_or_invented_by_kills_on_sqlite() {
    run(Database::Sqlite, number("BULLA_TEST_KILLS", 50));
}

#[test]
fn nothing_is_lost_doubled_or_invented_by_kills_on_postgres() {
    run(Database::Postgres, number("BULLA_TEST_KILLS", 50).div_ceil(5));
}

fn run(database: Database, kills: u64) {
    let seed = number("BULLA_TEST_SEED", 4711);
    let mut company = Company::start(database, TENANTS);
    let ledger = Ledger::default();
    let load = Load::new(&company, &ledger);
    let mut killer = Killer::new(seed, kills, database);
    load.run(CLIENTS_PER_TENANT, |all_live| {
        while !killer.is_done() {
            all_live();
            killer.kill_twice(&mut company.bench.server, &load);
        }
    });
    load.moved(&company.bench.server.url);
    let (again, in_flight) = (load.ask_again(), load.in_flight());
    eprintln!(
        "BULLA_TEST_SEED={seed} on {database:?}: {killer}; calls: {:?}, {again} asked again, {in_flight} in flight at a kill",
        load.sent()
    );
    assert!(in_flight > 0, "no kill came into a call");
    drop(load);
    company.ledger = ledger;
    company.follow();
    company.settle(database);
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`")),
        Err(_) => default,
    }
}
