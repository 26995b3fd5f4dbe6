//! `bulla tenant`.

use bulla_base::TenantId;
use clap::Subcommand;
use serde_json::json;

use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a tenant.
    Create {
        /// 1 to 63 characters `a-z 0-9 -`, starting with a letter.
        tenant: TenantId,
        /// For people. Unset: the tenant's id.
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// A name of the IANA time zone database. Unset: UTC.
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
    },
    /// All tenants.
    List,
    /// One tenant.
    Show { tenant: TenantId },
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    match verb {
        Verb::Create { tenant, display_name, time_zone } => {
            let mut body =
                json!({"id": tenant, "display-name": display_name.as_deref().unwrap_or(tenant.as_str())});
            if let Some(time_zone) = time_zone {
                body["time-zone"] = json!(time_zone);
            }
            let reply = client.post(&["v1", "tenants"], Request::json(&body))?;
            context.output.record(&reply.value())
        }
        Verb::List => {
            let reply = client.get(&["v1", "tenants"])?;
            context.output.rows(&reply.value(), &["id", "display-name", "time-zone", "created-ms"])
        }
        Verb::Show { tenant } => {
            context.output.record(&client.get(&["v1", "tenants", tenant.as_str()])?.value())
        }
    }
}
