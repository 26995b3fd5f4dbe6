//! What the laws of `approvals` stand on: nodes, rules, and short words for common steps.

use std::sync::Arc;

use bulla_base::{AddonName, ApprovalId, EntryName, TenantId};
use bulla_contract::Bench;
use bulla_kernel::Core;
use bulla_kernel::approvals::{
    Answer, ApprovalError, Approvals, Decide, Fact, Outcome, RuleDocument, Status, SubjectRef, Then,
};
use bulla_kernel::call::Call;
use bulla_kernel::grants::Grants;
use bulla_kernel::jobs::{Jobs, JobsConfig};
use bulla_kernel::ports::{Catalogue, JobSpec, Principal};
use bulla_store::Sql;

pub const RULES: &str = r#"
scope = "invoice.issue"
expires = "30d"
[[rule]]
name = "large"
when = { fact = "total", decimal = { gt = "1000" } }
approvers = ["role:cfo", "subject:eve"]
"#;

pub struct Addons;

impl Catalogue for Addons {
    fn job(&self, _: &TenantId, _: &AddonName, _: &EntryName) -> Option<Arc<JobSpec>> {
        None
    }

    fn has_action(&self, _: &TenantId, addon: &AddonName, action: &EntryName) -> bool {
        addon.as_str() == "einvoice" && action.as_str() == "issue"
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        Vec::new()
    }
}

/// One node with both rooms.
pub struct Node {
    pub core: Core,
    pub approvals: Approvals,
    pub jobs: Jobs,
}

pub async fn node(bench: &Bench) -> Node {
    let core = bench.core().await;
    let jobs = Jobs::new(core.clone(), Arc::new(Addons), JobsConfig::default());
    let approvals = Approvals::open(core.clone(), Arc::new(Addons), Arc::new(jobs.clone())).await.unwrap();
    Node { core, approvals, jobs }
}

/// A node on which the rules of `acme` are loaded.
pub async fn ruled(bench: &Bench) -> Node {
    let node = node(bench).await;
    load(bench, &node, RULES).await;
    node
}

pub async fn load(bench: &Bench, node: &Node, rules: &str) -> u32 {
    let document = RuleDocument::from_toml(rules).unwrap();
    node.approvals.load_rules(&bench.origin("acme"), &acme(), document).await.unwrap()
}

pub fn acme() -> TenantId {
    "acme".parse().unwrap()
}

pub fn call(bench: &Bench) -> Call {
    bench.call("acme", Grants { approvals: ["invoice.issue".parse().unwrap()].into(), ..Default::default() })
}

pub fn total(amount: &str) -> Vec<(String, Fact)> {
    vec![("total".into(), Fact::Decimal(amount.into()))]
}

pub fn subject(object: &str) -> SubjectRef {
    SubjectRef { object: object.parse().unwrap(), digest: "ab".repeat(32) }
}

pub fn then() -> Then {
    Then { action: "issue".into(), payload: br#"{"invoice":4711}"#.to_vec() }
}

pub async fn request(
    node: &Node,
    call: &mut Call,
    amount: &str,
    object: &str,
) -> Result<Outcome, ApprovalError> {
    let scope = "invoice.issue".parse().unwrap();
    node.approvals.request(call, &scope, total(amount), subject(object), then()).await
}

/// A committed request by `ada`, the bench's caller.
pub async fn waiting(bench: &Bench, node: &Node, object: &str) -> ApprovalId {
    let mut call = call(bench);
    let Outcome::Waiting(id) = request(node, &mut call, "1000.01", object).await.unwrap() else {
        panic!("not required")
    };
    node.core.committer.commit(call.effects()).await.unwrap();
    id
}

pub fn principal(subject: &str, roles: &[&str]) -> Principal {
    Principal {
        subject: subject.parse().unwrap(),
        tenant: Some(acme()),
        roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
    }
}

pub fn cfo() -> Principal {
    principal("carl", &["cfo"])
}

pub fn answer(answer: Answer) -> Decide {
    let reason = (answer == Answer::Reject).then(|| "too dear".into());
    Decide { answer, reason, digest: None }
}

pub async fn decide(
    bench: &Bench,
    node: &Node,
    id: &ApprovalId,
    who: &Principal,
    decision: Decide,
) -> Result<Status, ApprovalError> {
    let origin = bench.origin("acme");
    node.approvals.decide(&origin, &acme(), id, who, decision).await.map(|approval| approval.status)
}

pub async fn events(core: &Core, event: &str) -> usize {
    #[derive(sqlx::FromRow)]
    struct Count {
        count: i64,
    }
    let sql = Sql::both("SELECT COUNT(*) AS count FROM audit_entry WHERE log = 'acme' AND event = $1");
    let row: Option<Count> = core.db.fetch_one(&sql, &[event.into()]).await.unwrap();
    usize::try_from(row.unwrap().count).unwrap()
}
