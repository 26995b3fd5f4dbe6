//! `bulla policy`.

use bulla_base::{AddonName, TenantId};
use clap::Subcommand;

use super::done;
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Each limit of an addon in a tenant, and the line that won.
    Explain { tenant: TenantId, addon: AddonName },
    /// Read the policy files again. An invalid set is refused and the old one stays in force.
    Reload,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    match verb {
        Verb::Explain { tenant, addon } => {
            let explained =
                client.get(&["v1", "tenants", tenant.as_str(), "policy", addon.as_str()])?.value();
            if context.output.json {
                return context.output.value(&explained);
            }
            context.output.say(format!("policy version {}", explained["version"].as_str().unwrap_or("-")));
            context.output.rows(&explained["limits"], &["limit", "value", "source", "beaten"])
        }
        Verb::Reload => {
            let reply = client.post(&["v1", "policy", "reload"], Request::default())?;
            let version = reply.value()["version"].as_str().unwrap_or("-").to_owned();
            done(context, &reply, format!("policy version {version} is in force"))
        }
    }
}
