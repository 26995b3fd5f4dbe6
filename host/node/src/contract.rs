//! An entry's contract: what goes in and what comes out, checked against the schemas in the component.

use std::collections::HashMap;
use std::sync::Arc;

use bulla_base::{EntryName, Failure, codes};
use bulla_signing::contract::{Contract, EntryContract};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

/// Findings that a refusal names at most.
const MAX_FINDINGS: usize = 20;
/// A longer finding is cut: a schema error quotes the offending value.
const MAX_FINDING: usize = 300;

/// The two schemas of one action or job.
pub struct Checked {
    input: Validator,
    output: Validator,
}

/// The checked contracts of a component.
pub struct Contracts {
    actions: HashMap<EntryName, Arc<Checked>>,
    jobs: HashMap<EntryName, Arc<Checked>>,
}

impl Contracts {
    /// Fails with `incompatible` where a schema is none.
    pub fn new(contract: &Contract) -> Result<Self, Failure> {
        let all = |entries: &[EntryContract]| -> Result<HashMap<_, _>, Failure> {
            entries.iter().map(|entry| Ok((entry.name.clone(), Arc::new(Checked::new(entry)?)))).collect()
        };
        Ok(Self { actions: all(&contract.actions)?, jobs: all(&contract.jobs)? })
    }

    pub fn action(&self, name: &EntryName) -> Option<&Arc<Checked>> {
        self.actions.get(name)
    }

    pub fn job(&self, name: &EntryName) -> Option<&Arc<Checked>> {
        self.jobs.get(name)
    }
}

impl Checked {
    fn new(entry: &EntryContract) -> Result<Self, Failure> {
        let schema = |schema: &Value, side: &str| {
            // A publisher's patterns run on the host: only the engine without backtracking will do.
            jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema).map_err(|error| {
                let text = format!("the schema of `{}`'s {side} is not valid: {error}", entry.name);
                Failure::new(codes::INCOMPATIBLE, text)
            })
        };
        Ok(Self { input: schema(&entry.input, "input")?, output: schema(&entry.output, "output")? })
    }

    /// The input as JSON, or `invalid-input` with what is wrong and where.
    pub fn check_input(&self, input: &[u8]) -> Result<Value, Failure> {
        let value = parse(input).map_err(|reason| {
            Failure::new(codes::INVALID_INPUT, format!("the input is not JSON: {reason}"))
        })?;
        match findings(&self.input, &value) {
            findings if findings.is_empty() => Ok(value),
            findings => Err(Failure::new(codes::INVALID_INPUT, "the input does not match the action's schema")
                .details(json!({"findings": findings}))),
        }
    }

    /// The caller is told that the addon broke its promise, the operator how.
    pub fn check_output(&self, output: &[u8]) -> Result<(), Failure> {
        let broken = |internal: String| {
            Failure::new(codes::INVALID_OUTPUT, "the addon's answer does not match its own schema").internal(internal)
        };
        let value = parse(output).map_err(broken)?;
        let findings = findings(&self.output, &value);
        if findings.is_empty() { Ok(()) } else { Err(broken(Value::from(findings).to_string())) }
    }
}

/// `serde_json` refuses more than 128 levels by itself.
fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn findings(validator: &Validator, value: &Value) -> Vec<Value> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    validator
        .iter_errors(value)
        .take(MAX_FINDINGS)
        .map(|error| {
            let mut message = error.to_string();
            message.truncate(message.floor_char_boundary(MAX_FINDING));
            json!({"at": error.instance_path().to_string(), "message": message})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contracts(input: Value) -> Result<Contracts, Failure> {
        let json = json!({"actions": [{"name": "place", "input": input, "output": {"type": "integer"}}]});
        Contracts::new(&Contract::parse(json.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn findings_say_what_and_where() {
        let contracts = contracts(json!({
            "type": "object", "required": ["id"], "properties": {"total": {"type": "string"}}
        }))
        .unwrap();
        let place = contracts.action(&"place".parse().unwrap()).unwrap();
        let failure = place.check_input(br#"{"total": 1}"#).unwrap_err();
        assert_eq!(failure.code, codes::INVALID_INPUT);
        let findings = failure.details.unwrap();
        let at: Vec<_> = findings["findings"].as_array().unwrap().iter().map(|f| f["at"].clone()).collect();
        assert_eq!(at.len(), 2);
        assert!(at.contains(&json!("/total")));
        assert!(place.check_input(br#"{"id": 1, "total": "1"}"#).is_ok());
        assert_eq!(place.check_output(b"\"x\"").unwrap_err().code, codes::INVALID_OUTPUT);
        assert_eq!(place.check_output(b"{").unwrap_err().code, codes::INVALID_OUTPUT);
    }

    #[test]
    fn a_schema_that_is_none_and_a_pattern_that_backtracks_are_refused() {
        assert_eq!(contracts(json!({"type": "nonsense"})).err().unwrap().code, codes::INCOMPATIBLE);
        let backtracking = json!({"type": "string", "pattern": "^(?=(a+))\\1$"});
        assert_eq!(contracts(backtracking).err().unwrap().code, codes::INCOMPATIBLE);
    }
}
