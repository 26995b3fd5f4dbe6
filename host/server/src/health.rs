//! What tells of the host itself: `/healthz`, `/readyz`, `/openapi.json`, `/diagz`, `/metrics`.

use bulla_base::Failure;
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde_json::json;

use crate::context::Context;
use crate::envelope::Reply;
use crate::metrics;
use crate::problem::internal;
use crate::route::{Answer, Field, Kind, Route, must};

const STATUS: &[Field] = &[must("status", Kind::Text, "`ok` or `ready`")];

pub fn routes() -> Vec<Route> {
    let get = |path, name, summary, handler| {
        Route::new(Method::GET, path, Operation::HostDiagnose, name, summary, handler)
    };
    vec![
        get("/healthz", "health", "The process answers", |context| health(context).boxed())
            .open()
            .answer(Answer::Data(Kind::Object(STATUS))),
        get("/readyz", "ready", "The host takes requests; `unavailable` says why not", |context| {
            ready(context).boxed()
        })
        .open()
        .answer(Answer::Data(Kind::Object(STATUS))),
        get("/openapi.json", "openapi", "This document", |context| openapi(context).boxed())
            .open()
            .answer(Answer::Plain("application/json")),
        get("/diagz", "diagnose", "Version, database, engine, policies, load, audit", |context| {
            diagnose(context).boxed()
        })
        .answer(Answer::Data(Kind::Any)),
        Route::new(
            Method::GET,
            "/metrics",
            Operation::HostMetrics,
            "metrics",
            "Metrics for Prometheus",
            |context| scrape(context).boxed(),
        )
        .answer(Answer::Plain(metrics::CONTENT_TYPE)),
    ]
}

async fn health(_: Context) -> Result<Reply, Failure> {
    Reply::data(&json!({"status": "ok"}))
}

async fn ready(context: Context) -> Result<Reply, Failure> {
    context.services().diagnostics.ready().await?;
    Reply::data(&json!({"status": "ready"}))
}

async fn openapi(context: Context) -> Result<Reply, Failure> {
    Ok(Reply::Plain("application/json", context.app.openapi.to_vec()))
}

async fn diagnose(context: Context) -> Result<Reply, Failure> {
    Reply::data(&context.services().diagnostics.diagnose().await)
}

async fn scrape(context: Context) -> Result<Reply, Failure> {
    let text = context.services().metrics.text().map_err(|error| internal(error.to_string()))?;
    Ok(Reply::Plain(metrics::CONTENT_TYPE, text))
}
