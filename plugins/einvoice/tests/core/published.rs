//! The documents that OpenPEPPOL publishes, and this addon's own samples.

use crate::documents::{published, sample, samples};
use einvoice::{accept, json};

fn rules(document: &[u8]) -> Vec<&'static str> {
    let mut rules: Vec<_> =
        accept(document).err().unwrap_or_default().iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn the_published_documents_are_accepted() {
    let documents = published();
    for (name, document) in &documents {
        assert_eq!(accept(document).err(), None, "{name}");
    }
    if !documents.is_empty() {
        assert_eq!(documents.len(), 9);
    }
}

#[test]
fn the_samples_are_what_their_names_say() {
    for (name, document) in samples() {
        let expected: &[&str] = match name.as_str() {
            "wrong-totals.xml" => {
                &["BR-CO-10", "BR-CO-13", "BR-CO-14", "BR-CO-15", "BR-CO-16", "BR-CO-17", "BR-S-09"]
            }
            "dtd.xml" => &["UBL-dtd"],
            _ => &[],
        };
        assert_eq!(rules(&document), expected, "{name}");
    }
    assert!(samples().len() >= 9);
}

#[test]
fn a_finding_says_what_was_expected_found_and_where() {
    let findings = accept(&sample("wrong-totals.xml")).unwrap_err();
    let finding = findings.iter().find(|finding| finding.rule == "BR-CO-16").unwrap();
    assert_eq!(finding.location, "/Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount");
    assert_eq!(finding.message, "amount due for payment (BT-115): expected 48000.00, found 47000.00");
    assert_eq!((finding.expected.as_deref(), finding.found.as_deref()), (Some("48000.00"), Some("47000.00")));
}

#[test]
fn the_signed_form_is_canonical_and_complete() {
    let invoice = accept(&sample("credit-note.xml")).unwrap();
    let bytes = json::signed_bytes(&invoice, "INV-2026-00007", &"ab".repeat(32)).unwrap();
    let length = json::signed_len(&invoice, "INV-2026-00007", &"ab".repeat(32)).unwrap();
    assert_eq!(length, bytes.len());
    let text = String::from_utf8(bytes).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), text);
    assert!(text.starts_with(r#"{"document-sha256":"abab"#));
    assert_eq!(value["invoice"]["number"], "INV-2026-00007");
    assert_eq!(value["invoice"]["kind"], "credit-note");
    assert_eq!(value["invoice"]["totals"]["payable"], "86.28");
    assert_eq!(value["invoice"]["lines"][0]["price"]["net"], "60.4167");
    assert!(!text.contains("null"));
}
