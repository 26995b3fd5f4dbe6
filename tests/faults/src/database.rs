//! A data directory on either database.

use std::sync::atomic::{AtomicU64, Ordering};

use bulla_suite::Data;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Where `cargo xtask test` says a PostgreSQL is.
const VARIABLE: &str = "BULLA_TEST_POSTGRES";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// A new data directory; on PostgreSQL with a database of its own. Its jobs are taken from a dead server after two seconds.
    pub fn data(self) -> Data {
        let common = [("BULLA_JOBS_LEASE", "2s"), ("BULLA_LOG", "warn")];
        match self {
            Self::Sqlite => Data::init_in(&common),
            Self::Postgres => {
                let url = fresh();
                Data::init_in(&[common[0], common[1], ("BULLA_STORE_DATABASE", &url)])
            }
        }
    }
}

/// A new database on the PostgreSQL server of the tests, and its URL.
pub fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: run `cargo xtask test`, or `cargo xtask postgres` in another terminal")
    });
    let name = format!("fault_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    execute(&server, &format!("CREATE DATABASE {name}"));
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

/// Runs statements on a PostgreSQL database.
pub fn execute(url: &str, sql: &str) {
    let run = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        connection.close().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run).unwrap();
}
