//! Where a rule has a tolerance: just within it, and just beyond.

use crate::documents::sample;
use einvoice::accept;

fn rules(name: &str, from: &str, to: &str) -> Vec<&'static str> {
    let text = String::from_utf8(sample(name)).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
    let findings = accept(text.replace(from, to).as_bytes()).err().unwrap_or_default();
    let mut rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn a_standard_taxable_amount_may_be_less_than_one_off() {
    let taxable = ">1972.50</cbc:TaxableAmount>";
    for (amount, expected) in
        [("1973.49", &[][..]), ("1971.51", &[]), ("1973.50", &["BR-S-08"]), ("1971.50", &["BR-S-08"])]
    {
        assert_eq!(
            rules("standard.xml", taxable, &format!(">{amount}</cbc:TaxableAmount>")),
            expected,
            "{amount}"
        );
    }
}

#[test]
fn a_standard_vat_may_be_less_than_one_off() {
    // 19 % of 1972.50 is 374.775, rounded 374.78.
    let tax = ">374.78</cbc:TaxAmount>";
    let beyond: &[&str] = &["BR-CO-14", "BR-CO-17", "BR-S-09"];
    for (amount, expected) in
        [("375.77", &["BR-CO-14"][..]), ("373.79", &["BR-CO-14"]), ("375.78", beyond), ("373.78", beyond)]
    {
        assert_eq!(rules("standard.xml", tax, &format!(">{amount}</cbc:TaxAmount>")), expected, "{amount}");
    }
}

#[test]
fn without_a_rate_the_vat_is_zero_and_the_taxable_amount_exact() {
    let text = String::from_utf8(sample("zero-rated.xml")).unwrap();
    let subtotal = text.find("<cac:TaxSubtotal>").unwrap();
    for (amount, expected) in
        [("0.49", &["BR-CO-14", "BR-Z-09"][..]), ("0.50", &["BR-CO-14", "BR-CO-17", "BR-Z-09"])]
    {
        let changed =
            text[subtotal..].replacen(">0.00</cbc:TaxAmount>", &format!(">{amount}</cbc:TaxAmount>"), 1);
        let findings = accept(format!("{}{changed}", &text[..subtotal]).as_bytes()).unwrap_err();
        let mut fired: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
        fired.sort_unstable();
        assert_eq!(fired, expected, "{amount}");
    }
    assert_eq!(
        rules("zero-rated.xml", ">742.50</cbc:TaxableAmount>", ">742.51</cbc:TaxableAmount>"),
        ["BR-Z-08"]
    );
}

#[test]
fn a_line_and_an_allowance_may_be_two_cents_off() {
    let net = ">1827.50</cbc:LineExtensionAmount>";
    assert_eq!(rules("standard.xml", net, ">1827.52</cbc:LineExtensionAmount>"), ["BR-CO-10"]);
    assert_eq!(
        rules("standard.xml", net, ">1827.53</cbc:LineExtensionAmount>"),
        ["BR-CO-10", "PEPPOL-EN16931-R120"]
    );
    // The price is for five litres: the tolerance is of the line, not of five of them.
    let per_five = ">145.00</cbc:LineExtensionAmount>";
    assert_eq!(rules("standard.xml", per_five, ">145.02</cbc:LineExtensionAmount>"), ["BR-CO-10"]);
    assert_eq!(
        rules("standard.xml", per_five, ">145.03</cbc:LineExtensionAmount>"),
        ["BR-CO-10", "PEPPOL-EN16931-R120"]
    );
    let amount = ">48.00</cbc:Amount>";
    assert_eq!(rules("allowances-charges.xml", amount, ">48.02</cbc:Amount>"), ["BR-CO-11"]);
    assert_eq!(
        rules("allowances-charges.xml", amount, ">48.03</cbc:Amount>"),
        ["BR-CO-11", "PEPPOL-EN16931-R040"]
    );
}

#[test]
fn a_rate_counts_by_its_value_not_by_how_it_is_written() {
    let text = String::from_utf8(sample("standard.xml")).unwrap();
    let lines = text.find("<cac:InvoiceLine>").unwrap();
    let changed = format!("{}{}", &text[..lines], text[lines..].replace(">19<", ">19.000<"));
    assert_eq!(accept(changed.as_bytes()).err(), None);
    let none_at_rate = format!("{}{}", &text[..lines], text[lines..].replace(">19<", ">19.5<"));
    let findings = accept(none_at_rate.as_bytes()).unwrap_err();
    assert!(findings.iter().all(|finding| finding.rule == "BR-S-08") && findings.len() == 1);
}
