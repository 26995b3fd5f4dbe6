//! API tokens, of the operators and of a tenant.

use bulla_base::{Coded, Failure, Millis, Role, Subject};
use bulla_kernel::ports::Operation;
use bulla_kernel::tokens::{NewToken, Token, TokenError, TokenId};
use futures::FutureExt as _;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::envelope::Reply;
use crate::problem::invalid;
use crate::route::{Answer, Field, Kind, Route, may, must};

pub fn routes() -> Vec<Route> {
    vec![
        list_at("/v1/tokens", "list-operator-tokens", "The operators' tokens, the oldest first"),
        create_at(
            "/v1/tokens",
            "create-operator-token",
            "Draws a token of an operator; its text is shown this once",
        ),
        revoke_at("/v1/tokens/{token}", "revoke-operator-token", "Ends a token of an operator"),
        list_at("/v1/tenants/{tenant}/tokens", "list-tokens", "The tenant's tokens, the oldest first"),
        create_at(
            "/v1/tenants/{tenant}/tokens",
            "create-token",
            "Draws a token of the tenant; its text is shown this once",
        ),
        revoke_at("/v1/tenants/{tenant}/tokens/{token}", "revoke-token", "Ends a token of the tenant"),
    ]
}

fn list_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::GET, path, Operation::TokenList, name, summary, |context| list(context).boxed())
        .answer(Answer::Data(Kind::Objects(TOKEN)))
}

fn create_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::POST, path, Operation::TokenCreate, name, summary, |context| create(context).boxed())
        .body(NEW)
        .answer(Answer::Created(Kind::Object(DRAWN)))
}

fn revoke_at(path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route::new(Method::DELETE, path, Operation::TokenRevoke, name, summary, |context| revoke(context).boxed())
        .answer(Answer::Data(Kind::Object(TOKEN)))
}

const NEW: &[Field] = &[
    must("subject", Kind::Text, "Who acts with it"),
    may("roles", Kind::Texts, "At most 32"),
    may("expires-in", Kind::Text, "A duration such as `30d`; good until it is revoked where absent"),
];

const DRAWN: &[Field] = &[
    must("token", Kind::Object(TOKEN), "The token without its secret"),
    must("text", Kind::Text, "What goes behind `Authorization: Bearer`; nobody can show it again"),
];

const TOKEN: &[Field] = &[
    must("id", Kind::Text, "Its name; it opens nothing"),
    must("subject", Kind::Text, "Who acts with it"),
    may("tenant", Kind::Text, "Absent on an operator's token"),
    must("roles", Kind::Texts, "What it carries"),
    must("hint", Kind::Text, "The last four characters of its text"),
    must("created-by", Kind::Text, "Subject"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
    may("expires-ms", Kind::Integer, "Good until then"),
    may("revoked-ms", Kind::Integer, "Ended then"),
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct New {
    subject: Subject,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    expires_in: Option<Millis>,
}

#[derive(Serialize)]
struct Drawn<'a> {
    token: &'a Token,
    text: &'a str,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let tokens = context.services().tokens.list(context.origin()?.tenant.as_ref()).map_err(failed)?;
    Reply::data(&tokens.iter().map(AsRef::as_ref).collect::<Vec<&Token>>())
}

async fn create(mut context: Context) -> Result<Reply, Failure> {
    let New { subject, roles, expires_in } = context.json().await?;
    let origin = context.origin()?;
    let expires_ms = expires_in.map(|wait| {
        let at = i64::try_from(wait.get()).ok().and_then(|wait| origin.at_ms.checked_add(wait));
        at.ok_or_else(|| invalid("`expires-in` is too far away"))
    });
    let new = NewToken { subject, tenant: origin.tenant.clone(), roles, expires_ms: expires_ms.transpose()? };
    let (token, text) = context.services().tokens.create(origin, &new).await.map_err(failed)?;
    Reply::created(&Drawn { token: &token, text: text.reveal() })
}

async fn revoke(context: Context) -> Result<Reply, Failure> {
    let id = TokenId::new(context.text("token")?).map_err(|error| invalid(error.to_string()))?;
    let origin = context.origin()?;
    let token =
        context.services().tokens.revoke(origin, origin.tenant.as_ref(), &id).await.map_err(failed)?;
    Reply::data(token.as_ref())
}

fn failed(error: TokenError) -> Failure {
    error.failure()
}
