//! What the publisher signs: name, version, and the digest and size of every file.
//!
//! A statement has exactly one encoding, RFC 8785 (JCS): bytes that differ from their own canonical form are refused, so that there
//! is no white space, no order of keys, no second key and no second number to hide something in.

use bulla_base::{AddonName, Timestamp, canonical};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::PackageError;
use crate::digest::Digest;
use crate::key::KeyId;
use crate::manifest::Manifest;

/// The type of the statements this host reads and writes.
pub const STATEMENT_TYPE: &str = "https://bulla.dev/statement/v1";
/// The kind of a package that holds an addon.
pub const KIND_ADDON: &str = "addon";

/// What the signature covers besides the statement: a signature made for something else does not hold here.
const PAYLOAD_TYPE: &str = "application/vnd.bulla.statement+json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "type")]
    pub statement_type: String,
    /// [`KIND_ADDON`].
    pub kind: String,
    pub name: AddonName,
    pub version: Version,
    pub files: Files,
    /// The key whose signature follows.
    pub key: KeyId,
    /// Milliseconds since 1970. The signer's word, for people: no decision is made by it.
    #[serde(rename = "signed-at")]
    pub signed_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    pub manifest: FileStatement,
    pub component: FileStatement,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStatement {
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}

impl Statement {
    pub(super) fn new(
        manifest: &Manifest,
        manifest_bytes: &[u8],
        component: &[u8],
        key: KeyId,
        now: Timestamp,
    ) -> Self {
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            kind: KIND_ADDON.to_owned(),
            name: manifest.name().clone(),
            version: manifest.version().clone(),
            files: Files {
                manifest: FileStatement::of(manifest_bytes),
                component: FileStatement::of(component),
            },
            key,
            signed_at_ms: now.as_millisecond(),
        }
    }

    /// Reads a statement. Refusals in order of precedence: malformed (JSON, missing, unknown or repeated fields), not canonical,
    /// another type, another kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let malformed =
            |problem: &dyn std::fmt::Display| PackageError::Statement { problem: problem.to_string() };
        let statement: Self = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if statement.canonical()? != bytes {
            return Err(PackageError::NotCanonical);
        }
        if statement.statement_type != STATEMENT_TYPE {
            return Err(PackageError::OtherStatement {
                found: statement.statement_type,
                known: STATEMENT_TYPE,
            });
        }
        if statement.kind != KIND_ADDON {
            return Err(PackageError::OtherKind { found: statement.kind, known: KIND_ADDON });
        }
        Timestamp::from_millisecond(statement.signed_at_ms).map_err(|error| malformed(&error))?;
        Ok(statement)
    }

    pub(super) fn canonical(&self) -> Result<Vec<u8>, PackageError> {
        let failed = |problem: String| PackageError::Statement { problem };
        let value = serde_json::to_value(self).map_err(|error| failed(error.to_string()))?;
        canonical::canonicalize(&value).map_err(|error| failed(error.to_string()))
    }

    /// When the publisher says to have signed.
    pub fn signed_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.signed_at_ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl FileStatement {
    fn of(bytes: &[u8]) -> Self {
        Self { sha256: Digest::of(bytes), size: bytes.len() as u64 }
    }
}

/// The pre-authentication encoding of in-toto DSSE v1.0.2: `DSSEv1 SP len(type) SP type SP len(body) SP body`.
pub(crate) fn signed_bytes(statement: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).into_bytes();
    bytes.extend_from_slice(statement);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        r#"{"files":{"component":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"#,
        r#""manifest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7}},"#,
        r#""key":"000102030405060708090a0b0c0d0e0f","kind":"addon","name":"hello","signed-at":1767225600000,"#,
        r#""type":"https://bulla.dev/statement/v1","version":"0.1.0"}"#
    );

    #[test]
    fn a_canonical_statement_reads_back() {
        let statement = Statement::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(statement.canonical().unwrap(), TEXT.as_bytes());
        assert_eq!((statement.name.as_str(), statement.files.manifest.size), ("hello", 7));
        assert_eq!(statement.signed_at().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn another_encoding_of_the_same_statement_is_refused() {
        for other in [
            TEXT.replace(":", ": "),
            format!("{TEXT}\n"),
            format!(" {TEXT}"),
            TEXT.replace("hello", "h\\u0065llo"),
            TEXT.replace("https://", "https:\\/\\/"),
            r#"{"version":"0.1.0","#.to_owned() + &TEXT[1..].replace(r#","version":"0.1.0""#, ""),
        ] {
            assert_eq!(Statement::parse(other.as_bytes()), Err(PackageError::NotCanonical), "{other}");
        }
    }

    #[test]
    fn malformed_statements_are_refused() {
        let problem = |text: &str| match Statement::parse(text.as_bytes()) {
            Err(PackageError::Statement { problem }) => problem,
            other => panic!("{text}: {other:?}"),
        };
        assert!(
            problem(&TEXT.replacen('{', r#"{"key":"000102030405060708090a0b0c0d0e0f","#, 1))
                .starts_with("duplicate field `key`")
        );
        assert!(
            problem(&TEXT.replace(r#""size":0"#, r#""size":0,"size":0"#))
                .starts_with("duplicate field `size`")
        );
        assert!(problem(&TEXT.replacen('{', r#"{"a":1,"#, 1)).starts_with("unknown field `a`"));
        assert!(problem(&TEXT.replace(r#""size":0"#, r#""a":1,"size":0"#)).starts_with("unknown field `a`"));
        assert!(problem(&TEXT.replace(r#""kind":"addon","#, "")).starts_with("missing field `kind`"));
        assert!(problem(&TEXT.replace("hello", "Hello")).contains("`Hello`"));
        assert!(problem(&TEXT.replace("0.1.0", "1")).contains("version number"));
        assert!(problem(&TEXT.replace("e3b0", "E3B0")).contains("SHA-256"));
        assert!(problem(&TEXT.replace("0001", "00")).contains("key id"));
        assert!(problem(&TEXT.replace("1767225600000", "1767225600000.5")).contains("invalid type"));
        assert!(
            problem(&TEXT.replace("1767225600000", "9007199254740991")).contains("not in the required range")
        );
        assert!(problem(&format!("{TEXT}{{}}")).starts_with("trailing characters"));
        assert!(!problem("").is_empty() && !problem("[]").is_empty() && !problem("{").is_empty());
    }

    #[test]
    fn other_types_and_kinds_are_incompatible() {
        use bulla_base::{Coded, codes};
        let later = Statement::parse(TEXT.replace("/v1", "/v2").as_bytes()).unwrap_err();
        let found = "https://bulla.dev/statement/v2".to_owned();
        assert_eq!(later, PackageError::OtherStatement { found, known: STATEMENT_TYPE });
        assert_eq!(later.code(), codes::INCOMPATIBLE);
        let kind = Statement::parse(TEXT.replace("addon", "handlers").as_bytes()).unwrap_err();
        assert_eq!(kind, PackageError::OtherKind { found: "handlers".into(), known: KIND_ADDON });
    }

    #[test]
    fn what_is_signed_names_its_type_and_length() {
        assert_eq!(signed_bytes(b"{}"), b"DSSEv1 36 application/vnd.bulla.statement+json 2 {}");
    }
}
