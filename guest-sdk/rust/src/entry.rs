//! How the host's two exports reach an addon's functions. Used by the macros.

use std::sync::Once;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bindings::addon::types::Failure;
use crate::bindings::kernel::log;
use crate::{Call, Error, Result};

/// An action or job: its contract and how to run it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    /// The function's doc comment.
    pub doc: &'static str,
    pub input: fn() -> Value,
    pub output: fn() -> Value,
    pub run: fn(&Call, &[u8]) -> Result<Vec<u8>>,
}

/// What `#[action]` makes of a function: a type of the function's name.
pub trait Action {
    const ENTRY: Entry;
}

/// What `#[job]` makes of a function: a type of the function's name.
pub trait Job {
    const ENTRY: Entry;
}

/// What an action or job may return.
pub trait Answer {
    type Output: Serialize + JsonSchema;

    fn into_result(self) -> Result<Self::Output>;
}

impl<T: Serialize + JsonSchema> Answer for Result<T> {
    type Output = T;

    fn into_result(self) -> Result<T> {
        self
    }
}

/// The input of a function that takes none: `{}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// The addon's contract, as JSON. Asks the host for nothing.
pub fn describe(actions: &[Entry], jobs: &[Entry]) -> Vec<u8> {
    let list = |entries: &[Entry]| entries.iter().map(contract).collect::<Vec<_>>();
    json!({ "actions": list(actions), "jobs": list(jobs) }).to_string().into_bytes()
}

fn contract(entry: &Entry) -> Value {
    json!({ "name": entry.name, "doc": entry.doc, "input": (entry.input)(), "output": (entry.output)() })
}

/// Runs the entry of this name. Errors: `unknown-<kind>`, `invalid-input`, and what the function refuses with.
pub fn run(entries: &[Entry], kind: &str, name: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    log_panics();
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        return Err(Error::new(format!("unknown-{kind}"), format!("there is no {kind} `{name}`")).into());
    };
    (entry.run)(&Call::default(), input).map_err(Failure::from)
}

/// A panic becomes a trap without a text; so the text is written to the log before.
fn log_panics() {
    static HOOK: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|info| log::write(log::Level::Error, &info.to_string())))
        });
    }
}

pub fn decode<T: DeserializeOwned>(input: &[u8]) -> Result<T> {
    serde_json::from_slice(input).map_err(|error| Error::new("invalid-input", error.to_string()))
}

pub fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::new("invalid", format!("cannot become JSON: {error}")))
}

/// The schema of what the host passes in: JSON Schema 2020-12.
pub fn input_schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of what the addon answers: JSON Schema 2020-12.
pub fn output_schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}
