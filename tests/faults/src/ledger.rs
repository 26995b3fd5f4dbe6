//! What the clients of the server wrote down for themselves: what they sent, and what they were told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bulla_suite::invoices::{numbered, submission};
use bulla_suite::{Client, Reply};
use serde_json::Value;

/// One invoicing call, the same on every try.
#[derive(Debug, Clone)]
pub struct Call {
    pub tenant: String,
    /// Its `Idempotency-Key`; also the number that the supplier gave the document.
    pub key: String,
    input: Value,
}

impl Call {
    pub fn new(tenant: &str, key: &str, deliver_to: &str) -> Self {
        Self::of("standard", tenant, key, deliver_to)
    }

    /// Of another sample document.
    pub fn of(sample: &str, tenant: &str, key: &str, deliver_to: &str) -> Self {
        let input = submission(&numbered(sample, key), deliver_to);
        Self { tenant: tenant.to_owned(), key: key.to_owned(), input }
    }
}

/// What came back of one try.
#[derive(Debug)]
pub enum Tried {
    /// `ok`, and the data.
    Acknowledged(Value),
    /// No answer, or one that promises nothing: the same again with the same key is right. `in_flight`: it was sent, and nothing came.
    Unknown { in_flight: bool },
    /// A refusal.
    Refused(Reply),
}

/// Codes after which a client tries again with the same key. A call that ran out of time on a busy machine left nothing.
const AGAIN: &[&str] = &["unavailable", "internal", "busy", "deadline", "idempotency-in-flight"];

/// The host's code, also where the addon passes it on.
fn code(reply: &Reply) -> &str {
    let code = reply.body["code"].as_str().unwrap_or_default();
    if code == "guest-error" { reply.body["details"]["code"].as_str().unwrap_or_default() } else { code }
}

/// The ledger of all clients.
#[derive(Debug, Default)]
pub struct Ledger {
    calls: Mutex<BTreeMap<(String, String), Option<Value>>>,
}

impl Ledger {
    /// Sends the call once and writes down what came of it.
    #[track_caller]
    pub fn attempt(&self, client: &Client, call: &Call) -> Tried {
        let id = (call.tenant.clone(), call.key.clone());
        self.calls.lock().unwrap().entry(id).or_default();
        let reply = match client.try_call_once(&call.tenant, "einvoice/submit", &call.key, &call.input) {
            Ok(reply) => reply,
            Err(error) => return Tried::Unknown { in_flight: !error.is_connect() },
        };
        match reply.status {
            200 => {
                let data = reply.data();
                self.acknowledged(call, &data);
                Tried::Acknowledged(data)
            }
            _ if AGAIN.contains(&code(&reply)) => Tried::Unknown { in_flight: false },
            _ => Tried::Refused(reply),
        }
    }

    /// The same key has the same answer, whenever it is asked.
    #[track_caller]
    fn acknowledged(&self, call: &Call, data: &Value) {
        let id = (call.tenant.clone(), call.key.clone());
        let mut calls = self.calls.lock().unwrap();
        let known = calls.entry(id).or_default();
        if let Some(known) = known {
            assert_eq!(known, data, "`{}` was answered in two ways", call.key);
        }
        *known = Some(data.clone());
    }

    /// The call was refused for good: it has no effect, and nobody waits for one.
    pub fn forget(&self, call: &Call) {
        self.calls.lock().unwrap().remove(&(call.tenant.clone(), call.key.clone()));
    }

    /// Calls of a tenant without an acknowledgement.
    pub fn unacknowledged(&self, tenant: &str) -> usize {
        self.of(tenant).values().filter(|answer| answer.is_none()).count()
    }

    /// Every acknowledged call of a tenant by its key.
    pub fn acknowledgements(&self, tenant: &str) -> BTreeMap<String, Value> {
        self.of(tenant).into_iter().filter_map(|(key, answer)| Some((key, answer?))).collect()
    }

    fn of(&self, tenant: &str) -> BTreeMap<String, Option<Value>> {
        let calls = self.calls.lock().unwrap();
        let of = calls.iter().filter(|((known, _), _)| known == tenant);
        of.map(|((_, key), answer)| (key.clone(), answer.clone())).collect()
    }
}
