use bulla_base::{Alias, Subject};
use serde::Serialize;

use crate::ports::{Placement, Plaintext};

/// A shorter value could be guessed from what the host replaces in a response that echoes the guest's guesses.
pub const MIN_VALUE_BYTES: usize = 8;
pub const MAX_VALUE_BYTES: usize = 4_096;
pub const MAX_PER_TENANT: usize = 1_000;

/// What is told of a secret: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretInfo {
    pub alias: Alias,
    /// Grows by one with each value, from 1; a removed alias that is set again goes on counting.
    pub version: i64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub updated_by: Subject,
}

/// A request as a guest gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub placement: Placement,
}

/// A value goes into a header as it stands, so it holds what a header can hold.
pub(super) fn check_value(value: &Plaintext) -> Result<(), &'static str> {
    let bytes = value.0.as_slice();
    if !(MIN_VALUE_BYTES..=MAX_VALUE_BYTES).contains(&bytes.len()) {
        return Err("it must have 8 to 4,096 bytes");
    }
    let ends_blank = bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ');
    if ends_blank || !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("only visible ASCII characters, and spaces inside, are allowed (no line end)");
    }
    Ok(())
}
