//! `bulla approval`.

use std::path::PathBuf;

use bulla_base::{ApprovalId, Scope, TenantId};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::done;
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;
use crate::input;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Requests, newest first.
    List {
        tenant: TenantId,
        /// Only those in this state.
        #[arg(long, value_enum)]
        status: Option<Status>,
        /// Only those behind this one, for the next page.
        #[arg(long, value_name = "APPROVAL")]
        after: Option<ApprovalId>,
        /// How many at most: 1 to 500.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// One request with its facts, its approvers and why they are asked.
    Show { tenant: TenantId, approval: ApprovalId },
    /// Approve or reject. The action that waits for it goes on by itself.
    Decide {
        tenant: TenantId,
        approval: ApprovalId,
        answer: Answer,
        /// For people and the audit log; a rejection needs one.
        #[arg(long)]
        reason: Option<String>,
        /// The digest of what you saw: refused where the request is about something else.
        #[arg(long, value_name = "SHA256")]
        digest: Option<String>,
    },
    /// Withdraw a request that waits.
    Cancel {
        tenant: TenantId,
        approval: ApprovalId,
        #[arg(long)]
        reason: String,
    },
    /// The rules of a scope, newest version first; with `--set` load new ones.
    Rules {
        tenant: TenantId,
        /// Such as `invoice.issue`. With `--set`, unset: the one that the file names.
        scope: Option<Scope>,
        /// A rule document, in TOML or JSON.
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Status {
    Waiting,
    Approved,
    Rejected,
    Cancelled,
    Expired,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Approve,
    Reject,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    match verb {
        Verb::List { tenant, status, after, limit } => {
            let status = status.and_then(|status| Some(status.to_possible_value()?.get_name().to_owned()));
            let request = Request::default()
                .query("status", status)
                .query("after", after.as_ref())
                .query("limit", *limit);
            let path = ["v1", "tenants", tenant.as_str(), "approvals"];
            let fields = ["id", "status", "addon", "scope", "object", "requester", "approvers", "created-ms"];
            context.output.rows(&context.client()?.find(&path, request)?.value(), &fields)
        }
        Verb::Show { tenant, approval } => {
            let path = ["v1", "tenants", tenant.as_str(), "approvals", approval.as_str()];
            context.output.record(&context.client()?.get(&path)?.value())
        }
        Verb::Decide { tenant, approval, answer, reason, digest } => {
            let mut body = json!({"answer": answer});
            for (name, value) in [("reason", reason), ("digest", digest)] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            let path = ["v1", "tenants", tenant.as_str(), "approvals", approval.as_str(), "decision"];
            let reply = context.client()?.post(&path, Request::json(&body))?;
            let status = reply.value()["status"].as_str().unwrap_or("decided").to_owned();
            done(context, &reply, format!("`{approval}` is {status}"))
        }
        Verb::Cancel { tenant, approval, reason } => {
            let path = ["v1", "tenants", tenant.as_str(), "approvals", approval.as_str(), "cancel"];
            let reply = context.client()?.post(&path, Request::json(&json!({"reason": reason})))?;
            done(context, &reply, format!("`{approval}` is cancelled"))
        }
        Verb::Rules { tenant, scope, set: Some(file) } => set_rules(tenant, scope.as_ref(), file, context),
        Verb::Rules { tenant, scope: Some(scope), set: None } => {
            let path = ["v1", "tenants", tenant.as_str(), "approval-rules", scope.as_str()];
            let rules = context.client()?.get(&path)?.value();
            context.output.rows(&rules, &["version", "loaded-by", "loaded-ms", "document"])
        }
        Verb::Rules { scope: None, set: None, .. } => {
            Err(CliError::usage("name a scope, or a document with `--set`"))
        }
    }
}

fn set_rules(
    tenant: &TenantId,
    scope: Option<&Scope>,
    file: &std::path::Path,
    context: &Context,
) -> Result<(), CliError> {
    let document = input::document(file)?;
    let named = document["scope"].as_str().unwrap_or_default();
    let scope = scope.map_or(named, Scope::as_str);
    let path = ["v1", "tenants", tenant.as_str(), "approval-rules", scope];
    let reply = context.client()?.put(&path, &document)?;
    let version = reply.value()["version"].to_string();
    done(context, &reply, format!("the rules of `{scope}` are now version {version}"))
}
