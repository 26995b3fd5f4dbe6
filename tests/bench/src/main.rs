//! The benchmarks: each line beside a peer or a physical limit, in one run, by turns. Started by `cargo xtask bench`.
#![forbid(unsafe_code)]

mod bare;
mod bench;
mod child;
mod clock;
mod curve;
mod drive;
mod finding;
mod house;
mod large;
mod lines;
mod machine;
mod peers;
mod physical;
mod profile;
mod report;
mod serve;
mod spread;
mod wire;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::bench::{Bench, Outcome};
use crate::machine::Machine;
use crate::report::Report;

#[derive(Parser)]
#[command(about = "The cost of a call")]
struct Args {
    #[command(subcommand)]
    own: Option<Own>,
    /// Only these lines
    #[arg(long, value_delimiter = ',', value_name = "LINE")]
    only: Vec<String>,
    /// A tenth of the rounds: to see that everything works
    #[arg(long)]
    quick: bool,
    /// All results as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Write RESULTS.md and the latency curves into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Where data directories are made: the file system that is measured
    #[arg(long, value_name = "DIR", default_value = "bench-data")]
    data: PathBuf,
    /// Where the peers were built
    #[arg(long, value_name = "DIR", default_value = "bench-peers")]
    peers: PathBuf,
    /// Write a profile instead of measuring: `call`, `call-64`, `durable`, `bare`
    #[arg(long, value_name = "WHAT")]
    profile: Option<String>,
}

/// What this program starts of itself.
#[derive(Subcommand)]
enum Own {
    /// A server on a data directory that is ready, until standard input closes
    #[command(hide = true)]
    Host { data: PathBuf, postgres: Option<String> },
}

/// As `bulla` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args = Args::parse();
    // As `bulla serve` has it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Callers are tasks of the runtime; the thread that waits for them is not one of its workers.
    runtime.block_on(async move { tokio::spawn(run(args)).await.context("a benchmark panicked")? })
}

async fn run(args: Args) -> Result<()> {
    if let Some(Own::Host { data, postgres }) = args.own {
        return serve::run(&data, postgres).await;
    }
    serve::log();
    for name in &args.only {
        ensure!(
            lines::NAMES.contains(&name.as_str()),
            "`{name}` is no line; there are {}",
            lines::NAMES.join(", ")
        );
    }
    std::fs::create_dir_all(&args.data)?;
    let bench = Bench {
        data: std::path::absolute(&args.data)?,
        guests: house::guests()?,
        peers: std::path::absolute(&args.peers)?,
        postgres: std::env::var("BULLA_TEST_POSTGRES").ok(),
        quick: args.quick,
    };
    if let Some(what) = &args.profile {
        return profile::run(&bench, what, &args.data.join("profiles")).await;
    }
    let report = measured(&bench, &args).await;
    let mut stdout = std::io::stdout();
    if args.json {
        serde_json::to_writer_pretty(&stdout, &report)?;
        writeln!(stdout)?;
    }
    if let Some(dir) = &args.write {
        report.write(dir)?;
        eprintln!("wrote {}", dir.join("RESULTS.md").display());
    }
    Ok(())
}

/// Every line asked for. One that fails is told in the report, and the next one is measured.
async fn measured(bench: &Bench, args: &Args) -> Report {
    let machine = Machine::read(&bench.data);
    eprintln!("{}", machine.line());
    let wanted =
        lines::NAMES.iter().filter(|name| args.only.is_empty() || args.only.iter().any(|only| only == *name));
    let mut measured = Vec::new();
    for name in wanted {
        eprintln!("\n━━ {name} ━━");
        let start = clock::now();
        let outcome = lines::run(name, bench).await.unwrap_or_else(|error| Outcome {
            missing: vec![format!("`{name}` failed: {error:#}")],
            ..Outcome::default()
        });
        told(&outcome);
        eprintln!("━━ {name} · {:.0} s", clock::since(start).as_secs_f64());
        measured.push(((*name).to_owned(), outcome));
    }
    let mut command = "cargo xtask bench".to_owned();
    if args.quick {
        command.push_str(" --quick");
    }
    if !args.only.is_empty() {
        command.push_str(&format!(" --only {}", args.only.join(",")));
    }
    if args.write.is_some() {
        command.push_str(" --write");
    }
    Report { machine, command, lines: measured }
}

/// For who waits.
fn told(outcome: &Outcome) {
    for finding in &outcome.findings {
        eprintln!("{}", finding.what);
        eprintln!("    {}   goal {}: {}", finding.figure_text(), finding.goal_text(), finding.verdict());
        eprintln!(
            "    ours {} | beside it {} | survives: {}",
            finding.ours, finding.beside, finding.durability
        );
    }
    for table in &outcome.tables {
        eprintln!("{table}");
    }
    for missing in &outcome.missing {
        eprintln!("not measured: {missing}");
    }
}
