//! Extism, asked over standard input: `fresh <ms>` or `warm <ms>` a line, the median time of one call in nanoseconds a line back.
//!
//! The plugin is compiled once; `fresh` makes a new instance for each call, which is what this host gives every call, `warm` calls the
//! same instance again and again. The plugin is the file in the first argument, written with Extism's own kit; `fresh-least` and
//! `warm-least` call one as small as one can be, which reads no input and writes no output.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

const LEAST: &str =
    r#"(module (memory (export "memory") 1) (func (export "noop") (result i32) (i32.const 0)))"#;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("the plugin's file is wanted")?;
    let plugin = compiled(std::fs::read(&path).with_context(|| format!("read `{path}`"))?)?;
    let least = compiled(wat::parse_str(LEAST)?)?;
    let mut warm = Plugin::new_from_compiled(&plugin)?;
    let mut warm_least = Plugin::new_from_compiled(&least)?;
    answer(extism::extism_version().trim_end_matches(char::from(0)))?;
    for question in std::io::stdin().lines() {
        let question = question?;
        let (what, time) = question.split_once(' ').context("a question is `<what> <ms>`")?;
        let time = Duration::from_millis(time.parse()?);
        let median = match what {
            "fresh" => median(time, || noop(&mut Plugin::new_from_compiled(&plugin)?))?,
            "warm" => median(time, || noop(&mut warm))?,
            "fresh-least" => median(time, || noop(&mut Plugin::new_from_compiled(&least)?))?,
            "warm-least" => median(time, || noop(&mut warm_least))?,
            _ => bail!("`{what}` is no question"),
        };
        answer(&median.to_string())?;
    }
    Ok(())
}

fn compiled(wasm: Vec<u8>) -> Result<CompiledPlugin> {
    CompiledPlugin::new(PluginBuilder::new(Manifest::new([Wasm::data(wasm)])).with_wasi(false))
}

fn noop(plugin: &mut Plugin) -> Result<()> {
    plugin.call::<&str, &str>("noop", "{}").map(drop)
}

fn median(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<u128> {
    let (start, mut times) = (clock(), Vec::new());
    while start.elapsed() < time {
        let before = clock();
        work()?;
        times.push(before.elapsed().as_nanos());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was called")
}

#[expect(clippy::disallowed_methods, reason = "a program that shares no code with the host")]
fn clock() -> Instant {
    Instant::now()
}

fn answer(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}
