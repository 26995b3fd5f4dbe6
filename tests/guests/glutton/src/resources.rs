//! What runs into a limit, or into the wall.

use std::hint::black_box;

use bulla::prelude::*;

use crate::Amount;

/// Spins for ever: `fuel-exhausted`; `deadline` where that comes first.
#[action]
pub fn spin(_call: &Call) -> Result<()> {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Calls itself for ever: `limit` (`stack`).
#[action]
pub fn recurse(_call: &Call) -> Result<u64> {
    Ok(deeper(0))
}

#[expect(unconditional_recursion, reason = "this is the sin")]
fn deeper(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    deeper(depth + 1) + here[usize::from(depth % 2 == 0)]
}

/// Wants memory for ever: `memory`.
#[action]
pub fn grow_memory(_call: &Call) -> Result<usize> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(Vec::with_capacity(1 << 20)));
    }
}

/// Asks the host for ever: `fuel-exhausted`, since each host call has its price.
#[action]
pub fn flood_host_calls(call: &Call) -> Result<()> {
    loop {
        call.debug("");
    }
}

/// Carries a line of so many bytes into the host, again and again. A line beyond `host-call`, or all lines beyond
/// `host-calls`: `limit`.
#[action]
pub fn carry(call: &Call, amount: Amount) -> Result<()> {
    let line = "x".repeat(amount.count as usize);
    loop {
        call.debug(&line);
    }
}

/// Writes so many lines of 100 bytes: `ok`; what is beyond the limit `log` is dropped, and the drop recorded once.
#[action]
pub fn flood_log(call: &Call, amount: Amount) -> Result<()> {
    let line = "x".repeat(100);
    for _ in 0..amount.count {
        call.info(&line);
    }
    Ok(())
}

/// Writes so many audit entries: `guest-error` with the addon's code `limit` beyond the limit `audit-entries`.
#[action]
pub fn flood_audit(call: &Call, amount: Amount) -> Result<()> {
    for entry in 0..amount.count {
        call.audit("flood", format!("entry/{entry}"), &[])?;
    }
    Ok(())
}

/// `unreachable`: `trap`.
#[action]
pub fn trap(_call: &Call) -> Result<()> {
    stop_here()
}

#[inline(never)]
fn stop_here() -> ! {
    core::arch::wasm32::unreachable()
}

/// Panics with a message of this length: `trap`. What of the message fits stands in the log.
#[action]
pub fn panic(_call: &Call, amount: Amount) -> Result<()> {
    panic!("{}", "x".repeat(amount.count as usize))
}

/// Tells the host of a text of 2 GiB: `trap`, since its memory has no such place.
#[action]
pub fn lie_about_length(_call: &Call) -> Result<()> {
    #[link(wasm_import_module = "bulla:kernel/log@0.1.0")]
    unsafe extern "C" {
        #[link_name = "write"]
        fn write(level: i32, text: *const u8, length: usize);
    }
    // SAFETY: the host checks the range; this is what is tested.
    unsafe { write(0, std::ptr::without_provenance(8), 0x7fff_ffff) };
    Ok(())
}

/// Tells the host of a list of 2 Gi elements: `trap`, for the same reason.
#[action]
pub fn lie_about_elements(_call: &Call) -> Result<()> {
    append_pairs(std::ptr::without_provenance(8), 0x7fff_ffff);
    Ok(())
}

/// Carries so many empty pairs into the host, again and again. All of them beyond `host-calls`, or those of one call beyond
/// `host-call`: `limit`, since an element is not free for being empty.
#[action]
pub fn carry_nothing(_call: &Call, amount: Amount) -> Result<()> {
    let pairs = vec![[0u32; 4]; amount.count as usize];
    loop {
        append_pairs(pairs.as_ptr().cast(), pairs.len());
    }
}

/// `audit.append` with pairs as they lie in memory: two texts each, of a place and a length. The answer is not looked at.
fn append_pairs(pairs: *const u8, count: usize) {
    #[link(wasm_import_module = "bulla:kernel/audit@0.1.0")]
    unsafe extern "C" {
        #[link_name = "append"]
        fn append(
            event: *const u8,
            event_length: usize,
            object: *const u8,
            object_length: usize,
            pairs: *const u8,
            count: usize,
            answer: *mut [u32; 4],
        );
    }
    let (event, object, mut answer) = ("nothing", "nothing/at-all", [0u32; 4]);
    // SAFETY: the host checks the range of the pairs; this is what is tested. It writes 16 bytes of answer.
    unsafe { append(event.as_ptr(), event.len(), object.as_ptr(), object.len(), pairs, count, &mut answer) };
}
