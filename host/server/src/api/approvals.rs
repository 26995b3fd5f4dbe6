//! Approval requests, their decisions, and the rules.

use bulla_base::{ApprovalId, Coded, Failure, Scope};
use bulla_kernel::approvals::{ApprovalError, Decide, Page, RuleDocument, Status};
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::fields::REASON;
use crate::context::Context;
use crate::envelope::Reply;
use crate::problem::invalid;
use crate::route::{Answer, Field, Kind, Route, may, must};

const RULES: &str = "/v1/tenants/{tenant}/approval-rules/{scope}";

pub fn routes() -> Vec<Route> {
    let approval = Answer::Data(Kind::Object(APPROVAL));
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/approvals",
            Operation::ApprovalList,
            "list-approvals",
            "Requests, newest first, without their payloads",
            |context| list(context).boxed(),
        )
        .query(PAGE)
        .answer(Answer::Data(Kind::Objects(APPROVAL))),
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/approvals/{approval}",
            Operation::ApprovalList,
            "get-approval",
            "One request with its payload",
            |context| get(context).boxed(),
        )
        .answer(approval),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/approvals/{approval}/decision",
            Operation::ApprovalDecide,
            "decide-approval",
            "Decides a request; an approval lets its continuation run",
            |context| decide(context).boxed(),
        )
        .body(DECISION)
        .answer(approval),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/approvals/{approval}/cancel",
            Operation::ApprovalDecide,
            "cancel-approval",
            "Withdraws a request",
            |context| cancel(context).boxed(),
        )
        .body(REASON)
        .answer(approval),
        Route::new(
            Method::GET,
            RULES,
            Operation::ApprovalRules,
            "list-approval-rules",
            "The versions of a scope's rules, the one in force first",
            |context| history(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(VERSION))),
        Route::new(
            Method::PUT,
            RULES,
            Operation::ApprovalRules,
            "load-approval-rules",
            "Makes this document the rules of its scope, as the next version",
            |context| load(context).boxed(),
        )
        .body(DOCUMENT)
        .answer(Answer::Data(Kind::Object(LOADED))),
    ]
}

const STATUSES: &[&str] = &["waiting", "approved", "rejected", "cancelled", "expired"];

const PAGE: &[Field] = &[
    may("status", Kind::OneOf(STATUSES), "Only these"),
    may("after", Kind::Text, "The last id of the part before"),
    may("limit", Kind::Integer, "At most 500; 100 where absent"),
];

const DECISION: &[Field] = &[
    must("answer", Kind::OneOf(&["approve", "reject"]), "The decision"),
    may("reason", Kind::Text, "1 to 500 bytes; a rejection needs one"),
    may(
        "digest",
        Kind::Text,
        "SHA-256 of what the decider saw; another one than the request's is `conflict`",
    ),
];

const APPROVAL: &[Field] = &[
    must("id", Kind::Text, "The request"),
    must("addon", Kind::Text, "Which addon asked"),
    must("scope", Kind::Text, "Which rules apply"),
    must("object", Kind::Text, "What it is about"),
    must("digest", Kind::Text, "SHA-256 of what is to be approved"),
    must("facts", Kind::Any, "What the rules looked at"),
    must("status", Kind::OneOf(STATUSES), "Where it stands"),
    must("requester", Kind::Text, "Who asked"),
    must("approvers", Kind::Texts, "`role:…` or `subject:…`, one of whom decides"),
    must("rationale", Kind::Texts, "Which rules asked for it, and why"),
    must("rules-version", Kind::Integer, "Version of the rules at the request"),
    must("action", Kind::Text, "The action that goes on after the approval"),
    may("payload", Kind::Any, "Its input; only about a single request"),
    must("trace", Kind::Text, "The request's trace"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
    may("expires-ms", Kind::Integer, "When it lapses"),
    may("decided-ms", Kind::Integer, "When it ended"),
    may("decider", Kind::Text, "Who decided"),
    may("reason", Kind::Text, "Why"),
    may("job", Kind::Text, "The job that runs the continuation"),
];

const DOCUMENT: &[Field] = &[
    must("scope", Kind::Text, "The scope in the path"),
    may("expires", Kind::Text, "A duration such as `30d`; requests wait for ever where absent"),
    may("rule", Kind::Objects(RULE), "At most 100"),
];

const RULE: &[Field] = &[
    must("name", Kind::Text, "Unique in the document"),
    must("when", Kind::Any, "A predicate over the facts"),
    must("approvers", Kind::Texts, "`role:…` or `subject:…`"),
    may("effective-from", Kind::Text, "A date, inclusive"),
    may("effective-to", Kind::Text, "A date, inclusive"),
];

const VERSION: &[Field] = &[
    must("version", Kind::Integer, "From 1"),
    must("loaded-by", Kind::Text, "Subject"),
    must("loaded-ms", Kind::Integer, "Milliseconds since 1970"),
    must("document", Kind::Object(DOCUMENT), "The rules"),
];

const LOADED: &[Field] =
    &[must("scope", Kind::Text, "The scope"), must("version", Kind::Integer, "The version in force")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    status: Option<Status>,
    after: Option<ApprovalId>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let Wanted { status, after, limit } = context.query()?;
    let page = Page { status, after, limit: limit.unwrap_or(0) };
    Reply::data(&context.services().approvals.list(context.tenant()?, &page).await.map_err(failed)?)
}

async fn get(context: Context) -> Result<Reply, Failure> {
    let id = context.param("approval")?;
    Reply::data(&context.services().approvals.get(context.tenant()?, &id).await.map_err(failed)?)
}

async fn decide(mut context: Context) -> Result<Reply, Failure> {
    let id = context.param("approval")?;
    let decide: Decide = context.json().await?;
    let (origin, tenant, principal) = (context.origin()?, context.tenant()?, context.principal()?);
    let decided = context.services().approvals.decide(origin, tenant, &id, principal, decide).await;
    Reply::data(&decided.map_err(failed)?)
}

async fn cancel(mut context: Context) -> Result<Reply, Failure> {
    let id = context.param("approval")?;
    let Reason { reason } = context.json().await?;
    let (origin, tenant, principal) = (context.origin()?, context.tenant()?, context.principal()?);
    let cancelled = context.services().approvals.cancel(origin, tenant, &id, principal, &reason).await;
    Reply::data(&cancelled.map_err(failed)?)
}

async fn history(context: Context) -> Result<Reply, Failure> {
    let scope: Scope = context.param("scope")?;
    Reply::data(&context.services().approvals.rules_history(context.tenant()?, &scope).await.map_err(failed)?)
}

async fn load(mut context: Context) -> Result<Reply, Failure> {
    let scope: Scope = context.param("scope")?;
    let document: RuleDocument = context.json().await?;
    if document.scope != scope {
        return Err(invalid(format!("the document is about `{}`, the path about `{scope}`", document.scope)));
    }
    let (origin, tenant) = (context.origin()?, context.tenant()?);
    let version = context.services().approvals.load_rules(origin, tenant, document).await.map_err(failed)?;
    Reply::data(&json!({"scope": scope, "version": version}))
}

fn failed(error: ApprovalError) -> Failure {
    error.failure()
}
