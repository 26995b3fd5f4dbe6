//! `bulla key`.

use bulla_base::{Alias, TenantId};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a signing key (Ed25519). Its private half never leaves the host.
    Create { tenant: TenantId, alias: Alias },
    /// Keys with the public half of each version.
    List { tenant: TenantId },
    /// Sign with a new version from now on; the old ones still verify.
    Rotate { tenant: TenantId, alias: Alias },
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let keys = match verb {
        Verb::Create { tenant, alias } => {
            let path = ["v1", "tenants", tenant.as_str(), "keys"];
            client.post(&path, Request::json(&json!({"alias": alias})))?.value()
        }
        Verb::List { tenant } => client.get(&["v1", "tenants", tenant.as_str(), "keys"])?.value(),
        Verb::Rotate { tenant, alias } => {
            let path = ["v1", "tenants", tenant.as_str(), "keys", alias.as_str(), "rotate"];
            client.post(&path, Request::default())?.value()
        }
    };
    if context.output.json {
        return context.output.value(&keys);
    }
    let all = match keys {
        Value::Array(all) => all,
        one => vec![one],
    };
    let rows: Vec<Value> = all.iter().flat_map(versions).collect();
    context.output.rows(
        &Value::from(rows),
        &["alias", "algorithm", "version", "public-key", "created-ms", "retired-ms"],
    )
}

/// A row for each version, with the key's own fields.
fn versions(key: &Value) -> Vec<Value> {
    let row = |version: &Value| {
        let mut row = version.clone();
        for field in ["alias", "algorithm"] {
            row[field] = key[field].clone();
        }
        row
    };
    key["versions"].as_array().into_iter().flatten().map(row).collect()
}
