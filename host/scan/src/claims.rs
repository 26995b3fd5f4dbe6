//! What an audit entry says that happened, as facts. Entries of addons (`addon.<event>` with a call) claim nothing here.

use serde_json::Value;

use crate::ledger::{Fact, Mark, Topic};
use crate::rows::Definitions;

/// Reads entries one after the other.
pub(crate) struct Claims<'a> {
    definitions: &'a Definitions,
    /// The call and trace of the entry before: a call's entries stand together, and one fact is enough.
    last_call: String,
}

/// The parts of an entry that claims are made of.
struct Said<'a> {
    log: &'a str,
    object: &'a str,
    detail: &'a Value,
    id: String,
    facts: &'a mut Vec<Fact>,
}

impl<'a> Claims<'a> {
    pub fn new(definitions: &'a Definitions) -> Self {
        Self { definitions, last_call: String::new() }
    }

    pub fn read(&mut self, log: &str, index: u64, body: &Value, facts: &mut Vec<Fact>) {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let id = format!("{log}/{index}");
        let call = body["call"]["id"].as_str();
        let mut said = Said { log, object: text("object"), detail: &body["detail"], id, facts };
        if let Some(call) = call {
            let now = format!("{call} {}", text("trace"));
            if now != self.last_call {
                said.claim(Topic::IdempotencyCall, &[call, text("trace")]);
                self.last_call = now;
            }
        }
        said.key_use(body);
        let event = text("event");
        match event.split_once('.') {
            Some(("sequence", verb)) => said.sequence(verb, self.definitions),
            Some(("job", verb)) => said.job(verb),
            Some(("approval", verb)) => said.approval(verb),
            Some(("addon", verb)) if call.is_none() => said.addon(verb),
            _ => said.holding(event),
        }
    }
}

impl Said<'_> {
    fn claim(&mut self, topic: Topic, key: &[&str]) {
        self.weigh(topic, key, Mark::Entry, 1);
    }

    fn mark(&mut self, topic: Topic, key: &[&str], mark: Mark) {
        self.weigh(topic, key, mark, 1);
    }

    fn weigh(&mut self, topic: Topic, key: &[&str], mark: Mark, weight: i64) {
        self.facts.push(Fact::new(topic, self.log, key, mark, &self.id).weight(weight));
    }

    /// A claim about something that belongs to no log in particular.
    fn claim_anywhere(&mut self, topic: Topic, key: &[&str]) {
        self.facts.push(Fact::new(topic, "", key, Mark::Entry, &self.id));
    }

    fn text(&self, name: &str) -> &str {
        self.detail[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        self.detail[name].as_i64().unwrap_or_default()
    }

    /// The call left a record under an idempotency key.
    fn key_use(&mut self, body: &Value) {
        let used = &body["call"]["idempotency"];
        if let (Some(record), Some(until), Some(at)) =
            (used["record"].as_str(), used["until-ms"].as_i64(), body["at-ms"].as_i64())
        {
            let fact = Fact::new(Topic::IdempotencyUse, self.log, &[record], Mark::Entry, &self.id);
            self.facts.push(fact.during(at, until));
        }
    }

    fn sequence(&mut self, verb: &str, definitions: &Definitions) {
        let (detail, number) = (self.detail, self.object);
        let of = |name: &str| detail[name].as_str().unwrap_or_default();
        let key = of("sequence");
        match verb {
            "defined" => self.claim_anywhere(Topic::Sequence, &[number]),
            "reserved" => {
                self.claim(Topic::Reservation, &[of("reservation")]);
                self.issued(key, number, 1, definitions);
            }
            // Given back in the very call that drew it: nobody saw it.
            "returned" => self.issued(key, number, -1, definitions),
            "committed" => self.claim(Topic::Committed, &[key, number, of("bound-to")]),
            "voided" => self.claim(Topic::Voided, &[key, number]),
            _ => {}
        }
    }

    fn issued(&mut self, key: &str, number: &str, weight: i64, definitions: &Definitions) {
        self.weigh(Topic::NumberText, &[key, number], Mark::Entry, weight);
        let pattern = definitions.get(self.log, key).and_then(|defined| defined.pattern.as_ref());
        if let Some(reading) = pattern.and_then(|pattern| pattern.read(number)) {
            let parts = [key, reading.period.as_str(), &reading.value.to_string()];
            self.weigh(Topic::NumberValue, &parts, Mark::Entry, weight);
        }
    }

    fn job(&mut self, verb: &str) {
        let (detail, id) = (self.detail, self.object);
        match verb {
            "enqueued" => {
                self.claim(Topic::Job, &[id]);
                if let (Some(schedule), true) = (detail["job"].as_str(), detail["tick-ms"].is_i64()) {
                    self.claim(Topic::Schedule, &[schedule]);
                }
                if let Some(approval) = detail["approval"].as_str() {
                    self.claim(Topic::Continuation, &[approval, id]);
                }
            }
            "attempted" => self.mark(Topic::Job, &[id], Mark::Attempted),
            "succeeded" => self.mark(Topic::Job, &[id], Mark::Succeeded),
            "dead" => self.mark(Topic::Job, &[id], Mark::Dead),
            "retried" => self.mark(Topic::Job, &[id], Mark::Retried),
            "cancelled" => {
                self.mark(Topic::Job, &[id], Mark::Cancelled);
                if self.text("was") == "dead" {
                    self.mark(Topic::Job, &[id], Mark::CancelledDead);
                }
            }
            "swept" => self.weigh(Topic::SweptJobs, &["jobs"], Mark::Entry, self.number("count")),
            "scheduled" => self.claim(Topic::Schedule, &[id]),
            "circuit-opened" => self.claim(Topic::Circuit, &[id]),
            _ => {}
        }
    }

    fn approval(&mut self, verb: &str) {
        let (detail, object) = (self.detail, self.object);
        let approval = detail["approval"].as_str().unwrap_or_default();
        match verb {
            "requested" => self.claim(Topic::Approval, &[approval]),
            "approved" | "rejected" | "cancelled" | "expired" => {
                self.claim(Topic::ApprovalEnd, &[approval, verb]);
            }
            "rules-loaded" => {
                let version = self.number("rules-version").to_string();
                self.claim(Topic::ApprovalRules, &[object, &version]);
            }
            _ => {}
        }
    }

    fn addon(&mut self, verb: &str) {
        let (detail, addon) = (self.detail, self.object);
        let of = |name: &str| detail[name].as_str().unwrap_or_default();
        match verb {
            "stored" => self.claim_anywhere(Topic::Package, &[addon]),
            "installed" | "upgraded" => {
                self.claim(Topic::Installation, &[addon]);
                self.claim(Topic::InstalledVersion, &[addon, of("version"), of("digest")]);
            }
            "rolled-back" | "enabled" | "disabled" | "granted" | "removed" => {
                self.claim(Topic::Installation, &[addon]);
            }
            _ => {}
        }
    }

    fn holding(&mut self, event: &str) {
        let (detail, object) = (self.detail, self.object);
        let of = |name: &str| detail[name].as_str().unwrap_or_default();
        match event {
            "secret.set" | "secret.rotated" => {
                self.claim(Topic::Secret, &[object]);
                self.claim(Topic::SecretValue, &[object]);
            }
            "secret.removed" => self.claim(Topic::Secret, &[object]),
            "key.created" | "key.rotated" => {
                self.claim(Topic::TenantKey, &[object]);
                self.claim(Topic::PublicKey, &[object, of("public-key")]);
            }
            "audit.key-created" | "audit.key-rotated" => {
                let generation = self.number("generation").to_string();
                self.claim(Topic::CheckpointKey, &[&generation, of("public-key")]);
            }
            "tenant.created" => self.claim(Topic::Tenant, &[object]),
            "token.created" => self.claim(Topic::Token, &[object]),
            "token.revoked" => {
                self.claim(Topic::Token, &[object]);
                self.claim(Topic::RevokedToken, &[object]);
            }
            "trust.added" | "trust.removed" | "trust.revoked" | "trust.rotated" => {
                self.claim(Topic::TrustedKey, &[object]);
            }
            "usage.flushed" => self.weigh(Topic::Usage, &["usage"], Mark::Entry, self.number("rows")),
            "migration.applied" => {
                let version = self.number("version").to_string();
                self.claim(Topic::Migration, &[&version, of("checksum")]);
            }
            _ => {}
        }
    }
}
