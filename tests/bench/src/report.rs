//! The results as people read them: `RESULTS.md`, with the latency curves beside it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::bench::{Outcome, Point};
use crate::curve;
use crate::finding::{Finding, time};
use crate::machine::Machine;

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub machine: Machine,
    pub command: String,
    /// Each line with what it found, in the order measured.
    pub lines: Vec<(String, Outcome)>,
}

const PICTURE: &str = "latency.svg";

impl Report {
    /// `RESULTS.md` and the picture, below `dir`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let points: Vec<Point> = self.lines.iter().flat_map(|(_, outcome)| outcome.curves.clone()).collect();
        if !points.is_empty() {
            curve::draw(&points, &dir.join(PICTURE))?;
        }
        Ok(std::fs::write(dir.join("RESULTS.md"), self.markdown(&points)?)?)
    }

    fn markdown(&self, points: &[Point]) -> Result<String> {
        let mut text = String::from("# The cost of a call: results\n\n");
        writeln!(text, "Written by `{}`. Machine: {}.\n", self.command, self.machine.line())?;
        text.push_str(READING);
        let findings: Vec<&Finding> = self.lines.iter().flat_map(|(_, outcome)| &outcome.findings).collect();
        let goals = findings.iter().filter(|finding| finding.goal_text() != "–");
        let (met, all) = (goals.clone().filter(|finding| finding.verdict() == "met").count(), goals.count());
        writeln!(text, "\n{met} of {all} goals are met.\n\n## Figures\n")?;
        text.push_str("| line | what | figure (median, spread of the rounds) | goal | | ours | beside it | survives |\n");
        text.push_str("|---|---|---|---|---|---|---|---|\n");
        for finding in findings {
            row(&mut text, finding)?;
        }
        for missing in self.lines.iter().flat_map(|(_, outcome)| &outcome.missing) {
            writeln!(text, "\nNot measured: {missing}.")?;
        }
        for table in self.lines.iter().flat_map(|(_, outcome)| &outcome.tables) {
            writeln!(text, "\n## {table}")?;
        }
        write!(text, "\n{WHY}")?;
        if !points.is_empty() {
            writeln!(text, "\n## Latency\n\n![Latency over concurrency]({PICTURE})\n")?;
            latencies(&mut text, points)?;
        }
        Ok(text)
    }
}

/// By hand, after the figures of the last run.
const WHY: &str = include_str!("why.md");

const READING: &str = "\
How to run it: `cargo xtask bench --write` writes this page, `cargo xtask bench --only call,durable` measures some lines, `--quick` \
only sees that everything works, `--profile call` shows where the time goes. Nothing here is a test: no figure fails a build.

How to read it: what is compared is measured in one run, by turns, in many short rounds (A B, B A, A B …); a ratio is taken round by \
round, and the median stands beside the ratios at a tenth and nine tenths of the rounds. Latencies are of a closed loop: each caller \
makes its next call as soon as its last one has ended. The load generator, where there is one, runs on the same cores as the servers: \
HTTP/1.1 with keep-alive, one connection for each caller, the same generator for all servers. `survives` says what an answered call \
that was measured outlives.
";

fn row(text: &mut String, finding: &Finding) -> Result<()> {
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        finding.line,
        finding.what,
        finding.figure_text(),
        finding.goal_text(),
        finding.verdict(),
        finding.ours,
        finding.beside,
        finding.durability,
    )?;
    Ok(())
}

fn latencies(text: &mut String, points: &[Point]) -> Result<()> {
    text.push_str("| what | who | concurrency | p50 | p95 | p99 |\n|---|---|--:|--:|--:|--:|\n");
    for point in points {
        let [p50, p95, p99] = [point.p50, point.p95, point.p99].map(time);
        writeln!(
            text,
            "| {} | {} | {} | {p50} | {p95} | {p99} |",
            point.chart, point.series, point.concurrency
        )?;
    }
    Ok(())
}
