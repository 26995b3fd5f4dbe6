//! The policies: which limits hold and why, and reading the files again.

use bulla_base::Failure;
use bulla_kernel::ports::Operation;
use futures::FutureExt as _;
use http::Method;
use serde_json::json;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, must};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}/policy/{addon}",
            Operation::PolicyExplain,
            "explain-policy",
            "The addon's limits in force, each with the line that won",
            |context| explain(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(EXPLAINED))),
        Route::new(
            Method::POST,
            "/v1/policy/reload",
            Operation::PolicyReload,
            "reload-policy",
            "Reads the policy files again; an invalid set is refused and the old one stays in force",
            |context| reload(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(RELOADED))),
    ]
}

const EXPLAINED: &[Field] = &[
    must("version", Kind::Text, "Version of the quotas in force"),
    must("limits", Kind::Objects(LIMIT), "All limits"),
];

const LIMIT: &[Field] = &[
    must("limit", Kind::Text, "Its name"),
    must("value", Kind::Text, "With its unit"),
    must("source", Kind::Text, "The line that won, such as `manifest` or `tier standard`"),
    must("beaten", Kind::Texts, "The other candidates, as `source: value`"),
];

const RELOADED: &[Field] = &[must("version", Kind::Text, "Version of the policies in force")];

async fn explain(context: Context) -> Result<Reply, Failure> {
    let (tenant, addon) = (context.tenant()?, context.param("addon")?);
    let services = context.services();
    let manifest = services.manifests.limits(tenant, &addon).await?;
    let limits = services.quotas.explain(tenant, &manifest, &addon);
    Reply::data(&json!({"version": &*services.quotas.version(), "limits": limits}))
}

async fn reload(context: Context) -> Result<Reply, Failure> {
    let version = context.services().policy.reload().await?;
    Reply::data(&json!({"version": &*version}))
}
