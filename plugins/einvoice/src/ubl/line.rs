//! The lines.

use crate::model::{Kind, Line, Price};

use super::element::Element;
use super::reader::{AllowanceChargeRules, Reader};

/// Reads all lines. At least one is needed, and none of the other kind of document.
pub fn read_all(reader: &mut Reader<'_>, root: &Element<'_, '_>, kind: Kind) -> Vec<Line> {
    let other = match kind {
        Kind::Invoice => Kind::CreditNote,
        Kind::CreditNote => Kind::Invoice,
    };
    if root.first(other.line()).is_some() {
        reader.find("UBL-line", root, format!("`{}` does not belong into this document", other.line()));
    }
    let lines: Vec<_> = root.all(kind.line()).map(|element| read(reader, &element, kind)).collect();
    if lines.is_empty() {
        reader.find("BR-16", root, format!("there is no `{}`", kind.line()));
    }
    lines
}

fn read(reader: &mut Reader<'_>, element: &Element<'_, '_>, kind: Kind) -> Line {
    let quantity = reader.need(element, kind.quantity(), "BR-22");
    let unit = quantity.as_ref().and_then(|quantity| quantity.attribute("unitCode")).map(str::to_owned);
    let item = reader.need(element, "cac:Item", "BR-25");
    Line {
        id: reader.needed_text(element, "cbc:ID", "BR-21"),
        item: item.as_ref().map(|item| reader.needed_text(item, "cbc:Name", "BR-25")).unwrap_or_default(),
        quantity: quantity.and_then(|quantity| reader.number_of("UBL-number", &quantity)),
        unit,
        net: reader.needed_amount(element, "cbc:LineExtensionAmount", "BR-DEC-23", "BR-24"),
        price: price(reader, element),
        allowances_charges: element
            .all("cac:AllowanceCharge")
            .map(|inner| reader.allowance_charge(&inner, allowance_charge_rules))
            .collect(),
        category: item.and_then(|item| reader.category(&item, "cac:ClassifiedTaxCategory", "BR-CO-04")),
    }
}

fn allowance_charge_rules(charge: bool) -> AllowanceChargeRules {
    if charge {
        AllowanceChargeRules { present: "BR-43", amount: "BR-DEC-27", base: "BR-DEC-28", category: None }
    } else {
        AllowanceChargeRules { present: "BR-41", amount: "BR-DEC-24", base: "BR-DEC-25", category: None }
    }
}

fn price(reader: &mut Reader<'_>, line: &Element<'_, '_>) -> Price {
    let Some(element) = reader.need(line, "cac:Price", "BR-26") else {
        return Price::default();
    };
    let net = reader.price(&element, "cbc:PriceAmount");
    if net.is_none() && element.first("cbc:PriceAmount").is_none() {
        reader.find("BR-26", &element, "`cbc:PriceAmount` is missing");
    }
    let base_quantity = reader.number(&element, "cbc:BaseQuantity");
    let Some(allowance) = reader.one(&element, "cac:AllowanceCharge") else {
        return Price { net, base_quantity, ..Price::default() };
    };
    if reader.charge_indicator(&allowance) {
        reader.find("PEPPOL-EN16931-R044", &allowance, "a price may have an allowance, not a charge");
    }
    let gross = reader.price(&allowance, "cbc:BaseAmount");
    let discount = reader.price(&allowance, "cbc:Amount");
    Price { net, gross, discount, base_quantity }
}
