//! `profile`: where the time of a call goes, as a table of functions.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::bench::{Bench, Outcome};
use crate::profile;

/// Rows of each table.
const ROWS: usize = 20;

/// Frames that every sample has, and that say nothing of what is done.
const FRAMES: [&str; 9] =
    ["tokio::runtime", "tokio::task", "std::", "<std::", "core::", "<core::", "start_thread", "clone3", "0x"];

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let out = bench.data.join("profiles");
    for (what, title) in
        [("call", "a no-op call, concurrency 1"), ("durable", "durable calls, concurrency 1,000")]
    {
        profile::run(bench, what, &out).await?;
        outcome.tables.push(table(&out, what, title)?);
    }
    Ok(outcome)
}

fn table(out: &Path, what: &str, title: &str) -> Result<String> {
    let read = |kind: &str| {
        let path = out.join(format!("{what}.{kind}.txt"));
        std::fs::read_to_string(&path).with_context(|| format!("read `{}`", path.display()))
    };
    let mut text = format!(
        "Where the time goes: {title}\n\nThe share of all samples of the whole process (`cpu-clock`), with everything a function calls, \
         and by itself.\n\n| share | with all that it calls | share | by itself |\n|--:|---|--:|---|\n"
    );
    let whole = rows(&read("callers")?, |name| !FRAMES.iter().any(|frame| name.starts_with(frame)));
    let own = rows(&read("self")?, |_| true);
    for place in 0..ROWS {
        let cells = |rows: &[(String, String)]| {
            rows.get(place).map_or("| |".to_owned(), |(share, name)| format!("| {share} | `{name}` "))
        };
        text.push_str(&format!("{}{}|\n", cells(&whole), cells(&own)));
    }
    Ok(text)
}

/// Share and name of each line of a report of perf: `12.3%  [0.4%]  [.] name`.
fn rows(report: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let lines = report.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.filter_map(|line| {
        let (numbers, name) = line.split_once('[')?;
        let (kind, name) = name.split_once("] ")?;
        // The kernel's functions are told apart; a name longer than a line of the page is cut.
        let name: String = if kind == "k" { format!("kernel: {name}") } else { name.to_owned() };
        let name: String = name.trim_end().replace('|', "/").chars().take(110).collect();
        Some((numbers.split_whitespace().next()?.to_owned(), name))
    });
    rows.filter(|(_, name)| wanted(name)).take(ROWS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_line_by_line() {
        let report = "# Overhead\n\n    28.93%     0.60%  [.] bulla::a\n     8.81%     0.00%  [.] tokio::runtime::run\n     7.39%  [k] smp\n";
        let all = rows(report, |name| !name.starts_with("tokio::runtime"));
        let all: Vec<_> = all.iter().map(|(share, name)| (share.as_str(), name.as_str())).collect();
        assert_eq!(all, [("28.93%", "bulla::a"), ("7.39%", "kernel: smp")]);
    }
}
