//! Document numbers.

use std::rc::Rc;

use crate::Result;
use crate::bindings::kernel::sequences as kernel;

/// The right to draw from one sequence. See [`crate::Call::sequence`].
#[derive(Debug, Clone)]
pub struct Sequence {
    handle: Rc<kernel::Sequence>,
}

impl Sequence {
    pub(crate) fn open(key: &str) -> Result<Self> {
        Ok(Self { handle: Rc::new(kernel::Sequence::open(key)?) })
    }

    /// Draws the next number for a document of this date (`YYYY-MM-DD`). It becomes real when the call returns `ok`; a call that
    /// holds an uncommitted number of any sequence cannot send. Left uncommitted it is voided after a day.
    /// Errors: `denied`, `invalid` (date), `limit(reservations)`, `unavailable`.
    pub fn reserve_on(&self, date: impl AsRef<str>) -> Result<Number> {
        self.draw(date.as_ref(), None)
    }

    /// [`Sequence::reserve_on`] with an expiry in seconds (1 to 2,592,000) for a number that a later call commits.
    pub fn reserve_until(&self, date: impl AsRef<str>, expires_in_s: u32) -> Result<Number> {
        self.draw(date.as_ref(), Some(expires_in_s))
    }

    /// What the next number would be; a concurrent call may take it. Errors: `denied`, `invalid` (date), `unavailable`.
    pub fn preview(&self, date: impl AsRef<str>) -> Result<String> {
        Ok(self.handle.preview(date.as_ref())?)
    }

    /// Binds a reservation of an earlier call to an object, for ever.
    /// Errors: `denied`, `invalid` (object), `not-found`, `conflict`.
    pub fn commit(&self, reservation: &str, object: impl AsRef<str>) -> Result<()> {
        Ok(self.handle.commit(reservation, object.as_ref())?)
    }

    /// Gives a reservation of an earlier call back, with a reason of 1 to 500 bytes; it is recorded as void.
    /// Errors: `denied`, `invalid` (reason), `not-found`, `conflict` (already committed).
    pub fn cancel(&self, reservation: &str, reason: &str) -> Result<()> {
        Ok(self.handle.cancel(reservation, reason)?)
    }

    fn draw(&self, date: &str, expires_in_s: Option<u32>) -> Result<Number> {
        let reservation = self.handle.reserve(date, expires_in_s)?;
        Ok(Number { sequence: self.clone(), reservation })
    }
}

/// A number that was drawn.
#[derive(Debug, Clone)]
pub struct Number {
    sequence: Sequence,
    reservation: kernel::Reservation,
}

impl Number {
    /// Names the reservation for a commit or cancel in a later call.
    pub fn id(&self) -> &str {
        &self.reservation.id
    }

    /// The formatted number, for example `INV-2026-00042`.
    pub fn text(&self) -> &str {
        &self.reservation.text
    }

    /// The bare number within its period.
    pub fn value(&self) -> u64 {
        self.reservation.value
    }

    /// The period it counts in: `2026`, `2026-03`, `FY2026`, or empty when the sequence never resets.
    pub fn period(&self) -> &str {
        &self.reservation.period
    }

    /// Binds the number to an object such as `invoice/4711`, for ever, and returns its text. The same pair again changes nothing.
    /// Errors: `denied`, `invalid` (object), `not-found`, `conflict`.
    pub fn commit(&self, object: impl AsRef<str>) -> Result<String> {
        self.sequence.commit(self.id(), object)?;
        Ok(self.reservation.text.clone())
    }

    /// Gives the number back, with a reason of 1 to 500 bytes. Drawn in this very call, it is free again.
    /// Errors: `denied`, `invalid` (reason), `conflict` (already committed).
    pub fn cancel(self, reason: &str) -> Result<()> {
        self.sequence.cancel(self.id(), reason)
    }
}
