//! Idempotency records: one for a key, made by a call that left its entries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::report::Kind;

#[derive(sqlx::FromRow)]
struct RecordRow {
    id: String,
    tenant: String,
    subject: String,
    action: String,
    key: String,
    request_hash: String,
    response: String,
    size: i64,
    call_id: String,
    trace: String,
    created_ms: i64,
    expires_ms: i64,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, subject, action, key, request_hash, response, size, call_id, trace, created_ms, \
                       expires_ms FROM idempotency ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: RecordRow, facts: &mut Vec<Fact>| {
        reporter.count_row("idempotency");
        if let Some(wrong) = fault(&row) {
            reporter.add(Kind::IdempotencyRecord, "idempotency", &row.id, wrong);
        }
        let mut fact =
            |topic, key: &[&str]| facts.push(Fact::new(topic, &row.tenant, key, Mark::Row, &row.id));
        fact(Topic::IdempotencyKey, &[&row.subject, &row.action, &row.key]);
        fact(Topic::IdempotencyCall, &[&row.call_id, &row.trace]);
        fact(Topic::IdempotencyUse, &[&row.id]);
    };
    desk.source.each(ALL, desk.ledger, read).await
}

fn fault(row: &RecordRow) -> Option<&'static str> {
    let parts = [&row.tenant, &row.subject, &row.action, &row.key];
    if row.id != id_of(&parts.map(String::as_str)) {
        return Some("its id is not the hash of its key");
    }
    let Ok(response) = STANDARD.decode(&row.response) else { return Some("its response is not Base64") };
    let texts = row.subject.len() + row.action.len() + row.key.len();
    if usize::try_from(row.size).ok() != Some(texts + response.len()) {
        return Some("its size is not that of its response");
    }
    if crate::merkle::digest(&row.request_hash).is_none() || row.expires_ms < row.created_ms {
        return Some("its request's hash or its times cannot be");
    }
    None
}

/// SHA-256 over the parts, each behind its length as eight bytes, the highest first.
fn id_of(parts: &[&str]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    hex::encode(hash.finalize())
}
