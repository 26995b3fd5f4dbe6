//! The tenants of the host.

use bulla_base::{Coded, Failure, TenantId};
use bulla_kernel::ports::Operation;
use bulla_kernel::tenants::{NewTenant, Tenant, TenantError};
use futures::FutureExt as _;
use http::Method;
use serde::Deserialize;

use crate::context::Context;
use crate::envelope::Reply;
use crate::route::{Answer, Field, Kind, Route, may, must};

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/v1/tenants",
            Operation::TenantList,
            "list-tenants",
            "All tenants, by id",
            |context| list(context).boxed(),
        )
        .answer(Answer::Data(Kind::Objects(TENANT))),
        Route::new(
            Method::POST,
            "/v1/tenants",
            Operation::TenantCreate,
            "create-tenant",
            "Creates a tenant",
            |context| create(context).boxed(),
        )
        .body(NEW)
        .answer(Answer::Created(Kind::Object(TENANT))),
        Route::new(
            Method::GET,
            "/v1/tenants/{tenant}",
            Operation::TenantList,
            "get-tenant",
            "One tenant",
            |context| get(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(TENANT))),
    ]
}

const NEW: &[Field] = &[
    must("id", Kind::Text, "1 to 63 characters `a-z 0-9 -`, starting with a letter"),
    must("display-name", Kind::Text, "1 to 200 bytes, for people"),
    may("time-zone", Kind::Text, "A name of the IANA database; `UTC` where absent"),
];

const TENANT: &[Field] = &[
    must("id", Kind::Text, "The tenant"),
    must("display-name", Kind::Text, "For people"),
    must("time-zone", Kind::Text, "A name of the IANA database"),
    must("created-by", Kind::Text, "Subject"),
    must("created-ms", Kind::Integer, "Milliseconds since 1970"),
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct New {
    id: TenantId,
    display_name: String,
    #[serde(default)]
    time_zone: Option<String>,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let tenants = context.services().tenants.list().map_err(failed)?;
    Reply::data(&tenants.iter().map(AsRef::as_ref).collect::<Vec<&Tenant>>())
}

async fn create(mut context: Context) -> Result<Reply, Failure> {
    let New { id, display_name, time_zone } = context.json().await?;
    let new = NewTenant { id, display_name, time_zone };
    let tenant = context.services().tenants.create(context.origin()?, &new).await.map_err(failed)?;
    Reply::created(tenant.as_ref())
}

async fn get(context: Context) -> Result<Reply, Failure> {
    let tenant = context.services().tenants.get(context.tenant()?).map_err(failed)?;
    Reply::data(tenant.as_ref())
}

fn failed(error: TenantError) -> Failure {
    error.failure()
}
