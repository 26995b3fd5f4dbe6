//! RFC 8785 (JSON Canonicalization Scheme), with one rule before it: integers beyond 2^53 become strings, because
//! RFC 8785 writes numbers as IEEE 754 doubles and would round them.

use serde_json::{Number, Value};

const EXACT: u64 = 1 << 53;

/// A value that has no canonical form: a number that is not finite, which `serde_json` cannot even hold today.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

/// The canonical bytes of a value.
pub fn canonicalize(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    if !has_large_integers(value) {
        return Ok(serde_json_canonicalizer::to_vec(value)?);
    }
    let mut exact = value.clone();
    large_integers_to_strings(&mut exact);
    Ok(serde_json_canonicalizer::to_vec(&exact)?)
}

fn is_large(number: &Number) -> bool {
    number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64()).is_some_and(|n| n > EXACT)
}

fn has_large_integers(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_large(number),
        Value::Array(items) => items.iter().any(has_large_integers),
        Value::Object(fields) => fields.values().any(has_large_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn large_integers_to_strings(value: &mut Value) {
    match value {
        Value::Number(number) if is_large(number) => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(large_integers_to_strings),
        Value::Object(fields) => fields.values_mut().for_each(large_integers_to_strings),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_large_integers_kept() {
        let value =
            serde_json::json!({"b": 9_007_199_254_740_993u64, "a": [1.50, -9_007_199_254_740_992i64]});
        let bytes = canonicalize(&value).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            r#"{"a":[1.5,-9007199254740992],"b":"9007199254740993"}"#
        );
    }
}
