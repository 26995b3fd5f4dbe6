//! `bulla sequence`.

use bulla_base::{Alias, ReservationId, TenantId};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::done;
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Define a sequence, or change its definition.
    Define {
        tenant: TenantId,
        /// Its name, as manifests ask for it.
        key: Alias,
        /// Such as `INV-{YYYY}-{00000}`.
        #[arg(long, value_name = "TEXT")]
        format: String,
        /// When counting starts again.
        #[arg(long, value_enum, default_value_t = Reset::Never)]
        reset: Reset,
        /// Whether a failed call may leave a hole.
        #[arg(long, value_enum, default_value_t = Gaps::Gapless)]
        gaps: Gaps,
        /// The IANA zone in which an instant becomes a date. Unset: UTC.
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// The month, 1 to 12, with which the fiscal year starts. Unset: 1.
        #[arg(long, value_name = "MONTH")]
        fiscal_start: Option<u8>,
    },
    /// The tenant's sequences.
    List { tenant: TenantId },
    /// The numbers that were drawn, newest first.
    Numbers {
        tenant: TenantId,
        key: Alias,
        /// How many at most.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// The number that would come next. Reserves nothing.
    Preview {
        tenant: TenantId,
        key: Alias,
        /// For this day, such as `2026-03-31`. Unset: today.
        #[arg(long)]
        date: Option<String>,
    },
    /// Declare a reserved number void, for good.
    Void {
        tenant: TenantId,
        key: Alias,
        reservation: ReservationId,
        /// For people and the audit log.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    Never,
    Year,
    Month,
    Fiscal,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    Gapless,
    Allowed,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let path = |tenant: &TenantId, rest: &[&str]| -> Vec<String> {
        ["v1", "tenants", tenant.as_str(), "sequences"]
            .iter()
            .chain(rest)
            .map(|part| (*part).to_owned())
            .collect()
    };
    match verb {
        Verb::Define { tenant, key, format, reset, gaps, time_zone, fiscal_start } => {
            let mut body = json!({"format": format, "reset": reset, "gaps": gaps});
            if let Some(zone) = time_zone {
                body["time-zone"] = json!(zone);
            }
            if let Some(month) = fiscal_start {
                body["fiscal-start"] = json!(month);
            }
            let reply = client.put(&parts(&path(tenant, &[key.as_str()])), &body)?;
            done(context, &reply, format!("defined `{key}` of `{tenant}`: {format}"))
        }
        Verb::List { tenant } => {
            let mut all = client.get(&parts(&path(tenant, &[])))?.value();
            if !context.output.json {
                all.as_array_mut().into_iter().flatten().for_each(flatten_definition);
            }
            context.output.rows(&all, &["key", "format", "reset", "gaps", "time-zone"])
        }
        Verb::Numbers { tenant, key, limit } => {
            let request = Request::default().query("limit", *limit);
            let numbers = client.find(&parts(&path(tenant, &[key.as_str(), "numbers"])), request)?.value();
            context
                .output
                .rows(&numbers, &["text", "state", "object", "reservation", "reserved-ms", "reason"])
        }
        Verb::Preview { tenant, key, date } => {
            let request = Request::default().query("date", date.as_ref());
            let next = client.find(&parts(&path(tenant, &[key.as_str(), "preview"])), request)?.value();
            let text = next["number"].as_str().unwrap_or("-").to_owned();
            context.output.either(&next, &format!("{text}\n"))
        }
        Verb::Void { tenant, key, reservation, reason } => {
            let body = json!({"reservation": reservation, "reason": reason});
            let reply = client.post(&parts(&path(tenant, &[key.as_str(), "void"])), Request::json(&body))?;
            done(context, &reply, format!("`{reservation}` is void"))
        }
    }
}

fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// The definition's fields beside the key, so that each is a column.
fn flatten_definition(item: &mut serde_json::Value) {
    let definition = item["definition"].take();
    for (name, value) in definition.as_object().into_iter().flatten() {
        item[name] = value.clone();
    }
}
