//! The VAT breakdown: BR-CO-17, BR-CO-18, and for each category the rules 01, 08 and 09.

use std::collections::BTreeMap;

use bigdecimal::{BigDecimal, One, Zero};

use crate::amount::{Amount, Number, cents, hundredth, whole};
use crate::finding::excerpt;
use crate::model::{Category, Invoice, TaxSubtotal};

use super::Check;

/// A VAT category (UNCL5305) with its rules in EN 16931.
struct Rules {
    code: &'static str,
    /// True where VAT is due, at a rate.
    rated: bool,
    /// A breakdown exists exactly where the category is used.
    exists: &'static str,
    /// The taxable amount.
    taxable: &'static str,
    /// The VAT.
    tax: &'static str,
}

const CATEGORIES: [Rules; 9] = [
    Rules { code: "S", rated: true, exists: "BR-S-01", taxable: "BR-S-08", tax: "BR-S-09" },
    Rules { code: "Z", rated: false, exists: "BR-Z-01", taxable: "BR-Z-08", tax: "BR-Z-09" },
    Rules { code: "E", rated: false, exists: "BR-E-01", taxable: "BR-E-08", tax: "BR-E-09" },
    Rules { code: "O", rated: false, exists: "BR-O-01", taxable: "BR-O-08", tax: "BR-O-09" },
    Rules { code: "AE", rated: false, exists: "BR-AE-01", taxable: "BR-AE-08", tax: "BR-AE-09" },
    Rules { code: "K", rated: false, exists: "BR-IC-01", taxable: "BR-IC-08", tax: "BR-IC-09" },
    Rules { code: "G", rated: false, exists: "BR-G-01", taxable: "BR-G-08", tax: "BR-G-09" },
    Rules { code: "L", rated: true, exists: "BR-AF-01", taxable: "BR-AF-08", tax: "BR-AF-09" },
    Rules { code: "M", rated: true, exists: "BR-AG-01", taxable: "BR-AG-08", tax: "BR-AG-09" },
];

/// What lines, charges and allowances give for each category, and for each rate of a category that has one.
struct Used<'a> {
    /// By code and normalised rate. `None` when a part could not be read.
    sums: BTreeMap<(&'a str, Option<BigDecimal>), Option<BigDecimal>>,
}

pub fn check(check: &mut Check<'_>) {
    let invoice = check.invoice;
    let used = Used::of(invoice);
    exists(check, &used);
    for (total_index, total) in invoice.tax_totals.iter().enumerate() {
        for (index, subtotal) in total.breakdown.iter().enumerate() {
            let path = format!("cac:TaxTotal[{}]/cac:TaxSubtotal[{}]", total_index + 1, index + 1);
            rate_applied(check, subtotal, &path);
            let Some(rules) = CATEGORIES.iter().find(|rules| rules.code == subtotal.category.code) else {
                continue;
            };
            taxable(check, rules, subtotal, &used, &path);
            tax(check, rules, subtotal, &path);
        }
    }
}

/// BR-CO-18 and the rules 01: for each category in use there is a breakdown, for one without a rate exactly one.
fn exists(check: &mut Check<'_>, used: &Used<'_>) {
    let breakdown = || check.invoice.tax_totals.iter().flat_map(|total| &total.breakdown);
    let mut broken = Vec::new();
    if breakdown().next().is_none() {
        broken.push(("BR-CO-18", "there is no VAT breakdown (`cac:TaxSubtotal`)".to_owned()));
    }
    for rules in &CATEGORIES {
        let (code, count) =
            (rules.code, breakdown().filter(|subtotal| subtotal.category.code == rules.code).count());
        let in_use = used.sums.keys().any(|(used, _)| *used == code);
        match (rules.rated, in_use, count) {
            (true, true, 0) | (false, true, 0) => {
                broken.push((rules.exists, format!("category `{code}` is used, but has no VAT breakdown")));
            }
            (true, false, 1..) => {
                broken.push((rules.exists, format!("category `{code}` has a VAT breakdown, but is not used")))
            }
            (false, _, 2..) => {
                broken.push((rules.exists, format!("category `{code}` has {count} VAT breakdowns, not one")))
            }
            _ => {}
        }
    }
    let known = |code: &str| code.is_empty() || CATEGORIES.iter().any(|rules| rules.code == code);
    let codes = used
        .sums
        .keys()
        .map(|(code, _)| *code)
        .chain(breakdown().map(|subtotal| subtotal.category.code.as_str()));
    let mut unknown: Vec<_> = codes.filter(|code| !known(code)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    broken.extend(
        unknown
            .iter()
            .map(|code| ("UBL-category", format!("no rules for the VAT category `{}`", excerpt(code)))),
    );
    for (rule, message) in broken {
        check.broken(rule, "cac:TaxTotal", message);
    }
}

/// BR-CO-17, which holds for every category.
fn rate_applied(check: &mut Check<'_>, subtotal: &TaxSubtotal, path: &str) {
    let (Some(taxable), Some(tax)) = (&subtotal.taxable, &subtotal.tax) else {
        return;
    };
    let rate = subtotal.category.rate.as_ref().map(Number::value).filter(|rate| !whole(rate).is_zero());
    let what = "VAT of the category (BT-117), its taxable amount at its rate";
    let path = format!("{path}/cbc:TaxAmount");
    match rate {
        Some(rate) => {
            let expected = vat(taxable, rate);
            if !near(&tax.value().abs(), &expected) {
                check.wrong("BR-CO-17", &path, what, &signed_like(expected, taxable), tax.value());
            }
        }
        None if !whole(tax.value()).is_zero() => {
            check.wrong("BR-CO-17", &path, what, &BigDecimal::zero(), tax.value())
        }
        None => {}
    }
}

/// The rules 08.
fn taxable(check: &mut Check<'_>, rules: &Rules, subtotal: &TaxSubtotal, used: &Used<'_>, path: &str) {
    let Some(found) = &subtotal.taxable else { return };
    if rules.rated && subtotal.category.rate.is_none() {
        // Nothing to compare with; BR-48 and rule 09 say that the rate is missing.
        return;
    }
    let used = used.get(rules, subtotal.category.rate.as_ref());
    // Only the category S must be used at exactly this rate for its rule to hold.
    let unused = used.is_none() && rules.code == "S";
    let Some(expected) = used.unwrap_or_else(|| Some(BigDecimal::zero())) else {
        return;
    };
    let right = if rules.rated { near(found.value(), &expected) } else { *found.value() == expected };
    if !right || unused {
        let what = format!("taxable amount of category `{}` (BT-116)", rules.code);
        check.wrong(rules.taxable, &format!("{path}/cbc:TaxableAmount"), &what, &expected, found.value());
    }
}

/// The rules 09.
fn tax(check: &mut Check<'_>, rules: &Rules, subtotal: &TaxSubtotal, path: &str) {
    let (Some(taxable), Some(found)) = (&subtotal.taxable, &subtotal.tax) else {
        return;
    };
    let path = format!("{path}/cbc:TaxAmount");
    let what = format!("VAT of category `{}` (BT-117)", rules.code);
    match (rules.rated, &subtotal.category.rate) {
        (true, Some(rate)) => {
            let expected = vat(taxable, rate.value());
            if !near(&found.value().abs(), &expected) {
                check.wrong(rules.tax, &path, &what, &signed_like(expected, taxable), found.value());
            }
        }
        (true, None) => check.broken(rules.tax, &path, format!("{what}: without a rate it cannot be right")),
        (false, _) if !found.value().is_zero() => {
            check.wrong(rules.tax, &path, &what, &BigDecimal::zero(), found.value())
        }
        (false, _) => {}
    }
}

/// The VAT on a taxable amount without its sign, rounded to two decimals.
fn vat(taxable: &Amount, rate: &BigDecimal) -> BigDecimal {
    cents(&hundredth(taxable.value().abs() * rate))
}

/// Less than one unit of the currency apart: the tolerance of BR-CO-17 and of the rules 08 and 09 with a rate.
fn near(left: &BigDecimal, right: &BigDecimal) -> bool {
    (left - right).abs() < BigDecimal::one()
}

fn signed_like(value: BigDecimal, taxable: &Amount) -> BigDecimal {
    if taxable.value() < &BigDecimal::zero() { -value } else { value }
}

impl<'a> Used<'a> {
    fn of(invoice: &'a Invoice) -> Self {
        let mut used = Self { sums: BTreeMap::new() };
        for line in &invoice.lines {
            used.add(line.category.as_ref(), line.net.as_ref(), false);
        }
        for entry in &invoice.allowances_charges {
            used.add(entry.category.as_ref(), entry.amount.as_ref(), !entry.charge);
        }
        used
    }

    fn add(&mut self, category: Option<&'a Category>, amount: Option<&Amount>, subtract: bool) {
        let Some(category) = category else { return };
        let rated = CATEGORIES.iter().any(|rules| rules.rated && rules.code == category.code);
        let rate = category.rate.as_ref().filter(|_| rated).map(|rate| rate.value().normalized());
        let sum = self.sums.entry((&category.code, rate)).or_insert_with(|| Some(BigDecimal::zero()));
        *sum = match (sum.take(), amount) {
            (Some(sum), Some(amount)) if subtract => Some(sum - amount.value()),
            (Some(sum), Some(amount)) => Some(sum + amount.value()),
            _ => None,
        };
    }

    /// What is used of a category, at `rate` where it has one. The outer `None`: it is not used.
    fn get(&self, rules: &Rules, rate: Option<&Number>) -> Option<Option<BigDecimal>> {
        let rate = rate.filter(|_| rules.rated).map(|rate| rate.value().normalized());
        self.sums.get(&(rules.code, rate)).cloned()
    }
}
