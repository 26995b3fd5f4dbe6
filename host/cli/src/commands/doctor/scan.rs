//! `bulla doctor --scan`: the whole database, while no server uses it.

use std::fmt::Write as _;

use bulla_base::{Clock as _, Failure, SystemClock, codes};
use bulla_node::DirectoryLock;
use bulla_node::config::Config;
use bulla_scan::{Finding, Report, Target};
use serde_json::json;

use crate::commands::block_on;
use crate::context::Context;
use crate::error::CliError;
use crate::progress::Progress;
use crate::table;

/// The database's file in the data directory.
const DATABASE: &str = "bulla.db";

pub fn run(context: &Context) -> Result<(), CliError> {
    let config = context.config()?.config;
    let (target, _lock) = target(&config)?;
    let progress = Progress::new(context.output);
    let now_ms = SystemClock::new().now_ms();
    let report = block_on(async { bulla_scan::scan(&target, now_ms, &|step| progress.step(step)).await })?;
    let report = report.map_err(CliError::coded)?;
    drop(progress);
    context.output.either(&json!(report), &text(&report))?;
    match report.finding_count {
        0 => Ok(()),
        count => {
            let findings = if count == 1 { "one finding".to_owned() } else { format!("{count} findings") };
            Err(Failure::new(codes::SCAN_FOUND, format!("the scan has {findings}")).into())
        }
    }
}

/// The database of the configuration. SQLite's directory stays locked until the scan has ended.
fn target(config: &Config) -> Result<(Target, Option<DirectoryLock>), CliError> {
    if config.is_postgres() {
        return Ok((Target::Postgres(config.store.database.clone()), None));
    }
    let directory = &config.data.directory;
    let path = directory.join(DATABASE);
    if let Err(error) = std::fs::metadata(&path) {
        return Err(CliError::file("read", &path)(error));
    }
    let lock = DirectoryLock::acquire(directory).map_err(CliError::coded)?;
    Ok((Target::Sqlite(path), Some(lock)))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for (level, findings) in [("FINDING", &report.findings), ("note", &report.notes)] {
        for finding in findings {
            text.push_str(&line(level, finding));
        }
    }
    let scanned = &report.scanned;
    let rows: u64 = scanned.rows.values().sum();
    // Writing into a string cannot fail.
    let _written = writeln!(
        text,
        "scanned {} entries and {} checkpoints of {} logs, {rows} rows: {} findings, {} notes",
        scanned.entries, scanned.checkpoints, scanned.logs, report.finding_count, report.note_count
    );
    text
}

fn line(level: &str, finding: &Finding) -> String {
    let place = table::visible(&format!("{} {}", finding.place, finding.id));
    let message = table::visible(&finding.message);
    format!("{level:<7}  {:<20}  {}: {message}\n", finding.kind.name(), place.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;
    use crate::exit_codes::Exit;

    fn refused(data: &std::path::Path) -> CliError {
        run(&Context::new(Global { data: Some(data.to_owned()), quiet: true, ..Global::default() }))
            .unwrap_err()
    }

    #[test]
    fn a_directory_that_a_server_uses_or_that_has_no_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(refused(dir.path()).exit(), Exit::File);
        std::fs::write(dir.path().join(DATABASE), "").unwrap();
        let _server = DirectoryLock::acquire(dir.path()).unwrap();
        assert_eq!(refused(dir.path()).exit(), Exit::StoreLocked);
    }

    #[test]
    fn what_is_no_database_is_an_error_and_no_clean_scan() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(DATABASE),
            "not a database, but longer than a header of SQLite has to be at least ".repeat(20),
        )
        .unwrap();
        assert_eq!(refused(dir.path()).code(), "store-corrupt");
        assert_eq!(Exit::of(codes::SCAN_FOUND.name), Exit::Findings);
    }
}
