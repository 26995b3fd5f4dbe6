//! Tenants that issue invoices on a faulty server, and the receiver of their deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulla_suite::invoices;
use bulla_suite::{Answer, Bench, Client, Receiver, Server, Tenant, until, within};

use crate::database::Database;
use crate::faulty;
use crate::ledger::Ledger;
use crate::scan;

/// How long a delivery may take that fails a few times on the way: its delays double from a second.
const DELIVERIES: Duration = Duration::from_secs(90);

pub struct Company {
    pub bench: Bench,
    pub tenants: Vec<Tenant>,
    pub receiver: Receiver,
    pub ledger: Ledger,
    /// While it is raised, the receiver refuses the first request of each `Idempotency-Key`.
    pub reluctant: Arc<AtomicBool>,
}

impl Company {
    /// With tenants `t1`, `t2`, …
    pub fn start(database: Database, tenants: usize) -> Self {
        let mut data = database.data();
        data.serve_with(faulty::binary());
        let bench = Bench::on(Server::on(data));
        let reluctant = Arc::new(AtomicBool::new(false));
        let receiver = receiver(reluctant.clone());
        let tenants = (1..=tenants)
            .map(|number| invoices::tenant(&bench, &format!("t{number}"), &receiver.origin()))
            .collect();
        Self { bench, tenants, receiver, ledger: Ledger::default(), reluctant }
    }

    pub fn server(&mut self) -> &mut Server {
        &mut self.bench.server
    }

    /// Where a tenant's invoices are delivered.
    pub fn deliver_to(&self, tenant: usize) -> String {
        self.receiver.url(&format!("/invoices/{}", self.tenants[tenant].id))
    }

    /// The server has ended or will by itself: what it left is sound, and the next one goes on with it.
    #[track_caller]
    pub fn recover(&mut self) {
        self.bench.server.wait_for_end(Duration::from_secs(60));
        scan::is_clean(self.bench.server.data());
        self.bench.server.start_again();
        self.follow();
    }

    /// Everybody at the server's new address.
    pub fn follow(&mut self) {
        let mut tenants: Vec<&mut Tenant> = self.tenants.iter_mut().collect();
        self.bench.follow(&mut tenants);
    }

    /// After the last call: all jobs have ended well, every invoice was delivered under one key, the database has exactly what
    /// the ledger has, and the scan finds nothing. The server is stopped.
    #[track_caller]
    pub fn settle(&mut self, database: Database) {
        for tenant in &self.tenants {
            deliveries_end(tenant);
            let numbers = numbers_agree(tenant, &self.ledger, database);
            self.deliveries_agree(tenant, &numbers);
            let verified = until("a checkpoint over everything", || {
                let verified = tenant.verify_audit();
                (verified["fault"].is_null()).then_some(verified)
            });
            assert!(verified["fault"].is_null(), "{verified:#}");
        }
        scan::after_stop(&mut self.bench.server);
    }

    /// Every number of the database was delivered and no other, all tries of it under one key, and no key stands for two numbers.
    #[track_caller]
    fn deliveries_agree(&self, tenant: &Tenant, numbers: &BTreeSet<String>) {
        let mut keys: BTreeMap<String, BTreeSet<(String, Vec<u8>)>> = BTreeMap::new();
        for request in self
            .receiver
            .requests()
            .iter()
            .filter(|request| request.path.ends_with(&format!("/{}", tenant.id)))
        {
            let number = request.json()["number"].as_str().unwrap().to_owned();
            let key = request.header("idempotency-key").unwrap().to_owned();
            keys.entry(number).or_default().insert((key, request.body.clone()));
        }
        for (number, tries) in &keys {
            assert_eq!(tries.len(), 1, "`{number}` was delivered under several keys or in several texts");
        }
        let distinct: BTreeSet<_> = keys.values().flatten().map(|(key, _)| key).collect();
        assert_eq!(distinct.len(), keys.len(), "an `Idempotency-Key` of a delivery stands for two numbers");
        let delivered: BTreeSet<_> = keys.into_keys().collect();
        let differ: Vec<_> = numbers.symmetric_difference(&delivered).collect();
        assert!(differ.is_empty(), "never delivered, or delivered and not in the database: {differ:?}");
    }

    /// A client of this tenant who may submit.
    pub fn clerk(&self, tenant: usize) -> &Client {
        &self.tenants[tenant].caller
    }
}

fn receiver(reluctant: Arc<AtomicBool>) -> Receiver {
    let seen = std::sync::Mutex::new(BTreeSet::new());
    Receiver::start(move |request| {
        let key = request.header("idempotency-key").unwrap_or_default().to_owned();
        let first = seen.lock().unwrap().insert(key);
        let refused = first && reluctant.load(Ordering::Relaxed);
        Answer::status(if refused { 503 } else { 200 }).body("{}")
    })
}

/// The values of the tenant's numbers are 1, 2, 3, … without a gap.
pub fn is_dense(tenant: &Tenant) -> bool {
    let listed = tenant.admin.get(&tenant.path("/sequences/invoice/numbers?limit=1000")).data();
    let values: BTreeSet<u64> =
        listed.as_array().unwrap().iter().map(|number| number["value"].as_u64().unwrap()).collect();
    values.last().copied().unwrap_or(0) == values.len() as u64
}

/// No job waits, runs, or was given up.
#[track_caller]
pub fn deliveries_end(tenant: &Tenant) {
    let left = || ["waiting", "running"].map(|state| tenant.jobs(state).len()).iter().sum::<usize>();
    within(DELIVERIES, || (left() == 0).then_some(())).unwrap_or_else(|| {
        panic!("{} jobs of {} did not end: {:#?}", left(), tenant.id, tenant.jobs("waiting"))
    });
    assert!(tenant.jobs("dead").is_empty(), "{:#?}", tenant.jobs("dead"));
}

/// The database has the acknowledged numbers, each once and for its own document, and on SQLite no others lie between. Gives them.
#[track_caller]
fn numbers_agree(tenant: &Tenant, ledger: &Ledger, database: Database) -> BTreeSet<String> {
    assert_eq!(
        ledger.unacknowledged(&tenant.id),
        0,
        "{}: every call was repeated until it was answered",
        tenant.id
    );
    let listed = tenant.admin.get(&tenant.path("/sequences/invoice/numbers?limit=1000")).data();
    let mut bound = BTreeMap::new();
    let mut values = BTreeSet::new();
    for number in listed.as_array().unwrap() {
        let text = number["text"].as_str().unwrap().to_owned();
        assert_eq!(number["state"], "committed", "{number}");
        values.insert(number["value"].as_u64().unwrap());
        assert!(bound.insert(text, number["object"].clone()).is_none(), "twice: {number}");
    }
    let all = bound.keys().cloned().collect();
    for (key, data) in ledger.acknowledgements(&tenant.id) {
        if data["status"] == "issued" {
            let number = data["number"].as_str().unwrap();
            let object =
                bound.remove(number).unwrap_or_else(|| panic!("`{key}` was told {number}, which is lost"));
            assert_eq!(object, data["object"], "{number} of `{key}` is bound to another document");
        } else {
            let objects: Vec<_> = bound.iter().filter(|(_, object)| **object == data["object"]).collect();
            assert_eq!(objects.len(), 1, "`{key}` was approved and has {} numbers", objects.len());
            let number = objects[0].0.clone();
            bound.remove(&number);
        }
    }
    assert!(bound.is_empty(), "numbers that no client asked for: {bound:?}");
    // On PostgreSQL a dead server's numbers are free again only after ten minutes; the scan knows who holds them.
    assert!(database == Database::Postgres || is_dense(tenant), "{} has gaps: {values:?}", tenant.id);
    all
}
