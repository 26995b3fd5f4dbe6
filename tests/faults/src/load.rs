//! Clients of a server that dies: each repeats a call under its key until it has an answer, and goes on with the next one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use bulla_suite::client::Method;
use bulla_suite::patience::RaisedOnDrop;
use bulla_suite::{Client, within};
use serde_json::json;

use crate::company::Company;
use crate::ledger::{Call, Ledger, Tried};

/// Between two tries of a call that nobody answered.
const AGAIN: Duration = Duration::from_millis(20);
/// Between two calls of one client, and where the tenant has many already: a listing has to have them all.
const PACE: Duration = Duration::from_millis(200);
const SLOW_PACE: Duration = Duration::from_secs(2);
const MANY: u32 = 700;
/// How long a call may go without an answer though the server comes back every time.
const ANSWER: Duration = Duration::from_secs(60);
/// What a listing has.
const CALLS: u32 = 1_000;

/// Where the load goes, and what came of it.
pub struct Load<'a> {
    ledger: &'a Ledger,
    tenants: Vec<Clients>,
    url: RwLock<String>,
    over: AtomicBool,
    answered: Mutex<Vec<(usize, Call)>>,
    /// How many of them a server took with it when it died.
    in_flight: AtomicUsize,
}

struct Clients {
    id: String,
    clerk: Client,
    cfo: Client,
    deliver_to: String,
    sent: AtomicU32,
}

impl<'a> Load<'a> {
    pub fn new(company: &Company, ledger: &'a Ledger) -> Self {
        let of = |(number, tenant): (usize, &bulla_suite::Tenant)| Clients {
            id: tenant.id.clone(),
            clerk: tenant.caller.clone(),
            cfo: tenant.token("grace", &["approver", "cfo"]),
            deliver_to: company.deliver_to(number),
            sent: AtomicU32::new(1),
        };
        Self {
            ledger,
            tenants: company.tenants.iter().enumerate().map(of).collect(),
            url: RwLock::new(company.bench.server.url.clone()),
            over: AtomicBool::new(false),
            answered: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// So many clients for each tenant, and one that decides and one whose documents are invalid, while `meanwhile` runs. Ends
    /// when every call has its answer: the server must then be there.
    pub fn run<T>(&self, clients_per_tenant: usize, meanwhile: impl FnOnce(&dyn Fn()) -> T) -> T {
        self.with(clients_per_tenant, true, meanwhile)
    }

    /// The same without decisions and invalid documents: none of these clients notices when acknowledged calls are lost.
    pub fn run_unaware<T>(&self, clients_per_tenant: usize, meanwhile: impl FnOnce() -> T) -> T {
        self.with(clients_per_tenant, false, |_| meanwhile())
    }

    fn with<T>(&self, clients_per_tenant: usize, all: bool, meanwhile: impl FnOnce(&dyn Fn()) -> T) -> T {
        std::thread::scope(|scope| {
            let over = RaisedOnDrop(&self.over);
            let mut clients: Vec<_> = (0..self.tenants.len() * clients_per_tenant)
                .map(|client| scope.spawn(move || self.issue(client % self.tenants.len())))
                .collect();
            if all {
                clients.push(scope.spawn(|| self.decide(0)));
                clients.push(scope.spawn(|| self.fail(self.tenants.len() - 1)));
            }
            let all_live = || assert!(clients.iter().all(|client| !client.is_finished()), "a client gave up");
            let done = meanwhile(&all_live);
            drop(over);
            clients.into_iter().for_each(|client| client.join().unwrap());
            done
        })
    }

    /// The server is at this address now.
    pub fn moved(&self, url: &str) {
        url.clone_into(&mut self.url.write().unwrap());
    }

    /// Asks again for everything that was acknowledged: the ledger compares. Stored answers are kept for a day.
    pub fn ask_again(&self) -> usize {
        let answered = std::mem::take(&mut *self.answered.lock().unwrap());
        for (tenant, call) in &answered {
            self.until_answered(*tenant, call);
        }
        answered.len()
    }

    /// Calls that were sent and had no answer when a server died.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Issues invoices.
    fn issue(&self, tenant: usize) {
        while let Some(call) = self.next(tenant, "standard") {
            self.until_answered(tenant, &call);
        }
    }

    /// Submits invoices that need a decision, and decides.
    fn decide(&self, tenant: usize) {
        while let Some(call) = self.next(tenant, "above-limit") {
            let waiting = self.until_answered(tenant, &call);
            let Clients { id, cfo, .. } = &self.tenants[tenant];
            let path =
                format!("/v1/tenants/{id}/approvals/{}/decision", waiting["approval"].as_str().unwrap());
            let decided = within(ANSWER, || {
                let request = self.here(cfo).request(Method::POST, &path);
                let reply = cfo.try_finish(request.json(&json!({"answer": "approve", "reason": "checked"})));
                // A decision that nobody answered may have come through.
                let reply = reply.ok().filter(|reply| reply.status < 500)?;
                match (reply.status, reply.body["code"].as_str()) {
                    (200 | 201, _) | (_, Some("conflict")) => Some(()),
                    (429, _) => None,
                    _ => panic!("{}", reply.text),
                }
            });
            decided.unwrap_or_else(|| panic!("nobody answered the decision on `{}`", call.key));
        }
    }

    /// Submits invoices that are invalid.
    fn fail(&self, tenant: usize) {
        while let Some(call) = self.next(tenant, "wrong-totals") {
            let refused = within(ANSWER, || match self.attempt(tenant, &call) {
                Tried::Unknown { .. } => None,
                Tried::Refused(reply) => Some(reply),
                Tried::Acknowledged(data) => panic!("an invalid document was accepted: {data}"),
            });
            refused.unwrap().guest_refused("invalid-invoice");
            self.ledger.forget(&call);
        }
    }

    fn next(&self, tenant: usize, sample: &str) -> Option<Call> {
        let clients = &self.tenants[tenant];
        let number = clients.sent.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(if number < MANY { PACE } else { SLOW_PACE });
        assert!(number < CALLS, "too many calls for one listing: make the load slower");
        let key = format!("{}-D{number}", clients.id);
        let call = || Call::of(sample, &clients.id, &key, &clients.deliver_to);
        (!self.over.load(Ordering::Relaxed)).then(call)
    }

    fn until_answered(&self, tenant: usize, call: &Call) -> serde_json::Value {
        let (mut tries, mut was_in_flight) = (0, false);
        let answered = within(ANSWER, || {
            tries += 1;
            match self.attempt(tenant, call) {
                Tried::Acknowledged(data) => Some(data),
                Tried::Unknown { in_flight } => {
                    was_in_flight |= in_flight;
                    None
                }
                Tried::Refused(reply) => panic!("`{}` at try {tries}: {}", call.key, reply.text),
            }
        });
        self.answered.lock().unwrap().push((tenant, call.clone()));
        self.in_flight.fetch_add(usize::from(was_in_flight), Ordering::Relaxed);
        answered.unwrap_or_else(|| panic!("nobody answered `{}` in {tries} tries", call.key))
    }

    fn attempt(&self, tenant: usize, call: &Call) -> Tried {
        let tried = self.ledger.attempt(&self.here(&self.tenants[tenant].clerk), call);
        if matches!(tried, Tried::Unknown { .. }) {
            std::thread::sleep(AGAIN);
        }
        tried
    }

    fn here(&self, client: &Client) -> Client {
        client.at(&self.url.read().unwrap())
    }

    /// Calls sent so far, by tenant.
    pub fn sent(&self) -> BTreeMap<&str, u32> {
        let sent = |clients: &Clients| clients.sent.load(Ordering::Relaxed) - 1;
        self.tenants.iter().map(|clients| (clients.id.as_str(), sent(clients))).collect()
    }
}
