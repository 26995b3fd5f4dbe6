//! `bulla doctor`: what is wrong with this machine, the data directory and the running server. Changes nothing.

mod local;
mod scan;
mod server;

use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::table;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Warnings count as findings.
    #[arg(long)]
    strict: bool,
    /// Instead prove the database: numbers, audit log, jobs, every effect with its entry. On SQLite no server may run.
    #[arg(long, conflicts_with = "strict")]
    scan: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Ok,
    /// Good to know; nothing is wrong.
    Note,
    /// It works, but not as it should.
    Warning,
    /// It does not work, or not safely.
    Finding,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    level: Level,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, level: Level, detail: impl Into<String>) -> Self {
        Self { name, level, detail: detail.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A finding that tells the error and its hint.
    fn of_error(name: &'static str, error: &CliError) -> Self {
        Self { hint: error.hint(), ..Self::new(name, Level::Finding, error.to_string()) }
    }
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    if args.scan {
        return scan::run(context);
    }
    let mut checks = local::checks(context);
    checks.extend(server::checks(context));
    let text: String = checks.iter().map(line).collect();
    context.output.either(&json!({"checks": checks}), &text)?;
    let counts =
        |check: &&Check| check.level == Level::Finding || args.strict && check.level == Level::Warning;
    match checks.iter().filter(counts).count() {
        0 => Ok(()),
        1 => Err(CliError::Findings("there is one finding".into())),
        count => Err(CliError::Findings(format!("there are {count} findings"))),
    }
}

fn line(check: &Check) -> String {
    let level = match check.level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Finding => "FINDING",
    };
    let mut text = format!("{level:<7}  {:<15}  {}\n", check.name, table::visible(&check.detail));
    if let Some(hint) = &check.hint {
        text.push_str(&format!("{:26}hint: {}\n", "", table::visible(hint)));
    }
    text
}
