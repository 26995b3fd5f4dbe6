//! The bytes that are signed.

use serde::Serialize;

use crate::model::Invoice;

#[derive(Serialize)]
struct Signed<'a> {
    #[serde(rename = "document-sha256")]
    document_sha256: &'a str,
    invoice: Numbered<'a>,
}

#[derive(Serialize)]
struct Numbered<'a> {
    number: &'a str,
    #[serde(flatten)]
    invoice: &'a Invoice,
}

/// What the signature covers, in the canonical form of RFC 8785:
///
/// `{"document-sha256": "<64 hex digits of the submitted bytes>", "invoice": {…, "number": "INV-2026-00001", …}}`
///
/// The digest binds the signature to every byte that was submitted, the invoice to what this addon read in them, and the
/// number to both. Every number in it is a text, so that no reader can lose a digit.
///
/// # Errors
/// Those of the serialiser; none is known for this type.
pub fn signed_bytes(
    invoice: &Invoice,
    number: &str,
    document_sha256: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(&Signed { document_sha256, invoice: Numbered { number, invoice } })
}

/// The length in bytes of [`signed_bytes`], which order the same members in another way.
///
/// # Errors
/// As [`signed_bytes`].
pub fn signed_len(
    invoice: &Invoice,
    number: &str,
    document_sha256: &str,
) -> Result<usize, serde_json::Error> {
    let bytes = serde_json::to_vec(&Signed { document_sha256, invoice: Numbered { number, invoice } })?;
    Ok(bytes.len())
}
