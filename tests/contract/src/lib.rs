//! The store's laws hold on SQLite and on PostgreSQL: every law runs on both, with the real databases.
//!
//! `cargo xtask test` starts a PostgreSQL and names it in `BULLA_TEST_POSTGRES`; without it the laws fail and say so, they
//! are not skipped. `cargo xtask postgres` starts one by hand.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, clippy::panic, reason = "a test harness fails loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bulla_base::{CallId, Clock, Limits, ManualClock, Rng, SystemRng, TraceId};
use bulla_kernel::Core;
use bulla_kernel::audit::AuditJournal;
use bulla_kernel::call::Call;
use bulla_kernel::grants::{GrantCell, Grants};
use bulla_kernel::origin::{CallOrigin, Origin};
use bulla_kernel::ports::Cause;
use bulla_store::{Committer, CommitterConfig, Db, Durability, PostgresConfig, SqliteConfig, migrate};

/// One fresh database, and the time that all its nodes share.
pub struct Bench {
    pub clock: Arc<ManualClock>,
    database: Database,
}

enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

/// Runs the law on a fresh SQLite file, then on a fresh PostgreSQL database.
pub async fn on_both<Law: AsyncFn(Bench)>(law: Law) {
    on_sqlite(&law).await;
    on_postgres(&law).await;
}

pub async fn on_sqlite<Law: AsyncFn(Bench)>(law: &Law) {
    let dir = tempfile::tempdir().expect("a directory");
    law(Bench::on(Database::Sqlite(dir)).await).await;
}

pub async fn on_postgres<Law: AsyncFn(Bench)>(law: &Law) {
    law(Bench::on(Database::Postgres(fresh_postgres().await)).await).await;
}

impl Bench {
    async fn on(database: Database) -> Self {
        let clock = Arc::new(ManualClock::at("2026-03-31T12:00:00Z".parse().expect("an instant")));
        let bench = Self { clock, database };
        let db = bench.db().await;
        migrate(&db).await.expect("the migrations apply");
        bench
    }

    /// A pool of its own on the same database.
    pub async fn db(&self) -> Db {
        let opened = match &self.database {
            Database::Sqlite(dir) => {
                let path = dir.path().join("bulla.db");
                Db::open_sqlite(&SqliteConfig { path, readers: 2, durability: Durability::Relaxed }).await
            }
            Database::Postgres(url) => {
                Db::open_postgres(&PostgresConfig {
                    url: url.clone(),
                    connections: 4,
                    durability: Durability::Relaxed,
                    answer: Duration::from_secs(30),
                })
                .await
            }
        };
        opened.expect("the database opens")
    }

    /// One node: pools and committer of its own. Two of them on PostgreSQL are two nodes.
    pub async fn core(&self) -> Core {
        let db = self.db().await;
        let committer =
            Committer::start(db.clone(), Arc::new(AuditJournal::new()), CommitterConfig::default());
        Core { db, committer, clock: self.clock.clone(), rng: Arc::new(SystemRng) as Arc<dyn Rng> }
    }

    /// An origin in this tenant, by subject `ada`, under a new trace.
    pub fn origin(&self, tenant: &str) -> Origin {
        Origin {
            tenant: (tenant != "system").then(|| tenant.parse().expect("a tenant id")),
            subject: "ada".parse().expect("a subject"),
            trace: TraceId::draw(&SystemRng),
            at_ms: self.clock.now_ms(),
            policy_version: None,
            call: None,
        }
    }

    /// A running call of the addon `einvoice` in this tenant, with these grants and the default limits.
    pub fn call(&self, tenant: &str, grants: Grants) -> Call {
        let origin = self.origin(tenant);
        let call = CallOrigin {
            id: CallId::draw(&SystemRng),
            addon: "einvoice".parse().expect("a name"),
            version: "0.1.0".into(),
            entry: "submit".parse().expect("a name"),
        };
        let tenant = tenant.parse().expect("a tenant id");
        let cause = Cause::Request { idempotency_key: None };
        Call::new(origin, call, tenant, cause, Limits::default(), GrantCell::new(grants))
    }

    pub fn is_postgres(&self) -> bool {
        self.postgres().is_some()
    }

    /// The URL of the database on the test server.
    pub fn postgres(&self) -> Option<&str> {
        match &self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(url) => Some(url),
        }
    }
}

/// A database of its own on the test server.
async fn fresh_postgres() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Ok(server) = std::env::var("BULLA_TEST_POSTGRES") else {
        panic!(
            "BULLA_TEST_POSTGRES is not set: run `cargo xtask test`, or `cargo xtask postgres` in another terminal"
        );
    };
    let name = format!("law_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = sqlx::PgPool::connect(&server).await.expect("the test server answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&admin).await.expect("a database can be created");
    admin.close().await;
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    format!("{base}/{name}")
}
