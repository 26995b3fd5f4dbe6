//! Where everything is kept: SQLite or PostgreSQL, one way to read, one way to write.
//!
//! Rooms read with [`Db::fetch`] and write by putting rows into a [`Unit`]. Units are committed by the group committer:
//! all units that wait are checked and written in one transaction, so that one fsync serves many calls.
#![forbid(unsafe_code)]

mod commit;
mod db;
mod error;
mod failpoint;
mod lock;
mod migrate;
mod postgres;
mod promise;
mod sql;
mod table;
mod tx;
mod unit;
mod wal;

pub use commit::{Committer, CommitterConfig, Journal, NoJournal};
pub use db::{Db, Durability, PostgresConfig, SqliteConfig};
pub use error::StoreError;
pub use failpoint::{Step, failpoint, passed};
pub use lock::DirectoryLock;
pub use migrate::{AppliedMigration, apply as migrate};
pub use sql::{Arg, Fingerprint, Row, Sql};
pub use table::Table;
pub use tx::Tx;
pub use unit::{Draft, Entry, Expect, Unit, Write};

#[doc(hidden)]
pub use serde_json;
