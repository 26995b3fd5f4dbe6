//! An entry as bytes: what the tree is built over. Pure.

use bulla_base::canonical::{NotCanonical, canonicalize};
use serde_json::Value;

use super::model::FaultKind;

/// The leaf of an entry: the RFC 8785 form of its body with `log` and `index`.
pub(super) fn leaf_of(log: &str, index: u64, body: &Value) -> Result<String, NotCanonical> {
    let mut placed = match body {
        Value::Object(fields) => fields.clone(),
        other => serde_json::Map::from_iter([("detail".to_owned(), other.clone())]),
    };
    placed.insert("log".into(), log.into());
    placed.insert("index".into(), index.into());
    let bytes = canonicalize(&Value::Object(placed))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The body of a leaf that stands at this place of this log; else what is wrong with it.
pub(super) fn read_leaf(leaf: &str, log: &str, index: u64) -> Result<Value, (FaultKind, String)> {
    let edited = |why: String| (FaultKind::Edited, why);
    let body: Value =
        serde_json::from_str(leaf).map_err(|error| edited(format!("the leaf is not JSON: {error}")))?;
    let canonical = canonicalize(&body).map_err(|error| edited(error.to_string()))?;
    if canonical != leaf.as_bytes() {
        return Err(edited("the leaf is not in canonical form".into()));
    }
    let (own_log, own_index) = (body["log"].as_str(), body["index"].as_u64());
    if own_log != Some(log) || own_index != Some(index) {
        let place = format!("{}/{}", own_log.unwrap_or("?"), own_index.map_or("?".into(), |n| n.to_string()));
        return Err((FaultKind::Moved, format!("the leaf is the one of {place}")));
    }
    Ok(body)
}
