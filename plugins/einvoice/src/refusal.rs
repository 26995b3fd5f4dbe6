//! How findings are told to the caller.

use bulla::Error;
use bulla::serde_json::{Value, json};

use crate::finding::Finding;

/// The most bytes of findings in the details, which the host bounds at 64 KiB.
const MAX_DETAILS: usize = 60 * 1024;
/// The most rule ids in the message.
const MAX_IDS: usize = 20;

/// `invalid-invoice`, with the rules in the message and the findings in the details. Findings that do not fit are counted as `more`.
pub fn of(findings: Vec<Finding>) -> Error {
    let (mut listed, mut bytes) = (Vec::new(), 0);
    for finding in &findings {
        let value = json!(finding);
        bytes += value.to_string().len() + 1;
        if bytes > MAX_DETAILS {
            break;
        }
        listed.push(value);
    }
    let more = findings.len() - listed.len();
    Error::new("invalid-invoice", message(&findings))
        .with_details(json!({ "findings": Value::Array(listed), "more": more }))
}

fn message(findings: &[Finding]) -> String {
    let mut ids: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    ids.sort_unstable();
    ids.dedup();
    let rest = ids.len().saturating_sub(MAX_IDS);
    ids.truncate(MAX_IDS);
    let and_more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("the document breaks {}{and_more}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_as_far_as_they_fit() {
        let finding = |message: &str| Finding::new("BR-CO-10", "/Invoice", message);
        let error = of(vec![finding("a"), finding("b")]);
        assert_eq!((error.code(), error.message()), ("invalid-invoice", "the document breaks BR-CO-10"));
        assert_eq!(error.details().unwrap()["more"], 0);
        let many = of(vec![finding(&"x".repeat(500)); 1_000]);
        let details = many.details().unwrap();
        let listed = details["findings"].as_array().unwrap().len();
        assert_eq!(details["more"], 1_000 - listed);
        assert!(listed > 50 && details.to_string().len() <= 64 * 1024);
    }
}
