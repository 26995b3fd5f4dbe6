//! Marks numbers in what leaves a failed call: a reader must not take them for issued.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

/// The numbers that a call drew and did not commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncommitted {
    numbers: HashSet<String>,
    /// The lengths that numbers have, so that a place in a text is compared with few of them.
    lengths: BTreeSet<usize>,
}

impl Uncommitted {
    pub(super) fn new(numbers: impl Iterator<Item = String>) -> Self {
        let numbers: HashSet<String> = numbers.filter(|number| !number.is_empty()).collect();
        Self { lengths: numbers.iter().map(String::len).collect(), numbers }
    }

    /// Every number in the text as `[uncommitted INV-7]`; of two that start at one place the longer one.
    pub fn mark(&self, text: &str) -> String {
        if self.numbers.is_empty() {
            return text.to_owned();
        }
        let mut marked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            match self.at_start(rest) {
                Some(number) => {
                    marked.extend(["[uncommitted ", number, "]"]);
                    rest = &rest[number.len()..];
                }
                None => {
                    marked.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        marked
    }

    /// The same in every name, text and number of a JSON value, however its text was escaped.
    pub fn mark_json(&self, value: Value) -> Value {
        match value {
            _ if self.numbers.is_empty() => value,
            Value::String(text) => self.mark(&text).into(),
            Value::Number(number) if self.numbers.contains(&number.to_string()) => {
                self.mark(&number.to_string()).into()
            }
            Value::Array(values) => values.into_iter().map(|value| self.mark_json(value)).collect(),
            Value::Object(fields) => {
                let marked =
                    fields.into_iter().map(|(name, value)| (self.mark(&name), self.mark_json(value)));
                Value::Object(marked.collect())
            }
            other => other,
        }
    }

    fn at_start<'a>(&self, text: &'a str) -> Option<&'a str> {
        let candidates = self.lengths.iter().rev().filter_map(|length| text.get(..*length));
        candidates.into_iter().find(|candidate| self.numbers.contains(*candidate))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uncommitted(numbers: &[&str]) -> Uncommitted {
        Uncommitted::new(numbers.iter().map(|number| (*number).to_owned()))
    }

    #[test]
    fn a_number_within_a_number_is_marked_once() {
        let both = uncommitted(&["1", "11", "R\"1"]);
        assert_eq!(both.mark("11 and 1 é"), "[uncommitted 11] and [uncommitted 1] é");
        assert_eq!(both.mark("111"), "[uncommitted 11][uncommitted 1]");
        assert_eq!(uncommitted(&[]).mark("11"), "11");
    }

    #[test]
    fn escapes_hide_no_number_in_json() {
        let one = uncommitted(&["R\"7", "12"]);
        let details: Value = serde_json::from_str(r#"{"a":["\u0052\"7"],"R\"7":1,"n":12,"m":120}"#).unwrap();
        let marked =
            json!({"a": ["[uncommitted R\"7]"], "[uncommitted R\"7]": 1, "n": "[uncommitted 12]", "m": 120});
        assert_eq!(one.mark_json(details), marked);
    }
}
