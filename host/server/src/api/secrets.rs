//! The tenant's secrets. A value goes in and never comes out.

use bulla_base::{Coded, Failure};
use bulla_kernel::ports::{Operation, Plaintext};
use bulla_kernel::secrets::SecretsError;
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, must};

const SECRET: &str = "/v1/tenants/{tenant}/secrets/{alias}";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/secrets",
            Operation::SecretList,
            "list-secrets",
            "Secrets by alias, without their values",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(INFO))),
        Route::new(
            Method::PUT,
            SECRET,
            Operation::SecretSet,
            "set-secret",
            "Stores the first value of an alias, or the next one",
            |context| set(context).boxed(),
        )
        .body(VALUE)
        .answer(Answer::Data(Kind::Object(INFO))),
        Route::new(
            Method::DELETE,
            SECRET,
            Operation::SecretRemove,
            "remove-secret",
            "Wipes the value",
            |context| remove(context).boxed(),
        ),
    ]
}

const VALUE: &[Field] = &[must("value", Kind::Text, "8 to 4,096 bytes of visible ASCII, spaces inside")];

const INFO: &[Field] = &[
    must("alias", Kind::Text, "The name under which addons use it"),
    must("version", Kind::Integer, "Grows by one with each value"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
    must("updated-ms", Kind::Integer, "Milliseconds since 1970"),
    must("updated-by", Kind::Text, "Subject"),
];

/// Without `Debug`: it is never printed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    value: String,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    Reply::data(&context.services().secrets.list(context.tenant()?).await.map_err(failed)?)
}

async fn set(mut context: Context) -> Result<Reply, Failure> {
    let alias = context.param("alias")?;
    let Value { value } = context.json().await?;
    let value = Plaintext(value.into_bytes().into());
    Reply::data(&context.services().secrets.set(context.origin()?, &alias, value).await.map_err(failed)?)
}

async fn remove(context: Context) -> Result<Reply, Failure> {
    let alias = context.param("alias")?;
    context.services().secrets.remove(context.origin()?, &alias).await.map_err(failed)?;
    Reply::nothing()
}

fn failed(error: SecretsError) -> Failure {
    error.failure()
}
