//! The contract: what each action and job of an addon takes and gives, as JSON Schemas (draft 2020-12). It lives in one place, the
//! custom section `bulla:contract` of the component, written at build from what the addon's `describe` answers.
//!
//! The section stands at the component's own level. Sections of that name inside a nested module or component are not looked at.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bulla_base::{Code, Coded, EntryName, codes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_encoder::ComponentSection;
use wasmparser::{Chunk, Encoding, Parser, Payload};

use crate::manifest::{LIST_MAX, Manifest};

/// The name of the custom section.
pub const SECTION: &str = "bulla:contract";
/// The largest contract, in bytes of JSON.
pub const MAX_BYTES: usize = 1 << 20;
/// The longest documentation of one entry, in bytes.
pub const DOC_MAX: usize = 16 << 10;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    pub actions: Vec<EntryContract>,
    #[serde(default)]
    pub jobs: Vec<EntryContract>,
}

/// The contract of one action or job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryContract {
    pub name: EntryName,
    /// For people; may be empty.
    #[serde(default)]
    pub doc: String,
    /// A JSON Schema: an object or a boolean.
    pub input: Value,
    /// A JSON Schema: an object or a boolean.
    pub output: Value,
}

impl Contract {
    /// Reads and checks the JSON of a contract.
    pub fn parse(json: &[u8]) -> Result<Self, ContractError> {
        check_size(json.len())?;
        let contract: Self =
            serde_json::from_slice(json).map_err(|error| ContractError::Json(error.to_string()))?;
        contract.check()?;
        Ok(contract)
    }

    /// The JSON as it is stored: the same contract gives the same bytes.
    pub fn to_json(&self) -> Result<Vec<u8>, ContractError> {
        self.check()?;
        let json = serde_json::to_vec(self).map_err(|error| ContractError::Json(error.to_string()))?;
        check_size(json.len())?;
        Ok(json)
    }

    /// The contract in a component. Errors: `NotAComponent`, `Missing`, `Twice`, then those of [`Contract::parse`].
    pub fn read(component: &[u8]) -> Result<Self, ContractError> {
        match sections(component)?.as_slice() {
            [] => Err(ContractError::Missing),
            [json] => Self::parse(json),
            _ => Err(ContractError::Twice),
        }
    }

    /// The component with this contract as its last section. Errors: `NotAComponent`, `Twice` (it has one already), then what is wrong
    /// with the contract.
    pub fn write(&self, component: &[u8]) -> Result<Vec<u8>, ContractError> {
        if !sections(component)?.is_empty() {
            return Err(ContractError::Twice);
        }
        let section =
            wasm_encoder::CustomSection { name: Cow::Borrowed(SECTION), data: Cow::Owned(self.to_json()?) };
        let mut bytes = component.to_vec();
        section.append_to_component(&mut bytes);
        Ok(bytes)
    }

    /// Whether manifest and component name the same actions and the same jobs.
    pub fn fits(&self, manifest: &Manifest) -> Result<(), ContractError> {
        same(Entry::Action, &self.actions, manifest.actions().keys())?;
        same(Entry::Job, &self.jobs, manifest.jobs().keys())
    }

    pub fn action(&self, name: &str) -> Option<&EntryContract> {
        self.actions.iter().find(|entry| entry.name.as_str() == name)
    }

    pub fn job(&self, name: &str) -> Option<&EntryContract> {
        self.jobs.iter().find(|entry| entry.name.as_str() == name)
    }

    fn check(&self) -> Result<(), ContractError> {
        check_entries(Entry::Action, &self.actions)?;
        check_entries(Entry::Job, &self.jobs)
    }
}

fn check_size(size: usize) -> Result<(), ContractError> {
    if size > MAX_BYTES { Err(ContractError::TooLarge { size, max: MAX_BYTES }) } else { Ok(()) }
}

fn check_entries(kind: Entry, entries: &[EntryContract]) -> Result<(), ContractError> {
    if entries.len() > LIST_MAX {
        return Err(ContractError::TooMany { kind, count: entries.len(), max: LIST_MAX });
    }
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = || entry.name.clone();
        if !names.insert(&entry.name) {
            return Err(ContractError::SameName { kind, name: name() });
        }
        if entry.doc.len() > DOC_MAX {
            return Err(ContractError::Doc { kind, name: name(), size: entry.doc.len(), max: DOC_MAX });
        }
        for (side, schema) in [("input", &entry.input), ("output", &entry.output)] {
            if !schema.is_object() && !schema.is_boolean() {
                return Err(ContractError::NotASchema { kind, name: name(), side });
            }
        }
    }
    Ok(())
}

fn same<'m>(
    kind: Entry,
    described: &[EntryContract],
    listed: impl Iterator<Item = &'m EntryName>,
) -> Result<(), ContractError> {
    let described: BTreeSet<_> = described.iter().map(|entry| &entry.name).collect();
    let listed: BTreeSet<_> = listed.collect();
    if let Some(name) = described.difference(&listed).next() {
        return Err(ContractError::NotListed { kind, name: (*name).clone() });
    }
    if let Some(name) = listed.difference(&described).next() {
        return Err(ContractError::NotDescribed { kind, name: (*name).clone() });
    }
    Ok(())
}

/// The content of each section `bulla:contract` at the component's own level.
fn sections(component: &[u8]) -> Result<Vec<&[u8]>, ContractError> {
    let malformed =
        |problem: &dyn fmt::Display| ContractError::NotAComponent { problem: problem.to_string() };
    let (mut parser, mut rest, mut found) = (Parser::new(0), component, Vec::new());
    loop {
        let payload = match parser.parse(rest, true).map_err(|error| malformed(&error))? {
            Chunk::Parsed { consumed, payload } => {
                rest = rest.get(consumed..).unwrap_or_default();
                payload
            }
            Chunk::NeedMoreData(_) => return Err(malformed(&"it ends too early")),
        };
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                return Err(malformed(&"it is a core module"));
            }
            // What is nested is not ours to read: the parser goes on after it.
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                let nested = usize::try_from(unchecked_range.end.saturating_sub(unchecked_range.start));
                let after = nested.ok().and_then(|nested| rest.get(nested..));
                rest = after
                    .ok_or_else(|| malformed(&"a nested module or component is longer than the file"))?;
            }
            Payload::CustomSection(section) if section.name() == SECTION => found.push(section.data()),
            Payload::End(_) => return Ok(found),
            _ => {}
        }
    }
}

/// What a name in a contract belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Action,
    Job,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Action => "action",
            Self::Job => "job",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    #[error("this is not a WebAssembly component: {problem}")]
    NotAComponent { problem: String },
    #[error("the component has no section `{SECTION}`: build it with `bulla build`")]
    Missing,
    #[error("the component has more than one section `{SECTION}`")]
    Twice,
    #[error("the contract has {size} bytes, {max} are the most")]
    TooLarge { size: usize, max: usize },
    #[error("the contract is malformed: {0}")]
    Json(String),
    #[error("the contract has {count} {kind}s, {max} are the most")]
    TooMany { kind: Entry, count: usize, max: usize },
    #[error("the contract describes the {kind} `{name}` twice")]
    SameName { kind: Entry, name: EntryName },
    #[error("the documentation of the {kind} `{name}` has {size} bytes, {max} are the most")]
    Doc { kind: Entry, name: EntryName, size: usize, max: usize },
    #[error("the {side} of the {kind} `{name}` is not a JSON Schema: it must be an object or a boolean")]
    NotASchema { kind: Entry, name: EntryName, side: &'static str },
    #[error("the component has the {kind} `{name}`, the manifest does not list it")]
    NotListed { kind: Entry, name: EntryName },
    #[error("the manifest lists the {kind} `{name}`, the component does not have it")]
    NotDescribed { kind: Entry, name: EntryName },
}

impl Coded for ContractError {
    fn code(&self) -> Code {
        match self {
            Self::NotListed { .. } | Self::NotDescribed { .. } => codes::MANIFEST_INVALID,
            Self::NotAComponent { .. }
            | Self::Missing
            | Self::Twice
            | Self::TooLarge { .. }
            | Self::Json(_)
            | Self::TooMany { .. }
            | Self::SameName { .. }
            | Self::Doc { .. }
            | Self::NotASchema { .. } => codes::PACKAGE_INVALID,
        }
    }
}

#[cfg(test)]
mod tests;
