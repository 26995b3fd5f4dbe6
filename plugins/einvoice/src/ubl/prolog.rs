//! What stands before the document element: looked at before anything is parsed.

use crate::finding::{Finding, excerpt};

/// The document as text. Refuses bytes that are not UTF-8, a declaration of another encoding, and a document type declaration.
pub fn check(bytes: &[u8]) -> Result<&str, Finding> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| encoding(format!("the document is not UTF-8 from byte {}", error.valid_up_to())))?;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(declaration) = rest.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        check_encoding(declaration.0)?;
    }
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.starts_with("<!DOCTYPE") {
            return Err(dtd());
        }
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else {
            return Ok(text);
        };
        let Some((_, after)) = rest.split_once(end) else {
            return Ok(text);
        };
        rest = after;
    }
}

/// The finding for a document type declaration. It could define entities, which read files or grow without bound.
pub fn dtd() -> Finding {
    Finding::new("UBL-dtd", "/", "the document has a document type declaration (DTD), which is not allowed")
}

fn check_encoding(declaration: &str) -> Result<(), Finding> {
    let Some((_, after)) = declaration.split_once("encoding") else {
        return Ok(());
    };
    let name = after.trim_start_matches([' ', '\t', '\r', '\n', '=']).trim_start_matches(['"', '\'']);
    let name = name.split(['"', '\'']).next().unwrap_or_default();
    if name.eq_ignore_ascii_case("utf-8") {
        return Ok(());
    }
    Err(encoding(format!("the document declares the encoding `{}`, only UTF-8 is read", excerpt(name))))
}

fn encoding(message: String) -> Finding {
    Finding::new("UBL-encoding", "/", message)
}
