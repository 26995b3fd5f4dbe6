//! Each amount of each right document made wrong in turn: exactly the rules that speak about it must fire.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::documents::{published, samples};
use bigdecimal::BigDecimal;
use einvoice::{accept, amount};
use roxmltree::{Document, Node};

/// The rules without a tolerance: they see a cent.
const EXACT: [&str; 14] = [
    "BR-CO-10",
    "BR-CO-11",
    "BR-CO-12",
    "BR-CO-13",
    "BR-CO-14",
    "BR-CO-15",
    "BR-CO-16",
    "BR-Z-08",
    "BR-Z-09",
    "BR-E-08",
    "BR-E-09",
    "BR-O-08",
    "BR-O-09",
    "PEPPOL-EN16931-R046",
];

/// An amount in a document, and the rules that must fire when it is wrong by ten.
struct Place {
    path: String,
    text: Range<usize>,
    rules: BTreeSet<String>,
}

#[test]
fn an_amount_that_is_wrong_by_ten_breaks_exactly_its_rules() {
    each_place(|name, document, place| {
        let fired = fired(document, place, "10");
        assert_eq!(fired, place.rules, "{name}: {}", place.path);
    });
}

#[test]
fn an_amount_that_is_wrong_by_a_cent_breaks_the_rules_without_tolerance() {
    each_place(|name, document, place| {
        for cent in ["0.01", "-0.01"] {
            let exact: BTreeSet<String> =
                place.rules.iter().filter(|rule| EXACT.contains(&rule.as_str())).cloned().collect();
            let mut fired = fired(document, place, cent);
            if place.path.ends_with("/PriceAmount") {
                // A cent on the price is more than the tolerance once it is multiplied by the quantity.
                fired.remove("PEPPOL-EN16931-R120");
            }
            assert_eq!(fired, exact, "{name}: {}", place.path);
        }
    });
}

#[test]
fn every_amount_but_the_vat_in_another_currency_is_covered() {
    let mut seen = 0;
    each_place(|name, _, place| {
        seen += 1;
        assert!(
            !place.rules.is_empty() || place.path.ends_with("TaxTotal/TaxAmount (other currency)"),
            "{name}: {}",
            place.path
        );
    });
    assert!(seen > 60, "{seen} amounts");
}

fn each_place(mut visit: impl FnMut(&str, &str, &Place)) {
    let right = |document: &[u8]| accept(document).is_ok();
    for (name, document) in published().into_iter().chain(samples()).filter(|(_, document)| right(document)) {
        let text = String::from_utf8(document).unwrap();
        for place in places(&text) {
            visit(&name, &text, &place);
        }
    }
}

fn places(text: &str) -> Vec<Place> {
    let document = Document::parse(text).unwrap();
    let currency = document
        .root_element()
        .children()
        .find(|node| node.has_tag_name_local("DocumentCurrencyCode"))
        .unwrap();
    let currency = currency.text().unwrap().to_owned();
    let amounts =
        document.descendants().filter(|node| node.is_element() && node.attribute("currencyID").is_some());
    amounts.map(|node| place(node, &currency)).collect()
}

fn place(node: Node<'_, '_>, currency: &str) -> Place {
    let parent = node.parent_element().unwrap();
    let grand = parent.parent_element().map(|node| node.tag_name().name().to_owned()).unwrap_or_default();
    let name = node.tag_name().name();
    let (outer, upper) = (parent.tag_name().name(), grand.as_str());
    let mut path = format!("{upper}/{outer}/{name}");
    let in_line = matches!(upper, "InvoiceLine" | "CreditNoteLine");
    let rules: Vec<String> = match (outer, name) {
        ("TaxTotal", "TaxAmount") if node.attribute("currencyID") != Some(currency) => {
            path.push_str(" (other currency)");
            Vec::new()
        }
        ("TaxTotal", "TaxAmount") => list(&["BR-CO-14", "BR-CO-15"]),
        ("TaxSubtotal", "TaxableAmount") => taxable_rules(parent),
        ("TaxSubtotal", "TaxAmount") => {
            let category = text_of(parent, &["TaxCategory", "ID"]).unwrap();
            [list(&["BR-CO-14", "BR-CO-17"]), vec![format!("BR-{category}-09")]].concat()
        }
        ("LegalMonetaryTotal", name) => list(total_rules(name)),
        ("InvoiceLine" | "CreditNoteLine", "LineExtensionAmount") => {
            let category = text_of(parent, &["Item", "ClassifiedTaxCategory", "ID"]).unwrap();
            [list(&["BR-CO-10", "PEPPOL-EN16931-R120"]), vec![format!("BR-{category}-08")]].concat()
        }
        ("Price", "PriceAmount") => {
            let gross = text_of(parent, &["AllowanceCharge", "BaseAmount"]).is_some();
            [list(&["PEPPOL-EN16931-R120"]), if gross { list(&["PEPPOL-EN16931-R046"]) } else { Vec::new() }]
                .concat()
        }
        ("AllowanceCharge", _) if upper == "Price" => list(&["PEPPOL-EN16931-R046"]),
        ("AllowanceCharge", "BaseAmount") => list(&["PEPPOL-EN16931-R040"]),
        ("AllowanceCharge", "Amount") => {
            let percent = text_of(parent, &["MultiplierFactorNumeric"]).is_some();
            let own = if percent { list(&["PEPPOL-EN16931-R040"]) } else { Vec::new() };
            [own, if in_line { list(&["PEPPOL-EN16931-R120"]) } else { document_rules(parent) }].concat()
        }
        other => panic!("an amount without an entry in this table: {other:?}"),
    };
    Place { path, text: node.first_child().unwrap().range(), rules: rules.into_iter().collect() }
}

fn total_rules(name: &str) -> &'static [&'static str] {
    match name {
        "LineExtensionAmount" => &["BR-CO-10", "BR-CO-13"],
        "AllowanceTotalAmount" => &["BR-CO-11", "BR-CO-13"],
        "ChargeTotalAmount" => &["BR-CO-12", "BR-CO-13"],
        "TaxExclusiveAmount" => &["BR-CO-13", "BR-CO-15"],
        "TaxInclusiveAmount" => &["BR-CO-15", "BR-CO-16"],
        "PrepaidAmount" | "PayableRoundingAmount" | "PayableAmount" => &["BR-CO-16"],
        other => panic!("a total without an entry in this table: {other}"),
    }
}

/// Ten more to tax also change the VAT by more than the tolerance of one, at the rate of ten percent and above.
fn taxable_rules(subtotal: Node<'_, '_>) -> Vec<String> {
    let category = text_of(subtotal, &["TaxCategory", "ID"]).unwrap();
    let rate: f64 = text_of(subtotal, &["TaxCategory", "Percent"]).map_or(0.0, |rate| rate.parse().unwrap());
    let mut rules = vec![format!("BR-{category}-08")];
    if rate >= 10.0 {
        rules.extend(list(&["BR-CO-17", "BR-S-09"]));
    }
    rules
}

fn document_rules(entry: Node<'_, '_>) -> Vec<String> {
    let category = text_of(entry, &["TaxCategory", "ID"]).unwrap();
    let total =
        if text_of(entry, &["ChargeIndicator"]).as_deref() == Some("true") { "BR-CO-12" } else { "BR-CO-11" };
    vec![total.to_owned(), format!("BR-{category}-08")]
}

fn fired(document: &str, place: &Place, by: &str) -> BTreeSet<String> {
    let old = amount::read(document[place.text.clone()].trim()).unwrap();
    let new: BigDecimal = old + amount::read(by).unwrap();
    let mut changed = document.to_owned();
    changed.replace_range(place.text.clone(), &new.to_plain_string());
    accept(changed.as_bytes())
        .err()
        .unwrap_or_default()
        .iter()
        .map(|finding| finding.rule.to_owned())
        .collect()
}

fn text_of(node: Node<'_, '_>, path: &[&str]) -> Option<String> {
    let found = path
        .iter()
        .try_fold(node, |node, name| node.children().find(|child| child.has_tag_name_local(name)))?;
    found.text().map(|text| text.trim().to_owned())
}

fn list(rules: &[&str]) -> Vec<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
