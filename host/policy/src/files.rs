//! The files of a set: read together, hashed together, written by `bulla init`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::PolicyError;

pub(crate) const QUOTAS: &str = "quotas.toml";
pub(crate) const SCHEMA: &str = "bulla.cedarschema";
const CASES: &str = "tests";
/// A file may have so many bytes.
const MAX_FILE: u64 = 1 << 20;
/// Hex digits of a version: 64 bits, enough to tell edits apart.
const VERSION_DIGITS: usize = 16;

macro_rules! defaults {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/", $name)))),*]
    };
}

/// What a new data directory starts with; `policies/` of the source tree.
const DEFAULTS: &[(&str, &str)] = defaults![
    "quotas.toml",
    "bulla.cedarschema",
    "approver.cedar",
    "auditor.cedar",
    "caller.cedar",
    "operator.cedar",
    "tenant-admin.cedar",
    "tenant-isolation.cedar",
    "tests/approver.json",
    "tests/auditor.json",
    "tests/caller.json",
    "tests/operator.json",
    "tests/several-roles.json",
    "tests/tenant-admin.json",
];

/// Writes the default policies and their cases into `dir`. A file that is there already stays as it is.
pub fn write_defaults(dir: &Path) -> Result<(), PolicyError> {
    let failed = |path: &Path, error: std::io::Error| PolicyError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let cases = dir.join(CASES);
    fs::create_dir_all(&cases).map_err(|error| failed(&cases, error))?;
    for (name, text) in DEFAULTS {
        let path = dir.join(name);
        match fs::File::create_new(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Ok(())
}

/// The texts of a set, by name relative to its directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Files {
    policies: BTreeMap<String, String>,
    cases: BTreeMap<String, String>,
}

impl Files {
    pub fn embedded() -> Self {
        let mut files = Self::default();
        for (name, text) in DEFAULTS {
            let of = if name.starts_with(CASES) { &mut files.cases } else { &mut files.policies };
            of.insert((*name).to_owned(), (*text).to_owned());
        }
        files
    }

    /// Reads the directory. Files that are no policies, such as a README, are passed over; those that could be mistaken for
    /// one are refused.
    pub fn read(dir: &Path) -> Result<Self, PolicyError> {
        let mut files = Self::default();
        for name in names(dir)? {
            match name.rsplit_once('.').map(|(_, extension)| extension) {
                Some("cedar") => {}
                Some("toml") if name == QUOTAS => {}
                Some("cedarschema") if name == SCHEMA => {}
                Some("toml" | "cedarschema") => return Err(PolicyError::Stray { file: name }),
                _ => continue,
            }
            let text = text(&dir.join(&name), &name)?;
            files.policies.insert(name, text);
        }
        let cases = dir.join(CASES);
        if cases.is_dir() {
            for name in names(&cases)?.into_iter().filter(|name| name.ends_with(".json")) {
                let shown = format!("{CASES}/{name}");
                let text = text(&cases.join(&name), &shown)?;
                files.cases.insert(shown, text);
            }
        }
        Ok(files)
    }

    /// A hash over the names and texts of all that decides. Cases do not decide.
    pub fn version(&self) -> Arc<str> {
        let mut hash = Sha256::new();
        for part in self.policies.iter().flat_map(|(name, text)| [name, text]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())[..VERSION_DIGITS].into()
    }

    pub fn get(&self, name: &'static str) -> Result<&str, PolicyError> {
        self.policies.get(name).map(String::as_str).ok_or(PolicyError::Missing { file: name })
    }

    /// The Cedar policies, by file.
    pub fn cedar(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.policies.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        texts.filter(|(name, _)| name.ends_with(".cedar"))
    }

    /// The cases, by file.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn names(dir: &Path) -> Result<Vec<String>, PolicyError> {
    let failed = |error: std::io::Error| PolicyError::File {
        path: dir.display().to_string(),
        reason: error.to_string(),
    };
    let entries = fs::read_dir(dir).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut names: Vec<String> =
        entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // Hidden files are an editor's.
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

fn text(path: &Path, shown: &str) -> Result<String, PolicyError> {
    let failed = |error: std::io::Error| PolicyError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let mut text = String::new();
    let read =
        fs::File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    match read as u64 > MAX_FILE {
        true => Err(PolicyError::TooLarge { file: shown.into(), limit: MAX_FILE }),
        false => Ok(text),
    }
}
