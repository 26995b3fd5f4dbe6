//! What a tenant's calls used, summed by addon and entry.

use bulla_base::{Coded, Failure};
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, must};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/usage",
            Operation::UsageList,
            "list-usage",
            "Calls, fuel, time and memory by addon and entry; counted at most a second ago",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(USAGE))),
    ]
}

const USAGE: &[Field] = &[
    must("tenant", Kind::Text, "The tenant"),
    must("addon", Kind::Text, "The addon"),
    must("entry", Kind::Text, "The action or job"),
    must("calls", Kind::Integer, "Calls that reached their guest"),
    must("ok", Kind::Integer, "Calls that committed"),
    must("failed", Kind::Any, "Failed calls by error code"),
    must("over-budget", Kind::Integer, "Calls that used more than their addon's budget"),
    must("fuel", Kind::Integer, "All calls together"),
    must("elapsed-ms", Kind::Integer, "All calls together"),
    must("memory-peak", Kind::Integer, "The highest of any call, in bytes"),
    must("first-ms", Kind::Integer, "Milliseconds since 1970"),
    must("last-ms", Kind::Integer, "Milliseconds since 1970"),
];

async fn list(context: Context) -> Result<Reply, Failure> {
    let usage = context.services().usage.list(context.tenant()?).await;
    Reply::data(&usage.map_err(|error| error.failure())?)
}
