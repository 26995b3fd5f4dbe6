//! Does the same thing again and again: what the benchmarks call.

use std::hint::black_box;

use bulla::prelude::*;

/// Nothing to say.
#[data]
struct Nothing {}

/// One stroke of the metronome.
#[data]
struct Beat {
    id: String,
}

/// How long to compute.
#[data]
struct Work {
    rounds: u32,
}

/// Does nothing: what is left is the cost of the call.
#[action]
fn noop(_call: &Call, _nothing: Nothing) -> Result<()> {
    Ok(())
}

/// Draws one gapless number of the tenant's sequence `beats`, and records that it did: `beat.struck` about `beat/<id>`.
#[action]
fn number(call: &Call, beat: Beat) -> Result<String> {
    let number = call.sequence("beats")?.reserve_on(call.today())?.text().to_owned();
    call.audit("beat.struck", format!("beat/{}", beat.id), &[("number", &number)])?;
    Ok(number)
}

/// Computes, without a host call: so many rounds over 4 KiB of memory, with a branch and a multiplication in each step.
#[action]
fn compute(_call: &Call, work: Work) -> Result<u32> {
    let mut cells = [1u32; 1024];
    let mut state = 0x9e37_79b9_u32;
    for round in 0..black_box(work.rounds) {
        for cell in &mut cells {
            state = state.wrapping_mul(1_664_525).wrapping_add(round ^ *cell);
            *cell = if state & 64 == 0 { cell.wrapping_add(state) } else { cell.rotate_left(7) };
        }
    }
    Ok(cells.iter().fold(state, |sum, cell| sum ^ cell))
}

bulla::addon!(noop, number, compute);
