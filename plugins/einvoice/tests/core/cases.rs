//! The cases of `bulla test` (`tests/*.json`) carry the samples, byte for byte.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::documents::{here, samples};

#[test]
fn every_case_carries_a_sample_and_expects_what_the_rules_say() {
    let samples: BTreeSet<Vec<u8>> = samples().into_iter().map(|(_, document)| document).collect();
    let mut count = 0;
    for entry in std::fs::read_dir(here().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let document = STANDARD.decode(case["input"]["document"].as_str().unwrap()).unwrap();
        assert!(samples.contains(&document), "{}: write the sample into it again", path.display());
        let valid = einvoice::accept(&document).is_ok();
        let expected = match &case["expect"]["ok"]["valid"] {
            Value::Bool(valid) => *valid,
            _ => case["expect"]["error"] != "invalid-invoice",
        };
        assert_eq!(valid, expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 3, "{count} cases");
}
