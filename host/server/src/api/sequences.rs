//! The tenant's sequences and their numbers.

use bulla_base::{Alias, Coded, Failure, ReservationId};
use bulla_kernel::ports::Operation;
use bulla_kernel::sequences::{Definition, SequenceError};
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

/// Numbers that are listed where the request does not say.
const NUMBERS: u32 = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/sequences",
            Operation::SequenceList,
            "list-sequences",
            "Sequences by key",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(SEQUENCE))),
        Route::new(
            Method::PUT,
            "/v1/tenants/{tenant}/sequences/{key}",
            Operation::SequenceDefine,
            "define-sequence",
            "Defines a sequence; another definition is refused once numbers were drawn",
            |context| define(context).boxed(),
        )
        .body(DEFINITION)
        .answer(Answer::Data(Kind::Object(SEQUENCE))),
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/sequences/{key}/numbers",
            Operation::SequenceList,
            "list-numbers",
            "The numbers drawn last, newest period first",
            |context| numbers(context).boxed(),
        )
        .query(LIMIT)
        .answer(Answer::Data(Kind::Objects(NUMBER))),
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/sequences/{key}/preview",
            Operation::SequenceList,
            "preview-number",
            "What a document of this date would get now; allocates nothing",
            |context| preview(context).boxed(),
        )
        .query(DATE)
        .answer(Answer::Data(Kind::Object(PREVIEW))),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/sequences/{key}/void",
            Operation::SequenceVoid,
            "void-number",
            "Makes a reserved number void, with a reason",
            |context| void(context).boxed(),
        )
        .body(VOID),
    ]
}

const DEFINITION: &[Field] = &[
    must("format", Kind::Text, "Such as `INV-{YYYY}-{00000}`"),
    must("reset", Kind::OneOf(&["never", "year", "month", "fiscal"]), "When counting starts again at 1"),
    must("gaps", Kind::OneOf(&["gapless", "allowed"]), "Whether a failed call's number is issued again"),
    may("time-zone", Kind::Text, "IANA zone in which an instant becomes a date; `UTC` where absent"),
    may("fiscal-start", Kind::Integer, "Month with which the fiscal year starts; 1 where absent"),
];

const SEQUENCE: &[Field] =
    &[must("key", Kind::Text, "Its name"), must("definition", Kind::Object(DEFINITION), "How it counts")];

const LIMIT: &[Field] = &[may("limit", Kind::Integer, "1 to 1,000; 100 where absent")];

const DATE: &[Field] =
    &[must("date", Kind::Text, "`2026-03-31`, or an instant such as `2026-03-31T23:30:00Z`")];

const PREVIEW: &[Field] = &[must("number", Kind::Text, "As it would be written")];

const NUMBER: &[Field] = &[
    must("reservation", Kind::Text, "Its reservation"),
    must("key", Kind::Text, "Its sequence"),
    must("period", Kind::Text, "The period in which it counts"),
    must("value", Kind::Integer, "From 1"),
    must("text", Kind::Text, "As it is written"),
    must("state", Kind::OneOf(&["reserved", "committed", "void"]), "Where it stands"),
    may("object", Kind::Text, "What it is bound to"),
    may("reason", Kind::Text, "Why it is void"),
    must("reserved-ms", Kind::Integer, "Milliseconds since 1970"),
    must("expires-ms", Kind::Integer, "When it becomes void if it is still reserved"),
];

const VOID: &[Field] = &[
    must("reservation", Kind::Text, "The reservation of the number"),
    must("reason", Kind::Text, "1 to 500 bytes, for people and the audit"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Date {
    date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Void {
    reservation: ReservationId,
    reason: String,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let sequences = context.services().sequences.list(context.tenant()?);
    let shown = sequences.iter().map(|(key, definition)| json!({"key": key, "definition": definition}));
    Reply::data(&shown.collect::<Vec<_>>())
}

async fn define(mut context: Context) -> Result<Reply, Failure> {
    let key: Alias = context.param("key")?;
    let definition: Definition = context.json().await?;
    let (origin, tenant) = (context.origin()?, context.tenant()?);
    context.services().sequences.define(origin, tenant, &key, definition.clone()).await.map_err(failed)?;
    Reply::data(&json!({"key": key, "definition": definition}))
}

async fn numbers(context: Context) -> Result<Reply, Failure> {
    let key = context.param("key")?;
    let Limit { limit } = context.query()?;
    let limit = limit.unwrap_or(NUMBERS);
    Reply::data(&context.services().sequences.numbers(context.tenant()?, &key, limit).await.map_err(failed)?)
}

async fn preview(context: Context) -> Result<Reply, Failure> {
    let key = context.param("key")?;
    let Date { date } = context.query()?;
    let number =
        context.services().sequences.preview_for(context.tenant()?, &key, &date).await.map_err(failed)?;
    Reply::data(&json!({"number": number}))
}

async fn void(mut context: Context) -> Result<Reply, Failure> {
    let key = context.param("key")?;
    let Void { reservation, reason } = context.json().await?;
    let (origin, tenant) = (context.origin()?, context.tenant()?);
    context.services().sequences.void(origin, tenant, &key, &reservation, &reason).await.map_err(failed)?;
    Reply::nothing()
}

fn failed(error: SequenceError) -> Failure {
    error.failure()
}
