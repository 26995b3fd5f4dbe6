//! Rust source without its comments and texts: what is left are names and signs, on their own lines.

/// The source with comments, string and character literals blanked. Line breaks stay.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        match skipped {
            0 => {
                // A name is taken whole, so that the `r` of `for` starts no raw string.
                let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len()).max(first.len_utf8());
                out.push_str(&rest[..len]);
                rest = &rest[len..];
            }
            len => {
                out.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = &rest[len..];
            }
        }
    }
    out
}

pub(crate) fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Length of the comment or literal at the start; 0 where there is none.
fn literal_or_comment(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    let starts =
        |prefix: &&str| rest.strip_prefix(prefix).is_some_and(|after| after.starts_with(['"', '#', '\'']));
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(starts).unwrap_or("");
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        return raw_string(after).map_or(0, |len| prefix.len() + len);
    }
    match after.chars().next() {
        Some('"') => prefix.len() + string(after),
        Some('\'') if prefix == "b" => prefix.len() + character(after),
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `#`s, a quote, and all up to a quote with as many `#`s.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let found = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(hashes + 1 + found)
}

/// A character literal, and 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character itself may be a quote.
            let from = 3.min(rest.len());
            rest.get(from..).and_then(|tail| tail.find('\'')).map_or(0, |at| from + at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blanked_and_lines_kept() {
        let source = "use a::b; // sqlx::x\n/* c /* sqlx */ d */ let s = \"sqlx \\\" sqlx\";\nlet r = r#\"sqlx \" \"#; fn f<'a>(c: char) { c == '\\'' || c == '\"' } sqlx::y";
        let code = code_only(source);
        assert_eq!(code.matches("sqlx").count(), 1, "{code}");
        assert_eq!(code.lines().count(), source.lines().count());
        assert!(code.contains("fn f<'a>(c: char)"), "{code}");
    }
}
