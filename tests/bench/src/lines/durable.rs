//! `durable`: a number, an audit entry and an idempotency record in one call, beside what the machine can make durable at all.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::bench::{Bench, Outcome, Point, all, each};
use crate::child::Server;
use crate::drive::{Driven, drive};
use crate::finding::{Finding, Goal, rate, time};
use crate::house::{Calls, Database, House, Input, Place};
use crate::physical::{self, PostgresRows, SqliteRows, Syncs, Where};
use crate::spread::Spread;
use crate::wire::Http;

const LINE: &str = "durable";
const CONCURRENCY: [usize; 3] = [1, 64, 1000];
/// The one that the goals are about.
const MANY: usize = 1000;
/// How long the calls of one round run: long enough that most of them start and end within it.
const SLICE: Duration = Duration::from_millis(900);
/// How long what stands beside them runs.
const SHORT: Duration = Duration::from_millis(300);
/// 95 of 100 calls end within so many milliseconds.
const PROMPT_MS: f64 = 200.0;

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    sqlite(bench, &mut outcome).await?;
    match &bench.postgres {
        Some(url) => postgres(bench, url, &mut outcome).await?,
        None => {
            outcome.missing.push("durable calls on PostgreSQL: BULLA_TEST_POSTGRES names no server".into())
        }
    }
    Ok(outcome)
}

async fn sqlite(bench: &Bench, outcome: &mut Outcome) -> Result<()> {
    let mut pair = Pair::start(bench, &Database::Sqlite, &Database::Sqlite).await?;
    let mut rows = SqliteRows::open(&bench.data).await?;
    let mut syncs = Syncs::new(&bench.data)?;
    for concurrency in CONCURRENCY {
        let mut rounds = Rounds::default();
        for _ in 0..bench.rounds(10) {
            pair.round(concurrency, &mut rounds).await?;
            rounds.syncs(&mut syncs)?;
            rounds.rows.push(rows.rate(SHORT).await?);
        }
        let durability = "SQLite, WAL, synchronous=FULL: a power cut";
        rounds.tell(&Told { database: "SQLite", durability, concurrency }, outcome)?;
        let told = Told { database: "SQLite", durability, concurrency };
        told.batches(pair.batches(concurrency, bench.rounds(5)).await, outcome);
    }
    pair.stop().await.map(drop)
}

async fn postgres(bench: &Bench, url: &str, outcome: &mut Outcome) -> Result<()> {
    let databases =
        [physical::Database::create(url, "house").await?, physical::Database::create(url, "server").await?];
    let [house, server] =
        [&databases[0], &databases[1]].map(|database| database.url().map(Database::Postgres));
    let mut pair = Pair::start(bench, &house?, &server?).await?;
    let rows_in = physical::Database::create(url, "rows").await?;
    let mut rows = PostgresRows::open(&rows_in.url()?).await?;
    let durability = rows.durability().await?;
    let mut syncs = Syncs::new(&bench.data)?;
    for concurrency in CONCURRENCY {
        let mut rounds = Rounds::default();
        for _ in 0..bench.rounds(6) {
            pair.round(concurrency, &mut rounds).await?;
            rounds.syncs(&mut syncs)?;
            rounds.rows.push(rows.rate(SHORT).await?);
        }
        let told = Told { database: "PostgreSQL", durability: &durability, concurrency };
        rounds.tell(&told, outcome)?;
        told.batches(pair.batches_of(&mut rows, concurrency, bench.rounds(3)).await, outcome);
    }
    drop(rows);
    pair.stop().await?;
    for database in databases.into_iter().chain([rows_in]) {
        database.drop().await?;
    }
    Ok(())
}

/// A host in this process and one behind HTTP in its own, each on its own database.
struct Pair {
    house: House,
    calls: Calls,
    server: Server,
    http: Http,
    /// Goes last: the server runs on it.
    _place: Place,
}

impl Pair {
    async fn start(bench: &Bench, house: &Database, server: &Database) -> Result<Self> {
        let house = bench.house_on(house).await?;
        let calls = house.calls("number", Input::Beat)?;
        let other = bench.house_on(server).await?;
        let token = other.caller_token().await?;
        let place = other.stop().await?;
        let data: PathBuf = place.config.data.directory.clone();
        let postgres = place.config.is_postgres().then_some(place.config.store.database.as_str());
        let server = Server::start(&data, postgres).await?;
        let http = Http::beats(&format!("{}/v1/tenants/acme/actions/metronome/number", server.url), &token)?;
        Ok(Self { house, calls, server, http, _place: place })
    }

    async fn round(&mut self, concurrency: usize, rounds: &mut Rounds) -> Result<()> {
        if rounds.ours.is_empty() {
            // The first calls verify, load and connect.
            drive(&self.calls, concurrency, SHORT).await?;
            drive(&self.http, concurrency, SHORT).await?;
        }
        rounds.ours.push(drive(&self.calls, concurrency, SLICE).await?);
        rounds.http.push(drive(&self.http, concurrency, SLICE).await?);
        Ok(())
    }

    /// How many calls share one fsync, whatever the machine takes for one.
    async fn batches(&self, concurrency: usize, rounds: usize) -> Result<Spread> {
        let mut batches = Vec::new();
        for _ in 0..rounds {
            // Counted in the middle of the calls.
            let counted = async {
                tokio::time::sleep(SHORT).await;
                physical::syncs_made(std::process::id(), SLICE).await
            };
            let (driven, syncs) = tokio::join!(drive(&self.calls, concurrency, SLICE + SHORT * 3), counted);
            batches.push(driven?.rate() * SLICE.as_secs_f64() / syncs?.max(1.0));
        }
        Ok(Spread::of(batches))
    }

    /// The same on PostgreSQL, by what the server counts of its log.
    async fn batches_of(&self, rows: &mut PostgresRows, concurrency: usize, rounds: usize) -> Result<Spread> {
        let mut batches = Vec::new();
        for _ in 0..rounds {
            let before = rows.syncs().await?;
            let driven = drive(&self.calls, concurrency, SLICE * 2).await?;
            let made = rows.syncs().await? - before;
            batches.push(driven.calls as f64 / made.max(1.0));
        }
        Ok(Spread::of(batches))
    }

    async fn stop(self) -> Result<Place> {
        self.server.program.end().await?;
        self.house.stop().await
    }
}

/// The rounds at one concurrency; figures of one round stand at the same place of each list.
#[derive(Default)]
struct Rounds {
    ours: Vec<Driven>,
    http: Vec<Driven>,
    /// Behind the end of a file, and over what is there.
    behind: Vec<f64>,
    over: Vec<f64>,
    rows: Vec<f64>,
}

struct Told<'a> {
    database: &'a str,
    durability: &'a str,
    concurrency: usize,
}

impl Told<'_> {
    fn batches(&self, batches: Result<Spread>, outcome: &mut Outcome) {
        let Self { database, durability, concurrency } = *self;
        let goal = if concurrency == MANY { Goal::AtLeast(40.0) } else { Goal::None };
        let what = format!("durable calls, {database}, concurrency {concurrency}: calls for each fsync made");
        match batches {
            Ok(batches) => {
                outcome.findings.push(Finding::ratio(LINE, what, batches, goal).durability(durability));
            }
            Err(error) => outcome.missing.push(format!("how many fsyncs {database} makes: {error:#}")),
        }
    }
}

impl Rounds {
    fn syncs(&mut self, syncs: &mut Syncs) -> Result<()> {
        tokio::task::block_in_place(|| {
            self.behind.push(syncs.rate(Where::Behind, SHORT)?);
            self.over.push(syncs.rate(Where::Over, SHORT)?);
            Ok(())
        })
    }

    fn tell(self, told: &Told<'_>, outcome: &mut Outcome) -> Result<()> {
        let Told { database, durability, concurrency } = *told;
        let rates = each(&self.ours, Driven::rate);
        let goal = |goal| if concurrency == MANY { goal } else { Goal::None };
        let named = |what: &str| format!("durable calls, {database}, concurrency {concurrency}: {what}");
        let mut add = |finding: Finding| outcome.findings.push(finding.durability(durability));
        let ratio = Spread::ratio(&rates, &self.over);
        let [over, behind] = [self.over, self.behind].map(|rates| rate(Spread::of(rates).median));
        add(Finding::ratio(LINE, named("calls for each raw fsync"), ratio, goal(Goal::AtLeast(40.0)))
            .ours(rate(Spread::of(rates.clone()).median))
            .beside(format!("fdatasync of 4 KiB written over others: {over}, at a file's end: {behind}")));
        let ratio = Spread::ratio(&rates, &self.rows);
        add(Finding::ratio(LINE, named("÷ single-row transactions"), ratio, Goal::None)
            .ours(rate(Spread::of(rates).median))
            .beside(format!("one row a transaction: {}", rate(Spread::of(self.rows).median))));
        let late = each(&self.ours, |driven| driven.quantile(0.95) / 1e6);
        let (ours, http) = (all(self.ours)?, all(self.http)?);
        let all_late = Spread::once(ours.quantile(0.95) / 1e6);
        add(Finding::ratio(LINE, named("p95 of all calls"), all_late, goal(Goal::AtMost(PROMPT_MS)))
            .unit("ms")
            .ours(quantiles(&ours))
            .beside(format!("over HTTP: {}, {}", rate(http.rate()), quantiles(&http))));
        add(Finding::ratio(LINE, named("p95 of a round"), Spread::of(late), Goal::None).unit("ms"));
        let failed = Spread::once((ours.failed + http.failed) as f64);
        add(Finding::ratio(LINE, named("failed calls"), failed, Goal::AtMost(0.0))
            .unit("calls")
            .ours(failures(&ours))
            .beside(format!("over HTTP: {}", failures(&http))));
        let chart = format!("a durable call on {database}");
        outcome.curves.push(Point::of(&chart, "in process", concurrency, &ours));
        outcome.curves.push(Point::of(&chart, "over HTTP", concurrency, &http));
        Ok(())
    }
}

fn quantiles(driven: &Driven) -> String {
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| time(driven.quantile(share)));
    format!("p50 {p50}, p95 {p95}, p99 {p99}")
}

fn failures(driven: &Driven) -> String {
    match &driven.first_failure {
        Some(why) => format!("{} of {} failed, the first with: {}", driven.failed, driven.calls, why.trim()),
        None => format!("none of {} failed", driven.calls),
    }
}
