//! When a schedule ticks. Pure, in UTC.

use bulla_base::{Millis, Timestamp};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::error::JobError;
use crate::ports::JobSchedule;

/// A schedule that can be asked for its ticks.
pub(super) enum Ticks {
    /// Multiples of this since 1970: the same on every node.
    Every(i64),
    Cron(Box<Cron>),
}

/// Is this a cron line of five fields that ever ticks?
pub fn check(line: &str) -> Result<(), JobError> {
    let ticks = Ticks::cron(line)?;
    // The cron search ends some years ahead where a line such as `0 0 30 2 *` never ticks.
    let start = Timestamp::UNIX_EPOCH.as_millisecond();
    ticks.next(start).map(drop).ok_or_else(|| refused(line, "it never ticks"))
}

fn refused(line: &str, reason: impl ToString) -> JobError {
    JobError::Schedule { text: line.chars().take(80).collect(), reason: reason.to_string() }
}

impl Ticks {
    /// `None` for jobs that are only enqueued.
    pub fn of(schedule: &JobSchedule) -> Result<Option<Self>, JobError> {
        match schedule {
            JobSchedule::OnDemand => Ok(None),
            JobSchedule::Every(Millis(every)) => match i64::try_from(*every) {
                Ok(every) if every > 0 => Ok(Some(Self::Every(every))),
                _ => Err(refused(&every.to_string(), "an interval is above 0")),
            },
            JobSchedule::Cron(line) => Self::cron(line).map(Some),
        }
    }

    fn cron(line: &str) -> Result<Self, JobError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(line).map_err(|error| refused(line, error))?;
        Ok(Self::Cron(Box::new(cron)))
    }

    /// The latest tick in `(after_ms, now_ms]`: missed ticks before it are not made up.
    pub fn latest(&self, after_ms: i64, now_ms: i64) -> Option<i64> {
        let tick = match self {
            Self::Every(every) => Some(now_ms - now_ms.rem_euclid(*every)),
            Self::Cron(cron) => {
                // Asked forward first: a line that ticks rarely would be searched backward for years.
                let first = self.next(after_ms)?;
                if first > now_ms {
                    return None;
                }
                let now = zoned(now_ms)?;
                cron.find_previous_occurrence(&now, true).ok().map(|tick| tick.timestamp().as_millisecond())
            }
        };
        tick.filter(|tick| *tick > after_ms)
    }

    fn next(&self, after_ms: i64) -> Option<i64> {
        match self {
            Self::Every(every) => Some(after_ms - after_ms.rem_euclid(*every) + every),
            Self::Cron(cron) => {
                let next = cron.find_next_occurrence(&zoned(after_ms)?, false).ok()?;
                Some(next.timestamp().as_millisecond())
            }
        }
    }
}

/// How the schedule is written in its row; a change of it starts it anew.
pub(super) fn written(schedule: &JobSchedule) -> String {
    match schedule {
        JobSchedule::OnDemand => "on demand".into(),
        JobSchedule::Every(every) => format!("every {every}"),
        JobSchedule::Cron(line) => format!("cron {line}"),
    }
}

fn zoned(ms: i64) -> Option<jiff::Zoned> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn latest(line: &str, after: &str, now: &str) -> Option<String> {
        let ticks = Ticks::cron(line).unwrap().latest(ms(after), ms(now))?;
        Some(Timestamp::from_millisecond(ticks).unwrap().to_string())
    }

    #[test]
    fn missed_ticks_are_one() {
        let tick = latest("*/5 * * * *", "2026-03-31T12:00:00Z", "2026-03-31T12:17:30Z");
        assert_eq!(tick.as_deref(), Some("2026-03-31T12:15:00Z"));
        assert_eq!(latest("*/5 * * * *", "2026-03-31T12:15:00Z", "2026-03-31T12:17:30Z"), None);
        assert_eq!(latest("0 3 * * 1", "2026-03-31T12:00:00Z", "2026-04-05T23:59:59Z"), None);
        let monday = latest("0 3 * * 1", "2026-03-31T12:00:00Z", "2026-04-06T03:00:00Z");
        assert_eq!(monday.as_deref(), Some("2026-04-06T03:00:00Z"));
        assert_eq!(latest("0 0 29 2 *", "2026-03-31T12:00:00Z", "2027-03-31T12:00:00Z"), None);
        let ticks = Ticks::of(&JobSchedule::Every(Millis(60_000))).unwrap().unwrap();
        assert_eq!(ticks.latest(59_999, 200_000), Some(180_000));
        assert_eq!(ticks.latest(180_000, 239_999), None);
    }

    #[test]
    fn a_line_has_five_fields_and_ticks() {
        check("*/5 * * * *").unwrap();
        for wrong in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "every day"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(Ticks::of(&JobSchedule::Every(Millis(0))).is_err());
    }
}
