//! The publishers' keys that the host trusts.

use bulla_base::{Coded, Failure, Millis, Purpose};
use bulla_kernel::ports::Operation;
use bulla_kernel::trust::{NewTrustedKey, TrustError};
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::fields::REASON;
use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/trust",
            Operation::TrustList,
            "list-trust",
            "The trusted keys, by id",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(LIST))),
        Route::new(
            Method::POST,
            "/v1/trust",
            Operation::TrustAdd,
            "add-trust",
            "Trusts a publisher's key",
            |context| add(context).boxed(),
        )
        .body(NEW)
        .answer(Answer::Created(Kind::Object(KEY))),
        Route::new(
            Method::DELETE,
            "/v1/trust/{key}",
            Operation::TrustRemove,
            "remove-trust",
            "Takes a key out of the list",
            |context| remove(context).boxed(),
        ),
        Route::new(
            Method::POST,
            "/v1/trust/{key}/revoke",
            Operation::TrustRemove,
            "revoke-trust",
            "Withdraws a key for good; it stays in the list, as revoked",
            |context| revoke(context).boxed(),
        )
        .body(REASON),
        Route::new(
            Method::POST,
            "/v1/trust/{key}/rotate",
            Operation::TrustAdd,
            "rotate-trust",
            "Trusts the publisher's next key; the old one stays good for the overlap",
            |context| rotate(context).boxed(),
        )
        .body(ROTATION)
        .answer(Answer::Created(Kind::Object(KEY))),
    ]
}

const ROTATION: &[Field] = &[
    must("key", Kind::Object(NEW), "The next key"),
    must("overlap", Kind::Text, "How long the old key stays good, such as `7d`"),
];

const NEW: &[Field] = &[
    must("public-key", Kind::Text, "`ed25519:` and Base64"),
    must("owner", Kind::Text, "Whose key it is, for people"),
    must("purposes", Kind::Texts, "What it may sign, such as `addon`"),
    may("names", Kind::Texts, "The addons it may publish (`einvoice`, `acme-*`); any where none is given"),
    may("not-before-ms", Kind::Integer, "Good from then on, in milliseconds since 1970"),
    may("not-after-ms", Kind::Integer, "No longer good from then on"),
];

const LIST: &[Field] =
    &[must("version", Kind::Integer, "Grows with every change"), must("keys", Kind::Objects(KEY), "By id")];

const KEY: &[Field] = &[
    must("id", Kind::Text, "32 hex digits"),
    must("public-key", Kind::Text, "`ed25519:` and Base64"),
    must("owner", Kind::Text, "For people"),
    must("purposes", Kind::Texts, "What it may sign"),
    must("names", Kind::Texts, "The addons it may publish; any where there is none"),
    may("not-before-ms", Kind::Integer, "Milliseconds since 1970, as all times"),
    may("not-after-ms", Kind::Integer, "No longer good from then on"),
    may("revoked-ms", Kind::Integer, "When it was withdrawn"),
    may("revoked-reason", Kind::Text, "Why"),
    may("rotated-by", Kind::Text, "The key that took its place"),
    must("added-by", Kind::Text, "Subject"),
    must("added-ms", Kind::Integer, "When"),
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct New {
    public_key: String,
    owner: String,
    purposes: Vec<Purpose>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    not_before_ms: Option<i64>,
    #[serde(default)]
    not_after_ms: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    key: New,
    overlap: Millis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let view = context.services().trust.view().map_err(failed)?;
    Reply::data(&json!({"version": view.version, "keys": view.keys}))
}

async fn add(mut context: Context) -> Result<Reply, Failure> {
    let key = context.json::<New>().await?.key();
    Reply::created(&context.services().installer.trust(context.origin()?, key).await?)
}

async fn rotate(mut context: Context) -> Result<Reply, Failure> {
    let Rotation { key, overlap } = context.json().await?;
    let (installer, old) = (&context.services().installer, context.text("key")?);
    Reply::created(&installer.rotate_trust(context.origin()?, old, key.key(), overlap).await?)
}

impl New {
    /// The supply chain reads the key and derives its id.
    fn key(self) -> NewTrustedKey {
        let Self { public_key, owner, purposes, names, not_before_ms, not_after_ms } = self;
        NewTrustedKey { id: String::new(), public_key, owner, purposes, names, not_before_ms, not_after_ms }
    }
}

async fn remove(context: Context) -> Result<Reply, Failure> {
    context.services().trust.remove(context.origin()?, context.text("key")?).await.map_err(failed)?;
    Reply::nothing()
}

async fn revoke(mut context: Context) -> Result<Reply, Failure> {
    let Reason { reason } = context.json().await?;
    context
        .services()
        .trust
        .revoke(context.origin()?, context.text("key")?, &reason)
        .await
        .map_err(failed)?;
    Reply::nothing()
}

fn failed(error: TrustError) -> Failure {
    error.failure()
}
