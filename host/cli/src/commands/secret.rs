//! `bulla secret`.

use std::path::PathBuf;

use bulla_base::{Alias, TenantId};
use clap::Subcommand;
use serde_json::json;

use super::done;
use crate::context::Context;
use crate::error::CliError;
use crate::input;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Set a secret's value, read from stdin or a file. It never leaves the host again but in the requests it is for.
    Set {
        tenant: TenantId,
        alias: Alias,
        /// The file with the value. Unset: stdin. A line break at its end is not part of it.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Names and versions, never values.
    List { tenant: TenantId },
    /// Remove a secret: what uses it fails from then on.
    Remove { tenant: TenantId, alias: Alias },
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    match verb {
        Verb::Set { tenant, alias, file } => {
            let value = input::secret(file.as_deref())?;
            let path = ["v1", "tenants", tenant.as_str(), "secrets", alias.as_str()];
            let reply = context.client()?.put(&path, &json!({"value": value}))?;
            let version = reply.value()["version"].to_string();
            done(context, &reply, format!("set `{alias}` of `{tenant}`, version {version}"))
        }
        Verb::List { tenant } => {
            let secrets = context.client()?.get(&["v1", "tenants", tenant.as_str(), "secrets"])?.value();
            context.output.rows(&secrets, &["alias", "version", "created-ms", "updated-ms", "updated-by"])
        }
        Verb::Remove { tenant, alias } => {
            let reply =
                context.client()?.delete(&["v1", "tenants", tenant.as_str(), "secrets", alias.as_str()])?;
            done(context, &reply, format!("removed `{alias}` of `{tenant}`"))
        }
    }
}
