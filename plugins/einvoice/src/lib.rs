//! The e-invoice addon: it checks a UBL 2.1 invoice (Peppol BIS Billing 3.0), has it approved, numbers, signs and delivers it.
//!
//! [`examine`] and what it uses know nothing of the host; [`actions`] is the part that talks to the kernel.

pub mod actions;
pub mod amount;
pub mod finding;
pub mod json;
pub mod model;
pub mod reference;
mod refusal;
pub mod rules;
pub mod ubl;

use finding::{Finding, Findings};
use model::Invoice;

/// Reads and checks a document: an invoice that keeps every rule, or all that is wrong with it.
///
/// # Errors
/// The findings, at least one.
pub fn accept(document: &[u8]) -> Result<Invoice, Vec<Finding>> {
    let (invoice, findings) = examine(document);
    match invoice {
        Some(invoice) if findings.is_empty() => Ok(invoice),
        _ => Err(findings),
    }
}

/// Reads and checks a document: what could be read of it, and all that is wrong with it.
pub fn examine(document: &[u8]) -> (Option<Invoice>, Vec<Finding>) {
    let ubl::Reading { invoice, mut findings } = ubl::read(document);
    if let Some(invoice) = &invoice {
        rules::check(invoice, &mut findings);
    }
    (invoice, Findings::into_vec(findings))
}

bulla::addon!(actions::submit, actions::issue, actions::validate; jobs: actions::deliver);
