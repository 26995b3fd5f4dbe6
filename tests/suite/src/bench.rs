//! A server with tenants, addons and what they need: what most tests start from.

use serde_json::{Value, json};

use crate::addons::{Publisher, installation};
use crate::client::{Client, Reply};
use crate::patience::until;
use crate::server::Server;

/// A running server that trusts one publisher.
pub struct Bench {
    pub server: Server,
    pub operator: Client,
    pub publisher: Publisher,
}

impl Bench {
    pub fn start() -> Self {
        Self::on(Server::start())
    }

    pub fn on(server: Server) -> Self {
        let (operator, publisher) = (server.operator(), Publisher::new());
        operator.post("/v1/trust", &publisher.entry()).ok();
        Self { server, operator, publisher }
    }

    /// A new tenant with somebody in each role.
    pub fn tenant(&self, id: &str) -> Tenant {
        let body = json!({"id": id, "display-name": format!("The {id} company")});
        self.operator.post("/v1/tenants", &body).ok();
        Tenant::of(id, &self.operator)
    }

    /// Adds this to `quotas.toml`; it is in force when this returns.
    pub fn quotas(&self, more: &str) {
        let data = self.server.data();
        let quotas = std::fs::read_to_string(data.policy("quotas.toml")).unwrap();
        data.write_policy("quotas.toml", &format!("{quotas}\n{more}\n"));
        self.operator.poke("/v1/policy/reload").ok();
    }

    /// The calls of this tenant may take ten seconds: for tests that hold one meanwhile.
    pub fn patient(&self, tenant: &str) {
        self.quotas(&format!("[tenant.{tenant}]\ntier = \"large\""));
    }

    /// After a restart: everybody at the server's new address.
    pub fn follow(&mut self, tenants: &mut [&mut Tenant]) {
        self.operator = self.server.operator();
        for tenant in tenants {
            for client in [&mut tenant.operator, &mut tenant.admin, &mut tenant.caller, &mut tenant.auditor] {
                *client = client.at(&self.server.url);
            }
        }
    }
}

/// A tenant and the clients of some who may do things in it.
pub struct Tenant {
    pub id: String,
    /// The host's operator.
    pub operator: Client,
    pub admin: Client,
    pub caller: Client,
    pub auditor: Client,
}

impl Tenant {
    fn of(id: &str, operator: &Client) -> Self {
        let as_role = |subject: &str, role: &str| token(operator, id, subject, &[role]);
        Self {
            id: id.to_owned(),
            operator: operator.clone(),
            admin: as_role("admin", "tenant-admin"),
            caller: as_role("clerk", "caller"),
            auditor: as_role("auditor", "auditor"),
        }
    }

    /// A new token of this tenant.
    pub fn token(&self, subject: &str, roles: &[&str]) -> Client {
        token(&self.operator, &self.id, subject, roles)
    }

    /// A path below the tenant's.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/tenants/{}{rest}", self.id)
    }

    /// Installs or upgrades a package.
    pub fn install(&self, package: &[u8], grants: Option<&Value>) -> Reply {
        self.operator.post(&self.path("/addons"), &installation(package, grants))
    }

    /// Another package in the place of what is installed under this name, with grants of its own.
    pub fn reinstall(&self, addon: &str, package: &[u8], grants: Option<&Value>) -> Reply {
        // Nothing may be there.
        let _removed = self.operator.delete(&self.path(&format!("/addons/{addon}")));
        self.install(package, grants)
    }

    pub fn grant(&self, addon: &str, grants: &Value) -> Reply {
        self.operator.put(&self.path(&format!("/addons/{addon}/grants")), grants)
    }

    /// Calls `<addon>/<action>` as the clerk.
    pub fn call(&self, action: &str, input: &Value) -> Reply {
        self.caller.call(&self.id, action, input)
    }

    pub fn call_once(&self, action: &str, key: &str, input: &Value) -> Reply {
        self.caller.call_once(&self.id, action, key, input)
    }

    /// Defines a sequence that counts by year. `gaps`: `gapless` or `allowed`.
    pub fn sequence(&self, key: &str, format: &str, gaps: &str) {
        let definition = json!({"format": format, "reset": "year", "gaps": gaps});
        self.admin.put(&self.path(&format!("/sequences/{key}")), &definition).ok();
    }

    /// Numbers of a sequence, oldest first, as text.
    pub fn numbers(&self, key: &str) -> Vec<String> {
        let numbers = self.admin.get(&self.path(&format!("/sequences/{key}/numbers?limit=1000"))).data();
        let mut texts: Vec<_> = numbers
            .as_array()
            .into_iter()
            .flatten()
            .map(|number| number["text"].as_str().unwrap_or_default().to_owned())
            .collect();
        texts.sort();
        texts
    }

    pub fn key(&self, alias: &str) {
        self.admin.post(&self.path("/keys"), &json!({"alias": alias})).ok();
    }

    pub fn secret(&self, alias: &str, value: &str) {
        self.admin.put(&self.path(&format!("/secrets/{alias}")), &json!({"value": value})).ok();
    }

    /// Approval rules of a scope: one rule `large` for totals beyond a limit.
    pub fn approval_above(&self, scope: &str, limit: &str, approvers: &[&str]) {
        let when = json!({"fact": "total", "decimal": {"gt": limit}});
        let rule = json!({"name": "large", "when": when, "approvers": approvers});
        let document = json!({"scope": scope, "rule": [rule]});
        self.admin.put(&self.path(&format!("/approval-rules/{scope}")), &document).ok();
    }

    /// Bodies of audit entries, filtered: `event=call.denied`.
    pub fn audit(&self, filter: &str) -> Vec<Value> {
        let listed = self.auditor.get(&self.path(&format!("/audit?{filter}"))).data();
        listed["entries"].as_array().into_iter().flatten().map(|entry| entry["body"].clone()).collect()
    }

    /// How many entries the log has.
    pub fn audit_size(&self) -> u64 {
        self.auditor.get(&self.path("/audit?limit=1")).data()["size"].as_u64().unwrap_or_default()
    }

    /// Holds the log against its signed checkpoints.
    pub fn verify_audit(&self) -> Value {
        self.auditor.get(&self.path("/audit/verify")).data()
    }

    pub fn jobs(&self, state: &str) -> Vec<Value> {
        let listed = self.admin.get(&self.path(&format!("/jobs?state={state}"))).data();
        listed.as_array().cloned().unwrap_or_default()
    }

    pub fn job(&self, id: &str) -> Value {
        self.admin.get(&self.path(&format!("/jobs/{id}"))).data()
    }

    /// Waits until a job is in this state.
    pub fn job_becomes(&self, id: &str, state: &str) -> Value {
        until(&format!("job {id} to be {state}"), || Some(self.job(id)).filter(|job| job["state"] == state))
    }
}

fn token(operator: &Client, tenant: &str, subject: &str, roles: &[&str]) -> Client {
    let body = json!({"subject": subject, "roles": roles});
    let data = operator.post(&format!("/v1/tenants/{tenant}/tokens"), &body).data();
    let text = data["text"].as_str().unwrap_or_else(|| panic!("no token in {data}"));
    operator.with_token(Some(text))
}
