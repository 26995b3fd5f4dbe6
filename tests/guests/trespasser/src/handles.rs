//! Handles that are none.

use bulla::__actions::bulla::kernel::keys::SigningKey;
use bulla::__actions::bulla::kernel::sequences::Sequence;
use bulla::prelude::*;

/// Uses a handle that nobody gave it, as if it were another call's: `trap`.
#[action]
pub fn forged_handle(_call: &Call) -> Result<String> {
    // SAFETY: the host checks handles; this is what is tested.
    let sequence = unsafe { Sequence::from_handle(4_711) };
    Ok(sequence.preview("2026-03-31")?)
}

/// Uses a handle after it was dropped: `trap`.
#[action]
pub fn dropped_handle(_call: &Call, key: String) -> Result<String> {
    let handle = Sequence::open(&key)?.take_handle();
    // SAFETY: the host checks handles; this is what is tested.
    let (first, second) = unsafe { (Sequence::from_handle(handle), Sequence::from_handle(handle)) };
    drop(first);
    Ok(second.preview("2026-03-31")?)
}

/// Tells the number of the handle that this call has open.
#[action]
pub fn tell_handle(_call: &Call, key: String) -> Result<u32> {
    Ok(Sequence::open(&key)?.take_handle())
}

/// Uses a handle by a number that another call told: `trap`, since each call counts its own.
#[action]
pub fn borrow_handle(_call: &Call, handle: u32) -> Result<String> {
    // SAFETY: the host checks handles; this is what is tested.
    let sequence = unsafe { Sequence::from_handle(handle) };
    Ok(sequence.preview("2026-03-31")?)
}

/// Uses a sequence's handle as if it were a key's: `trap`.
#[action]
pub fn disguised_handle(_call: &Call, key: String) -> Result<usize> {
    let handle = Sequence::open(&key)?.take_handle();
    // SAFETY: the host checks handles; this is what is tested.
    let signing = unsafe { SigningKey::from_handle(handle) };
    Ok(signing.public_key()?.len())
}

/// Opens so many handles and keeps them: more than the limit `handles`: `limit`.
#[action]
pub fn hoard_handles(_call: &Call, hoard: Hoard) -> Result<u32> {
    for _ in 0..hoard.count {
        Sequence::open(&hoard.key)?.take_handle();
    }
    Ok(hoard.count)
}

/// So many handles of one sequence.
#[data]
pub struct Hoard {
    key: String,
    count: u32,
}
