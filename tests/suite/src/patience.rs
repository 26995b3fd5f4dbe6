//! Waiting for what happens by itself, with a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulla_base::{Clock, SystemClock};

/// What a loaded machine may take for anything that takes no time.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer. Panics with `what` after [`PATIENCE`].
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("{what}: not within {} s", PATIENCE.as_secs()))
}

/// Asks again and again; `None` when the time is over.
pub fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = SystemClock::new();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if clock.monotonic() > time {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Raises its flag when it is dropped, also by a panic: what runs beside a test ends with the test.
pub struct RaisedOnDrop<'a>(pub &'a AtomicBool);

impl Drop for RaisedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs it and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let clock = SystemClock::new();
    let done = work();
    (done, clock.monotonic())
}
