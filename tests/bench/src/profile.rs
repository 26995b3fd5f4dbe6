//! Where the time of a call goes: `perf record` over the dispatch loop, and a report with names.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::bench::Bench;
use crate::drive::{Caller, drive};
use crate::house::Input;

const TIME: Duration = Duration::from_secs(8);
/// Samples a second of each busy core.
const FREQUENCY: &str = "1999";

/// Writes `<what>.perf` and the reports `<what>.self.txt` (the functions by themselves) and `<what>.callers.txt` (with all they
/// call) into `out`. `what`: `call` or `call-64` (no-ops at concurrency 1 and 64), `durable` (at 1,000), `bare`.
pub async fn run(bench: &Bench, what: &str, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let data = out.join(format!("{what}.perf"));
    let house = bench.house().await?;
    let noop = house.calls("noop", Input::Same(b"{}".to_vec()))?;
    match what {
        "call" => record(&noop, 1, &data).await?,
        "call-64" => record(&noop, 64, &data).await?,
        "durable" => record(&house.calls("number", Input::Beat)?, 1000, &data).await?,
        "bare" => record(&crate::bare::Bare::like_the_host(&bench.metronome()?.component)?, 1, &data).await?,
        _ => anyhow::bail!("`{what}` has no profile: `call`, `call-64`, `durable`, `bare`"),
    }
    house.stop().await?;
    report(&data, &["--no-children"], &out.join(format!("{what}.self.txt"))).await?;
    report(&data, &["--children"], &out.join(format!("{what}.callers.txt"))).await
}

async fn record<C: Caller>(caller: &C, concurrency: usize, data: &Path) -> Result<()> {
    drive(caller, concurrency, Duration::from_secs(1)).await?;
    let mut perf = Command::new("perf")
        .args(["record", "--event=cpu-clock", "--freq", FREQUENCY, "--call-graph=dwarf,16384", "--output"])
        .arg(data)
        .args(["--pid", &std::process::id().to_string(), "--", "sleep", &TIME.as_secs().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start `perf`")?;
    let driven = drive(caller, concurrency, TIME + Duration::from_secs(1)).await?;
    eprintln!("{} calls, {:.0}/s under perf", driven.calls, driven.rate());
    ensure!(perf.wait().await?.success(), "`perf record` failed: is kernel.perf_event_paranoid above 2?");
    Ok(())
}

async fn report(data: &Path, kind: &[&str], out: &Path) -> Result<()> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "--no-inline", "--call-graph=none", "--percent-limit=0.2"])
        .args(["--sort=symbol", "--input"])
        .arg(data)
        .args(kind)
        .stderr(Stdio::null())
        .output()
        .await
        .context("start `perf report`")?;
    ensure!(output.status.success(), "`perf report` failed");
    // perf fills each line up to the width of the longest name.
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    std::fs::write(out, lines.join("\n"))?;
    eprintln!("wrote {}", out.display());
    Ok(())
}
