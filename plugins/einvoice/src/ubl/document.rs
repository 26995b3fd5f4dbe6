//! The document element and its totals.

use crate::finding::{Findings, excerpt};
use crate::model::{Category, Invoice, Kind, TaxSubtotal, TaxTotal, Totals};

use super::element::Element;
use super::reader::{AllowanceChargeRules, Reader};
use super::{line, party};

/// Reads the document; what cannot be read is noted in `findings`.
pub fn read(root: &Element<'_, '_>, kind: Kind, findings: &mut Findings) -> Invoice {
    let mut reader = Reader { findings, currency: String::new() };
    // First, for all amounts are compared with it.
    reader.currency = currency(&mut reader, root);
    let reader = &mut reader;
    let type_code = match kind {
        Kind::Invoice => "cbc:InvoiceTypeCode",
        Kind::CreditNote => "cbc:CreditNoteTypeCode",
    };
    Invoice {
        kind,
        customization_id: reader.needed_text(root, "cbc:CustomizationID", "BR-01"),
        profile_id: reader.text(root, "cbc:ProfileID"),
        id: reader.needed_text(root, "cbc:ID", "BR-02"),
        issue_date: issue_date(reader, root),
        due_date: reader.date(root, "cbc:DueDate"),
        type_code: reader.needed_text(root, type_code, "BR-04"),
        currency: reader.currency.clone(),
        tax_currency: reader.text(root, "cbc:TaxCurrencyCode"),
        buyer_reference: reader.text(root, "cbc:BuyerReference"),
        order_reference: reader
            .one(root, "cac:OrderReference")
            .and_then(|order| reader.text(&order, "cbc:ID")),
        seller: party::read(reader, root, &party::SELLER),
        buyer: party::read(reader, root, &party::BUYER),
        allowances_charges: root
            .all("cac:AllowanceCharge")
            .map(|element| reader.allowance_charge(&element, allowance_charge_rules))
            .collect(),
        tax_totals: root.all("cac:TaxTotal").map(|element| tax_total(reader, &element)).collect(),
        totals: totals(reader, root),
        lines: line::read_all(reader, root, kind),
    }
}

fn currency(reader: &mut Reader<'_>, root: &Element<'_, '_>) -> String {
    let currency = reader.needed_text(root, "cbc:DocumentCurrencyCode", "BR-05");
    let well_formed = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if !well_formed && !currency.is_empty() {
        let message = format!("`{}` is no currency code of three capital letters", excerpt(&currency));
        reader.find("UBL-currency", root, message);
    }
    currency
}

fn issue_date(reader: &mut Reader<'_>, root: &Element<'_, '_>) -> String {
    let date = reader.date(root, "cbc:IssueDate");
    if date.is_none() {
        reader.find("BR-03", root, "`cbc:IssueDate` is missing or empty");
    }
    date.unwrap_or_default()
}

fn allowance_charge_rules(charge: bool) -> AllowanceChargeRules {
    if charge {
        AllowanceChargeRules {
            present: "BR-36",
            amount: "BR-DEC-05",
            base: "BR-DEC-06",
            category: Some("BR-37"),
        }
    } else {
        AllowanceChargeRules {
            present: "BR-31",
            amount: "BR-DEC-01",
            base: "BR-DEC-02",
            category: Some("BR-32"),
        }
    }
}

/// The total in the document's currency carries the breakdown; a second one without may state the VAT in the tax currency.
fn tax_total(reader: &mut Reader<'_>, element: &Element<'_, '_>) -> TaxTotal {
    let breakdown: Vec<_> =
        element.all("cac:TaxSubtotal").map(|subtotal| tax_subtotal(reader, &subtotal)).collect();
    let Some(child) = reader.need(element, "cbc:TaxAmount", "BR-CO-15") else {
        return TaxTotal { amount: None, currency: String::new(), breakdown };
    };
    let currency = child.attribute("currencyID").unwrap_or_default().to_owned();
    let decimals = if currency == reader.currency { "BR-DEC-13" } else { "BR-DEC-15" };
    if currency != reader.currency && !breakdown.is_empty() {
        let message =
            format!("the currency is `{}`, the document's is `{}`", excerpt(&currency), reader.currency);
        reader.find("PEPPOL-EN16931-R051", &child, message);
    }
    TaxTotal { amount: reader.amount_of(&child, decimals), currency, breakdown }
}

fn tax_subtotal(reader: &mut Reader<'_>, element: &Element<'_, '_>) -> TaxSubtotal {
    let taxable = reader.needed_amount(element, "cbc:TaxableAmount", "BR-DEC-19", "BR-45");
    let tax = reader.needed_amount(element, "cbc:TaxAmount", "BR-DEC-20", "BR-46");
    let category = reader.category(element, "cac:TaxCategory", "BR-47").unwrap_or_else(|| Category {
        code: String::new(),
        rate: None,
        exemption_reason: None,
        exemption_reason_code: None,
    });
    if category.rate.is_none() && category.code != "O" {
        reader.find("BR-48", element, "the VAT category has no rate");
    }
    TaxSubtotal { taxable, tax, category }
}

fn totals(reader: &mut Reader<'_>, root: &Element<'_, '_>) -> Totals {
    let Some(element) = reader.need(root, "cac:LegalMonetaryTotal", "BR-12") else {
        return Totals::default();
    };
    Totals {
        lines: reader.needed_amount(&element, "cbc:LineExtensionAmount", "BR-DEC-09", "BR-12"),
        allowances: reader.amount(&element, "cbc:AllowanceTotalAmount", "BR-DEC-10"),
        charges: reader.amount(&element, "cbc:ChargeTotalAmount", "BR-DEC-11"),
        without_vat: reader.needed_amount(&element, "cbc:TaxExclusiveAmount", "BR-DEC-12", "BR-13"),
        with_vat: reader.needed_amount(&element, "cbc:TaxInclusiveAmount", "BR-DEC-14", "BR-14"),
        prepaid: reader.amount(&element, "cbc:PrepaidAmount", "BR-DEC-16"),
        rounding: reader.amount(&element, "cbc:PayableRoundingAmount", "BR-DEC-17"),
        payable: reader.needed_amount(&element, "cbc:PayableAmount", "BR-DEC-18", "BR-15"),
    }
}
