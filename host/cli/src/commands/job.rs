//! `bulla job`.

use bulla_base::{JobId, TenantId};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::done;
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Jobs, newest first.
    List {
        tenant: TenantId,
        /// Only those in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only those behind this one, for the next page.
        #[arg(long, value_name = "JOB")]
        after: Option<JobId>,
        /// How many at most: 1 to 500.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// One job with its payload, and its result or its error.
    Show { tenant: TenantId, job: JobId },
    /// Let a dead job try again.
    Retry { tenant: TenantId, job: JobId },
    /// Give a job up that waits or is dead.
    Cancel {
        tenant: TenantId,
        job: JobId,
        /// For people and the audit log.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum State {
    Waiting,
    Running,
    Succeeded,
    Dead,
    Cancelled,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    match verb {
        Verb::List { tenant, state, after, limit } => {
            let state = state.and_then(|state| Some(state.to_possible_value()?.get_name().to_owned()));
            let request = Request::default()
                .query("state", state)
                .query("after", after.as_ref())
                .query("limit", *limit);
            let jobs = client.find(&["v1", "tenants", tenant.as_str(), "jobs"], request)?.value();
            let fields = ["id", "addon", "entry", "state", "attempt", "max-attempts", "due-ms", "error-code"];
            context.output.rows(&jobs, &fields)
        }
        Verb::Show { tenant, job } => context
            .output
            .record(&client.get(&["v1", "tenants", tenant.as_str(), "jobs", job.as_str()])?.value()),
        Verb::Retry { tenant, job } => {
            let path = ["v1", "tenants", tenant.as_str(), "jobs", job.as_str(), "retry"];
            done(context, &client.post(&path, Request::default())?, format!("`{job}` is waiting"))
        }
        Verb::Cancel { tenant, job, reason } => {
            let path = ["v1", "tenants", tenant.as_str(), "jobs", job.as_str(), "cancel"];
            let reply = client.post(&path, Request::json(&json!({"reason": reason})))?;
            done(context, &reply, format!("`{job}` is cancelled"))
        }
    }
}
