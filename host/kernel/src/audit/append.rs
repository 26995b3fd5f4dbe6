//! The guest's one verb.

use bulla_base::ObjectRef;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::guest_error::GuestError;

/// Pairs in one entry's detail.
pub const MAX_DETAIL_PAIRS: usize = 32;
/// Bytes of all keys and values of one entry's detail together.
pub const MAX_DETAIL_BYTES: usize = 4_096;
/// Bytes of an event name.
const MAX_EVENT: usize = 63;

/// Stages the addon's own entry, as `addon.<event>`; it is in the log when the call returns `ok`.
///
/// Errors, in order: `invalid` (event, object, detail), `limit` (`audit-entries`).
pub fn append(
    call: &mut Call,
    event: &str,
    object: &str,
    detail: &[(String, String)],
) -> Result<(), GuestError> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    if event.is_empty() || event.len() > MAX_EVENT || !event.bytes().all(valid) {
        return Err(GuestError::Invalid("event: 1 to 63 characters `a-z 0-9 _ . -`".into()));
    }
    let object = ObjectRef::new(object)?;
    let detail = checked_detail(detail)?;
    call.record_own(event, &object, detail)
}

fn checked_detail(pairs: &[(String, String)]) -> Result<Value, GuestError> {
    let invalid = |text: String| Err(GuestError::Invalid(format!("detail: {text}")));
    if pairs.len() > MAX_DETAIL_PAIRS {
        return invalid(format!("at most {MAX_DETAIL_PAIRS} pairs"));
    }
    if pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_DETAIL_BYTES {
        return invalid(format!("at most {MAX_DETAIL_BYTES} bytes"));
    }
    let mut detail = Map::new();
    for (key, value) in pairs {
        if key.is_empty() || key.contains('\0') || value.contains('\0') {
            return invalid("a key is empty, or a text holds a NUL character".into());
        }
        if detail.insert(key.clone(), value.as_str().into()).is_some() {
            return invalid(format!("the key `{key}` is there twice"));
        }
    }
    Ok(Value::Object(detail))
}
