//! A PostgreSQL that says nothing any more: its machine lost its power, or the network between is gone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_contract::{Bench, on_postgres};
use bulla_kernel::audit::AuditJournal;
use bulla_store::{
    Committer, CommitterConfig, Db, Draft, Durability, Entry, Journal, PostgresConfig, Sql, StoreError, Tx,
    Unit,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const ANSWER: Duration = Duration::from_millis(2_000);
/// Beyond the answer, and the time in which a connection is looked for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hands on what is said on each connection, until the connections of its time are cut off without a word.
struct Line {
    address: String,
    cut: watch::Sender<u32>,
}

impl Line {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, hears) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (server, mut hears) = (server.clone(), hears.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    hears.mark_unchanged();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // Both ends stay open, and nobody reads.
                        _ = hears.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }
}

fn unit() -> Unit {
    let body = json!({"v": 1, "at-ms": 0, "event": "law.tried", "object": "law", "subject": "ada", "trace": "0", "detail": {}});
    let mut unit = Unit::default();
    unit.record(Entry { log: "acme".into(), body });
    unit
}

/// Takes so long that the line can be cut meanwhile.
const SLOWLY: Sql = Sql::both("SELECT CAST(1 AS BIGINT) AS n FROM pg_sleep(0.7)");
const UNDER_WAY: Sql = Sql::both(
    "SELECT COUNT(*) AS n FROM pg_stat_activity \
     WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
);

#[derive(sqlx::FromRow)]
struct One {
    n: i64,
}

async fn read(db: &Db) -> Result<(), StoreError> {
    db.fetch_one::<One>(&SLOWLY, &[]).await.map(|_| ())
}

struct Slow(AuditJournal);

#[async_trait]
impl Journal for Slow {
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError> {
        self.0.draft(entry)
    }

    async fn append(&self, tx: &mut Tx<'_>, drafts: &[&Draft]) -> Result<(), StoreError> {
        tx.fetch::<One>(&SLOWLY, &[]).await?;
        self.0.append(tx, drafts).await
    }
}

/// Until the server is at it.
async fn is_under_way(direct: &Db) {
    while direct.fetch_one::<One>(&UNDER_WAY, &[]).await.unwrap().is_none_or(|one| one.n == 0) {}
}

async fn goes_on(committer: &Committer, db: &Db) {
    let back = async { while committer.commit(unit()).await.is_err() || read(db).await.is_err() {} };
    timeout(Duration::from_secs(60), back).await.unwrap();
}

#[tokio::test]
async fn a_server_that_falls_silent_is_unavailable_and_the_node_goes_on_when_it_is_back() {
    on_postgres(&async |bench: Bench| {
        let url = bench.postgres().unwrap();
        let direct = bench.db().await;
        let (before, rest) = url.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let line = Line::to(server.to_owned()).await;
        let url = format!("{before}@{}/{name}", line.address);
        // One connection: where its place were lost, nothing would go on.
        let config = PostgresConfig { url, connections: 1, durability: Durability::Relaxed, answer: ANSWER };
        let db = Db::open_postgres(&config).await.unwrap();
        let journal = Arc::new(Slow(AuditJournal::new()));
        let committer = Committer::start(db.clone(), journal, CommitterConfig::default());
        for reads in [true, false, true] {
            goes_on(&committer, &db).await;
            let cut = async {
                is_under_way(&direct).await;
                line.cut();
            };
            let work = async { if reads { read(&db).await } else { committer.commit(unit()).await } };
            let (refused, ()) = timeout(PATIENCE, async { tokio::join!(work, cut) }).await.unwrap();
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        }
        // While nothing is under way as well.
        line.cut();
        goes_on(&committer, &db).await;
    })
    .await;
}
