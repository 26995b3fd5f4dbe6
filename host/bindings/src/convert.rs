//! Small conversions that every interface needs.

use bulla_kernel::guest_error::GuestError;

use crate::world::Error;

/// What a host function gives back: a trap where the call must end, else the guest's result.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<GuestError> for Error {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::Denied(what) => Self::Denied(what),
            GuestError::NotFound => Self::NotFound,
            GuestError::Conflict(what) => Self::Conflict(what),
            GuestError::Limit(which) => Self::Limit(which),
            GuestError::Invalid(detail) => Self::Invalid(detail),
            GuestError::Unavailable { retry_after_ms } => Self::Unavailable(retry_after_ms),
        }
    }
}

/// A room's result as the guest sees it.
pub(crate) fn told<T, E: Into<GuestError>>(result: Result<T, E>) -> Result<T, Error> {
    result.map_err(|error| Error::from(error.into()))
}

/// What a list takes beside the texts in it: its elements are carried and cost as any other bytes, also those that are empty.
/// The sizes are the Canonical ABI's.
pub(crate) const fn elements<T>(list: &[T], size: usize) -> usize {
    list.len().saturating_mul(size)
}

/// The size of a `string` among others: its place and its length.
pub(crate) const STRING: usize = 8;
/// The size of a `tuple<string, string>`.
pub(crate) const PAIR: usize = 2 * STRING;

/// Reads a name; what is no name is the guest's mistake.
pub(crate) fn name<T: std::str::FromStr<Err = bulla_base::ids::InvalidId>>(text: &str) -> Result<T, Error> {
    told(text.parse::<T>())
}

/// A drawn id that does not read names nothing.
pub(crate) fn drawn<T: std::str::FromStr<Err = bulla_base::ids::InvalidId>>(text: &str) -> Result<T, Error> {
    text.parse::<T>().map_err(|_| Error::NotFound)
}

/// `?` for the guest's errors inside a host function.
macro_rules! ok_or_tell {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}
pub(crate) use ok_or_tell;
