//! Notices that somebody set the machine's clock back: the wall clock has moved less than the time that only counts up.

use std::sync::Arc;
use std::time::Duration;

use bulla_base::Coded;
use bulla_kernel::jobs::CLOCK_STEP_MS;
use tokio::time::sleep;

use crate::host::Host;

const LOOK: Duration = Duration::from_secs(1);

/// Looks until it is dropped. On PostgreSQL there is nothing to do: the other nodes' clocks are right, and one of them takes the job.
pub async fn watch(host: Arc<Host>) {
    if host.config.is_postgres() {
        std::future::pending::<()>().await;
    }
    let clock = &host.core.clock;
    // What the last run of the server saw last.
    match host.audit.newest_ms().await {
        Ok(newest_ms) => set_back(&host, newest_ms - clock.now_ms()).await,
        Err(error) => {
            tracing::error!(%error, code = error.code().name, "the newest checkpoint cannot be read")
        }
    }
    let (mut wall_ms, mut counted) = (clock.now_ms(), clock.monotonic());
    loop {
        sleep(LOOK).await;
        let (now_ms, now) = (clock.now_ms(), clock.monotonic());
        let passed = i64::try_from(now.saturating_sub(counted).as_millis()).unwrap_or(i64::MAX);
        set_back(&host, wall_ms.saturating_add(passed) - now_ms).await;
        (wall_ms, counted) = (now_ms, now);
    }
}

async fn set_back(host: &Host, by_ms: i64) {
    if by_ms < CLOCK_STEP_MS {
        return;
    }
    tracing::warn!(by_ms, "the machine's clock was set back");
    match host.rooms.jobs.clock_set_back(by_ms).await {
        Ok(jobs) => tracing::info!(jobs, "waiting jobs are due as much earlier"),
        Err(error) => tracing::error!(%error, "waiting jobs still wait for the old time"),
    }
}
