//! Names and identifiers. Each is a type of its own, checked where it enters, cheap to clone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {rule}")]
pub struct InvalidId {
    pub kind: &'static str,
    pub rule: &'static str,
    /// The offending text, cut at 80 characters.
    pub text: String,
}

fn checked(
    text: &str,
    kind: &'static str,
    rule: &'static str,
    valid: fn(&str) -> bool,
) -> Result<Arc<str>, InvalidId> {
    if valid(text) {
        Ok(Arc::from(text))
    } else {
        Err(InvalidId { kind, rule, text: text.chars().take(80).collect() })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $rule:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                checked(text, $kind, $rule, $valid).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

/// Identifiers that the host draws: 128 random bits as 32 lower-case hex digits behind a prefix.
macro_rules! drawn_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        id!($(#[$doc])* $name, $kind, concat!("`", $prefix, "` and 32 lower-case hex digits"), |text: &str| {
            text.strip_prefix($prefix).is_some_and(|hex| is_hex(hex, 32))
        });

        impl $name {
            pub fn draw(rng: &dyn Rng) -> Self {
                Self(Arc::from(format!("{}{}", $prefix, random_hex(rng))))
            }
        }
    };
}

fn random_hex(rng: &dyn Rng) -> String {
    let mut bytes = [0u8; 16];
    rng.fill(&mut bytes);
    hex::encode(bytes)
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Starts with a lower-case letter, goes on with lower-case letters, digits and `extra`, 1 to 63 bytes.
fn is_name(text: &str, extra: &[u8]) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 63
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b))
}

fn is_visible_ascii(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

id!(
    /// A tenant. It always comes from the host, never from a guest. `system` is the log without a tenant and no tenant's name.
    TenantId, "tenant id", "1 to 63 characters `a-z 0-9 -`, starting with a letter, and not `system`",
    |text| is_name(text, b"-") && text != "system"
);
id!(
    /// An addon's name, as its manifest gives it.
    AddonName, "addon name", "1 to 63 characters `a-z 0-9 -`, starting with a letter",
    |text| is_name(text, b"-")
);
id!(
    /// The name of an action or a job.
    EntryName, "action or job name", "1 to 63 characters `a-z 0-9 _ -`, starting with a letter",
    |text| is_name(text, b"_-")
);
id!(
    /// The name under which a tenant keeps a sequence, a secret or a key.
    Alias, "alias", "1 to 63 characters `a-z 0-9 _ . -`, starting with a letter",
    |text| is_name(text, b"_.-")
);
id!(
    /// What a secret or key is used for.
    Purpose, "purpose", "1 to 63 characters `a-z 0-9 _ . -`, starting with a letter",
    |text| is_name(text, b"_.-")
);
id!(
    /// What an approval is about, such as `invoice.issue`.
    Scope, "approval scope", "1 to 63 characters `a-z 0-9 _ . -`, starting with a letter",
    |text| is_name(text, b"_.-")
);
id!(
    /// A role that a token carries, such as `cfo`.
    Role, "role", "1 to 63 characters `a-z 0-9 _ . -`, starting with a letter",
    |text| is_name(text, b"_.-")
);
id!(
    /// Who acts: a person or a machine, as the token names it.
    Subject, "subject", "1 to 128 visible ASCII characters",
    |text| is_visible_ascii(text, 128)
);
id!(
    /// An object of the platform, such as `invoice/4711`.
    ObjectRef, "object reference", "1 to 200 visible ASCII characters",
    |text| is_visible_ascii(text, 200)
);
id!(
    /// A W3C trace id (Trace Context, section 3.2.2.3).
    TraceId, "trace id", "32 lower-case hex digits, not all zero",
    |text| is_hex(text, 32) && text.bytes().any(|b| b != b'0')
);
drawn_id!(
    /// One run of one entry.
    CallId, "call id", "call_"
);
drawn_id!(
    /// One job.
    JobId, "job id", "job_"
);
drawn_id!(
    /// One approval request.
    ApprovalId, "approval id", "apr_"
);
drawn_id!(
    /// One reserved number.
    ReservationId, "reservation id", "res_"
);

impl TraceId {
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(Arc::from(random_hex(rng)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    #[test]
    fn a_name_is_checked_where_it_enters() {
        assert!(TenantId::new("acme").is_ok());
        for wrong in ["", "Acme", "1acme", "a/b", "a\0", "system", &"a".repeat(64)] {
            assert!(TenantId::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(serde_json::from_str::<TenantId>("\"../x\"").is_err());
        assert_eq!(
            TenantId::new("Acme").unwrap_err().to_string(),
            "`Acme` is not a tenant id: 1 to 63 characters `a-z 0-9 -`, starting with a letter, and not `system`"
        );
    }

    #[test]
    fn a_drawn_id_reads_back() {
        let rng = SeededRng::new(7);
        let id = JobId::draw(&rng);
        assert_eq!(JobId::new(id.as_str()).unwrap(), id);
        assert_ne!(JobId::draw(&rng), id);
        assert!(CallId::new(id.as_str()).is_err());
    }
}
