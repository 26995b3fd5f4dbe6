//! The logs of the tenants, and the host's own, `system`.

use bulla_base::{Coded, Failure, ObjectRef, TraceId, codes};
use bulla_kernel::audit::{AuditError, LogName, Query, Report, Trust};
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

/// One entry a line, behind a manifest and the checkpoints.
const BUNDLE: &str = "application/jsonl";

pub fn routes() -> Vec<Route> {
    let tenant = [
        list_at("/v1/tenants/{tenant}/audit", "list-audit", "Entries of the tenant's log, in order"),
        verify_at(
            "/v1/tenants/{tenant}/audit/verify",
            "verify-audit",
            "Checks the tenant's log against its checkpoints",
        ),
        verify_against_at(
            "/v1/tenants/{tenant}/audit/verify",
            "verify-audit-against",
            "Checks the tenant's log against checkpoints and keys that the auditor kept",
        ),
        keys_at(
            "/v1/tenants/{tenant}/audit/keys",
            "audit-keys",
            "What an auditor of the tenant's log keeps elsewhere",
        ),
        export_at(
            "/v1/tenants/{tenant}/audit/export",
            "export-audit",
            "A part of the tenant's log that proves itself",
        ),
    ];
    let system = [
        list_at("/v1/system/audit", "list-system-audit", "Entries of the host's own log, in order"),
        verify_at(
            "/v1/system/audit/verify",
            "verify-system-audit",
            "Checks the host's own log against its checkpoints",
        ),
        verify_against_at(
            "/v1/system/audit/verify",
            "verify-system-audit-against",
            "Checks the host's own log against checkpoints and keys that the auditor kept",
        ),
        keys_at(
            "/v1/system/audit/keys",
            "system-audit-keys",
            "What an auditor of the host's own log keeps elsewhere",
        ),
        export_at(
            "/v1/system/audit/export",
            "export-system-audit",
            "A part of the host's own log that proves itself",
        ),
    ];
    tenant.into_iter().chain(system).collect()
}

fn list_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::GET, path, Operation::AuditList, name, summary, |context| list(context).boxed())
        .query(FILTER)
        .answer(Answer::Data(Kind::Object(LISTING)))
}

fn verify_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::GET, path, Operation::AuditVerify, name, summary, |context| verify(context).boxed())
        .heavy()
        .answer(Answer::Data(Kind::Object(REPORT)))
}

fn verify_against_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::POST, path, Operation::AuditVerify, name, summary, |context| {
        verify_against(context).boxed()
    })
    .body(KEPT)
    .heavy()
    .answer(Answer::Data(Kind::Object(REPORT)))
}

fn keys_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::GET, path, Operation::AuditVerify, name, summary, |context| keys(context).boxed())
        .answer(Answer::Data(Kind::Object(TO_KEEP)))
}

fn export_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::GET, path, Operation::AuditExport, name, summary, |context| export(context).boxed())
        .query(RANGE)
        .heavy()
        .answer(Answer::Plain(BUNDLE))
}

const FILTER: &[Field] = &[
    may("trace", Kind::Text, "Only entries of this trace"),
    may("event", Kind::Text, "Only this event, such as `sequence.committed`"),
    may("object", Kind::Text, "Only entries about this object"),
    may("from", Kind::Integer, "The first index"),
    may("to", Kind::Integer, "The index behind the last"),
    may("limit", Kind::Integer, "1 to 1,000; 1,000 where absent"),
];

const RANGE: &[Field] = &[
    may("from", Kind::Integer, "The first index; 0 where absent"),
    may("to", Kind::Integer, "The index behind the last; to the newest checkpoint where absent"),
];

const LISTING: &[Field] = &[
    must("entries", Kind::Objects(ENTRY), "Those that match"),
    must("size", Kind::Integer, "How many entries the log has"),
];

const ENTRY: &[Field] =
    &[must("index", Kind::Integer, "Its place in the log"), must("body", Kind::Any, "The leaf, parsed")];

const KEPT: &[Field] = &[
    may("kept", Kind::Texts, "Signed checkpoints that the auditor kept"),
    may("keys", Kind::Texts, "Verifier keys that the auditor trusts; the host's own where absent"),
];

const REPORT: &[Field] = &[
    must("log", Kind::Text, "The log"),
    must("entries", Kind::Integer, "Entries that were checked"),
    must("checkpoints", Kind::Integer, "Checkpoints that were checked"),
    must("published", Kind::Integer, "Size of the newest good checkpoint"),
    must("keys", Kind::OneOf(&["given", "sealed", "stored"]), "Where the keys came from that were believed"),
    may(
        "fault",
        Kind::Any,
        "Always absent here: a fault is the problem `audit-tampered`, with this report as `details`",
    ),
];

const TO_KEEP: &[Field] = &[
    must("keys", Kind::Objects(VERIFIER_KEY), "All generations, the oldest first"),
    may("checkpoint", Kind::Text, "The newest signed checkpoint"),
];

const VERIFIER_KEY: &[Field] = &[
    must("generation", Kind::Integer, "From 1; the highest one signs"),
    must("vkey", Kind::Text, "In the form of `c2sp.org/signed-note`"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    trace: Option<TraceId>,
    event: Option<String>,
    object: Option<ObjectRef>,
    from: Option<u64>,
    to: Option<u64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: Option<u64>,
    to: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    keys: Option<Vec<String>>,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let Filter { trace, event, object, from, to, limit } = context.query()?;
    let query = Query { trace, event, object, from: from.unwrap_or(0), to, limit };
    Reply::data(&context.services().audit.list(&log(&context)?, &query).await.map_err(failed)?)
}

async fn verify(context: Context) -> Result<Reply, Failure> {
    report(context.services().audit.verify(&log(&context)?, &Trust::Host, &[]).await)
}

async fn verify_against(mut context: Context) -> Result<Reply, Failure> {
    let Kept { kept, keys } = context.json().await?;
    let trust = keys.map_or(Trust::Host, Trust::Given);
    report(context.services().audit.verify(&log(&context)?, &trust, &kept).await)
}

async fn keys(context: Context) -> Result<Reply, Failure> {
    let (audit, log) = (&context.services().audit, log(&context)?);
    let keys = audit.verifier_keys(&log).await.map_err(failed)?;
    let checkpoint = audit.newest_checkpoint(&log).await.map_err(failed)?;
    Reply::data(&json!({"keys": keys, "checkpoint": checkpoint}))
}

async fn export(context: Context) -> Result<Reply, Failure> {
    let Range { from, to } = context.query()?;
    let bundle = context.services().audit.export(&log(&context)?, from.unwrap_or(0), to).await;
    Ok(Reply::Plain(BUNDLE, bundle.map_err(failed)?))
}

/// The tenant's log, or on the host's own routes `system`.
fn log(context: &Context) -> Result<LogName, Failure> {
    let tenant = context.origin()?.tenant.as_ref();
    Ok(tenant.map_or_else(LogName::system, LogName::tenant))
}

fn report(report: Result<Report, AuditError>) -> Result<Reply, Failure> {
    let report = report.map_err(failed)?;
    if report.fault.is_none() {
        return Reply::data(&report);
    }
    let details = json!(report);
    let told =
        report.into_result().map_or_else(|error| error.to_string(), |_| codes::AUDIT_TAMPERED.title.into());
    Err(Failure::new(codes::AUDIT_TAMPERED, told).details(details))
}

fn failed(error: AuditError) -> Failure {
    error.failure()
}
