//! `bulla audit`: read, verify and export the logs; verify an exported bundle without any server.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bulla_base::TenantId;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Entries of a log, in order.
    List(Filter),
    /// Check every entry and checkpoint of a log.
    Verify {
        /// A tenant, or `system`.
        log: Log,
        /// A file with a signed checkpoint that you kept: the log must still extend it. May be given again.
        #[arg(long, value_name = "FILE")]
        kept: Vec<PathBuf>,
        /// A verifier key that you trust; given, the keys of the database count for nothing. May be given again.
        #[arg(long = "key", value_name = "VKEY")]
        keys: Vec<String>,
    },
    /// The keys that sign a log's checkpoints, and the newest checkpoint. Keep both elsewhere.
    Keys {
        /// A tenant, or `system`.
        log: Log,
    },
    /// Write a part of a log as a bundle that proves itself.
    Export {
        /// A tenant, or `system`.
        log: Log,
        /// The index of the first entry.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// The index behind the last entry. Unset: the end.
        #[arg(long)]
        to: Option<u64>,
        /// Where to write it. Unset: stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify a bundle, here, against keys that you trust. Asks no server.
    VerifyBundle {
        /// The bundle.
        file: PathBuf,
        /// A verifier key that you trust, as `bulla audit keys` prints it; may be given again.
        #[arg(long = "key", value_name = "VKEY", required = true)]
        keys: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Filter {
    /// A tenant, or `system`.
    log: Log,
    /// Only those of this trace.
    #[arg(long)]
    trace: Option<bulla_base::TraceId>,
    /// Only those of this event, such as `sequence.committed`.
    #[arg(long)]
    event: Option<String>,
    /// Only those about this object, such as `invoice/4711`.
    #[arg(long)]
    object: Option<bulla_base::ObjectRef>,
    /// The first index.
    #[arg(long)]
    from: Option<u64>,
    /// The index behind the last.
    #[arg(long)]
    to: Option<u64>,
    /// How many at most: 1 to 1,000.
    #[arg(long)]
    limit: Option<u32>,
}

/// A tenant's log, or the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    Tenant(TenantId),
    System,
}

impl FromStr for Log {
    type Err = bulla_base::ids::InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" { Ok(Self::System) } else { text.parse().map(Self::Tenant) }
    }
}

impl Log {
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = match self {
            Self::Tenant(tenant) => vec!["v1", "tenants", tenant.as_str(), "audit"],
            Self::System => vec!["v1", "system", "audit"],
        };
        path.extend(rest);
        path
    }
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    match verb {
        Verb::List(filter) => list(filter, context),
        Verb::Verify { log, kept, keys } => verify(log, kept, keys, context),
        Verb::Keys { log } => {
            let found = context.client()?.get(&log.path(&["keys"]))?.value();
            if context.output.json {
                return context.output.value(&found);
            }
            context.output.rows(&found["keys"], &["generation", "vkey", "created-ms"])?;
            let checkpoint = found["checkpoint"].as_str().unwrap_or_default();
            context.output.text(&if checkpoint.is_empty() {
                String::new()
            } else {
                format!("\n{checkpoint}")
            })
        }
        Verb::Export { log, from, to, out } => export(log, *from, *to, out.as_deref(), context),
        Verb::VerifyBundle { file, keys } => verify_bundle(file, keys, context),
    }
}

fn list(filter: &Filter, context: &Context) -> Result<(), CliError> {
    let request = Request::default()
        .query("trace", filter.trace.as_ref())
        .query("event", filter.event.as_ref())
        .query("object", filter.object.as_ref())
        .query("from", filter.from)
        .query("to", filter.to)
        .query("limit", filter.limit);
    let listing = context.client()?.find(&filter.log.path(&[]), request)?.value();
    if context.output.json {
        return context.output.value(&listing);
    }
    let bodies: Vec<Value> =
        listing["entries"].as_array().into_iter().flatten().map(|entry| entry["body"].clone()).collect();
    let (shown, size) = (bodies.len(), &listing["size"]);
    context
        .output
        .rows(&Value::from(bodies), &["index", "at-ms", "event", "object", "subject", "trace", "detail"])?;
    context.output.say(format!("{shown} of {size} entries"));
    Ok(())
}

fn verify(log: &Log, kept: &[PathBuf], keys: &[String], context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let path = log.path(&["verify"]);
    let report = if kept.is_empty() && keys.is_empty() {
        client.get(&path)?
    } else {
        let notes: Result<Vec<String>, CliError> =
            kept.iter().map(|file| fs::read_to_string(file).map_err(CliError::file("read", file))).collect();
        let mut body = json!({"kept": notes?});
        if !keys.is_empty() {
            body["keys"] = json!(keys);
        }
        client.post(&path, Request::json(&body))?
    };
    let report = report.value();
    context.output.record(&report)?;
    context
        .output
        .say(format!("the log holds: {} entries, {} of them signed", report["entries"], report["published"]));
    Ok(())
}

fn export(
    log: &Log,
    from: u64,
    to: Option<u64>,
    out: Option<&Path>,
    context: &Context,
) -> Result<(), CliError> {
    let request = Request::default().query("from", Some(from)).query("to", to);
    let bundle = context.client()?.bytes(&log.path(&["export"]), request)?;
    match out {
        None => context.output.bytes(&bundle),
        Some(path) => {
            fs::write(path, &bundle).map_err(CliError::file("write", path))?;
            context.output.say(format!("wrote {} bytes to `{}`", bundle.len(), path.display()));
            Ok(())
        }
    }
}

fn verify_bundle(file: &Path, keys: &[String], context: &Context) -> Result<(), CliError> {
    let bytes = fs::read(file).map_err(CliError::file("read", file))?;
    let summary = bulla_node::verify_bundle(&bytes, keys).map_err(CliError::coded)?;
    context.output.record(&json!(summary))?;
    context
        .output
        .say(format!("the bundle holds: entries {} to {} of `{}`", summary.from, summary.to, summary.log));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_log_is_no_tenants() {
        let path = |text: &str| text.parse::<Log>().unwrap().path(&["verify"]).join("/");
        assert_eq!(path("system"), "v1/system/audit/verify");
        assert_eq!(path("acme"), "v1/tenants/acme/audit/verify");
        assert!("../x".parse::<Log>().is_err());
    }
}
