//! The sessions on PostgreSQL: what each is told at its start, and how long it may be silent.

use std::str::FromStr;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::db::{ACQUIRE_TIMEOUT, Durability, PostgresConfig};
use crate::error::StoreError;
use crate::promise;
use crate::sql::{Arg, Row, Sql, postgres_rows, postgres_statement};

/// A plan is kept with its statement, and one from a time when the table was empty reads all of it until the statistics catch up. Every
/// query that calls make has an index; those that read a table from end to end read small ones, and still can.
const PLANS: [(&str, &str); 2] = [("enable_seqscan", "off"), ("jit", "off")];

/// A node that is cut off in the middle of a commit keeps its locks until the server lets go of it, and other nodes wait for the same
/// heads of logs: seconds, not the two hours that a silent connection has by default. A commit takes milliseconds.
const LETTING_GO: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

#[derive(Clone)]
pub(crate) struct Postgres {
    pub pool: PgPool,
    pub answer: Duration,
}

impl Postgres {
    pub async fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let refused =
            |error: sqlx::Error| StoreError::Open { path: "postgres".into(), reason: error.to_string() };
        let synchronous_commit = match config.durability {
            Durability::Durable => "on",
            Durability::Relaxed => "off",
        };
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(refused)?
            .options([("synchronous_commit", synchronous_commit), ("application_name", "bulla")])
            .options(PLANS)
            .options(LETTING_GO);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(refused)?;
        if config.durability == Durability::Durable {
            promise::must_hold(&pool).await?;
        }
        Ok(Self { pool, answer: config.answer })
    }

    /// Another connection, which waits for a lock as long as it takes: another node may need minutes for its migrations.
    pub async fn patient(&self) -> Result<PgPool, StoreError> {
        let options = PgConnectOptions::clone(&self.pool.connect_options()).options([("lock_timeout", "0")]);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        Ok(pool.connect_with(options).await?)
    }

    pub async fn rows<T: Row>(&self, sql: &Sql, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        let mut lent = self.lend().await?;
        let done = timeout(self.answer, postgres_rows(sql, args).fetch_all(lent.connection())).await;
        Ok(lent.heard(done)??)
    }

    pub async fn row<T: Row>(&self, sql: &Sql, args: &[Arg<'_>]) -> Result<Option<T>, StoreError> {
        let mut lent = self.lend().await?;
        let done = timeout(self.answer, postgres_rows(sql, args).fetch_optional(lent.connection())).await;
        Ok(lent.heard(done)??)
    }

    /// How many rows the statement touched.
    pub async fn execute(&self, sql: &Sql, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        let mut lent = self.lend().await?;
        let done = timeout(self.answer, postgres_statement(sql, args).execute(lent.connection())).await;
        let done: sqlx::postgres::PgQueryResult = lent.heard(done)??;
        Ok(done.rows_affected())
    }

    pub async fn lend(&self) -> Result<Lent, StoreError> {
        Ok(Lent { connection: self.pool.acquire().await?, answer: self.answer, silent: false })
    }
}

/// A connection for one piece of work, which is waited for no longer than the server may take. One that lost its power or its network says
/// nothing at all: the system would wait for it for a quarter of an hour or for ever.
pub(crate) struct Lent {
    connection: PoolConnection<sqlx::Postgres>,
    answer: Duration,
    silent: bool,
}

impl Lent {
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// What came of the work. Where nobody answered, the connection is of no use any more.
    pub fn heard<T>(&mut self, done: Result<T, Elapsed>) -> Result<T, StoreError> {
        self.silent = done.is_err();
        done.map_err(|_| StoreError::Unavailable(format!("no answer within {} ms", self.answer.as_millis())))
    }
}

/// Before others may have it, sqlx asks the server whether the connection is well, and would wait for the answer for ever: then its
/// place in the pool would be lost.
impl Drop for Lent {
    fn drop(&mut self) {
        if self.silent {
            return self.connection.close_on_drop();
        }
        let given_back = timeout(self.answer, self.connection.return_to_pool());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(given_back);
        }
    }
}
