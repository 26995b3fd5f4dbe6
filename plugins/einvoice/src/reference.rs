//! How the platform names an invoice.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::model::Invoice;

/// The longest reference to an object, in bytes.
const MAX_REFERENCE: usize = 200;

/// `invoice/<scheme of the seller's address>:<address>:<the seller's number>`: visible ASCII, at most 200 characters.
///
/// A seller uses a number once (BT-1), for invoices and credit notes alike, so two documents of one name are one document. What is
/// not a letter, a digit, `-`, `.` or `_` stands as `%` and two hex digits, so no two names fall together; a name that would be too long
/// is `invoice/sha256:` and the digest of the long one.
pub fn object_ref(invoice: &Invoice) -> String {
    let mut reference = String::from("invoice/");
    if let Some(endpoint) = &invoice.seller.endpoint {
        escape(endpoint.scheme.as_deref().unwrap_or_default(), &mut reference);
        reference.push(':');
        escape(&endpoint.value, &mut reference);
    }
    reference.push(':');
    escape(&invoice.id, &mut reference);
    if reference.len() > MAX_REFERENCE {
        reference = format!("invoice/sha256:{}", sha256_hex(reference.as_bytes()));
    }
    reference
}

/// SHA-256 as 64 lower-case hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept;

    fn reference(from: &str, to: &str) -> String {
        let text = include_str!("../samples/standard.xml");
        assert!(text.contains(from));
        object_ref(&accept(text.replace(from, to).as_bytes()).unwrap())
    }

    #[test]
    fn a_reference_is_short_visible_and_its_own() {
        assert_eq!(reference("KB", "KB"), "invoice/9930:DE811300417:KB-2026-0117");
        assert_eq!(
            reference("KB-2026-0117", "7/2026:a é%"),
            "invoice/9930:DE811300417:7%2F2026%3Aa%20%C3%A9%25"
        );
        let long = reference("KB-2026-0117", &"7".repeat(300));
        assert_eq!(long.len(), "invoice/sha256:".len() + 64);
        assert_ne!(long, reference("KB-2026-0117", &"7".repeat(301)));
    }
}
