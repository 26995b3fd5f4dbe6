//! A capability check, measured in a program that counts its allocations. A question a line on standard input, a number a line
//! back: nanoseconds, or allocations.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::hint::black_box;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bulla_base::{Alias, CallId, Clock as _, Limits, SystemClock, SystemRng, TraceId};
use bulla_kernel::call::Call;
use bulla_kernel::grants::{Capability, GrantCell, Grants};
use bulla_kernel::origin::{CallOrigin, Origin};
use bulla_kernel::ports::{Cause, Principal};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Checks in one round.
const CHECKS: u32 = 200_000;
/// Grants of the addon.
const GRANTS: usize = 20;

fn main() -> Result<()> {
    let clock = SystemClock::new();
    let keys = (0..GRANTS).map(|n| format!("sequence-{n}").parse()).collect::<Result<Vec<Alias>, _>>()?;
    let grants = GrantCell::new(Grants { sequences: keys.iter().cloned().collect(), ..Grants::default() });
    let mut call = call(grants.clone())?;
    let each = |work: &mut dyn FnMut(&Alias)| {
        let start = clock.monotonic();
        for n in 0..CHECKS {
            work(black_box(&keys[n as usize % GRANTS]));
        }
        (clock.monotonic() - start).as_nanos() as f64 / f64::from(CHECKS)
    };
    for question in std::io::stdin().lock().lines() {
        let answer = match question?.as_str() {
            "allowed" => each(&mut |key| assert!(black_box(call.require(Capability::Sequence(key))).is_ok())),
            "lookup" => each(&mut |key| assert!(black_box(grants.allows(Capability::Sequence(key))))),
            "clock" => each(&mut |_| assert!(black_box(clock.monotonic()) > Duration::ZERO)),
            "allocations" => allocations(&mut call, &keys)?,
            other => bail!("`{other}` is no question"),
        };
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

/// Of a million checks, every one allowed.
fn allocations(call: &mut Call, keys: &[Alias]) -> Result<f64> {
    let region = Region::new(ALLOCATOR);
    let mut allowed = 0_u32;
    for n in 0..1_000_000 {
        allowed += u32::from(call.require(Capability::Sequence(black_box(&keys[n % keys.len()]))).is_ok());
    }
    let change = region.change();
    ensure!(allowed == 1_000_000, "a check was refused");
    Ok((change.allocations + change.reallocations) as f64)
}

fn call(grants: GrantCell) -> Result<Call> {
    let rng = SystemRng;
    let origin = Origin {
        tenant: None,
        subject: Principal::host().subject,
        trace: TraceId::draw(&rng),
        at_ms: 0,
        policy_version: None,
        call: None,
    };
    let id = CallId::draw(&rng);
    let own = CallOrigin { id, addon: "metronome".parse()?, version: "0.1.0".into(), entry: "noop".parse()? };
    let cause = Cause::Request { idempotency_key: None };
    Ok(Call::new(origin, own, "acme".parse()?, cause, Limits::default(), grants))
}
