//! A sequence, its numbers, and their life: reserved → committed, or reserved → void.

use bulla_base::{Alias, ObjectRef, ReservationId, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::error::SequenceError;
use super::format::{Format, Reset, period};

/// Whether a number of a failed call is issued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// Every value has a row.
    Gapless,
    /// A failed call may leave a hole; nothing is ever issued twice.
    Allowed,
}

/// What an operator defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Definition {
    pub format: String,
    pub reset: Reset,
    pub gaps: Gaps,
    /// The IANA zone in which an instant becomes a date.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The month, 1 to 12, with which the fiscal year starts.
    #[serde(default = "january")]
    pub fiscal_start: i8,
}

fn utc() -> String {
    "UTC".into()
}

fn january() -> i8 {
    1
}

/// A definition that was checked, ready to draw from.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub tenant: TenantId,
    pub key: Alias,
    pub definition: Definition,
    format: Format,
    zone: TimeZone,
}

impl Sequence {
    pub fn new(tenant: TenantId, key: Alias, definition: Definition) -> Result<Self, SequenceError> {
        let format = Format::parse(&definition.format, definition.reset)?;
        if !(1..=12).contains(&definition.fiscal_start) {
            return Err(SequenceError::FiscalStart { month: definition.fiscal_start });
        }
        let zone = TimeZone::get(&definition.time_zone)
            .map_err(|_| SequenceError::TimeZone { name: definition.time_zone.chars().take(80).collect() })?;
        Ok(Self { tenant, key, definition, format, zone })
    }

    /// A calendar date as it stands; an instant as the date it has in the sequence's zone.
    pub fn date(&self, text: &str) -> Result<Date, SequenceError> {
        let is_date = text.len() == 10;
        let read = if is_date {
            text.parse::<Date>().ok()
        } else {
            text.parse::<Timestamp>().ok().map(|instant| instant.to_zoned(self.zone.clone()).date())
        };
        let shown = || text.chars().take(80).collect();
        let date = read.filter(|date| (1..=9998).contains(&date.year()));
        let date = date.ok_or_else(|| SequenceError::Date { text: shown() })?;
        match self.format.years().contains(&date.year()) {
            true => Ok(date),
            false => Err(SequenceError::Century { text: shown() }),
        }
    }

    pub fn series(&self, date: Date) -> Series {
        Series {
            tenant: self.tenant.clone(),
            key: self.key.clone(),
            period: period(self.definition.reset, date, self.definition.fiscal_start),
            gaps: self.definition.gaps,
        }
    }

    pub fn text(&self, value: i64, date: Date) -> String {
        self.format.write(value, date, self.definition.fiscal_start)
    }
}

/// One line of counting: a sequence in one period.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    pub tenant: TenantId,
    pub key: Alias,
    pub period: String,
    pub gaps: Gaps,
}

impl Series {
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.key, self.period)
    }

    /// Wide enough for any value, so that ids sort as numbers do.
    pub fn number_id(&self, value: i64) -> String {
        format!("{}/{value:019}", self.id())
    }
}

/// What a guest or an operator sees of a number that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reservation {
    pub id: ReservationId,
    pub text: String,
    pub value: i64,
    pub period: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberState {
    Reserved,
    Committed,
    Void,
}

impl NumberState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::Void => "void",
        }
    }
}

/// A number as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Number {
    pub reservation: ReservationId,
    pub key: Alias,
    pub period: String,
    pub value: i64,
    pub text: String,
    pub state: NumberState,
    pub object: Option<ObjectRef>,
    /// Why it is void.
    pub reason: Option<String>,
    pub reserved_ms: i64,
    pub expires_ms: i64,
}

impl Number {
    /// Binds it to an object. `Ok(false)`: it was bound to this very object before.
    pub fn commit(&mut self, object: &ObjectRef, now_ms: i64) -> Result<bool, SequenceError> {
        match (self.state, &self.object) {
            (NumberState::Committed, Some(bound)) if bound == object => Ok(false),
            (NumberState::Reserved, _) if self.expires_ms > now_ms => {
                self.state = NumberState::Committed;
                self.object = Some(object.clone());
                Ok(true)
            }
            (NumberState::Reserved, _) => Err(self.refused("expired")),
            (NumberState::Committed, _) => Err(self.refused("bound to another object")),
            (NumberState::Void, _) => Err(self.refused("void")),
        }
    }

    /// Makes it void. `Ok(false)`: it was void before.
    pub fn cancel(&mut self, reason: &str) -> Result<bool, SequenceError> {
        match self.state {
            NumberState::Void => Ok(false),
            NumberState::Committed => Err(self.refused("committed")),
            NumberState::Reserved => {
                self.state = NumberState::Void;
                self.reason = Some(reason.into());
                Ok(true)
            }
        }
    }

    fn refused(&self, state: &'static str) -> SequenceError {
        SequenceError::State { number: self.text.clone(), state }
    }
}

/// A reason is for people, and stays in the audit log.
pub(super) fn check_reason(reason: &str) -> Result<(), SequenceError> {
    let fits = (1..=500).contains(&reason.len()) && !reason.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(SequenceError::Reason) }
}
