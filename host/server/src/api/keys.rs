//! The tenant's signing keys.

use bulla_base::{Alias, Coded, Failure};
use bulla_kernel::keys::KeysError;
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

const KEYS: &str = "/v1/tenants/{tenant}/keys";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            KEYS,
            Operation::KeyList,
            "list-keys",
            "Keys by alias, with the public key of every version",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(KEY))),
        Route::new(
            Method::POST,
            KEYS,
            Operation::KeyCreate,
            "create-key",
            "Makes a key and its first version",
            |context| create(context).boxed(),
        )
        .body(NEW)
        .answer(Answer::Created(Kind::Object(KEY))),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/keys/{alias}/rotate",
            Operation::KeyCreate,
            "rotate-key",
            "Makes the next version; the one before only verifies from then on",
            |context| rotate(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(KEY))),
    ]
}

const NEW: &[Field] = &[must("alias", Kind::Text, "The name under which addons use it")];

const KEY: &[Field] = &[
    must("alias", Kind::Text, "The name under which addons use it"),
    must("algorithm", Kind::Text, "`ed25519`"),
    must("versions", Kind::Objects(VERSION), "From the first to the current one"),
];

const VERSION: &[Field] = &[
    must("version", Kind::Integer, "From 1"),
    must("public-key", Kind::Text, "64 hex digits"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
    may("retired-ms", Kind::Integer, "From then on it verifies and no longer signs"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    alias: Alias,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    Reply::data(&context.services().keys.list(context.tenant()?).await.map_err(failed)?)
}

async fn create(mut context: Context) -> Result<Reply, Failure> {
    let New { alias } = context.json().await?;
    Reply::created(&context.services().keys.create(context.origin()?, &alias).await.map_err(failed)?)
}

async fn rotate(context: Context) -> Result<Reply, Failure> {
    let alias = context.param("alias")?;
    Reply::data(&context.services().keys.rotate(context.origin()?, &alias).await.map_err(failed)?)
}

fn failed(error: KeysError) -> Failure {
    error.failure()
}
