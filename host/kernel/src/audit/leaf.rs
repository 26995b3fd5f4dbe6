//! An entry as bytes: what the tree is built over. Pure.

use bulla_base::canonical::{NotCanonical, canonicalize};
use bulla_store::{Draft, Entry};
use serde_json::{Map, Value};

use super::model::FaultKind;

const INDEX: &str = "index";

/// An entry without its index. The leaf is the RFC 8785 form of its body with `log` and `index`, and in that form the fields stand in
/// order: what comes before the index and what comes after it does not change with it.
pub(super) fn draft_of(entry: Entry) -> Result<Draft, NotCanonical> {
    let mut fields = match entry.body {
        Value::Object(fields) => fields,
        other => Map::from_iter([("detail".to_owned(), other)]),
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (event, object, trace) = (text("event"), text("object"), text("trace"));
    let at_ms = fields.get("at-ms").and_then(Value::as_i64).unwrap_or_default();
    fields.insert("log".into(), entry.log.as_str().into());
    fields.remove(INDEX);
    let (before, after): (Map<_, _>, Map<_, _>) =
        fields.into_iter().partition(|(name, _)| name.as_str() < INDEX);
    Ok(Draft { log: entry.log, before: inner(before)?, after: inner(after)?, at_ms, event, object, trace })
}

/// The fields of the canonical form, without its braces.
fn inner(fields: Map<String, Value>) -> Result<String, NotCanonical> {
    let bytes = canonicalize(&Value::Object(fields))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned())
}

/// The leaf of an entry at its place.
pub(super) fn leaf_of(draft: &Draft, index: u64) -> String {
    let comma = if draft.before.is_empty() { "" } else { "," };
    // Never without `log` after it.
    format!("{{{}{comma}\"{INDEX}\":{index},{}}}", draft.before, draft.after)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_leaf_is_the_canonical_form_of_the_placed_entry() {
        for body in [
            json!({"v": 1, "at-ms": 5, "event": "a.b", "object": "o", "subject": "s", "trace": "t", "detail": {"z": 1, "a": [9_007_199_254_740_993u64]}}),
            json!({}),
            json!({"indey": 1, "indew": 2, "index0": 3, "kind": 4, "lo": 5, "": 6, "é": 7, "\u{1f600}": 8, "\u{ffff}": 9, "\"{": "}"}),
            json!({"index": 77, "log": "another"}),
        ] {
            let entry = Entry { log: "acme".into(), body: body.clone() };
            let mut whole = body;
            whole["log"] = "acme".into();
            whole["index"] = 12.into();
            let leaf = leaf_of(&draft_of(entry).unwrap(), 12);
            assert_eq!(leaf.as_bytes(), canonicalize(&whole).unwrap());
            assert!(read_leaf(&leaf, "acme", 12).is_ok());
        }
    }
}
