//! The calculation rules of EN 16931 and of Peppol BIS Billing 3.0, in exact decimals.
//!
//! Source: the validation artefacts that CEN/TC 434 publishes (repository `ConnectingEurope/eInvoicing-EN16931`, file
//! `ubl/schematron/UBL/EN16931-UBL-model.sch`, revision `ffa98ce2a639354689b67c0bba61b889c2bf331d`) and those of OpenPEPPOL
//! (repository `OpenPEPPOL/peppol-bis-invoice-3`, file `rules/sch/PEPPOL-EN16931-UBL.sch`). The tolerances are theirs:
//!
//! | rule | compares | tolerance |
//! |---|---|---|
//! | BR-CO-10 to BR-CO-16 | totals, each with its own parts rounded to two decimals | none |
//! | BR-CO-17 | VAT with taxable amount × rate, both without sign | less than 1; at a rate that rounds to 0, the VAT must round to 0 |
//! | BR-S-08 (BR-AF-08, BR-AG-08) | taxable amount with lines, charges, allowances of category and rate | less than 1 |
//! | BR-S-09 (BR-AF-09, BR-AG-09) | VAT with taxable amount × rate, both without sign | less than 1 |
//! | BR-Z-08, BR-E-08, BR-O-08 (BR-AE-08, BR-IC-08, BR-G-08) | taxable amount with lines, charges, allowances of the category | none |
//! | BR-Z-09, BR-E-09, BR-O-09 (BR-AE-09, BR-IC-09, BR-G-09) | VAT with 0 | none |
//! | PEPPOL-EN16931-R120, R040 | line net amount, allowance or charge | 0.02 |
//! | PEPPOL-EN16931-R046 | net price with gross price less discount | none |
//!
//! Beside the comparisons stand the rules without which they could be evaded: a breakdown exists (BR-CO-18), and for each
//! category in use (BR-S-01 and its like). A category that this addon has no rules for is refused (`UBL-category`), not passed.
//! Here PEPPOL-EN16931-R051 (one currency) also covers the VAT of a breakdown, which BR-CO-14 adds up.

mod breakdown;
mod line;
mod totals;

use bigdecimal::{BigDecimal, Zero};

use crate::amount::{Amount, money};
use crate::finding::{Finding, Findings};
use crate::model::{AllowanceCharge, Invoice};

/// Checks all rules; each one that is broken adds a finding. A comparison with an amount that could not be read is left out: the
/// reading has said so already.
pub fn check(invoice: &Invoice, findings: &mut Findings) {
    let mut check = Check { invoice, findings };
    totals::check(&mut check);
    breakdown::check(&mut check);
    line::check(&mut check);
}

/// The rules at work on one invoice.
struct Check<'a> {
    invoice: &'a Invoice,
    findings: &'a mut Findings,
}

impl Check<'_> {
    /// Notes that `what` at `path` (below the document element) is `found`, where `expected` was asked for.
    fn wrong(
        &mut self,
        rule: &'static str,
        path: &str,
        what: &str,
        expected: &BigDecimal,
        found: &BigDecimal,
    ) {
        let (expected, found) = (money(expected), money(found));
        self.findings.push(Finding {
            rule,
            message: format!("{what}: expected {expected}, found {found}"),
            location: self.location(path),
            expected: Some(expected),
            found: Some(found),
        });
    }

    /// Notes what is wrong without an amount to compare.
    fn broken(&mut self, rule: &'static str, path: &str, message: String) {
        let location = self.location(path);
        self.findings.push(Finding::new(rule, location, message));
    }

    /// Asks for equality. An amount that could not be read is not compared.
    fn equal(
        &mut self,
        rule: &'static str,
        path: &str,
        what: &str,
        found: Option<&Amount>,
        expected: Option<BigDecimal>,
    ) {
        if let (Some(found), Some(expected)) = (found, expected)
            && *found.value() != expected
        {
            self.wrong(rule, path, what, &expected, found.value());
        }
    }

    fn location(&self, path: &str) -> String {
        format!("/{}/{path}", self.invoice.kind.root())
    }
}

/// The sum, or `None` when a part could not be read.
fn sum<'a>(amounts: impl Iterator<Item = Option<&'a Amount>>) -> Option<BigDecimal> {
    let mut total = BigDecimal::zero();
    for amount in amounts {
        total += amount?.value();
    }
    Some(total)
}

/// The sum of the charges, or of the allowances, in `list`.
fn sum_of(list: &[AllowanceCharge], charges: bool) -> Option<BigDecimal> {
    sum(list.iter().filter(|entry| entry.charge == charges).map(|entry| entry.amount.as_ref()))
}

/// The value of an amount that counts as zero when absent.
fn or_zero(amount: Option<&Amount>) -> BigDecimal {
    amount.map(|amount| amount.value().clone()).unwrap_or_default()
}
