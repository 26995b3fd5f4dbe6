//! A fresh database of either kind, and hands that reach into it behind the host's back.

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
use bulla_scan::{Finding, Kind, Report, Target, scan};
use bulla_store::{Committer, CommitterConfig, Db, Durability, PostgresConfig, SqliteConfig, Unit, migrate};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

pub struct Bench {
    pub clock: Arc<ManualClock>,
    pub core: Core,
    target: Target,
    _directory: Option<tempfile::TempDir>,
}

/// On SQLite, and on PostgreSQL where `BULLA_TEST_POSTGRES` names a server, as `cargo xtask test` does.
pub async fn on_both<Law: AsyncFn(Bench)>(law: Law) {
    law(Bench::sqlite().await).await;
    if let Ok(server) = std::env::var("BULLA_TEST_POSTGRES") {
        law(Bench::postgres(&server).await).await;
    }
}

impl Bench {
    async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bulla.db");
        let config = SqliteConfig { path: path.clone(), readers: 2, durability: Durability::Relaxed };
        let db = Db::open_sqlite(&config).await.unwrap();
        Self::on(db, Target::Sqlite(path), Some(directory)).await
    }

    async fn postgres(server: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scan_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        let (durability, answer) = (Durability::Relaxed, Duration::from_secs(30));
        let config = PostgresConfig { url: url.clone(), connections: 4, durability, answer };
        let db = Db::open_postgres(&config).await.unwrap();
        Self::on(db, Target::Postgres(url), None).await
    }

    async fn on(db: Db, target: Target, directory: Option<tempfile::TempDir>) -> Self {
        let clock = Arc::new(ManualClock::at("2026-03-31T12:00:00Z".parse().unwrap()));
        let applied = migrate(&db).await.unwrap();
        let committer =
            Committer::start(db.clone(), Arc::new(AuditJournal::new()), CommitterConfig::default());
        let core = Core { db, committer, clock: clock.clone(), rng: Arc::new(SystemRng) as Arc<dyn Rng> };
        let bench = Self { clock, core, target, _directory: directory };
        let mut unit = Unit::default();
        for migration in applied {
            let detail = json!({"version": migration.version, "checksum": migration.checksum});
            unit.record(bench.origin("system").entry("migration.applied", &migration.name, detail));
        }
        bench.core.committer.commit(unit).await.unwrap();
        bench
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.target, Target::Postgres(_))
    }

    pub fn origin(&self, tenant: &str) -> Origin {
        Origin {
            tenant: (tenant != "system").then(|| tenant.parse().unwrap()),
            subject: "ada".parse().unwrap(),
            trace: TraceId::draw(&SystemRng),
            at_ms: self.clock.now_ms(),
            policy_version: None,
            call: None,
        }
    }

    /// A running call that may use the sequence `invoice` and the scope `invoice.issue`.
    pub fn call(&self, tenant: &str) -> Call {
        let call = CallOrigin {
            id: CallId::draw(&SystemRng),
            addon: "einvoice".parse().unwrap(),
            version: "0.1.0".into(),
            entry: "submit".parse().unwrap(),
        };
        let grants = Grants {
            sequences: ["invoice".parse().unwrap()].into(),
            approvals: ["invoice.issue".parse().unwrap()].into(),
            ..Default::default()
        };
        let cause = Cause::Request { idempotency_key: None };
        let limits = Limits::default();
        Call::new(self.origin(tenant), call, tenant.parse().unwrap(), cause, limits, GrantCell::new(grants))
    }

    pub async fn scan(&self) -> Report {
        scan(&self.target, self.clock.now_ms(), &|_| {}).await.unwrap()
    }

    /// The findings of this kind, which must be there.
    pub async fn found(&self, kind: Kind) -> Vec<Finding> {
        let report = self.scan().await;
        let found: Vec<_> = report.findings.iter().filter(|finding| finding.kind == kind).cloned().collect();
        assert!(!found.is_empty(), "no {} among {:#?}", kind.name(), report.findings);
        found
    }

    /// One finding of this kind at this row or entry.
    pub async fn finds(&self, kind: Kind, place: &str, id: &str) {
        let found = self.found(kind).await;
        assert!(
            found.iter().any(|one| one.place == place && one.id == id),
            "not at {place} {id}: {found:#?}"
        );
    }

    /// Changes rows behind the host's back; says how many.
    pub async fn plant(&self, sql: &str) -> u64 {
        let changed = match &self.target {
            Target::Sqlite(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap()
                    .rows_affected()
            }
            Target::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap()
                    .rows_affected()
            }
        };
        assert!(changed > 0, "nothing was planted by `{sql}`");
        changed
    }

    /// Makes the log a table like any other, as who owns the database can.
    pub async fn disarm(&self) {
        let sql = match self.is_postgres() {
            true => "ALTER TABLE audit_entry DISABLE TRIGGER USER",
            false => "DROP TRIGGER audit_entry_no_update; DROP TRIGGER audit_entry_no_delete",
        };
        match &self.target {
            Target::Sqlite(path) => {
                let mut connection =
                    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
            Target::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// One text out of the database.
    pub async fn text(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.target {
            Target::Sqlite(path) => {
                let mut connection =
                    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Target::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }
}
