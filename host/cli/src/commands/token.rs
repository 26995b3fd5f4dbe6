//! `bulla token`.

use bulla_base::{Millis, Role, Subject, TenantId};
use clap::Subcommand;
use serde_json::json;

use super::done;
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a token. Its text is printed this once and kept nowhere.
    Create {
        /// Who acts with it: a person or a machine.
        subject: Subject,
        /// The tenant it is for. Unset: an operator's token.
        #[arg(long)]
        tenant: Option<TenantId>,
        /// A role it carries; may be given again.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<Role>,
        /// How long it is good, such as `30d`. Unset: until it is revoked.
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Millis>,
    },
    /// Tokens without their texts.
    List {
        /// Of this tenant. Unset: of the operators.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Withdraw a token at once.
    Revoke {
        /// `tok_…`
        token: String,
        /// The tenant it is for. Unset: an operator's token.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    match verb {
        Verb::Create { subject, tenant, roles, expires_in } => {
            let mut body = json!({"subject": subject, "roles": roles});
            if let Some(expires_in) = expires_in {
                body["expires-in"] = json!(expires_in);
            }
            let created = client.post(&path(tenant, None), Request::json(&body))?.value();
            if !context.output.json {
                let id = created["token"]["id"].as_str().unwrap_or("-");
                context.output.say(format!("created `{id}` for `{subject}`; its text is shown this once:"));
                return context.output.text(&format!("{}\n", created["text"].as_str().unwrap_or_default()));
            }
            context.output.value(&created)
        }
        Verb::List { tenant } => {
            let fields = ["id", "subject", "roles", "hint", "created-ms", "expires-ms", "revoked-ms"];
            context.output.rows(&client.get(&path(tenant, None))?.value(), &fields)
        }
        Verb::Revoke { token, tenant } => {
            let reply = client.delete(&path(tenant, Some(token)))?;
            done(context, &reply, format!("revoked `{token}`"))
        }
    }
}

fn path<'a>(tenant: &'a Option<TenantId>, token: Option<&'a str>) -> Vec<&'a str> {
    let mut path = vec!["v1"];
    if let Some(tenant) = tenant {
        path.extend(["tenants", tenant.as_str()]);
    }
    path.push("tokens");
    path.extend(token);
    path
}
