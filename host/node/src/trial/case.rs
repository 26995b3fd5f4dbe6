//! A case of `bulla test`:
//!
//! ```json
//! {
//!   "action": "place",
//!   "input": {"id": "4711", "document": {"$file": "samples/order.xml"}},
//!   "subject": "ada",
//!   "given": {"sequences": {"orders": {"format": "ORD-{YYYY}-{00000}"}}},
//!   "expect": {"ok": {"number": "ORD-2026-00001"}}
//! }
//! ```
//!
//! `{"$file": path}` stands for the file's content in Base64. `expect` is `{"ok": …}`, of which every field that is named
//! must be in the answer, or `{"error": code}` with the host's error code or the addon's own; `message` and `details` may
//! stand beside `error` and must be contained likewise.

use std::path::{Component, Path};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Failure, codes};
use serde::Deserialize;
use serde_json::Value;

use super::given::Given;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub action: String,
    pub input: Value,
    #[serde(default = "tester")]
    pub subject: String,
    #[serde(default)]
    pub given: Given,
    expect: Expect,
}

fn tester() -> String {
    "tester".into()
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Expect {
    Ok {
        ok: Value,
    },
    Error {
        error: String,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        details: Option<Value>,
    },
}

impl Case {
    pub fn read(json: Value, directory: &Path) -> Result<Self, String> {
        let mut case: Self = serde_json::from_value(json).map_err(|error| error.to_string())?;
        put_files(&mut case.input, directory)?;
        Ok(case)
    }

    /// `None`: as expected. Else what came instead.
    pub fn judge(&self, outcome: &Result<Vec<u8>, Failure>) -> Option<String> {
        match (&self.expect, outcome) {
            (Expect::Ok { ok }, Ok(output)) => {
                let given: Value = serde_json::from_slice(output).unwrap_or_default();
                (!contains(&given, ok)).then(|| format!("expected ok with {ok}, got {given}"))
            }
            (Expect::Ok { .. }, Err(failure)) => Some(format!("expected ok, got {}", shown(failure))),
            (Expect::Error { error, .. }, Ok(output)) => {
                Some(format!("expected error `{error}`, got ok with {}", String::from_utf8_lossy(output)))
            }
            (Expect::Error { error, message, details }, Err(failure)) => {
                let own = own_code(failure);
                let code = failure.code.name == error || own == Some(error);
                let text = message.as_ref().is_none_or(|wanted| failure.message.contains(wanted));
                let more = details.as_ref().is_none_or(|wanted| contains(&own_details(failure), wanted));
                (!(code && text && more)).then(|| format!("expected error `{error}`, got {}", shown(failure)))
            }
        }
    }
}

fn own_code(failure: &Failure) -> Option<&str> {
    failure.details.as_ref().filter(|_| failure.code == codes::GUEST_ERROR)?.get("code")?.as_str()
}

fn own_details(failure: &Failure) -> Value {
    let details = failure.details.clone().unwrap_or_default();
    match failure.code == codes::GUEST_ERROR {
        true => details.get("details").cloned().unwrap_or_default(),
        false => details,
    }
}

fn shown(failure: &Failure) -> String {
    let code = own_code(failure).unwrap_or(failure.code.name);
    match own_details(failure) {
        Value::Null => format!("error `{code}`: {}", failure.message),
        details => format!("error `{code}`: {} {details}", failure.message),
    }
}

/// Every field that `wanted` names is in `given`; lists must be equal in length, element by element.
fn contains(given: &Value, wanted: &Value) -> bool {
    match (given, wanted) {
        (Value::Object(given), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| given.get(name).is_some_and(|given| contains(given, value)))
        }
        (Value::Array(given), Value::Array(wanted)) => {
            given.len() == wanted.len()
                && given.iter().zip(wanted).all(|(given, wanted)| contains(given, wanted))
        }
        (given, wanted) => given == wanted,
    }
}

fn put_files(value: &mut Value, directory: &Path) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(name))) = (fields.len(), fields.get("$file")) {
                *value = Value::String(STANDARD.encode(read(directory, name)?));
                return Ok(());
            }
            fields.values_mut().try_for_each(|value| put_files(value, directory))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|value| put_files(value, directory)),
        _ => Ok(()),
    }
}

fn read(directory: &Path, name: &str) -> Result<Vec<u8>, String> {
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("`{name}` is not a path within the project"));
    }
    std::fs::read(directory.join(name)).map_err(|error| format!("cannot read `{name}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case(expect: Value) -> Case {
        Case::read(json!({"action": "a", "input": {}, "expect": expect}), Path::new(".")).unwrap()
    }

    #[test]
    fn an_answer_may_hold_more_than_what_is_expected_and_not_less() {
        let case = case(json!({"ok": {"a": [{"b": 1}]}}));
        assert_eq!(case.judge(&Ok(br#"{"a": [{"b": 1, "c": 2}], "d": 3}"#.to_vec())), None);
        assert!(case.judge(&Ok(br#"{"a": [{"b": 2}]}"#.to_vec())).is_some());
        assert!(case.judge(&Ok(br#"{"a": []}"#.to_vec())).is_some());
        assert!(case.judge(&Err(Failure::new(codes::TRAP, "x"))).is_some());
    }

    #[test]
    fn an_error_is_known_by_the_hosts_code_or_the_addons() {
        let refused = Failure::new(codes::GUEST_ERROR, "no id")
            .details(json!({"code": "missing", "details": {"a": 1}}));
        for expect in [json!({"error": "missing"}), json!({"error": "guest-error", "message": "id"})] {
            assert_eq!(case(expect).judge(&Err(refused.clone())), None);
        }
        assert_eq!(case(json!({"error": "missing", "details": {"a": 1}})).judge(&Err(refused.clone())), None);
        assert!(
            case(json!({"error": "missing", "details": {"a": 2}})).judge(&Err(refused.clone())).is_some()
        );
        assert!(case(json!({"error": "trap"})).judge(&Err(refused)).is_some());
    }

    #[test]
    fn files_stay_within_the_project() {
        for path in ["../secret", "/etc/passwd", "absent"] {
            let json = json!({"action": "a", "input": {"$file": path}, "expect": {"ok": {}}});
            assert!(Case::read(json, Path::new(".")).is_err(), "{path}");
        }
    }
}
