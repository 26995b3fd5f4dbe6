//! Why an action or job refuses.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::bindings::{addon, kernel};

/// What actions and jobs return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal: a stable code, a text for the caller, and JSON for the caller's program.
///
/// What the kernel refuses has the codes `denied`, `not-found`, `conflict`, `limit`, `invalid` and `unavailable`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    code: Cow<'static, str>,
    message: String,
    details: Option<Value>,
}

impl Error {
    /// A refusal of the addon's own. `code`: 1 to 63 characters `a-z 0-9 _ . -`. `message`: at most 4,096 bytes.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), details: None }
    }

    /// Adds details, at most 64 KiB as JSON. Details that cannot become JSON are left out, and the message says so.
    pub fn with_details(mut self, details: impl Serialize) -> Self {
        match serde_json::to_value(details) {
            Ok(value) => self.details = Some(value),
            Err(error) => self.message = format!("{} (details left out: {error})", self.message),
        }
        self
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn details(&self) -> Option<&Value> {
        self.details.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl From<kernel::types::Error> for Error {
    fn from(error: kernel::types::Error) -> Self {
        use kernel::types::Error as Kernel;
        match error {
            Kernel::Denied(capability) => Self::new("denied", capability),
            Kernel::NotFound => Self::new("not-found", "there is no such thing"),
            Kernel::Conflict(state) => Self::new("conflict", state),
            Kernel::Limit(name) => Self::new("limit", format!("the limit `{name}` would be exceeded"))
                .with_details(json!({ "limit": name })),
            Kernel::Invalid(argument) => Self::new("invalid", argument),
            Kernel::Unavailable(millis) => Self::new("unavailable", "the host cannot do this now")
                .with_details(json!({ "retry-after-ms": millis })),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new("invalid", format!("not the expected JSON: {error}"))
    }
}

impl From<Error> for addon::types::Failure {
    fn from(error: Error) -> Self {
        let details = error.details.map(|value| value.to_string().into_bytes()).unwrap_or_default();
        Self { code: error.code.into_owned(), message: error.message, details }
    }
}

/// Makes a refusal out of any error, or out of `None`.
pub trait OrRefuse<T> {
    /// Refuses with this code; the message is the error's text.
    fn or_refuse(self, code: &'static str) -> Result<T>;
}

impl<T, E: fmt::Display> OrRefuse<T> for std::result::Result<T, E> {
    fn or_refuse(self, code: &'static str) -> Result<T> {
        self.map_err(|error| Error::new(code, error.to_string()))
    }
}

impl<T> OrRefuse<T> for Option<T> {
    fn or_refuse(self, code: &'static str) -> Result<T> {
        self.ok_or_else(|| Error::new(code, "a value is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_refusals_keep_their_codes() {
        use kernel::types::Error as Kernel;
        let cases = [
            (Kernel::Denied("sequence `x`".into()), "denied"),
            (Kernel::NotFound, "not-found"),
            (Kernel::Conflict("committed".into()), "conflict"),
            (Kernel::Limit("jobs".into()), "limit"),
            (Kernel::Invalid("date".into()), "invalid"),
            (Kernel::Unavailable(1500), "unavailable"),
        ];
        for (kernel, code) in cases {
            assert_eq!(Error::from(kernel).code(), code);
        }
        let error = Error::from(Kernel::Unavailable(1500));
        assert_eq!(error.details(), Some(&json!({ "retry-after-ms": 1500 })));
    }

    #[test]
    fn a_failure_carries_code_message_and_details() {
        let failure =
            addon::types::Failure::from(Error::new("too-late", "closed").with_details(json!({ "by": 3 })));
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("too-late", "closed"));
        assert_eq!(failure.details, br#"{"by":3}"#);
        assert!(addon::types::Failure::from(Error::new("a", "b")).details.is_empty());
    }

    #[test]
    fn any_error_becomes_a_refusal() {
        let error = "x".parse::<u32>().or_refuse("bad-count").unwrap_err();
        assert_eq!((error.code(), error.message()), ("bad-count", "invalid digit found in string"));
        assert_eq!(None::<u8>.or_refuse("absent").unwrap_err().code(), "absent");
    }
}
