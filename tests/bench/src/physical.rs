//! What the machine itself can do: how often it can make bytes durable, with nothing else around it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use tokio::process::Command;

use crate::clock;

/// Writes 4 KiB and syncs the data (`fdatasync`), again and again: at the end of a file that grows, or over a block that is there already,
/// as a database's log does once it has its length.
pub struct Syncs {
    file: File,
    path: PathBuf,
    length: u64,
}

#[derive(Clone, Copy)]
pub enum Where {
    Behind,
    Over,
}

const BLOCK: [u8; 4096] = [0x5a; 4096];
const BLOCKS: u64 = 1_024;

impl Syncs {
    pub fn new(dir: &Path) -> Result<Self> {
        let path = dir.join(format!("syncs-{}", std::process::id()));
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let length = BLOCKS * BLOCK.len() as u64;
        for at in (0..length).step_by(BLOCK.len()) {
            file.write_all_at(&BLOCK, at)?;
        }
        file.sync_all()?;
        Ok(Self { file, path, length })
    }

    /// Syncs a second.
    pub fn rate(&mut self, place: Where, time: Duration) -> Result<f64> {
        let (start, mut count) = (clock::now(), 0_u32);
        while clock::since(start) < time {
            let at = match place {
                Where::Behind => self.length,
                Where::Over => u64::from(count) % BLOCKS * BLOCK.len() as u64,
            };
            self.file.write_all_at(&BLOCK, at)?;
            self.file.sync_data()?;
            self.length = self.length.max(at + BLOCK.len() as u64);
            count += 1;
        }
        Ok(f64::from(count) / clock::since(start).as_secs_f64())
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        // It lies in a directory that is thrown away.
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// How often a process asks the kernel to make a file durable (`fsync`, `fdatasync`) within `time`, counted by `perf`.
pub async fn syncs_made(process: u32, time: Duration) -> Result<f64> {
    let output = Command::new("perf")
        .args(["stat", "-x", ",", "-e", "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync", "-p"])
        .args([&process.to_string(), "--", "sleep", &time.as_secs_f64().to_string()])
        .output()
        .await
        .context("start `perf stat`")?;
    // One line for each event, its count in front.
    let text = String::from_utf8_lossy(&output.stderr);
    let counts: Vec<f64> =
        text.lines().filter_map(|line| line.split_once(',')?.0.trim().parse().ok()).collect();
    anyhow::ensure!(counts.len() == 2, "`perf stat` cannot count: {}", text.trim());
    Ok(counts.iter().sum())
}

const TEXT: &str = "a row of about the size of an audit entry, so that as many bytes are written as one call writes at least; \
    it says nothing, and nobody will ever read it, but it takes its place in the table and in the log of the database";

/// Inserts one row a transaction into SQLite (WAL, `synchronous=FULL`), on one connection.
pub struct SqliteRows(SqliteConnection);

impl SqliteRows {
    pub async fn open(dir: &Path) -> Result<Self> {
        let mut connection = SqliteConnectOptions::new()
            .filename(dir.join(format!("rows-{}.db", std::process::id())))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        let table = "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
        sqlx::query(table).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Transactions a second.
    pub async fn rate(&mut self, time: Duration) -> Result<f64> {
        let (start, mut count) = (clock::now(), 0_u32);
        while clock::since(start) < time {
            sqlx::query("INSERT INTO rows (text) VALUES (?1)").bind(TEXT).execute(&mut self.0).await?;
            count += 1;
        }
        Ok(f64::from(count) / clock::since(start).as_secs_f64())
    }
}

/// Inserts one row a transaction into PostgreSQL, on one connection.
pub struct PostgresRows(PgConnection);

impl PostgresRows {
    pub async fn open(url: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        let table = "CREATE TABLE IF NOT EXISTS bench_rows (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)";
        sqlx::query(table).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Transactions a second.
    pub async fn rate(&mut self, time: Duration) -> Result<f64> {
        let (start, mut count) = (clock::now(), 0_u32);
        while clock::since(start) < time {
            sqlx::query("INSERT INTO bench_rows (text) VALUES ($1)").bind(TEXT).execute(&mut self.0).await?;
            count += 1;
        }
        Ok(f64::from(count) / clock::since(start).as_secs_f64())
    }

    /// How often the whole server has synced its log so far. Each of its processes tells it a second late.
    pub async fn syncs(&mut self) -> Result<f64> {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let row: (i64,) = sqlx::query_as("SELECT wal_sync FROM pg_stat_wal").fetch_one(&mut self.0).await?;
        Ok(row.0 as f64)
    }

    /// What the server says of its own durability.
    pub async fn durability(&mut self) -> Result<String> {
        let settings: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') ORDER BY name",
        )
        .fetch_all(&mut self.0)
        .await?;
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(format!("PostgreSQL, {}", settings.join(", ")))
    }
}

/// A database of its own on a server, dropped when asked.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn create(server: &str, suffix: &str) -> Result<Self> {
        let name = format!("bulla_bench_{}_{suffix}", std::process::id());
        let mut connection = PgConnection::connect(server).await?;
        // The name holds a number and a constant.
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut connection).await?;
        Ok(Self { server: server.into(), name })
    }

    pub fn url(&self) -> Result<String> {
        let (server, _) = self.server.rsplit_once('/').context("the URL names no database")?;
        Ok(format!("{server}/{}", self.name))
    }

    pub async fn drop(self) -> Result<()> {
        let mut connection = PgConnection::connect(&self.server).await?;
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        sqlx::query(drop).execute(&mut connection).await?;
        Ok(())
    }
}
