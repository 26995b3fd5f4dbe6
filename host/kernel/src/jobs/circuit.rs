//! When repeated failure pauses a job. Pure; the row it lives in is written with the attempt that moves it.

use bulla_base::{JobId, Millis};

/// Consecutive failures of one job of an addon in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Circuit {
    Closed {
        failures: u32,
    },
    /// No run before `until_ms`.
    Open {
        failures: u32,
        until_ms: i64,
    },
    /// One run at a time, until one succeeds.
    HalfOpen {
        failures: u32,
        probe: JobId,
    },
}

/// What a claim may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    Run,
    /// Run as the probe; the circuit becomes this.
    Probe(Circuit),
    Wait,
}

impl Circuit {
    pub const NEW: Self = Self::Closed { failures: 0 };

    pub fn admit(&self, job: &JobId, probe_runs: bool, now_ms: i64) -> Admission {
        match self {
            Self::Closed { .. } => Admission::Run,
            Self::Open { until_ms, .. } if *until_ms > now_ms => Admission::Wait,
            Self::HalfOpen { .. } if probe_runs => Admission::Wait,
            Self::Open { failures, .. } | Self::HalfOpen { failures, .. } => {
                Admission::Probe(Self::HalfOpen { failures: *failures, probe: job.clone() })
            }
        }
    }

    /// After a failure of `job`. A run that began before the circuit opened does not make the pause longer.
    pub fn failed(&self, job: &JobId, (limit, pause): (u32, Millis), now_ms: i64) -> Self {
        let until_ms = now_ms.saturating_add(i64::try_from(pause.get()).unwrap_or(i64::MAX));
        match self {
            Self::Closed { failures } if failures + 1 < limit => Self::Closed { failures: failures + 1 },
            Self::Closed { failures } => Self::Open { failures: failures + 1, until_ms },
            Self::HalfOpen { failures, probe } if probe == job => {
                Self::Open { failures: failures.saturating_add(1), until_ms }
            }
            Self::Open { .. } | Self::HalfOpen { .. } => self.clone(),
        }
    }

    /// After a success: `true` where the count starts again. While it is open, a run that began before is no proof.
    pub fn closes(&self) -> bool {
        !matches!(self, Self::Open { .. })
    }

    pub fn state(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }

    pub fn failures(&self) -> u32 {
        match self {
            Self::Closed { failures } | Self::Open { failures, .. } | Self::HalfOpen { failures, .. } => {
                *failures
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(digit: char) -> JobId {
        JobId::new(&format!("job_{}", digit.to_string().repeat(32))).unwrap()
    }

    #[test]
    fn it_opens_after_the_limit_and_lets_one_probe_through_after_the_pause() {
        let policy = (2, Millis(1_000));
        let once = Circuit::NEW.failed(&job('a'), policy, 0);
        assert_eq!(once, Circuit::Closed { failures: 1 });
        let open = once.failed(&job('b'), policy, 10);
        assert_eq!(open, Circuit::Open { failures: 2, until_ms: 1_010 });
        assert_eq!(open.failed(&job('c'), policy, 500), open, "a straggler does not prolong the pause");
        assert_eq!(open.admit(&job('c'), false, 1_009), Admission::Wait);
        let Admission::Probe(half) = open.admit(&job('c'), false, 1_010) else { panic!("no probe") };
        assert_eq!(half.admit(&job('d'), true, 2_000), Admission::Wait);
        assert!(matches!(half.admit(&job('d'), false, 2_000), Admission::Probe(_)), "the probe died");
        assert_eq!(half.failed(&job('c'), policy, 2_000), Circuit::Open { failures: 3, until_ms: 3_000 });
        assert!(half.closes() && !open.closes());
    }
}
