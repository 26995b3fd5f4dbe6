//! Reads a UBL 2.1 document into an [`Invoice`].
//!
//! Namespaces count, prefixes do not. Everything the rules rely on is read strictly: an element that may stand once and stands
//! twice, a number that is no number, an amount in another currency are findings, so that no other reader of the document can
//! see other amounts than those that were checked. A finding carries the id of the published rule where there is one.

mod document;
mod element;
mod line;
mod party;
mod prolog;
mod reader;

use roxmltree::{Document, Node, ParsingOptions};

use crate::finding::{Finding, Findings};
use crate::model::{Invoice, Kind};
use element::Element;

/// The largest document, in bytes.
pub const MAX_BYTES: usize = 1_048_576;
/// The most elements, texts, comments and processing instructions together.
pub const MAX_NODES: u32 = 100_000;
/// The deepest element; a UBL invoice needs ten.
pub const MAX_DEPTH: usize = 32;
/// The most namespace declarations.
pub const MAX_NAMESPACES: usize = 4_096;
/// The most attributes (counted as equals signs, wherever they stand).
pub const MAX_ATTRIBUTES: usize = 20_000;

const INVOICE: &str = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
const CREDIT_NOTE: &str = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2";

/// What was read, with what is wrong with it. Without an invoice there is at least one finding.
#[derive(Debug)]
pub struct Reading {
    pub invoice: Option<Invoice>,
    pub findings: Findings,
}

/// Reads `bytes`. Never panics, whatever they are.
///
/// What ends the reading at once, each with its finding: more than [`MAX_BYTES`] (`UBL-limit`), bytes that are not UTF-8 or a
/// declaration of another encoding (`UBL-encoding`), a document type declaration (`UBL-dtd`, before anything is parsed), ill-formed
/// XML (`UBL-xml`), too many or too deep elements (`UBL-limit`), another kind of document (`UBL-root`).
pub fn read(bytes: &[u8]) -> Reading {
    let mut findings = Findings::default();
    let invoice = match parse(bytes, &mut findings) {
        Ok(invoice) => Some(invoice),
        Err(finding) => {
            findings.push(finding);
            None
        }
    };
    Reading { invoice, findings }
}

fn parse(bytes: &[u8], findings: &mut Findings) -> Result<Invoice, Finding> {
    if bytes.len() > MAX_BYTES {
        return Err(limit(format!("the document has {} bytes, the limit is {MAX_BYTES}", bytes.len())));
    }
    let text = prolog::check(bytes)?;
    check_counts(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(xml)?;
    check_depth(document.root_element())?;
    let root = document.root_element();
    let kind = kind(root)?;
    Ok(document::read(&Element::root(root, kind), kind, findings))
}

/// The parser compares each attribute with those before it, and copies the namespaces in scope: this bounds both.
fn check_counts(text: &str) -> Result<(), Finding> {
    if text.matches("xmlns").nth(MAX_NAMESPACES).is_some() {
        return Err(limit(format!("more than {MAX_NAMESPACES} namespace declarations")));
    }
    if text.bytes().filter(|byte| *byte == b'=').nth(MAX_ATTRIBUTES).is_some() {
        return Err(limit(format!("more than {MAX_ATTRIBUTES} attributes")));
    }
    Ok(())
}

fn check_depth(root: Node<'_, '_>) -> Result<(), Finding> {
    let (mut node, mut depth) = (root, 1);
    loop {
        if depth > MAX_DEPTH {
            return Err(limit(format!("elements are nested deeper than {MAX_DEPTH}")));
        }
        if let Some(child) = node.first_child() {
            (node, depth) = (child, depth + 1);
            continue;
        }
        loop {
            if node == root {
                return Ok(());
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else {
                return Ok(());
            };
            (node, depth) = (parent, depth - 1);
        }
    }
}

fn kind(root: Node<'_, '_>) -> Result<Kind, Finding> {
    let name = root.tag_name();
    match (name.namespace(), name.name()) {
        (Some(INVOICE), "Invoice") => Ok(Kind::Invoice),
        (Some(CREDIT_NOTE), "CreditNote") => Ok(Kind::CreditNote),
        _ => Err(Finding::new(
            "UBL-root",
            "/",
            "the document element is neither a UBL 2 `Invoice` nor a `CreditNote`",
        )),
    }
}

fn xml(error: roxmltree::Error) -> Finding {
    match error {
        roxmltree::Error::DtdDetected => prolog::dtd(),
        roxmltree::Error::NodesLimitReached => limit(format!("more than {MAX_NODES} nodes")),
        error => Finding::new("UBL-xml", "/", format!("the document is not well-formed XML: {error}")),
    }
}

fn limit(message: String) -> Finding {
    Finding::new("UBL-limit", "/", message)
}
