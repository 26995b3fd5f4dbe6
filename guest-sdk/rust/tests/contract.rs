//! What the macros make of functions: the contract, and the way from JSON to JSON.

use bulla::entry::{self, Action, Entry, Job};
use bulla::prelude::*;
use serde_json::{Value, json};

/// Two numbers.
#[data]
struct Pair {
    /// The first.
    left: i32,
    right: Option<i32>,
    note: Option<Bytes>,
}

#[data(open)]
struct Sum {
    sum: i32,
}

/// Adds.
///
/// Without carrying.
#[action]
fn add(_call: &Call, pair: Pair) -> Result<Sum> {
    let right = pair
        .right
        .ok_or_else(|| Error::new("no-right", "nothing to add").with_details(json!({ "left": pair.left })))?;
    Ok(Sum { sum: pair.left + right })
}

#[action]
fn ping(_call: &Call) -> Result<()> {
    Ok(())
}

#[job]
fn later(_call: &Call, sum: Sum) -> Result<i32> {
    Ok(sum.sum)
}

bulla::addon!(actions: [add, ping], jobs: [later]);

const ACTIONS: &[Entry] = &[<add as Action>::ENTRY, <ping as Action>::ENTRY];
const JOBS: &[Entry] = &[<later as Job>::ENTRY];

#[test]
fn the_contract_has_names_docs_and_schemas() {
    let contract: Value = serde_json::from_slice(&entry::describe(ACTIONS, JOBS)).unwrap();
    let action = &contract["actions"][0];
    assert_eq!((&action["name"], &action["doc"]), (&json!("add"), &json!("Adds.\n\nWithout carrying.")));
    assert_eq!(action["input"]["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(action["input"]["required"], json!(["left"]));
    assert_eq!(action["input"]["additionalProperties"], json!(false));
    assert_eq!(action["input"]["description"], "Two numbers.");
    assert_eq!(action["input"]["properties"]["left"]["description"], "The first.");
    assert_eq!(action["input"]["properties"]["note"]["contentEncoding"], "base64");
    assert_eq!(action["output"]["required"], json!(["sum"]));
    assert_eq!(action["output"].get("additionalProperties"), None);
    assert_eq!(contract["actions"][1]["input"]["additionalProperties"], json!(false));
    assert_eq!(contract["actions"][1]["output"]["type"], "null");
    assert_eq!(contract["jobs"][0]["name"], "later");
    assert_eq!(contract["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn an_entry_runs_from_json_to_json() {
    assert_eq!(entry::run(ACTIONS, "action", "add", br#"{"left":2,"right":3}"#).unwrap(), br#"{"sum":5}"#);
    assert_eq!(entry::run(ACTIONS, "action", "ping", b"{}").unwrap(), b"null");
    assert_eq!(entry::run(JOBS, "job", "later", br#"{"sum":7,"more":1}"#).unwrap(), b"7");
}

#[test]
fn refusals_have_codes() {
    let refused =
        |name: &str, input: &str| entry::run(ACTIONS, "action", name, input.as_bytes()).unwrap_err();
    let failure = refused("add", r#"{"left":2}"#);
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("no-right", "nothing to add"));
    assert_eq!(failure.details, br#"{"left":2}"#);
    assert_eq!(refused("add", r#"{"left":2,"up":1}"#).code, "invalid-input");
    assert_eq!(refused("add", "").code, "invalid-input");
    assert_eq!(refused("ping", r#"{"x":1}"#).code, "invalid-input");
    assert_eq!(refused("later", "{}").code, "unknown-action");
}
