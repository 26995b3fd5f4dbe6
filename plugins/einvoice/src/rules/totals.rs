//! BR-CO-10 to BR-CO-16: the document's totals.

use bigdecimal::BigDecimal;

use crate::amount::{Amount, cents};

use super::{Check, or_zero, sum, sum_of};

const TOTALS: &str = "cac:LegalMonetaryTotal";

pub fn check(check: &mut Check<'_>) {
    lines(check);
    allowances_and_charges(check);
    without_vat(check);
    vat(check);
    with_vat(check);
    payable(check);
}

fn lines(check: &mut Check<'_>) {
    let invoice = check.invoice;
    let expected = sum(invoice.lines.iter().map(|line| line.net.as_ref())).map(|sum| cents(&sum));
    let path = format!("{TOTALS}/cbc:LineExtensionAmount");
    check.equal(
        "BR-CO-10",
        &path,
        "sum of the lines' net amounts (BT-106)",
        invoice.totals.lines.as_ref(),
        expected,
    );
}

fn allowances_and_charges(check: &mut Check<'_>) {
    let invoice = check.invoice;
    let sides = [
        (
            "BR-CO-11",
            false,
            &invoice.totals.allowances,
            "cbc:AllowanceTotalAmount",
            "sum of the document's allowances (BT-107)",
        ),
        (
            "BR-CO-12",
            true,
            &invoice.totals.charges,
            "cbc:ChargeTotalAmount",
            "sum of the document's charges (BT-108)",
        ),
    ];
    for (rule, charges, total, name, what) in sides {
        let expected = sum_of(&invoice.allowances_charges, charges).map(|sum| cents(&sum));
        let any = invoice.allowances_charges.iter().any(|entry| entry.charge == charges);
        match total {
            Some(total) => check.equal(rule, &format!("{TOTALS}/{name}"), what, Some(total), expected),
            None if any => check.broken(rule, TOTALS, format!("{what}: `{name}` is missing or unreadable")),
            None => {}
        }
    }
}

fn without_vat(check: &mut Check<'_>) {
    let totals = &check.invoice.totals;
    let expected = totals.lines.as_ref().map(|lines| {
        let net = lines.value() + or_zero(totals.charges.as_ref()) - or_zero(totals.allowances.as_ref());
        // Without allowances and charges the published rule compares without rounding.
        if totals.charges.is_none() && totals.allowances.is_none() { net } else { cents(&net) }
    });
    let path = format!("{TOTALS}/cbc:TaxExclusiveAmount");
    check.equal("BR-CO-13", &path, "total without VAT (BT-109)", totals.without_vat.as_ref(), expected);
}

fn vat(check: &mut Check<'_>) {
    let invoice = check.invoice;
    for (index, total) in
        invoice.tax_totals.iter().enumerate().filter(|(_, total)| !total.breakdown.is_empty())
    {
        let expected =
            sum(total.breakdown.iter().map(|subtotal| subtotal.tax.as_ref())).map(|sum| cents(&sum));
        let path = format!("cac:TaxTotal[{}]/cbc:TaxAmount", index + 1);
        check.equal(
            "BR-CO-14",
            &path,
            "total VAT (BT-110), the sum of the breakdown",
            total.amount.as_ref(),
            expected,
        );
    }
}

fn with_vat(check: &mut Check<'_>) {
    let invoice = check.invoice;
    let mut vat = invoice.tax_totals.iter().filter(|total| total.currency == invoice.currency);
    let (Some(only), None) = (vat.next(), vat.next()) else {
        let message = format!("there must be exactly one VAT total in `{}`", invoice.currency);
        return check.broken("BR-CO-15", "cac:TaxTotal", message);
    };
    let expected = add(invoice.totals.without_vat.as_ref(), only.amount.as_ref()).map(|sum| cents(&sum));
    let path = format!("{TOTALS}/cbc:TaxInclusiveAmount");
    check.equal("BR-CO-15", &path, "total with VAT (BT-112)", invoice.totals.with_vat.as_ref(), expected);
}

fn payable(check: &mut Check<'_>) {
    let totals = &check.invoice.totals;
    let (Some(with_vat), Some(payable)) = (&totals.with_vat, &totals.payable) else {
        return;
    };
    // The published rule rounds both sides once there is something to add or take off.
    let mut due = with_vat.value() - or_zero(totals.prepaid.as_ref());
    let mut stated = payable.value() - or_zero(totals.rounding.as_ref());
    if totals.prepaid.is_some() {
        due = cents(&due);
    }
    if totals.rounding.is_some() {
        stated = cents(&stated);
    }
    if due != stated {
        let expected = due + or_zero(totals.rounding.as_ref());
        let path = format!("{TOTALS}/cbc:PayableAmount");
        check.wrong("BR-CO-16", &path, "amount due for payment (BT-115)", &expected, payable.value());
    }
}

fn add(left: Option<&Amount>, right: Option<&Amount>) -> Option<BigDecimal> {
    Some(left?.value() + right?.value())
}
