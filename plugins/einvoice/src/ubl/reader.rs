//! Reads typed values out of elements, and notes a finding for each that cannot be read.

use crate::amount::{self, Amount, MAX_DIGITS, Number};
use crate::finding::{Finding, Findings, excerpt};
use crate::model::{AllowanceCharge, Category, Identifier};

use super::element::Element;

/// Reads one document.
pub struct Reader<'f> {
    pub findings: &'f mut Findings,
    /// The document's currency, which all amounts but one must have.
    pub currency: String,
}

/// The ids of the rules that an allowance or charge stands under: the amount must be there, amount and base amount have two
/// decimals at most, the VAT category must be there.
pub struct AllowanceChargeRules {
    pub present: &'static str,
    pub amount: &'static str,
    pub base: &'static str,
    /// `None` on a line, whose own category counts.
    pub category: Option<&'static str>,
}

impl Reader<'_> {
    pub fn find(&mut self, rule: &'static str, at: &Element<'_, '_>, message: impl Into<String>) {
        self.findings.push(Finding::new(rule, at.path(), message));
    }

    /// The only child of this name.
    pub fn one<'s, 'x>(
        &mut self,
        parent: &'s Element<'_, 'x>,
        name: &'static str,
    ) -> Option<Element<'s, 'x>> {
        if parent.repeats(name) {
            self.find("UBL-repeated", parent, format!("`{name}` stands more than once"));
        }
        parent.first(name)
    }

    /// The child of this name, or a finding under `rule`.
    pub fn need<'s, 'x>(
        &mut self,
        parent: &'s Element<'_, 'x>,
        name: &'static str,
        rule: &'static str,
    ) -> Option<Element<'s, 'x>> {
        let child = self.one(parent, name);
        if child.is_none() {
            self.find(rule, parent, format!("`{name}` is missing"));
        }
        child
    }

    /// A text that may be absent. An empty one is absent.
    pub fn text(&mut self, parent: &Element<'_, '_>, name: &'static str) -> Option<String> {
        let child = self.one(parent, name)?;
        self.content(&child)
    }

    /// A text, or a finding under `rule` and an empty text.
    pub fn needed_text(
        &mut self,
        parent: &Element<'_, '_>,
        name: &'static str,
        rule: &'static str,
    ) -> String {
        let text = self.text(parent, name);
        if text.is_none() {
            self.find(rule, parent, format!("`{name}` is missing or empty"));
        }
        text.unwrap_or_default()
    }

    /// A date as `YYYY-MM-DD`.
    pub fn date(&mut self, parent: &Element<'_, '_>, name: &'static str) -> Option<String> {
        let child = self.one(parent, name)?;
        let text = self.content(&child)?;
        if !is_date(&text) {
            self.find(
                "UBL-date",
                &child,
                format!("`{}` is no date of the form `YYYY-MM-DD`", excerpt(&text)),
            );
        }
        Some(text)
    }

    pub fn identifier(&mut self, element: &Element<'_, '_>) -> Option<Identifier> {
        let value = self.content(element)?;
        Some(Identifier { scheme: element.attribute("schemeID").map(str::to_owned), value })
    }

    /// An amount in the document's currency that may be absent. `decimals` is the rule that allows two decimals at most.
    pub fn amount(
        &mut self,
        parent: &Element<'_, '_>,
        name: &'static str,
        decimals: &'static str,
    ) -> Option<Amount> {
        let child = self.one(parent, name)?;
        self.check_currency(&child);
        self.amount_of(&child, decimals)
    }

    /// An amount in the document's currency, or a finding under `rule`.
    pub fn needed_amount(
        &mut self,
        parent: &Element<'_, '_>,
        name: &'static str,
        decimals: &'static str,
        rule: &'static str,
    ) -> Option<Amount> {
        let child = self.need(parent, name, rule)?;
        self.check_currency(&child);
        self.amount_of(&child, decimals)
    }

    /// The amount in `element`, in whatever currency.
    pub fn amount_of(&mut self, element: &Element<'_, '_>, decimals: &'static str) -> Option<Amount> {
        let text = element.text().unwrap_or_default();
        let Some(value) = amount::read(&text) else {
            self.no_number("UBL-amount", element, &text);
            return None;
        };
        if value.fractional_digit_count() > 2 {
            self.find(decimals, element, format!("`{}` has more than two decimals", excerpt(&text)));
        }
        Some(Amount::new(value))
    }

    /// A unit price in the document's currency: as an amount, with any number of decimals.
    pub fn price(&mut self, parent: &Element<'_, '_>, name: &'static str) -> Option<Number> {
        let child = self.one(parent, name)?;
        self.check_currency(&child);
        self.number_of("UBL-amount", &child)
    }

    /// A quantity or percentage that may be absent.
    pub fn number(&mut self, parent: &Element<'_, '_>, name: &'static str) -> Option<Number> {
        let child = self.one(parent, name)?;
        self.number_of("UBL-number", &child)
    }

    pub fn number_of(&mut self, rule: &'static str, element: &Element<'_, '_>) -> Option<Number> {
        let text = element.text().unwrap_or_default();
        let number = amount::read(&text).map(Number::new);
        if number.is_none() {
            self.no_number(rule, element, &text);
        }
        number
    }

    /// `true` or `false`, as an allowance or charge says which of the two it is.
    pub fn charge_indicator(&mut self, parent: &Element<'_, '_>) -> bool {
        let text = self.text(parent, "cbc:ChargeIndicator").unwrap_or_default();
        if text != "true" && text != "false" {
            let message =
                format!("`cbc:ChargeIndicator` is `{}`, neither `true` nor `false`", excerpt(&text));
            self.find("PEPPOL-EN16931-R043", parent, message);
        }
        text == "true"
    }

    /// The VAT category in the child `name`, or a finding under `missing`. Only the tax scheme VAT counts.
    pub fn category(
        &mut self,
        parent: &Element<'_, '_>,
        name: &'static str,
        missing: &'static str,
    ) -> Option<Category> {
        let element = self.need(parent, name, missing)?;
        let scheme = self.one(&element, "cac:TaxScheme").and_then(|scheme| self.text(&scheme, "cbc:ID"));
        if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("VAT")) {
            self.find(missing, &element, "the tax scheme is not `VAT`");
        }
        Some(Category {
            code: self.needed_text(&element, "cbc:ID", missing),
            rate: self.number(&element, "cbc:Percent"),
            exemption_reason: self.text(&element, "cbc:TaxExemptionReason"),
            exemption_reason_code: self.text(&element, "cbc:TaxExemptionReasonCode"),
        })
    }

    /// An allowance or charge, whose rules depend on which of the two it is.
    pub fn allowance_charge(
        &mut self,
        element: &Element<'_, '_>,
        rules: impl FnOnce(bool) -> AllowanceChargeRules,
    ) -> AllowanceCharge {
        let charge = self.charge_indicator(element);
        let rules = rules(charge);
        AllowanceCharge {
            charge,
            reason: self.text(element, "cbc:AllowanceChargeReason"),
            reason_code: self.text(element, "cbc:AllowanceChargeReasonCode"),
            percent: self.number(element, "cbc:MultiplierFactorNumeric"),
            base: self.amount(element, "cbc:BaseAmount", rules.base),
            amount: self.needed_amount(element, "cbc:Amount", rules.amount, rules.present),
            category: rules.category.and_then(|missing| self.category(element, "cac:TaxCategory", missing)),
        }
    }

    fn content(&mut self, element: &Element<'_, '_>) -> Option<String> {
        let Some(text) = element.text() else {
            self.find("UBL-text", element, "an element stands where a text was expected");
            return None;
        };
        (!text.is_empty()).then(|| text.into_owned())
    }

    /// Amounts of two currencies cannot be added.
    fn check_currency(&mut self, element: &Element<'_, '_>) {
        let currency = element.attribute("currencyID").unwrap_or_default();
        if currency != self.currency && !self.currency.is_empty() {
            let message =
                format!("the currency is `{}`, the document's is `{}`", excerpt(currency), self.currency);
            self.find("PEPPOL-EN16931-R051", element, message);
        }
    }

    fn no_number(&mut self, rule: &'static str, element: &Element<'_, '_>, text: &str) {
        let message = format!("`{}` is no decimal number of at most {MAX_DIGITS} digits", excerpt(text));
        self.find(rule, element, message);
    }
}

/// True for a day that exists, as `YYYY-MM-DD` (ISO 8601).
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<u32> {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (digits(0..4), digits(5..7), digits(8..10)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    year > 0 && (1..=days).contains(&day)
}
