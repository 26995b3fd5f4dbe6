//! The document of an invoice: read, checked, and refused with findings; never a panic, which would be a trap for the caller.

use einvoice::finding::Finding;

pub const WORDS: &[&str] = &[
    "<cbc:ID>",
    "</cbc:ID>",
    "<cbc:IssueDate>2026-03-31</cbc:IssueDate>",
    "<cbc:Amount currencyID=\"EUR\">",
    "EUR",
    "USD",
    "JPY",
    "<cac:InvoiceLine>",
    "</cac:InvoiceLine>",
    "<cac:AllowanceCharge>",
    "<cac:TaxSubtotal>",
    "<cac:TaxTotal>",
    "<!DOCTYPE a>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "&amp;",
    "&#x0;",
    "xmlns:a=\"b\"",
    "]]>",
    "<![CDATA[",
    "-0.00",
    "1e400",
    "99999999999999999999.999999",
    "0.005",
    "\u{feff}",
    "S",
    "Z",
    "E",
    "AE",
    "19.00",
    "380",
    "381",
];

/// What a guest may answer at most.
const MAX_ANSWER: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let (invoice, findings) = einvoice::examine(data);
    assert!(invoice.is_some() || !findings.is_empty(), "neither an invoice nor a finding");
    assert!(told(&findings) <= MAX_ANSWER, "{} findings, {} bytes", findings.len(), told(&findings));
    match einvoice::accept(data) {
        Ok(_) => assert!(findings.is_empty()),
        Err(again) => assert_eq!(format!("{again:?}"), format!("{findings:?}")),
    }
}

fn told(findings: &[Finding]) -> usize {
    findings.iter().map(|finding| format!("{finding:?}").len()).sum()
}
