//! Opening a database, and reading from it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::StoreError;
use crate::failpoint;
use crate::postgres::Postgres;
use crate::sql::{Arg, Row, Sql, sqlite_rows};
use crate::wal::Carrier;

/// What an acknowledged commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut: SQLite `synchronous=FULL`, PostgreSQL `synchronous_commit=on`.
    #[default]
    Durable,
    /// A crash of the process, but not of the machine: SQLite `synchronous=NORMAL`, PostgreSQL `synchronous_commit=off`.
    Relaxed,
}

#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database file; its directory must exist.
    pub path: PathBuf,
    /// Connections that read beside the writer.
    pub readers: u32,
    pub durability: Durability,
}

#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?options`
    pub url: String,
    pub connections: u32,
    pub durability: Durability,
    /// How long the server may take for a statement, or for a whole commit, before it counts as unavailable.
    pub answer: Duration,
}

/// An open database.
#[derive(Clone)]
pub struct Db {
    pub(crate) pool: Pool,
}

#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite { readers: SqlitePool, writer: SqlitePool, carrier: Carrier },
    Postgres(Postgres),
}

/// The log is carried over into the database file when it has so many pages of 4 KiB. SQLite's own 1,000 are less than one busy batch
/// writes: each would carry over at once, and write every page twice with three fsyncs for one.
const WAL_PAGES: u32 = 16_384;
/// What the log may still take on disk after that.
const WAL_BYTES: u64 = 64 << 20;
/// What the writer keeps of the database in memory: the indexes of ids that are drawn at random are written all over.
const WRITER_CACHE_KIB: u32 = 64 << 10;

/// How long a query waits for a connection before the database counts as unavailable.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl Db {
    pub async fn open_sqlite(config: &SqliteConfig) -> Result<Self, StoreError> {
        let synchronous = match config.durability {
            Durability::Durable => SqliteSynchronous::Full,
            Durability::Relaxed => SqliteSynchronous::Normal,
        };
        let options = SqliteConnectOptions::new()
            .filename(&config.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(failpoint::synchronous(synchronous))
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let open = |error: sqlx::Error| open_error(&config.path, error);
        // The writer opens first: it creates the file and switches it to WAL, which the readers then find.
        let writing = options
            .clone()
            .pragma("wal_autocheckpoint", WAL_PAGES.to_string())
            .pragma("journal_size_limit", WAL_BYTES.to_string())
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            // What a statement changes is kept until its end, in case it breaks: not in a file.
            .pragma("temp_store", "MEMORY");
        let writer = pool_of(1).connect_with(writing).await.map_err(open)?;
        let carrier = Carrier::new(pool_of(1).connect_with(options.clone()).await.map_err(open)?);
        let readers = pool_of(config.readers).connect_with(options.read_only(true)).await.map_err(open)?;
        whole(&config.path)?;
        Ok(Self { pool: Pool::Sqlite { readers, writer, carrier } })
    }

    pub async fn open_postgres(config: &PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self { pool: Pool::Postgres(Postgres::open(config).await?) })
    }

    /// Rows of committed data. SQLite reads from its own snapshot, beside the writer.
    pub async fn fetch<T: Row>(&self, sql: &Sql, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        Ok(match &self.pool {
            Pool::Sqlite { readers, .. } => sqlite_rows(sql, args).fetch_all(readers).await?,
            Pool::Postgres(server) => server.rows(sql, args).await?,
        })
    }

    pub async fn fetch_one<T: Row>(&self, sql: &Sql, args: &[Arg<'_>]) -> Result<Option<T>, StoreError> {
        Ok(match &self.pool {
            Pool::Sqlite { readers, .. } => sqlite_rows(sql, args).fetch_optional(readers).await?,
            Pool::Postgres(server) => server.row(sql, args).await?,
        })
    }

    /// A short committed statement on PostgreSQL, for what nodes share while calls run: reservations and leases.
    /// SQLite has one process, keeps these in memory and refuses.
    pub async fn shared<T: Row>(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        match &self.pool {
            Pool::Sqlite { .. } => Err(StoreError::Corrupt("sqlite shares nothing between nodes".into())),
            Pool::Postgres(server) => server.rows(&Sql::both(sql), args).await,
        }
    }

    /// Like [`Db::shared`] for a statement without rows: how many it touched.
    pub async fn shared_execute(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        match &self.pool {
            Pool::Sqlite { .. } => Err(StoreError::Corrupt("sqlite shares nothing between nodes".into())),
            Pool::Postgres(server) => server.execute(&Sql::both(sql), args).await,
        }
    }

    /// So many units more are committed.
    pub(crate) fn committed(&self, units: usize) {
        if let Pool::Sqlite { carrier, .. } = &self.pool {
            carrier.committed(units);
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.pool, Pool::Postgres(_))
    }

    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite { readers, writer, carrier } => {
                readers.close().await;
                carrier.close().await;
                writer.close().await;
            }
            Pool::Postgres(server) => server.pool.close().await,
        }
    }
}

fn pool_of(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

/// A file without a log beside it must be as long as its header says (<https://www.sqlite.org/fileformat2.html>, section 1.3): SQLite
/// itself reads what is missing at the end as empty.
fn whole(path: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| StoreError::of_file(path, &error);
    let log = PathBuf::from(format!("{}-wal", path.display()));
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    let mut header = [0; 32];
    let mut file = std::fs::File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length == 0 {
        return Ok(());
    }
    file.read_exact(&mut header)
        .map_err(|_| StoreError::Corrupt(format!("`{}` has no header", path.display())))?;
    let size = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size,
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    if length < size * pages {
        let text = format!("`{}` has {length} bytes and should have {}", path.display(), size * pages);
        return Err(StoreError::Corrupt(text));
    }
    Ok(())
}

/// What has a code of its own keeps it: a corrupted or full database is that also at the start.
fn open_error(path: &Path, error: sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match StoreError::from(error) {
        error if error.stops_all() => error,
        _ => StoreError::Open { path: path.display().to_string(), reason },
    }
}
