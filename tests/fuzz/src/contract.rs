//! A contract in a component, and values against it: a publisher's schema costs what this host gives, or is refused.
//!
//! The input is the contract's JSON; after a byte 0, a value for the first action.

use std::time::Duration;

use bulla_base::{Clock, SystemClock, codes};
use bulla_node::Contracts;
use bulla_signing::Contract;

pub const WORDS: &[&str] = &[
    "{\"actions\":[{\"name\":\"a\",\"input\":",
    "\"output\":true}]}",
    "\"$ref\":\"#/$defs/a\"",
    "\"$defs\":{",
    "\"type\":\"object\"",
    "\"properties\":{",
    "\"items\":",
    "\"anyOf\":[",
    "\"allOf\":[",
    "\"oneOf\":[",
    "\"not\":",
    "\"pattern\":\"(a*)*b\"",
    "\"patternProperties\":{",
    "\"uniqueItems\":true",
    "\"enum\":[",
    "\"const\":",
    "\"minimum\":1e308",
    "\"multipleOf\":0.01",
    "\"format\":\"date\"",
    "\"if\":",
    "\"then\":",
    "\"dependentSchemas\":{",
    "\"unevaluatedProperties\":false",
    "\"contains\":",
    "\"additionalProperties\":false",
    "\"$dynamicRef\":\"#\"",
    "\"$id\":\"a\"",
    "true",
    "false",
    "{",
    "}",
    "[",
    "]",
    "\0",
];

/// What one check may take, on a machine that does other things as well.
const BOUND: Duration = Duration::from_secs(20);

pub fn run(data: &[u8]) {
    let (contract, value) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(contract) = Contract::parse(contract) else { return };
    let clock = SystemClock::new();
    let compiled = Contracts::new(&contract);
    assert!(clock.monotonic() < BOUND, "a contract took {:?} to compile", clock.monotonic());
    let Ok(compiled) = compiled else { return };
    let value = value.get(1..).unwrap_or_default();
    for action in &contract.actions {
        let checked = compiled.action(&action.name).unwrap();
        let clock = SystemClock::new();
        let first = checked.check_input(value).map_err(|failure| failure.code.name);
        let again = checked.check_input(value).map_err(|failure| failure.code.name);
        assert!(clock.monotonic() < BOUND, "a value took {:?} to check", clock.monotonic());
        assert_eq!(first, again);
        if let Err(code) = checked.check_output(value).map_err(|failure| failure.code) {
            assert_eq!(code.name, codes::INVALID_OUTPUT.name);
        }
    }
}
