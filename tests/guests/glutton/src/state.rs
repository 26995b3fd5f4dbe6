//! Hopes to meet an earlier call in its memory.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use bulla::prelude::*;

/// Bytes that occur nowhere else, in two halves: the whole of them must not stand in the search's own input.
#[data]
pub struct Marker {
    head: String,
    tail: String,
}

/// How often it was there.
#[data]
pub struct Seen {
    times: u32,
}

const HOARD: usize = 1 << 20;
const PAGE: usize = 64 << 10;
/// A marker repeated end to end is met in each of its phases, since no marker's length is a multiple of it.
const STRIDE: usize = 7;

/// Counts its calls in a static: always 1, since each call has an instance of its own.
#[action]
pub fn keep_state(_call: &Call) -> Result<Seen> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    Ok(Seen { times: CALLS.fetch_add(1, Ordering::Relaxed) + 1 })
}

/// Fills 1 MiB with the marker and leaves them there.
#[action]
pub fn leave_bytes(_call: &Call, marker: Marker) -> Result<Seen> {
    let whole = marker.head + &marker.tail;
    let hoard = black_box(whole.repeat(HOARD / whole.len()));
    std::mem::forget(hoard);
    Ok(Seen { times: (HOARD / whole.len()) as u32 })
}

/// Grows its memory by 2 MiB and looks for the marker in all of it: 0.
#[action]
pub fn find_bytes(_call: &Call, marker: Marker) -> Result<Seen> {
    core::arch::wasm32::memory_grow::<0>(2 * HOARD / PAGE);
    let end = core::arch::wasm32::memory_size::<0>() * PAGE;
    let (head, tail) = (marker.head.as_bytes(), marker.tail.as_bytes());
    let whole = head.len() + tail.len();
    let mut times = 0;
    let mut at = 1024;
    while at + whole < end {
        // SAFETY: every byte below `end` is in the memory, and nothing else runs.
        let here = unsafe { std::slice::from_raw_parts(std::ptr::without_provenance::<u8>(at), whole) };
        times += u32::from(here[..head.len()] == *head && here[head.len()..] == *tail);
        at += STRIDE;
    }
    Ok(Seen { times })
}

/// Leaves the marker and looks for it in the same call: one in [`STRIDE`] of what was left, so the search finds what is there.
#[action]
pub fn leave_and_find_bytes(call: &Call, marker: Marker) -> Result<Seen> {
    leave_bytes(call, marker.clone())?;
    find_bytes(call, marker)
}
