//! What the running server says of itself.

use serde_json::Value;

use super::{Check, Level};
use crate::client::Client;
use crate::context::Context;
use crate::error::CliError;

/// Entries may wait a second for their checkpoint; this long means that nobody signs.
const UNPUBLISHED_WARNING_MS: u64 = 60_000;

pub fn checks(context: &Context) -> Vec<Check> {
    const NAME: &str = "server";
    let client = match context.client() {
        Ok(client) => client,
        Err(CliError::NoServer { reason }) => {
            return vec![
                Check::new(NAME, Level::Note, format!("none runs: {reason}"))
                    .hint("`bulla serve` starts one"),
            ];
        }
        Err(error) => return vec![Check::of_error(NAME, &error)],
    };
    let mut all = vec![match client.get(&["readyz"]) {
        Ok(_) => Check::new(NAME, Level::Ok, format!("`{}` is ready", client.url())),
        Err(error @ CliError::Unreachable { .. }) => {
            let hint = "a server that was killed leaves its address behind; `bulla serve` starts one";
            return vec![Check::of_error(NAME, &error).hint(hint)];
        }
        Err(error) => Check::of_error(NAME, &error),
    }];
    all.extend(diagnostics(&client));
    all
}

fn diagnostics(client: &Client) -> Vec<Check> {
    match client.get(&["diagz"]) {
        Ok(reply) => judge(&reply.value()),
        Err(error) => vec![Check::of_error("diagnostics", &error)],
    }
}

/// What in the server's own account needs somebody.
fn judge(told: &Value) -> Vec<Check> {
    let mut all = Vec::new();
    let mut add =
        |level, detail: &str, hint: &str| all.push(Check::new("diagnostics", level, detail).hint(hint));
    if told["master-key"].is_null() {
        add(
            Level::Finding,
            "the server runs without a master key: no secrets, no signing keys, no signed checkpoints",
            "`bulla explain master-key-missing` says more",
        );
    }
    for kind in ["secrets", "keys"] {
        if is_some(&told["sealed-under-another-key"][kind]) {
            let detail = format!("{kind} are sealed under another master key");
            add(Level::Finding, &detail, "`bulla explain master-key-wrong` says more");
        }
    }
    if told["engine"]["pooled"] == false {
        let hint = "give the process more address space, or set `engine.pooling = false`";
        add(Level::Warning, "instances do not come from a pool: calls are slower", hint);
    }
    if told["audit"]["oldest-unpublished-ms"].as_u64().is_some_and(|age| age > UNPUBLISHED_WARNING_MS) {
        add(Level::Warning, "audit entries wait for a signed checkpoint", "see the server's log");
    }
    if let Some(code) = told["audit"]["error"].as_str() {
        add(Level::Finding, &format!("the audit room answers `{code}`"), "see the server's log");
    }
    if all.is_empty() {
        let version = told["version"].as_str().unwrap_or("-");
        let database = told["database"].as_str().unwrap_or("-");
        all.push(Check::new("diagnostics", Level::Ok, format!("version {version} on {database}")));
    }
    all
}

/// A count above zero, or a list with something in it.
fn is_some(value: &Value) -> bool {
    value.as_u64().is_some_and(|count| count > 0) || value.as_array().is_some_and(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn healthy() -> Value {
        json!({
            "version": "0.1.0", "database": "sqlite", "master-key": "abc", "engine": {"pooled": true},
            "sealed-under-another-key": {"secrets": 0, "keys": []},
            "audit": {"signing": true, "logs-behind": 1, "oldest-unpublished-ms": 900},
        })
    }

    #[test]
    fn a_healthy_server_has_one_line() {
        let checks = judge(&healthy());
        assert_eq!((checks.len(), checks[0].level), (1, Level::Ok));
    }

    #[test]
    fn each_thing_that_needs_somebody_is_told() {
        for (pointer, value, level) in [
            ("/master-key", Value::Null, Level::Finding),
            ("/sealed-under-another-key/secrets", json!(1), Level::Finding),
            ("/sealed-under-another-key/keys", json!(["acme/x"]), Level::Finding),
            ("/engine/pooled", json!(false), Level::Warning),
            ("/audit/oldest-unpublished-ms", json!(120_000), Level::Warning),
            ("/audit", json!({"error": "unavailable"}), Level::Finding),
        ] {
            let mut told = healthy();
            *told.pointer_mut(pointer).unwrap() = value;
            let checks = judge(&told);
            assert_eq!((checks.len(), checks[0].level), (1, level), "{pointer}");
        }
    }
}
