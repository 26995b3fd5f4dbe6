//! What a manifest says about one action or job.

use std::fmt;
use std::str::FromStr;

use bulla_base::{Alias, Bytes, Fuel, Millis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionOptions {
    pub(super) idempotency: Idempotency,
    pub(super) budget: Budget,
}

impl ActionOptions {
    /// Whether a call without an `Idempotency-Key` is refused.
    pub fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idempotency {
    Required,
    #[default]
    Optional,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobOptions {
    pub(super) schedule: Schedule,
    pub(super) lock_key: Option<Alias>,
    pub(super) fairness: Fairness,
    pub(super) retries: u32,
    pub(super) backoff: Millis,
    pub(super) circuit: Option<Circuit>,
    pub(super) budget: Budget,
}

impl JobOptions {
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// At most one run with this key per tenant at a time.
    pub fn lock_key(&self) -> Option<&Alias> {
        self.lock_key.as_ref()
    }

    pub fn fairness(&self) -> Fairness {
        self.fairness
    }

    /// Attempts after the first, 0 to 100.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// The delay before the first retry, 1 ms to 1 h; it doubles up to 1 h.
    pub fn backoff(&self) -> Millis {
        self.backoff
    }

    /// When failures pause the job; unset means never.
    pub fn circuit(&self) -> Option<Circuit> {
        self.circuit
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

/// When a job runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    Cron(CronText),
    /// From one start to the next, 1 s to 366 d.
    Every(Millis),
    /// Only when it is enqueued.
    OnDemand,
}

/// A cron expression of five fields. Only its characters are checked here: the scheduler gives it a meaning, or refuses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronText(String);

/// The longest cron expression, in bytes.
const CRON_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a cron expression: five fields of `0-9 A-Z a-z * / , - ? #`, at most {CRON_MAX} bytes"
)]
pub struct InvalidCron {
    pub text: String,
}

impl CronText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CronText {
    type Err = InvalidCron;
    fn from_str(text: &str) -> Result<Self, InvalidCron> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b" */,-?#".contains(&b);
        let fields = text.split(' ').filter(|field| !field.is_empty()).count();
        if text.len() <= CRON_MAX && fields == 5 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCron { text: text.chars().take(80).collect() })
        }
    }
}

impl TryFrom<String> for CronText {
    type Error = InvalidCron;
    fn try_from(text: String) -> Result<Self, InvalidCron> {
        text.parse()
    }
}

impl From<CronText> for String {
    fn from(cron: CronText) -> String {
        cron.0
    }
}

impl fmt::Display for CronText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which queue of a tenant a job waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fairness {
    Interactive,
    #[default]
    Normal,
    Bulk,
}

/// After `failures` in a row (at least 1) the job rests for `pause` (1 s to 366 d).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Circuit {
    pub failures: u32,
    pub pause: Millis,
}

/// What the author expects an entry to use at most. A call that uses more is warned about and never fails for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<Fuel>,
    /// Wall-clock time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Millis>,
    /// The peak of linear memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
}
