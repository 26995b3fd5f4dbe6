//! Work for later.

use std::time::Duration;

use crate::bindings::kernel::jobs as kernel;

/// How a job is enqueued: `JobOptions::new().delay(Duration::from_secs(60)).unique_key("order/7")`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOptions {
    delay: Duration,
    unique_key: Option<String>,
}

impl JobOptions {
    pub fn new() -> Self {
        Self::default()
    }

    /// Not before this much time from now; at most 365 days, counted in whole milliseconds.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// At most one waiting or running job of this name has this key; enqueuing it again gives the id of the one that is there.
    /// 1 to 200 visible ASCII characters.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }
}

impl From<JobOptions> for kernel::Options {
    fn from(options: JobOptions) -> Self {
        let delay_ms = options.delay.as_millis().try_into().unwrap_or(u64::MAX);
        Self { delay_ms, unique_key: options.unique_key }
    }
}
