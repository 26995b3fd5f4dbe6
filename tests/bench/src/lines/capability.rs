//! `capability`: one check of a grant, in a program of its own, because it counts allocations.

use anyhow::{Context as _, Result};

use crate::bench::{Bench, Outcome};
use crate::child::Program;
use crate::finding::{Finding, Goal};
use crate::spread::Spread;

const LINE: &str = "capability";

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let own = std::env::current_exe()?;
    let program = own.parent().context("this program lies nowhere")?.join("bulla-bench-capability");
    let mut program = Program::start::<&str>(&program, [])?;
    let (mut checks, mut lookups, mut clocks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds(40) {
        checks.push(program.ask("allowed").await?);
        lookups.push(program.ask("lookup").await?);
        clocks.push(program.ask("clock").await?);
    }
    let allocations = program.ask("allocations").await?;
    program.end().await?;
    let checks = Spread::of(checks);
    let beside = format!("reading the clock once: {:.1} ns", Spread::of(clocks).median);
    let findings = vec![
        Finding::ratio(
            LINE,
            "a capability check (`Call::require`, one of 20 grants)",
            checks,
            Goal::AtMost(100.0),
        )
        .unit("ns")
        .ours(format!("{:.1} ns", checks.median))
        .beside(beside.clone()),
        Finding::ratio(LINE, "the same where only the grant is looked up", Spread::of(lookups), Goal::None)
            .unit("ns")
            .beside(beside),
        Finding::ratio(LINE, "allocations of 1,000,000 checks", Spread::once(allocations), Goal::AtMost(0.0))
            .unit("allocations"),
    ];
    Ok(Outcome { findings, ..Outcome::default() })
}
