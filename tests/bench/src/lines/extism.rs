//! `extism`: what a user would pick for plugins without this host, in a process of its own, by turns.

use std::time::Duration;

use anyhow::Result;

use crate::bench::{Bench, Outcome, each};
use crate::child::Program;
use crate::drive::{Driven, drive};
use crate::finding::{Finding, Goal, time};
use crate::house::Input;
use crate::spread::Spread;

const LINE: &str = "extism";
const SLICE: Duration = Duration::from_millis(100);

struct Kind {
    question: &'static str,
    what: &'static str,
    goal: Goal,
}

const KINDS: [Kind; 4] = [
    Kind {
        question: "fresh",
        what: "extism's fresh plugin (compiled before, written with its kit, JSON in and out) + call",
        goal: Goal::AtLeast(4.0),
    },
    Kind {
        question: "warm",
        what: "extism's warm call of it (state kept from call to call)",
        goal: Goal::None,
    },
    Kind {
        question: "fresh-least",
        what: "extism's fresh plugin of one empty function (no input, no output) + call",
        goal: Goal::None,
    },
    Kind { question: "warm-least", what: "extism's warm call of it", goal: Goal::None },
];

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let (program, plugin) = (bench.peers.join("bulla-bench-extism"), bench.peers.join("extism-plugin.wasm"));
    if let Some(missing) = [&program, &plugin].into_iter().find(|file| !file.is_file()) {
        outcome.missing.push(format!("extism: `{}` is not there", missing.display()));
        return Ok(outcome);
    }
    let house = bench.house().await?;
    let calls = house.calls("noop", Input::Same(b"{}".to_vec()))?;
    let mut extism = Program::start(&program, [&plugin])?;
    let version = extism.line().await?;
    let (mut ours, mut theirs) = (Vec::new(), KINDS.map(|_| Vec::new()));
    drive(&calls, 1, SLICE).await?.whole()?;
    for _ in 0..bench.rounds(40) {
        ours.push(drive(&calls, 1, SLICE).await?.whole()?);
        for (kind, times) in KINDS.iter().zip(&mut theirs) {
            times.push(extism.ask(&format!("{} {}", kind.question, SLICE.as_millis())).await?);
        }
    }
    extism.end().await?;
    house.stop().await?;
    let ours = each(&ours, |driven: &Driven| driven.quantile(0.5));
    let text = time(Spread::of(ours.clone()).median);
    for (kind, times) in KINDS.iter().zip(theirs) {
        let what = format!("no-op: {} ÷ our whole call", kind.what);
        outcome.findings.push(
            Finding::ratio(LINE, what, Spread::ratio(&times, &ours), kind.goal)
                .ours(&text)
                .beside(format!("extism {version}: {}", time(Spread::of(times).median))),
        );
    }
    Ok(outcome)
}
