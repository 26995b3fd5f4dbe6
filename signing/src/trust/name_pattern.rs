//! Which addons a key may publish.

use std::fmt;
use std::str::FromStr;

use bulla_base::AddonName;
use serde::{Deserialize, Serialize};

/// An addon's name (`einvoice`), or the start of one and a star (`acme-*`). The start is a name itself but may end in `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    start: AddonName,
    prefix: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an addon name or the start of one and `*`")]
pub struct InvalidNamePattern {
    /// The offending text, cut at 80 characters.
    pub text: String,
}

impl NamePattern {
    pub fn matches(&self, addon: &AddonName) -> bool {
        if self.prefix { addon.as_str().starts_with(self.start.as_str()) } else { *addon == self.start }
    }
}

impl FromStr for NamePattern {
    type Err = InvalidNamePattern;
    fn from_str(text: &str) -> Result<Self, InvalidNamePattern> {
        let (start, prefix) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let start = AddonName::new(start)
            .map_err(|_| InvalidNamePattern { text: text.chars().take(80).collect() })?;
        Ok(Self { start, prefix })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = InvalidNamePattern;
    fn try_from(text: String) -> Result<Self, InvalidNamePattern> {
        text.parse()
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.start, if self.prefix { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_start_of_one() {
        let addon = |name| AddonName::new(name).unwrap();
        let prefix: NamePattern = "acme-*".parse().unwrap();
        assert!(prefix.matches(&addon("acme-invoice")));
        assert!(!prefix.matches(&addon("acme")));
        let exact: NamePattern = "acme".parse().unwrap();
        assert!(exact.matches(&addon("acme")) && !exact.matches(&addon("acme-invoice")));
        assert_eq!(prefix.to_string(), "acme-*");
        for wrong in ["*", "", "a*b", "**", "Acme*"] {
            assert_eq!(wrong.parse::<NamePattern>(), Err(InvalidNamePattern { text: wrong.into() }));
        }
    }
}
