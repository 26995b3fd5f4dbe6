//! Jobs.

use bulla_base::{Coded, Failure, JobId};
use bulla_kernel::jobs::{JobError, JobState, Page};
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;

use super::fields::REASON;
use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

pub fn routes() -> Vec<Route> {
    let job = Answer::Data(Kind::Object(JOB));
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/jobs",
            Operation::JobList,
            "list-jobs",
            "Jobs, newest first, without payloads and results",
            |context| list(context).boxed(),
        )
        .query(PAGE)
        .answer(Answer::Data(Kind::Objects(JOB))),
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/jobs/{job}",
            Operation::JobList,
            "get-job",
            "One job with its payload and result",
            |context| get(context).boxed(),
        )
        .answer(job),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/jobs/{job}/retry",
            Operation::JobRetry,
            "retry-job",
            "Gives a dead job its attempts again, the next one now",
            |context| retry(context).boxed(),
        )
        .answer(job),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/jobs/{job}/cancel",
            Operation::JobCancel,
            "cancel-job",
            "Ends a job that waits or is dead",
            |context| cancel(context).boxed(),
        )
        .body(REASON)
        .answer(job),
    ]
}

const STATES: &[&str] = &["waiting", "running", "succeeded", "dead", "cancelled"];

const PAGE: &[Field] = &[
    may("state", Kind::OneOf(STATES), "Only these"),
    may("after", Kind::Text, "The last id of the part before"),
    may("limit", Kind::Integer, "At most 500; 100 where absent"),
];

const JOB: &[Field] = &[
    must("id", Kind::Text, "The job"),
    must("tenant", Kind::Text, "Its tenant"),
    must("addon", Kind::Text, "Its addon"),
    must("entry", Kind::Text, "The job that runs, or the action of a continuation"),
    must("context", Kind::Any, "Why it is there: `kind` is `enqueued`, `scheduled` or `approval`"),
    must("subject", Kind::Text, "As whom it runs"),
    must("trace", Kind::Text, "The trace it goes on with"),
    must("state", Kind::OneOf(STATES), "Where it stands"),
    must("fairness", Kind::OneOf(&["interactive", "normal", "bulk"]), "The queue it waits in"),
    may("lock-key", Kind::Text, "No two jobs with it run at a time"),
    must("attempt", Kind::Integer, "Attempts so far"),
    must("max-attempts", Kind::Integer, "Attempts that it has"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
    must("due-ms", Kind::Integer, "Not before"),
    may("finished-ms", Kind::Integer, "When it ended"),
    may("error-code", Kind::Text, "Of the last attempt that failed"),
    may("error-message", Kind::Text, "Of the last attempt that failed"),
    may("reason", Kind::Text, "Why it was cancelled"),
    may("payload", Kind::Any, "Its input; only about a single job"),
    may("result", Kind::Any, "Its output; only about a single job"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<JobState>,
    after: Option<JobId>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let Wanted { state, after, limit } = context.query()?;
    let page = Page { state, after, limit: limit.unwrap_or(0) };
    Reply::data(&context.services().jobs.list(context.tenant()?, &page).await.map_err(failed)?)
}

async fn get(context: Context) -> Result<Reply, Failure> {
    let id = context.param("job")?;
    Reply::data(&context.services().jobs.get(context.tenant()?, &id).await.map_err(failed)?)
}

async fn retry(context: Context) -> Result<Reply, Failure> {
    let id = context.param("job")?;
    Reply::data(
        &context.services().jobs.retry(context.origin()?, context.tenant()?, &id).await.map_err(failed)?,
    )
}

async fn cancel(mut context: Context) -> Result<Reply, Failure> {
    let id = context.param("job")?;
    let Reason { reason } = context.json().await?;
    let (origin, tenant) = (context.origin()?, context.tenant()?);
    Reply::data(&context.services().jobs.cancel(origin, tenant, &id, &reason).await.map_err(failed)?)
}

fn failed(error: JobError) -> Failure {
    error.failure()
}
