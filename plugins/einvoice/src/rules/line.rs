//! The lines: PEPPOL-EN16931-R040, R041, R042, R046, R120 and R121.

use bigdecimal::{BigDecimal, Zero};

use crate::amount::{Number, cents, hundredth, hundredths};
use crate::model::{AllowanceCharge, Line};

use super::{Check, sum_of};

/// Digits of the quotient in a message. The comparison itself does not divide.
const QUOTIENT_DECIMALS: i64 = 4;

pub fn check(check: &mut Check<'_>) {
    let invoice = check.invoice;
    for (index, entry) in invoice.allowances_charges.iter().enumerate() {
        allowance_charge(check, entry, &format!("cac:AllowanceCharge[{}]", index + 1));
    }
    for (index, line) in invoice.lines.iter().enumerate() {
        let path = format!("{}[{}]", invoice.kind.line(), index + 1);
        net_amount(check, line, &path);
        net_price(check, line, &path);
        for (index, entry) in line.allowances_charges.iter().enumerate() {
            allowance_charge(check, entry, &format!("{path}/cac:AllowanceCharge[{}]", index + 1));
        }
    }
}

/// R120: quantity × price ÷ base quantity, with the line's charges and allowances, within 0.02. R121: the base quantity is positive.
fn net_amount(check: &mut Check<'_>, line: &Line, path: &str) {
    let stated_base = line.price.base_quantity.as_ref().map(Number::value);
    if stated_base.is_some_and(|base| base <= &BigDecimal::zero()) {
        let message = "the quantity that the price is for (BT-149) must be above zero".to_owned();
        check.broken("PEPPOL-EN16931-R121", &format!("{path}/cac:Price/cbc:BaseQuantity"), message);
    }
    let (Some(net), Some(quantity), Some(price)) = (&line.net, &line.quantity, &line.price.net) else {
        return;
    };
    let sums = (sum_of(&line.allowances_charges, true), sum_of(&line.allowances_charges, false));
    let (Some(charges), Some(allowances)) = sums else {
        return;
    };
    let extra = cents(&charges) - cents(&allowances);
    let base = stated_base.filter(|base| !base.is_zero()).cloned().unwrap_or_else(|| BigDecimal::from(1));
    let gross = quantity.value() * price.value();
    // Multiplied by the base quantity on both sides, so that nothing is lost in a division.
    let apart = ((net.value() - &extra) * &base - &gross).abs();
    if apart > hundredths(2) * base.abs() {
        let expected = (gross / base).with_scale(QUOTIENT_DECIMALS) + extra;
        check.wrong(
            "PEPPOL-EN16931-R120",
            &format!("{path}/cbc:LineExtensionAmount"),
            "net amount of the line (BT-131)",
            &expected,
            net.value(),
        );
    }
}

/// R046: the net price is the gross price less the discount.
fn net_price(check: &mut Check<'_>, line: &Line, path: &str) {
    let (Some(net), Some(gross)) = (&line.price.net, &line.price.gross) else {
        return;
    };
    let expected = match &line.price.discount {
        Some(discount) => gross.value() - discount.value(),
        None => gross.value().clone(),
    };
    if *net.value() != expected {
        let path = format!("{path}/cac:Price/cbc:PriceAmount");
        check.wrong("PEPPOL-EN16931-R046", &path, "net price of the item (BT-146)", &expected, net.value());
    }
}

/// R040: percentage × base amount, within 0.02. R041 and R042: neither without the other.
fn allowance_charge(check: &mut Check<'_>, entry: &AllowanceCharge, path: &str) {
    match (&entry.percent, &entry.base, &entry.amount) {
        (Some(percent), Some(base), Some(amount)) => {
            let expected = hundredth(base.value() * percent.value());
            if (amount.value() - &expected).abs() > hundredths(2) {
                let what = "allowance or charge, its percentage of its base amount";
                check.wrong(
                    "PEPPOL-EN16931-R040",
                    &format!("{path}/cbc:Amount"),
                    what,
                    &expected,
                    amount.value(),
                );
            }
        }
        (Some(_), None, _) => {
            check.broken("PEPPOL-EN16931-R041", path, "a percentage needs a base amount".to_owned())
        }
        (None, Some(_), _) => {
            check.broken("PEPPOL-EN16931-R042", path, "a base amount needs a percentage".to_owned())
        }
        _ => {}
    }
}
