//! The scan: is everything in a database what the host could have made?
//!
//! A second opinion with its own SQL, its own Merkle tree and its own reading of checkpoints: of the host's code it shares
//! the canonical form of JSON (RFC 8785) and nothing else, so that a mistake of a room is not repeated by its judge. It reads
//! one snapshot, changes nothing, and keeps its memory bounded: what has to be compared goes through a ledger in a temporary
//! file.
//!
//! | file | looks at |
//! |---|---|
//! | `walk` | the audit log: entries, tree, checkpoints, signatures |
//! | `claims` | what each entry says that happened |
//! | `rows` | what each table says that there is |
//! | `judge` | whether the two agree |
#![forbid(unsafe_code)]

mod claims;
mod error;
mod file;
mod judge;
mod ledger;
mod merkle;
mod note;
mod number;
mod report;
mod rows;
mod source;
mod walk;

use std::path::PathBuf;

pub use error::ScanError;
pub use report::{Finding, Kind, MAX_LISTED, Report, Scanned};

use ledger::Ledger;
use report::Reporter;
use rows::Desk;
use source::Source;

/// The database to look at.
#[derive(Debug, Clone)]
pub enum Target {
    /// The database file. No server may use it; the caller holds the directory's lock.
    Sqlite(PathBuf),
    /// `postgres://…`. Servers may go on: the scan sees one snapshot.
    Postgres(String),
}

/// Looks at everything. `now_ms` (epoch milliseconds) tells expired reservations and lapsed leases from running ones;
/// `progress` hears each step as it begins.
///
/// An error means that the database could not be read, so nothing is proven; what is wrong with its content is in the report.
pub async fn scan(
    target: &Target,
    now_ms: i64,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Report, ScanError> {
    let mut source = Source::open(target).await?;
    let mut ledger = Ledger::open().await?;
    let mut reporter = Reporter::default();
    progress("reading the tables");
    let desk = Desk { source: &mut source, ledger: &mut ledger, reporter: &mut reporter, now_ms };
    let definitions = rows::all(desk, progress).await?;
    progress("verifying the audit log");
    walk::all(&mut source, &mut ledger, &mut reporter, &definitions, progress).await?;
    progress("comparing effects and entries");
    judge::all(&mut ledger, &mut reporter, source.is_postgres(), now_ms).await?;
    source.close().await;
    Ok(reporter.into_report())
}
