use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bulla_base::ids::InvalidId;
use bulla_base::{Entropy, Rng, Role, Subject, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::TokenError;
use crate::ports::Principal;

/// The most roles a token carries.
pub const MAX_ROLES: usize = 32;

const PREFIX: &str = "bulla_";
/// Base64url of 32 bytes without padding (RFC 4648, section 5).
const BODY_LEN: usize = 43;

/// A token as its owner keeps it: `bulla_` and 32 random bytes in base64url. Wiped when dropped, never printed.
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    pub(super) fn draw(entropy: &Entropy) -> Self {
        let bytes = Zeroizing::new(entropy.bytes::<32>());
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Self(Zeroizing::new(format!("{PREFIX}{}", body.as_str())))
    }

    /// For the one response that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Its last four characters, by which people tell tokens apart.
    pub(super) fn hint(&self) -> String {
        self.0[self.0.len() - 4..].to_owned()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// SHA-256 of a token's text. The text has 256 random bits, so a slow hash would protect nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a text that has a token's form; `None` for any other.
    pub fn of(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let formed = body.len() == BODY_LEN
            && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        formed.then(|| Self(Sha256::digest(text.as_bytes()).into()))
    }

    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// A token's name in lists and audit entries; it opens nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct TokenId(Arc<str>);

impl TokenId {
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let valid = text.strip_prefix("tok_").is_some_and(|digits| {
            digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId {
                kind: "token id",
                rule: "`tok_` and 32 lower-case hex digits",
                text: text.chars().take(80).collect(),
            })
        }
    }

    pub(super) fn draw(rng: &dyn Rng) -> Self {
        let mut bytes = [0u8; 16];
        rng.fill(&mut bytes);
        Self(format!("tok_{}", hex::encode(bytes)).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> String {
        id.0.to_string()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({})", self.0)
    }
}

/// What is asked of [`Tokens::create`](super::Tokens::create).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub subject: Subject,
    /// `None`: an operator's token.
    pub tenant: Option<TenantId>,
    pub roles: Vec<Role>,
    /// Good until then, in milliseconds since 1970 (UTC); `None`: until it is revoked.
    pub expires_ms: Option<i64>,
}

impl NewToken {
    pub(super) fn check(&self, now_ms: i64) -> Result<(), TokenError> {
        if self.roles.len() > MAX_ROLES {
            return Err(TokenError::TooManyRoles { count: self.roles.len() });
        }
        match self.expires_ms {
            Some(at) if at <= now_ms => Err(TokenError::ExpiryPassed),
            _ => Ok(()),
        }
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    pub id: TokenId,
    pub subject: Subject,
    /// `None`: an operator's token.
    pub tenant: Option<TenantId>,
    pub roles: Vec<Role>,
    /// The last four characters of the text.
    pub hint: String,
    pub created_by: String,
    /// Milliseconds since 1970 (UTC), as the next two.
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl Token {
    /// Whom it stands for at this moment.
    pub(super) fn principal(&self, now_ms: i64) -> Result<Principal, TokenError> {
        if self.revoked_ms.is_some() {
            return Err(TokenError::Revoked { id: self.id.clone() });
        }
        if self.expires_ms.is_some_and(|at| at <= now_ms) {
            return Err(TokenError::Expired { id: self.id.clone() });
        }
        Ok(Principal {
            subject: self.subject.clone(),
            tenant: self.tenant.clone(),
            roles: self.roles.clone(),
        })
    }
}
