//! The power fails: of the data directory only that is left which was synced. No call that was acknowledged may be missing.
//!
//! A process that is killed leaves its writes in the page cache, so a kill says nothing about durability. Here a preloaded library
//! (`interposer/synced.c`) keeps an image of what was synced; after a kill the image takes the directory's place.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod overlap;
mod postgres;

use std::collections::BTreeSet;
use std::time::Duration;

use bulla_base::{Rng as _, SeededRng};
use bulla_faults::{Company, Database, Ledger, Load, scan};
use bulla_suite::until;
use disk::Disk;
use serde_json::Value;

const TENANTS: usize = 2;
const CLIENTS_PER_TENANT: usize = 3;
const CUTS: usize = 8;
/// So many more on a machine on which calls are over before a cut comes into one.
const MORE_CUTS: usize = 24;
/// The server lives at least so long between two cuts, and at most twice as long, in milliseconds.
const LIFE_MS: u64 = 1_000;

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let mut company = Company::start(Database::Sqlite, TENANTS);
    let disk = Disk::under(&mut company);
    let ledger = Ledger::default();
    let load = Load::new(&company, &ledger);
    let rng = SeededRng::new(4711);
    let cuts = load.run(CLIENTS_PER_TENANT, |all_live| {
        let mut cuts = 0;
        while cuts < CUTS || load.in_flight() == 0 && cuts < CUTS + MORE_CUTS {
            cuts += 1;
            let before = disk.database();
            std::thread::sleep(Duration::from_millis(LIFE_MS + rng.below(LIFE_MS)));
            until("the log to be carried over", || (disk.database() != before).then_some(()));
            all_live();
            disk.assert_sees(company.server());
            company.server().kill();
            disk.lose_unsynced();
            scan::is_clean(company.bench.server.data());
            disk.start_again(company.server());
            load.moved(&company.bench.server.url);
        }
        cuts
    });
    load.moved(&company.bench.server.url);
    let (again, in_flight) = (load.ask_again(), load.in_flight());
    eprintln!("{cuts} cuts, calls: {:?}, {again} asked again, {in_flight} in flight at a cut", load.sent());
    assert!(in_flight > 0, "no cut came into a call");
    drop(load);
    company.ledger = ledger;
    company.follow();
    company.settle(Database::Sqlite);
}

/// The proof that the test above can fail: with less than `synchronous=FULL`, calls that were acknowledged are lost.
#[test]
fn without_a_sync_at_each_commit_a_power_cut_loses_what_was_acknowledged() {
    for weaker in ["off", "normal"] {
        let mut company = Company::start(Database::Sqlite, TENANTS);
        let mut disk = Disk::under(&mut company);
        company.server().kill();
        disk.weaken(weaker);
        disk.start_again(company.server());
        company.follow();
        let ledger = Ledger::default();
        let load = Load::new(&company, &ledger);
        let lost = load.run_unaware(CLIENTS_PER_TENANT, || {
            // What was just synced for another reason may be everything.
            (0..CUTS).find_map(|_| {
                std::thread::sleep(Duration::from_millis(LIFE_MS));
                company.server().kill();
                let told = told(&company, &ledger);
                disk.lose_unsynced();
                // What is left is older, and sound.
                scan::is_clean(company.bench.server.data());
                disk.start_again(company.server());
                company.follow();
                load.moved(&company.bench.server.url);
                let kept = kept(&company);
                let lost = told.difference(&kept).count();
                (lost > 0).then(|| format!("{lost} of {} acknowledged calls", told.len()))
            })
        });
        let lost = lost.unwrap_or_else(|| panic!("with `synchronous={weaker}` nothing was lost"));
        eprintln!("synchronous={weaker}: {lost} are lost");
    }
}

/// Numbers with their documents, as clients were told.
fn told(company: &Company, ledger: &Ledger) -> BTreeSet<(String, String)> {
    let calls = company.tenants.iter().flat_map(|tenant| ledger.acknowledgements(&tenant.id).into_values());
    calls.filter_map(|data| pair(&data, "number")).collect()
}

/// The same as the database has them.
fn kept(company: &Company) -> BTreeSet<(String, String)> {
    let mut kept = BTreeSet::new();
    for tenant in &company.tenants {
        let listed = tenant.admin.get(&tenant.path("/sequences/invoice/numbers?limit=1000")).data();
        kept.extend(listed.as_array().unwrap().iter().filter_map(|number| pair(number, "text")));
    }
    kept
}

fn pair(data: &Value, number: &str) -> Option<(String, String)> {
    Some((data[number].as_str()?.to_owned(), data["object"].as_str()?.to_owned()))
}
