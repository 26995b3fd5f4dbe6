//! A part of a log that proves itself: written by the export, read by anybody. Pure: no database, no clock.
//!
//! A bundle is JSON Lines (UTF-8, `\n` behind every line), each line in RFC 8785 form:
//! 1. the manifest: format, log, origin, `from` and `to`, the frontier at `from`, the verifier keys (for information: trust
//!    comes from elsewhere), and for each section its number of lines and the SHA-256 of its bytes;
//! 2. the checkpoints: `{"checkpoint": "<signed note>"}`, one of size `from` (unless `from` is 0) and one of size `to`;
//! 3. the entries `from..to`, each line the very leaf that the tree was built over.
//!
//! Why it proves: the frontier hashes to the root that was signed at `from`; the same frontier with the leaves appended
//! hashes to the root that was signed at `to`. So the entries are exactly those between the two checkpoints, each at its
//! index, and the later checkpoint extends the earlier one.

use bulla_base::canonical::canonicalize;
use bulla_base::{Code, Coded, codes};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::leaf::read_leaf;
use super::note::{self, CheckpointText, NoteError, TrustedKeys};
use super::tree::{Frontier, leaf_hash};

/// The name and version of the format, in the manifest.
pub const BUNDLE_FORMAT: &str = "bulla-audit-bundle/1";

/// What a bundle proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleSummary {
    pub log: String,
    pub origin: String,
    /// The index of the first entry.
    pub from: u64,
    /// The size of the log at the last checkpoint: the index behind the last entry.
    pub to: u64,
    /// The root at `to`, in hex.
    pub root: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the bundle is malformed: {0}")]
    Malformed(String),
    #[error("`{0}` is not a verifier key")]
    VerifierKey(String),
    #[error("the section `{0}` is not the one of the manifest")]
    Digest(&'static str),
    #[error("checkpoint at {size}: {reason}")]
    Checkpoint { size: u64, reason: String },
    #[error("the entry at index {index}: {reason}")]
    Entry { index: u64, reason: String },
    #[error("the entries {from}..{to} are not those that were signed")]
    History { from: u64, to: u64 },
}

impl Coded for BundleError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::VerifierKey(_) => codes::INVALID,
            _ => codes::AUDIT_TAMPERED,
        }
    }
}

/// Checks a bundle against verifier keys that the reader trusts: those that signed at `from` and at `to`.
pub fn verify_bundle(bytes: &[u8], trusted: &[impl AsRef<str>]) -> Result<BundleSummary, BundleError> {
    let keys = TrustedKeys::parse(trusted).map_err(|error| match error {
        NoteError::VerifierKey(key) => BundleError::VerifierKey(key),
        other => BundleError::VerifierKey(other.to_string()),
    })?;
    let (manifest, checkpoints, entries) = Manifest::split(bytes)?;
    manifest.sections.checkpoints.check("checkpoints", checkpoints)?;
    manifest.sections.entries.check("entries", entries)?;

    let mut frontier = Frontier::read(manifest.from, &manifest.frontier)
        .ok_or_else(|| BundleError::Malformed("the frontier does not fit `from`".into()))?;
    let mut roots = manifest.read_checkpoints(checkpoints, &keys)?;
    let mut expect_root = |size: u64, root: [u8; 32]| match roots.next() {
        Some(text) if text.size == size && text.root == root => Ok(()),
        Some(text) if text.size == size => Err(BundleError::History { from: manifest.from, to: size }),
        _ => Err(BundleError::Checkpoint { size, reason: "it is not there".into() }),
    };
    if manifest.from > 0 {
        expect_root(manifest.from, frontier.root())?;
    }
    for line in entries.lines() {
        let index = frontier.size();
        read_leaf(line, &manifest.log, index)
            .map_err(|(kind, reason)| BundleError::Entry { index, reason: format!("{kind}: {reason}") })?;
        frontier.push(leaf_hash(line.as_bytes()));
    }
    if frontier.size() != manifest.to {
        return Err(BundleError::Malformed("the entries do not reach `to`".into()));
    }
    expect_root(manifest.to, frontier.root())?;
    if roots.next().is_some() {
        return Err(BundleError::Malformed("there are checkpoints beyond `from` and `to`".into()));
    }
    let Manifest { log, origin, from, to, .. } = manifest;
    Ok(BundleSummary { log, origin, from, to, root: hex::encode(frontier.root()) })
}

/// What a bundle is made of.
pub(super) struct Contents {
    pub log: String,
    pub origin: String,
    pub from: u64,
    pub to: u64,
    pub frontier: Vec<String>,
    pub vkeys: Vec<String>,
    pub notes: Vec<String>,
    pub leaves: Vec<String>,
}

impl Contents {
    pub fn write(self) -> Result<Vec<u8>, BundleError> {
        let mut checkpoints = String::new();
        for note in self.notes {
            checkpoints.push_str(&line(&CheckpointLine { checkpoint: note })?);
        }
        let entries: String = self.leaves.iter().flat_map(|leaf| [leaf.as_str(), "\n"]).collect();
        let manifest = Manifest {
            format: BUNDLE_FORMAT.into(),
            log: self.log,
            origin: self.origin,
            from: self.from,
            to: self.to,
            frontier: self.frontier,
            vkeys: self.vkeys,
            sections: Sections { checkpoints: Section::of(&checkpoints), entries: Section::of(&entries) },
        };
        Ok([line(&manifest)?, checkpoints, entries].concat().into_bytes())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    log: String,
    origin: String,
    from: u64,
    to: u64,
    frontier: Vec<String>,
    vkeys: Vec<String>,
    sections: Sections,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    checkpoints: Section,
    entries: Section,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    lines: usize,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

impl Manifest {
    /// The manifest and the bytes of the two sections.
    fn split(bytes: &[u8]) -> Result<(Self, &str, &str), BundleError> {
        let malformed = |why: &str| BundleError::Malformed(why.into());
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (first, rest) = text.split_once('\n').ok_or_else(|| malformed("it has no manifest"))?;
        let manifest: Self = read_line(first)?;
        if manifest.format != BUNDLE_FORMAT {
            return Err(BundleError::Malformed(format!("its format is `{}`", manifest.format)));
        }
        if manifest.from >= manifest.to
            || manifest.origin.strip_suffix(&manifest.log).is_none_or(|rest| !rest.ends_with('/'))
        {
            return Err(malformed("its range is empty, or its origin is of another log"));
        }
        let lines = manifest.sections.checkpoints.lines;
        let end = rest.match_indices('\n').nth(lines.wrapping_sub(1)).map(|(at, _)| at + 1);
        let (checkpoints, entries) = rest.split_at(end.ok_or_else(|| malformed("checkpoints are missing"))?);
        Ok((manifest, checkpoints, entries))
    }

    fn read_checkpoints(
        &self,
        section: &str,
        keys: &TrustedKeys,
    ) -> Result<std::vec::IntoIter<CheckpointText>, BundleError> {
        let mut texts = Vec::new();
        for (line, size) in
            section.lines().zip([self.from, self.to].into_iter().skip(usize::from(self.from == 0)))
        {
            let CheckpointLine { checkpoint } = read_line(line)?;
            let refused = |reason: String| BundleError::Checkpoint { size, reason };
            let text = note::open(&checkpoint, keys).map_err(|error| refused(error.to_string()))?;
            if text.origin != self.origin {
                return Err(refused(format!("it is of `{}`", text.origin)));
            }
            texts.push(text);
        }
        match texts.len() == section.lines().count() {
            true => Ok(texts.into_iter()),
            false => Err(BundleError::Malformed("there are checkpoints beyond `from` and `to`".into())),
        }
    }
}

impl Section {
    fn of(text: &str) -> Self {
        Self { lines: text.matches('\n').count(), sha256: hex::encode(Sha256::digest(text)) }
    }

    fn check(&self, name: &'static str, text: &str) -> Result<(), BundleError> {
        let found = Self::of(text);
        let whole = text.ends_with('\n') && found.lines == self.lines && found.sha256 == self.sha256;
        if whole { Ok(()) } else { Err(BundleError::Digest(name)) }
    }
}

fn line(value: &impl Serialize) -> Result<String, BundleError> {
    let malformed = |error: String| BundleError::Malformed(error);
    let value = serde_json::to_value(value).map_err(|error| malformed(error.to_string()))?;
    let bytes = canonicalize(&value).map_err(|error| malformed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned() + "\n")
}

/// Reads a line, which has one spelling only.
fn read_line<T: Serialize + serde::de::DeserializeOwned>(text: &str) -> Result<T, BundleError> {
    let value: T = serde_json::from_str(text).map_err(|error| BundleError::Malformed(error.to_string()))?;
    match line(&value)?.strip_suffix('\n') == Some(text) {
        true => Ok(value),
        false => Err(BundleError::Malformed("a line is not in canonical form".into())),
    }
}
