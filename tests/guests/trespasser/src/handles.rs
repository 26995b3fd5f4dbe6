//! Handles that are none.

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
