//! The one clock of all measurements.

use std::sync::LazyLock;
use std::time::Duration;

use bulla_base::{Clock as _, SystemClock};

static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);

/// Monotonic time since the first question.
pub fn now() -> Duration {
    CLOCK.monotonic()
}

/// The time since `start`.
pub fn since(start: Duration) -> Duration {
    now().saturating_sub(start)
}
