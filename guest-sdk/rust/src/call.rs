//! One call: the door to the kernel's rooms.

use std::cell::OnceCell;
use std::fmt::Display;

use serde::Serialize;

use crate::bindings::kernel;
use crate::{Approvals, Date, JobOptions, Key, Result, Secret, Sequence, entry};

pub use kernel::context::{ApprovalInfo, JobInfo};
pub use kernel::log::Level;

/// The call that runs. The tenant is not in it: the host applies it to everything.
#[derive(Debug, Default)]
pub struct Call {
    info: OnceCell<kernel::context::Info>,
}

/// What the host knows about this call. Needs no grant.
impl Call {
    /// Unique for this run; a retry has a new one.
    pub fn id(&self) -> &str {
        &self.current().call_id
    }

    /// W3C trace id, 32 lower-case hex digits.
    pub fn trace_id(&self) -> &str {
        &self.current().trace_id
    }

    /// Who called. In a continuation, the requester.
    pub fn subject(&self) -> &str {
        &self.current().subject
    }

    /// The host's time at the start of the call: milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> u64 {
        self.current().now_ms
    }

    /// The day of [`Call::now_ms`] in UTC.
    pub fn today(&self) -> Date {
        Date::from_millis(self.now_ms())
    }

    /// The action or job that runs.
    pub fn entry(&self) -> &str {
        &self.current().entry
    }

    /// Set when a job runs.
    pub fn job(&self) -> Option<&JobInfo> {
        self.current().job.as_ref()
    }

    /// Set when an approval's decision started this call.
    pub fn approval(&self) -> Option<&ApprovalInfo> {
        self.current().approval.as_ref()
    }

    fn current(&self) -> &kernel::context::Info {
        self.info.get_or_init(kernel::context::current)
    }
}

/// The rooms.
impl Call {
    /// Opens a sequence. Errors: `invalid`, `denied`, `not-found`.
    pub fn sequence(&self, key: &str) -> Result<Sequence> {
        Sequence::open(key)
    }

    /// The approval rules of a scope. Errors: `invalid` (not a name); `denied` comes with the first use.
    pub fn approvals(&self, scope: &str) -> Result<Approvals> {
        Approvals::open(scope)
    }

    /// Opens a secret for a purpose. Errors: `invalid`, `denied`, `not-found`.
    pub fn secret(&self, alias: &str, purpose: &str) -> Result<Secret> {
        Secret::open(alias, purpose)
    }

    /// Opens a signing key for a purpose. Errors: `invalid`, `denied`, `not-found`.
    pub fn key(&self, alias: &str, purpose: &str) -> Result<Key> {
        Key::open(alias, purpose)
    }

    /// Adds an entry `addon.<event>` about an object to the tenant's audit log. The log cannot forget: no personal data,
    /// no secrets. Errors: `invalid`, `limit(audit-entries)`.
    pub fn audit(&self, event: &str, object: impl AsRef<str>, detail: &[(&str, &str)]) -> Result<()> {
        let detail: Vec<_> = detail.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Ok(kernel::audit::append(event, object.as_ref(), &detail)?)
    }

    /// Stages a job, to run at least once after this call returned `ok`. Returns its id.
    /// Errors: `not-found` (no such job), `invalid` (payload), `limit(jobs, payload)`.
    pub fn enqueue(&self, job: &str, payload: &impl Serialize) -> Result<String> {
        Ok(kernel::jobs::enqueue(job, &entry::encode(payload)?, None)?)
    }

    /// [`Call::enqueue`] with a delay or a unique key. Errors: also `invalid` (options).
    pub fn enqueue_with(&self, job: &str, payload: &impl Serialize, options: JobOptions) -> Result<String> {
        Ok(kernel::jobs::enqueue(job, &entry::encode(payload)?, Some(&options.into()))?)
    }
}

/// Diagnostic lines, kept even when the call fails. A line is cut at 4,096 bytes. `call.info(format_args!("{n} lines"))`.
impl Call {
    pub fn log(&self, level: Level, line: impl Display) {
        kernel::log::write(level, &line.to_string());
    }

    pub fn debug(&self, line: impl Display) {
        self.log(Level::Debug, line);
    }

    pub fn info(&self, line: impl Display) {
        self.log(Level::Info, line);
    }

    pub fn warn(&self, line: impl Display) {
        self.log(Level::Warn, line);
    }

    pub fn error(&self, line: impl Display) {
        self.log(Level::Error, line);
    }
}
