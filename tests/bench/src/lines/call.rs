//! `call`: a no-op call through dispatch, beside bare wasmtime instantiating and calling the same component.

use std::time::Duration;

use anyhow::Result;

use crate::bare::Bare;
use crate::bench::{Bench, Outcome, Point, Turns, all, each};
use crate::finding::{Finding, Goal, rate, time};
use crate::house::Input;
use crate::spread::Spread;

const LINE: &str = "call";
const SLICE: Duration = Duration::from_millis(100);
/// As many callers as the second goal names.
const MANY: usize = 64;
/// Further points of the curve.
const CURVE: [usize; 3] = [4, 16, 256];

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let addon = bench.metronome()?;
    let bare = Bare::like_the_host(&addon.component)?;
    let house = bench.house().await?;
    let calls = house.calls("noop", Input::Same(b"{}".to_vec()))?;
    let mut outcome = Outcome::default();

    let turns = Turns::take(&calls, &bare, 1, SLICE, bench.rounds(60)).await?;
    outcome.findings.push(alone(&turns));
    outcome.add(1, turns)?;
    let turns = Turns::take(&calls, &bare, MANY, SLICE, bench.rounds(60)).await?;
    outcome.findings.push(together(&turns));
    outcome.add(MANY, turns)?;
    for concurrency in CURVE {
        let turns = Turns::take(&calls, &bare, concurrency, SLICE, bench.rounds(10)).await?;
        outcome.add(concurrency, turns)?;
    }
    house.stop().await?;
    Ok(outcome)
}

/// By the medians of each round's latencies.
fn alone(turns: &Turns) -> Finding {
    let medians = |rounds| each(rounds, |driven| driven.quantile(0.5));
    let (ours, bare) = (medians(&turns.ours), medians(&turns.other));
    Finding::ratio(LINE, "no-op call, concurrency 1, time", Spread::ratio(&ours, &bare), Goal::AtMost(1.5))
        .ours(time(Spread::of(ours).median))
        .beside(format!("bare wasmtime, fresh instance + call: {}", time(Spread::of(bare).median)))
}

fn together(turns: &Turns) -> Finding {
    let rates = |rounds| each(rounds, |driven| driven.rate());
    let (ours, bare) = (rates(&turns.ours), rates(&turns.other));
    let what = format!("no-op calls, concurrency {MANY}, throughput");
    Finding::ratio(LINE, what, Spread::ratio(&ours, &bare), Goal::AtLeast(0.7))
        .ours(rate(Spread::of(ours).median))
        .beside(format!("bare wasmtime: {}", rate(Spread::of(bare).median)))
}

impl Outcome {
    fn add(&mut self, concurrency: usize, turns: Turns) -> Result<()> {
        let chart = "a no-op call in process";
        self.curves.push(Point::of(chart, "bulla", concurrency, &all(turns.ours)?));
        self.curves.push(Point::of(chart, "bare wasmtime", concurrency, &all(turns.other)?));
        Ok(())
    }
}
