//! Approval requests, what waits, and the rules.

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::report::{Kind, Reporter};

#[derive(sqlx::FromRow)]
struct ApprovalRow {
    id: String,
    tenant: String,
    requester: String,
    status: String,
    decided_ms: Option<i64>,
    decider: Option<String>,
    job: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    id: String,
    tenant: String,
    approval: String,
}

#[derive(sqlx::FromRow)]
struct RulesRow {
    id: String,
    tenant: String,
    scope: String,
    number: i64,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    requests(desk).await?;
    open(desk).await?;
    rules(desk).await
}

async fn requests(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str =
        "SELECT id, tenant, requester, status, decided_ms, decider, job FROM approval ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: ApprovalRow, facts: &mut Vec<Fact>| {
        reporter.count_row("approval");
        check(&row, reporter);
        let mut fact =
            |topic, key: &[&str]| facts.push(Fact::new(topic, &row.tenant, key, Mark::Row, &row.id));
        fact(Topic::Approval, &[&row.id]);
        match row.status.as_str() {
            "waiting" => fact(Topic::ApprovalOpen, &[&row.id]),
            ended => fact(Topic::ApprovalEnd, &[&row.id, ended]),
        }
        if let Some(job) = &row.job {
            fact(Topic::Continuation, &[&row.id, job]);
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

/// What a request's row shows by itself.
fn check(row: &ApprovalRow, reporter: &mut Reporter) {
    let (decided, decider, job) = (row.decided_ms.is_some(), row.decider.as_deref(), row.job.is_some());
    let is_consistent = match row.status.as_str() {
        "waiting" => !decided && decider.is_none() && !job,
        "approved" => decided && decider.is_some_and(|decider| decider != row.requester) && job,
        "rejected" => decided && decider.is_some_and(|decider| decider != row.requester) && !job,
        "cancelled" => decided && decider.is_some() && !job,
        "expired" => decided && decider.is_none() && !job,
        _ => false,
    };
    if !is_consistent {
        let text =
            format!("it is `{}`, with a time, decider or job that does not belong to that", row.status);
        reporter.add(Kind::ApprovalState, "approval", &row.id, text);
    }
}

async fn open(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, approval FROM approval_open ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: OpenRow, facts: &mut Vec<Fact>| {
        reporter.count_row("approval_open");
        facts.push(Fact::new(Topic::ApprovalOpen, &row.tenant, &[&row.approval], Mark::Reference, &row.id));
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn rules(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, scope, number FROM approval_rules ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: RulesRow, facts: &mut Vec<Fact>| {
        reporter.count_row("approval_rules");
        let key = [row.scope.as_str(), &row.number.to_string()];
        facts.push(Fact::new(Topic::ApprovalRules, &row.tenant, &key, Mark::Row, &row.id));
    };
    desk.source.each(ALL, desk.ledger, read).await
}
