//! Calls of addons.

use bulla_base::{Coded, Failure};
use bulla_kernel::idempotency::KeyText;
use bulla_kernel::ports::{CallRequest, Cause, Operation};
use futures::FutureExt as _;
use http::{HeaderMap, Method};

use crate::context::Context;
use crate::envelope::Reply;
use crate::problem::{internal, invalid};
use crate::route::{Answer, Route};

/// IETF draft `draft-ietf-httpapi-idempotency-key-header`.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/actions/{addon}/{action}",
            Operation::ActionCall,
            "call-action",
            "Calls an action; with an `Idempotency-Key` a repeat gets the first call's response and runs nothing",
            |context| call(context).boxed(),
        )
        .input()
        .answer(Answer::Call),
    ]
}

async fn call(mut context: Context) -> Result<Reply, Failure> {
    let (addon, entry) = (context.param("addon")?, context.param("action")?);
    let idempotency_key = idempotency_key(&context.parts.headers)?;
    let input = context.bytes().await?;
    let origin = context.origin()?;
    let request = CallRequest {
        tenant: context.tenant()?.clone(),
        principal: context.principal()?.clone(),
        trace: context.trace.clone(),
        addon,
        entry,
        input,
        cause: Cause::Request { idempotency_key },
        policy_version: origin.policy_version.clone().ok_or_else(|| internal("no policy decided"))?,
    };
    Reply::call(context.services().dispatch.dispatch(request).await)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("there are two `Idempotency-Key` headers"));
    }
    // What is no text is no key either, and is refused as such.
    let key = KeyText::new(value.to_str().unwrap_or_default()).map_err(|error| error.failure())?;
    Ok(Some(key.as_str().into()))
}
