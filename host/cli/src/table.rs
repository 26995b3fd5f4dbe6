//! JSON for people: tables and records. Control characters of foreign text never reach the terminal.

use bulla_base::Timestamp;
use serde_json::Value;

/// Two spaces between columns; the last one is not padded.
const GAP: &str = "  ";

/// One row an object, one column a field (its key, kebab-case).
pub fn rows(items: &[Value], fields: &[&str]) -> String {
    let title = |field: &&str| field.trim_end_matches("-ms").to_uppercase();
    let cell = |item: &Value, field: &str| text_of(field, item.get(field).unwrap_or(&Value::Null));
    let header = fields.iter().map(title).collect();
    let body = items.iter().map(|item| fields.iter().map(|field| cell(item, field)).collect());
    lay_out(&std::iter::once(header).chain(body).collect::<Vec<_>>())
}

/// One line a field.
pub fn record(item: &Value) -> String {
    let Some(object) = item.as_object() else {
        return text_of("", item) + "\n";
    };
    let lines: Vec<Vec<String>> = object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| vec![visible(key.trim_end_matches("-ms")), text_of(key, value)])
        .collect();
    lay_out(&lines)
}

/// Lines of cells, each column as wide as its widest cell.
pub fn lay_out(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// A value in one cell. Fields that end in `-ms` are times.
fn text_of(field: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => visible(text),
        Value::Number(number) => match number.as_i64().filter(|_| field.ends_with("-ms")).and_then(time) {
            Some(time) => time,
            None => number.to_string(),
        },
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(|item| text_of("", item)).collect::<Vec<_>>().join(", ")
        }
        other => visible(&other.to_string()),
    }
}

fn time(ms: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(ms).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The text without characters that move a cursor or change a terminal.
pub fn visible(text: &str) -> String {
    let escape = |c: char| match c.is_control() || is_direction(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Marks that make a line read in another order than it is written (Unicode, UAX #9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_header_and_aligned_columns() {
        let items = [
            json!({"id": "acme", "tier": "standard", "created-ms": 0, "roles": ["a", "b"]}),
            json!({"id": "b", "tier": null, "created-ms": 1_000, "roles": []}),
        ];
        assert_eq!(
            rows(&items, &["id", "tier", "roles", "created-ms"]),
            "ID    TIER      ROLES  CREATED\n\
             acme  standard  a, b   1970-01-01T00:00:00Z\n\
             b     -         -      1970-01-01T00:00:01Z\n"
        );
    }

    #[test]
    fn a_record_leaves_out_what_is_not_there() {
        let text = record(&json!({"id": "x", "revoked-ms": null, "grants": {"a": 1}}));
        assert_eq!(text, "id      x\ngrants  {\"a\":1}\n");
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        let text = rows(&[json!({"owner": "eve\u{1b}[2J\n\u{202e}"})], &["owner"]);
        assert_eq!(text, "OWNER\neve\\u{1b}[2J\\u{a}\\u{202e}\n");
    }
}
