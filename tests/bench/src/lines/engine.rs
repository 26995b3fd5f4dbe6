//! `engine`: the settings of the engine side by side, on bare wasmtime: a fresh instance and a no-op call.

use std::time::Duration;

use anyhow::Result;
use bulla_base::Bytes;
use bulla_engine::{Allocation, EngineConfig};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bare::Bare;
use crate::bench::{Bench, Outcome};
use crate::drive::drive;
use crate::finding::{number, time};
use crate::spread::Spread;

const SLICE: Duration = Duration::from_millis(40);
const MANY: usize = 64;

/// One setting that differs from the default.
struct Variant {
    name: String,
    bare: Bare,
    /// Median latencies at concurrency 1 and calls a second at 64, round by round.
    alone: Vec<f64>,
    together: Vec<f64>,
}

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let component = bench.metronome()?.component;
    let mut variants = Vec::new();
    for (name, config) in configurations() {
        let bare = Bare::on(&config, &component, true)?;
        variants.push(Variant { name, bare, alone: Vec::new(), together: Vec::new() });
    }
    let rounds = bench.rounds(20);
    for round in 0..=rounds {
        let count = variants.len();
        for place in 0..count {
            // Each round starts with another variant: none is always the first after another one.
            let variant = &mut variants[(place + round) % count];
            let alone = drive(&variant.bare, 1, SLICE).await?.whole()?;
            let together = drive(&variant.bare, MANY, SLICE).await?.whole()?;
            if round > 0 {
                variant.alone.push(alone.quantile(0.5));
                variant.together.push(together.rate());
            }
        }
    }
    Ok(Outcome { tables: vec![table(&variants)], ..Outcome::default() })
}

fn table(variants: &[Variant]) -> String {
    let mut text = String::from(
        "The engine's settings\n\nEach by itself against the default (bare wasmtime, fresh instance + no-op call; medians of \
         rounds by turns):\n\n\
         | setting | time, concurrency 1 | ÷ default | calls, concurrency 64 | ÷ default |\n|---|--:|--:|--:|--:|\n",
    );
    let Some(default) = variants.first() else { return text };
    for variant in variants {
        let (alone, together) = (Spread::of(variant.alone.clone()), Spread::of(variant.together.clone()));
        let slower = Spread::ratio(&variant.alone, &default.alone);
        let faster = Spread::ratio(&variant.together, &default.together);
        text.push_str(&format!(
            "| {} | {} | {} ({} to {}) | {}/s | {} ({} to {}) |\n",
            variant.name,
            time(alone.median),
            number(slower.median),
            number(slower.low),
            number(slower.high),
            number(together.median),
            number(faster.median),
            number(faster.low),
            number(faster.high),
        ));
    }
    text
}

/// The default first.
fn configurations() -> Vec<(String, Config)> {
    let default = EngineConfig::default();
    let mut all = vec![(format!("the default ({})", told(&default)), default.wasmtime(Allocation::Pooled))];
    let mut add =
        |name: String, settings: EngineConfig| all.push((name, settings.wasmtime(Allocation::Pooled)));
    for keep in [Bytes(0), Bytes(64 << 10), Bytes(128 << 10), Bytes(256 << 10), Bytes(1 << 20)] {
        add(
            format!("memory kept resident per slot: {keep}"),
            EngineConfig { keep_resident: keep, ..default.clone() },
        );
    }
    for warm in [0, 100, default.instances] {
        add(format!("warm slots: {warm}"), EngineConfig { warm_slots: warm, ..default.clone() });
    }
    for stack in [Bytes(128 << 10), Bytes(512 << 10), Bytes(1 << 20)] {
        add(format!("guest stack: {stack}"), EngineConfig { stack, ..default.clone() });
    }
    let mut pool = |name: &str, change: &dyn Fn(&mut PoolingAllocationConfig)| {
        let (mut config, mut pool) = (default.wasmtime(Allocation::Pooled), default.pool());
        change(&mut pool);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        all.push((name.to_owned(), config));
    };
    for (name, keep) in [("0", 0), ("16 KiB", 16 << 10), ("64 KiB", 64 << 10)] {
        pool(&format!("stack kept resident per slot: {name}"), &|pool| {
            pool.async_stack_keep_resident(keep);
        });
    }
    for batch in [1, 8, 64] {
        pool(&format!("pages given back for {batch} slots at a time"), &|pool| {
            pool.decommit_batch_size(batch);
        });
    }
    for (name, keep) in [("128 KiB", 128 << 10), ("1 MiB", 1 << 20), ("4 MiB", 4 << 20)] {
        let name = format!(
            "memory kept resident per slot: {name}, the pages that were touched found by pagemap_scan"
        );
        pool(&name, &|pool| {
            pool.linear_memory_keep_resident(keep).pagemap_scan(Enabled::Auto);
        });
    }
    pool("table kept resident per slot: 0", &|pool| {
        pool.table_keep_resident(0);
    });
    pool("table kept resident per slot: 64 KiB", &|pool| {
        pool.table_keep_resident(64 << 10);
    });
    let mut change = |name: &str, allocation, change: &dyn Fn(&mut Config)| {
        let mut config = default.wasmtime(allocation);
        change(&mut config);
        all.push((name.to_owned(), config));
    };
    change("no copy-on-write", Allocation::Pooled, &|config| {
        config.memory_init_cow(false);
    });
    change("stacks not zeroed (unsafe here: a guest's data would stay)", Allocation::Pooled, &|config| {
        config.async_stack_zeroing(false);
    });
    change("on demand, no pool", Allocation::OnDemand, &|_| {});
    all
}

fn told(config: &EngineConfig) -> String {
    format!(
        "pool of {}, copy-on-write, {} of memory kept resident, {} warm slots, {} of stack, zeroed",
        config.instances, config.keep_resident, config.warm_slots, config.stack
    )
}
