//! `http`: a no-op over HTTP, beside a static answer of the same server and beside `wasmtime serve`.

use std::time::Duration;

use anyhow::Result;

use crate::bench::{Bench, Outcome, Point, all, each};
use crate::child::Server;
use crate::drive::{Caller, Driven, drive};
use crate::finding::{Finding, Goal, rate, time};
use crate::peers::WasmtimeServe;
use crate::spread::Spread;
use crate::wire::Http;

const LINE: &str = "http";
const CONNECTIONS: [usize; 3] = [1, 64, 512];
/// The one that the goal is about.
const MANY: usize = 64;
const SLICE: Duration = Duration::from_millis(250);

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let house = bench.house().await?;
    let token = house.caller_token().await?;
    let place = house.stop().await?;
    let server = Server::start(&place.config.data.directory, None).await?;
    let noop = Http::post(&format!("{}/v1/tenants/acme/actions/metronome/noop", server.url), &token, "{}")?;
    let fixed = Http::get(&format!("{}/healthz", server.url))?;
    let peer = match WasmtimeServe::start(bench).await {
        Ok(peer) => Some(peer),
        Err(error) => {
            outcome.missing.push(format!("`wasmtime serve`: {error:#}"));
            None
        }
    };
    let hello = peer.as_ref().map(|peer| Http::get(&peer.url)).transpose()?;
    for connections in CONNECTIONS {
        let mut rounds = Rounds::default();
        for round in 0..=bench.rounds(24) {
            let calls = turn(&noop, connections).await?;
            let answers = turn(&fixed, connections).await?;
            let hellos = match &hello {
                Some(hello) => Some(turn(hello, connections).await?),
                None => None,
            };
            // The first round warms up.
            if round > 0 {
                rounds.calls.push(calls);
                rounds.answers.push(answers);
                rounds.hellos.extend(hellos);
            }
        }
        rounds.tell(connections, &mut outcome)?;
    }
    if let Some(peer) = peer {
        peer.stop().await?;
    }
    server.program.end().await?;
    Ok(outcome)
}

async fn turn<C: Caller>(caller: &C, connections: usize) -> Result<Driven> {
    drive(caller, connections, SLICE).await?.whole()
}

#[derive(Default)]
struct Rounds {
    calls: Vec<Driven>,
    answers: Vec<Driven>,
    hellos: Vec<Driven>,
}

impl Rounds {
    fn tell(self, connections: usize, outcome: &mut Outcome) -> Result<()> {
        let rates = each(&self.calls, Driven::rate);
        let series =
            [("bulla", self.calls), ("a static answer", self.answers), ("wasmtime serve", self.hellos)];
        let mut ours = String::new();
        for (name, rounds) in series {
            if rounds.is_empty() {
                continue;
            }
            let beside = each(&rounds, Driven::rate);
            let median = rate(Spread::of(beside.clone()).median);
            let all = all(rounds)?;
            let text = format!("{median}, p50 {}, p99 {}", time(all.quantile(0.5)), time(all.quantile(0.99)));
            outcome.curves.push(Point::of("a no-op call over HTTP", name, connections, &all));
            if name == "bulla" {
                ours = text;
                continue;
            }
            let goal = match (name, connections) {
                ("wasmtime serve", MANY) => Goal::AtLeast(1.0),
                _ => Goal::None,
            };
            let what = format!("no-op over HTTP, {connections} connections, throughput ÷ {name}");
            let finding = Finding::ratio(LINE, what, Spread::ratio(&rates, &beside), goal);
            outcome.findings.push(finding.ours(&ours).beside(format!("{name}: {text}")));
        }
        Ok(())
    }
}
