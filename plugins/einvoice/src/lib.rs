//! The e-invoice addon: it checks a UBL 2.1 invoice, has it approved, numbers, signs and delivers it.
pub mod amount;
pub mod finding;
pub mod json;
pub mod model;
pub mod rules;
pub mod ubl;
