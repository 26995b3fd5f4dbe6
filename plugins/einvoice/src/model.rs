//! The parts of an invoice that this addon reads, by the business terms of EN 16931-1.
//!
//! A numeric field that the standard requires is `None` only beside a finding that says what is wrong with it: an accepted
//! invoice has them all. Serialised, this is the form that is signed: names in kebab-case, numbers as decimal texts.

use serde::Serialize;

use crate::amount::{Amount, Number};

/// A UBL 2.1 invoice or credit note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Invoice {
    pub kind: Kind,
    /// BT-24, the specification the document claims to follow.
    pub customization_id: String,
    /// BT-23, the business process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// BT-1, the seller's own number.
    pub id: String,
    /// BT-2, as `YYYY-MM-DD`.
    pub issue_date: String,
    /// BT-9, as `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_date: Option<String>,
    /// BT-3, from UNTDID 1001.
    pub type_code: String,
    /// BT-5, ISO 4217.
    pub currency: String,
    /// BT-6, ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_currency: Option<String>,
    /// BT-10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyer_reference: Option<String>,
    /// BT-13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_reference: Option<String>,
    /// BG-4.
    pub seller: Party,
    /// BG-7.
    pub buyer: Party,
    /// BG-20 and BG-21.
    pub allowances_charges: Vec<AllowanceCharge>,
    /// BT-110 with the VAT breakdown BG-23, and BT-111.
    pub tax_totals: Vec<TaxTotal>,
    /// BG-22.
    pub totals: Totals,
    /// BG-25.
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Invoice,
    CreditNote,
}

impl Kind {
    /// The name of the document element.
    pub fn root(self) -> &'static str {
        match self {
            Self::Invoice => "Invoice",
            Self::CreditNote => "CreditNote",
        }
    }

    /// As it is called in facts and in the signed form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit-note",
        }
    }

    /// The name of a line's element.
    pub fn line(self) -> &'static str {
        match self {
            Self::Invoice => "cac:InvoiceLine",
            Self::CreditNote => "cac:CreditNoteLine",
        }
    }

    /// The name of a line's quantity.
    pub fn quantity(self) -> &'static str {
        match self {
            Self::Invoice => "cbc:InvoicedQuantity",
            Self::CreditNote => "cbc:CreditedQuantity",
        }
    }
}

/// The seller or the buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Party {
    /// BT-27, BT-44.
    pub name: String,
    /// The electronic address, BT-34, BT-49. An accepted invoice has it, with its scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Identifier>,
    /// BT-29, BT-46.
    pub ids: Vec<Identifier>,
    /// The legal registration, BT-30, BT-47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_id: Option<Identifier>,
    /// BT-31, BT-48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<String>,
    /// BT-40, BT-55, ISO 3166-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A value with the scheme it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    pub value: String,
}

/// An allowance or charge of the document (BG-20, BG-21) or of a line (BG-27, BG-28).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AllowanceCharge {
    /// True for a charge, false for an allowance.
    pub charge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Amount>,
    pub amount: Option<Amount>,
    /// Of the document's only: a line's own follow the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

/// A VAT category (UNCL5305) and its rate in percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Category {
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption_reason_code: Option<String>,
}

/// The VAT total in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaxTotal {
    /// BT-110, or BT-111 in the tax currency.
    pub amount: Option<Amount>,
    pub currency: String,
    pub breakdown: Vec<TaxSubtotal>,
}

/// The VAT of one category and rate, BG-23.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaxSubtotal {
    /// BT-116.
    pub taxable: Option<Amount>,
    /// BT-117.
    pub tax: Option<Amount>,
    pub category: Category,
}

/// The document's totals, BG-22.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// BT-106.
    pub lines: Option<Amount>,
    /// BT-107.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowances: Option<Amount>,
    /// BT-108.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charges: Option<Amount>,
    /// BT-109.
    pub without_vat: Option<Amount>,
    /// BT-112.
    pub with_vat: Option<Amount>,
    /// BT-113.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepaid: Option<Amount>,
    /// BT-114.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Amount>,
    /// BT-115.
    pub payable: Option<Amount>,
}

/// BG-25.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// BT-126.
    pub id: String,
    /// BT-153.
    pub item: String,
    /// BT-129.
    pub quantity: Option<Number>,
    /// BT-130, UN/ECE Recommendation 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// BT-131.
    pub net: Option<Amount>,
    pub price: Price,
    pub allowances_charges: Vec<AllowanceCharge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

/// BG-29.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Price {
    /// BT-146.
    pub net: Option<Number>,
    /// BT-148.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gross: Option<Number>,
    /// BT-147.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Number>,
    /// BT-149, the quantity that the price is for; one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_quantity: Option<Number>,
}
