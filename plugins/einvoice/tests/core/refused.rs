//! What is refused, each for its own reason, and what must never happen: a panic.

use crate::documents::sample;
use einvoice::{accept, examine, ubl};
use proptest::prelude::*;

fn rules(document: &str) -> Vec<&'static str> {
    let mut rules: Vec<_> =
        accept(document.as_bytes()).err().unwrap_or_default().iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// The sample `standard.xml` with the first `from` replaced.
fn standard(from: &str, to: &str) -> String {
    let text = String::from_utf8(sample("standard.xml")).unwrap();
    assert!(text.contains(from), "`{from}` is not in the sample");
    text.replacen(from, to, 1)
}

#[test]
fn a_document_that_cannot_be_read_says_why() {
    let text = standard("<cbc:Name>", "<cbc:Name>");
    for (document, rule) in [
        (String::new(), "UBL-xml"),
        ("<a".to_owned(), "UBL-xml"),
        (standard("</Invoice>", ""), "UBL-xml"),
        (standard("Libelle", "&libelle;"), "UBL-xml"),
        (standard("xsd:Invoice-2", "xsd:Invoice-3"), "UBL-root"),
        (text.replace("CommonBasicComponents-2", "CommonBasicComponents-9"), "BR-01"),
        (format!("<!DOCTYPE Invoice>{}", &text[text.find("<!--").unwrap()..]), "UBL-dtd"),
        (standard("<!--", "<?note?>\n<!DOCTYPE Invoice [<!ENTITY a 'a'>]><!--"), "UBL-dtd"),
        (standard("encoding=\"UTF-8\"", "encoding='ISO-8859-1'"), "UBL-encoding"),
        (
            standard("</Invoice>", &format!("{}</Invoice>", "<a>".repeat(40) + &"</a>".repeat(40))),
            "UBL-limit",
        ),
        (standard("</Invoice>", &format!("{}</Invoice>", "<a/>".repeat(100_001))), "UBL-limit"),
        (standard("</Invoice>", &format!("{}</Invoice>", "<!-- x=y -->".repeat(20_001))), "UBL-limit"),
        (standard("</Invoice>", &format!("<!--{}--></Invoice>", " xmlns".repeat(5_000))), "UBL-limit"),
        (standard("</Invoice>", &format!("<!--{}--></Invoice>", "x".repeat(ubl::MAX_BYTES))), "UBL-limit"),
    ] {
        assert!(rules(&document).contains(&rule), "{rule}: {:?}", rules(&document));
    }
    let latin = text.replace("Stadtwerke", "St\u{e4}dte").into_bytes();
    let latin: Vec<u8> = latin.into_iter().filter(|byte| *byte != 0xc3).collect();
    assert_eq!(accept(&latin).unwrap_err()[0].rule, "UBL-encoding");
}

#[test]
fn a_doctype_in_a_comment_is_no_doctype() {
    assert_eq!(rules(&standard("<!-- Two", "<!-- <!DOCTYPE a> Two")), Vec::<&str>::new());
}

#[test]
fn prefixes_do_not_count_and_a_mark_of_utf8_is_read_over() {
    let renamed = standard("<?xml", "<?xml")
        .replace("cbc:", "b:")
        .replace("cac:", "a:")
        .replace("xmlns:cbc", "xmlns:b")
        .replace("xmlns:cac", "xmlns:a");
    assert_eq!(rules(&renamed), Vec::<&str>::new());
    assert_eq!(rules(&format!("\u{feff}{renamed}")), Vec::<&str>::new());
    let (as_sent, _) = examine(&sample("standard.xml"));
    assert_eq!(examine(renamed.as_bytes()).0, as_sent);
}

#[test]
fn a_comment_within_a_number_hides_nothing() {
    assert_eq!(
        rules(&standard(">2493.23</cbc:PayableAmount>", ">24<!-- -->93.<![CDATA[23]]></cbc:PayableAmount>")),
        Vec::<&str>::new()
    );
    assert_eq!(
        rules(&standard(">2493.23</cbc:PayableAmount>", ">2493.23<!-- -->0</cbc:PayableAmount>")),
        ["BR-DEC-18"]
    );
}

#[test]
fn what_is_missing_doubled_or_malformed_is_found() {
    let total = "<cbc:PayableAmount currencyID=\"EUR\">2493.23</cbc:PayableAmount>";
    for (from, to, expected) in [
        (total, String::new(), "BR-15"),
        (total, total.repeat(2), "UBL-repeated"),
        (total, total.replace("2493.23", "2.49323e3"), "UBL-amount"),
        (total, total.replace("2493.23", ""), "UBL-amount"),
        (total, total.replace("2493.23", "<b>2493.23</b>"), "UBL-amount"),
        (total, total.replace("2493.23", "2493.230"), "BR-DEC-18"),
        (total, total.replace("EUR", "USD"), "PEPPOL-EN16931-R051"),
        (total, total.replace(" currencyID=\"EUR\"", ""), "PEPPOL-EN16931-R051"),
        ("<cbc:ID>KB-2026-0117</cbc:ID>", String::new(), "BR-02"),
        ("<cbc:ID>KB-2026-0117</cbc:ID>", "<cbc:ID> </cbc:ID>".to_owned(), "BR-02"),
        ("2026-03-04", "2026-02-29".to_owned(), "UBL-date"),
        ("2026-03-04", "04.03.2026".to_owned(), "UBL-date"),
        ("<cbc:IssueDate>2026-03-04</cbc:IssueDate>", String::new(), "BR-03"),
        ("Code>EUR<", "Code>eur<".to_owned(), "UBL-currency"),
        ("<cbc:RegistrationName>Bootswerft Kiebitz GmbH</cbc:RegistrationName>", String::new(), "BR-06"),
        (
            "<cbc:InvoicedQuantity unitCode=\"HUR\">21.5<",
            "<cbc:InvoicedQuantity unitCode=\"HUR\">viele<".to_owned(),
            "UBL-number",
        ),
        ("<cac:InvoiceLine>", "<cac:CreditNoteLine/><cac:InvoiceLine>".to_owned(), "UBL-line"),
        ("<cbc:Percent>19</cbc:Percent>", String::new(), "BR-48"),
        ("<cbc:ID>VAT</cbc:ID>", "<cbc:ID>GST</cbc:ID>".to_owned(), "BR-47"),
        (
            "<cbc:BaseQuantity unitCode=\"LTR\">5<",
            "<cbc:BaseQuantity unitCode=\"LTR\">0<".to_owned(),
            "PEPPOL-EN16931-R121",
        ),
    ] {
        // The tax scheme of the breakdown, not that of a party.
        let document = if from.contains("VAT") {
            let text = standard(from, from);
            let at = text.find("<cac:TaxTotal>").unwrap();
            format!("{}{}", &text[..at], text[at..].replacen(from, &to, 1))
        } else {
            standard(from, &to)
        };
        assert!(rules(&document).contains(&expected), "{expected}: {:?}", rules(&document));
    }
}

#[test]
fn a_category_cannot_be_left_out_of_the_breakdown() {
    let text = standard("<?xml", "<?xml");
    let second = text.rfind("    <cac:TaxSubtotal>").unwrap();
    let end = text.find("  </cac:TaxTotal>").unwrap();
    let without = format!("{}{}", &text[..second], &text[end..]);
    assert!(rules(&without).contains(&"BR-CO-14"));
    assert!(rules(&text.replace("<cbc:ID>S</cbc:ID>", "<cbc:ID>B</cbc:ID>")).contains(&"UBL-category"));
    let lines = text.find("<cac:InvoiceLine>").unwrap();
    let moved =
        format!("{}{}", &text[..lines], text[lines..].replace("<cbc:ID>S</cbc:ID>", "<cbc:ID>Z</cbc:ID>"));
    for rule in ["BR-S-01", "BR-S-08", "BR-Z-01"] {
        assert!(rules(&moved).contains(&rule), "{rule}: {:?}", rules(&moved));
    }
    let none = text.replace("cac:TaxSubtotal>", "cac:TaxSubsubtotal>");
    assert!(rules(&none).contains(&"BR-CO-18"));
}

#[test]
fn findings_do_not_stop_each_other_and_are_bounded() {
    let document =
        standard("2493.23</cbc:PayableAmount>", "viel</cbc:PayableAmount>").replacen("384.33", "384.34", 1);
    assert_eq!(rules(&document), ["BR-CO-14", "BR-CO-15", "UBL-amount"]);
    let many = standard("</Invoice>", &format!("{}</Invoice>", "<cac:InvoiceLine/>".repeat(5_000)));
    assert_eq!(accept(many.as_bytes()).unwrap_err().len(), 1_000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(accept(&bytes).is_err());
    }

    /// A right document with a piece cut out, doubled or overwritten.
    #[test]
    fn no_change_makes_it_panic(
        name in prop::sample::select(vec!["standard.xml", "allowances-charges.xml", "credit-note.xml", "zero-rated.xml"]),
        at in any::<prop::sample::Index>(),
        length in 0_usize..400,
        piece in prop::sample::select(vec![
            "", "<", ">", "&", "\"", "-", "0", "99999999999999999999999999999999999999", "<cbc:Amount/>", "]]>", "<![CDATA[", "\u{0}", "é",
        ]),
    ) {
        let mut bytes = sample(name);
        let start = at.index(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, piece.bytes());
        let (invoice, findings) = examine(&bytes);
        prop_assert!(invoice.is_some() || !findings.is_empty());
    }

    /// Numbers of any size in every amount: the arithmetic holds them exactly.
    #[test]
    fn no_amount_makes_it_panic(value in "-?[0-9]{1,25}(\\.[0-9]{1,12})?") {
        let text = String::from_utf8(sample("allowances-charges.xml")).unwrap();
        let changed: String = text.split("currencyID=\"EUR\">").enumerate().map(|(index, part)| match (index, part.split_once('<')) {
            (0, _) | (_, None) => part.to_owned(),
            (_, Some((_, rest))) => format!("currencyID=\"EUR\">{value}<{rest}"),
        }).collect();
        let (invoice, _) = examine(changed.as_bytes());
        let payable = invoice.unwrap().totals.payable.unwrap();
        prop_assert_eq!(payable.value(), &einvoice::amount::read(&value).unwrap());
    }
}
