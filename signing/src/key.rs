//! Publisher keys (Ed25519, RFC 8032). A private key signs package statements and nothing else.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Code, Coded, Entropy, codes};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::digest::Digest;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;

const PREFIX: &str = "ed25519:";

/// A publisher's private key. It is wiped from memory when dropped, is never printed, and cannot be cloned.
pub struct PublisherKey(SigningKey);

impl PublisherKey {
    /// A new key. Keys draw from [`Entropy`] only, never from a generator that a replay can fix.
    pub fn generate(entropy: &Entropy) -> Self {
        let mut seed = Zeroizing::new([0u8; 32]);
        entropy.fill(seed.as_mut_slice());
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads a PKCS#8 private key (RFC 8410) in PEM, as `openssl genpkey -algorithm ed25519` writes it too.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        // The parser's reason is not kept: it may quote the text, and the text is a private key.
        SigningKey::from_pkcs8_pem(text).map(Self).map_err(|_| KeyError::NotPem)
    }

    /// The key as PKCS#8 in PEM; the caller's copy is wiped when dropped.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotPem)
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherKey({})", self.id())
    }
}

/// A publisher's public key. Written `ed25519:` and the standard Base64 of its 32 bytes.
///
/// Points of small order and second encodings of a point are no keys: under such a key one signature can hold for many messages,
/// and one key would have two ids.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::NotAPoint);
        }
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    pub fn id(&self) -> KeyId {
        KeyId::of(self)
    }

    /// Whether `signature` holds for `message`, under the strict rules: one message and key have one valid `S`, no small orders.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = || KeyError::NotAPublicKey { text: text.chars().take(80).collect() };
        let encoded = text.strip_prefix(PREFIX).ok_or_else(refused)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| refused())?;
        Self::from_bytes(&bytes.try_into().map_err(|_| refused())?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The short name of a public key: the first 16 bytes of the SHA-256 of its 32 bytes, as 32 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

const KEY_ID_LEN: usize = 32;

impl KeyId {
    pub fn of(key: &PublicKey) -> Self {
        Self(hex::encode(&Digest::of(&key.to_bytes()).as_bytes()[..KEY_ID_LEN / 2]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let valid = text.len() == KEY_ID_LEN && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::NotAKeyId { text: text.chars().take(80).collect() })
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("this is not an Ed25519 private key in PKCS#8 PEM")]
    NotPem,
    #[error("`{text}` is not a public key: `ed25519:` and the Base64 of 32 bytes")]
    NotAPublicKey { text: String },
    #[error("these 32 bytes are not an Ed25519 public key")]
    NotAPoint,
    #[error("this Ed25519 public key has a small order and protects nothing")]
    Weak,
    #[error("`{text}` is not a key id: 32 lower-case hex digits")]
    NotAKeyId { text: String },
}

impl Coded for KeyError {
    fn code(&self) -> Code {
        codes::INVALID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, section 7.1, test 1.
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    fn public() -> PublicKey {
        PublicKey::from_bytes(&hex::decode(PUBLIC).unwrap().try_into().unwrap()).unwrap()
    }

    #[test]
    fn a_known_signature_holds_and_a_changed_one_does_not() {
        let mut signature: [u8; 64] = hex::decode(SIGNATURE).unwrap().try_into().unwrap();
        assert!(public().holds(b"", &signature));
        assert!(!public().holds(b" ", &signature));
        signature[63] ^= 1;
        assert!(!public().holds(b"", &signature));
    }

    /// With the identity as `R`, `S = k·a` satisfies the equation of RFC 8032 for the key of its test 1: only the strict rules refuse it.
    #[test]
    fn a_signature_with_a_small_order_point_does_not_hold() {
        let mut signature = [0u8; 64];
        signature[0] = 1;
        hex::decode_to_slice(
            "756cf9b1d6f0d7a979b9d2af3dc2bc1294ec7cb6daa20eaff534c024fc57920f",
            &mut signature[32..],
        )
        .unwrap();
        let lenient = ed25519_dalek::Verifier::verify(&public().0, b"", &Signature::from_bytes(&signature));
        assert!(lenient.is_ok() && !public().holds(b"", &signature));
    }

    #[test]
    fn a_private_key_reads_back_from_pem() {
        let key = PublisherKey::generate(&Entropy);
        let pem = key.to_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(PublisherKey::from_pem(&pem).unwrap().public(), key.public());
        assert_ne!(PublisherKey::generate(&Entropy).public(), key.public());
        assert_eq!(PublisherKey::from_pem(&pem.replace("PRIVATE", "PUBLIC")).unwrap_err(), KeyError::NotPem);
        assert_eq!(PublisherKey::from_pem("").unwrap_err(), KeyError::NotPem);
        assert_eq!(format!("{key:?}"), format!("PublisherKey({})", key.id()));
    }

    #[test]
    fn a_key_that_openssl_wrote_is_read() {
        // RFC 8410, section 10.3, the first example.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let expected = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(hex::encode(PublisherKey::from_pem(pem).unwrap().public().to_bytes()), expected);
    }

    #[test]
    fn a_public_key_has_one_text_and_one_id() {
        let text = public().to_string();
        assert_eq!(text.parse::<PublicKey>().unwrap(), public());
        assert_eq!(public().id().as_str(), &Digest::of(&public().to_bytes()).to_string()[..32]);
        for wrong in [
            text.replace("ed25519", "rsa"),
            text.trim_end_matches('=').to_owned(),
            format!("{text} "),
            "ed25519:AAAA".into(),
        ] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(KeyError::NotAPublicKey { text: wrong }));
        }
        assert_eq!("AB".parse::<KeyId>(), Err(KeyError::NotAKeyId { text: "AB".into() }));
        assert!(public().id().as_str().to_uppercase().parse::<KeyId>().is_err());
    }

    #[test]
    fn weak_and_twice_encoded_points_are_no_keys() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError::Weak));
        // y = p + 1: a second encoding of the identity, p = 2^255 - 19.
        let mut second = [0xff; 32];
        (second[0], second[31]) = (0xee, 0x7f);
        assert_eq!(PublicKey::from_bytes(&second), Err(KeyError::NotAPoint));
        // y = p + 3 is on the curve or not, but never a key: it is 3 written twice.
        second[0] = 0xf0;
        assert_eq!(PublicKey::from_bytes(&second), Err(KeyError::NotAPoint));
    }

    /// The corner cases of Wycheproof, where the shared vectors lie beside the repository.
    #[test]
    fn wycheproof() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/wycheproof/ed25519_test.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("skipped: no Wycheproof vectors at `{path}`");
            return;
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut seen = 0;
        for group in vectors["testGroups"].as_array().unwrap() {
            let key = hex::decode(group["publicKey"]["pk"].as_str().unwrap()).unwrap();
            let key = key.try_into().ok().and_then(|key| PublicKey::from_bytes(&key).ok());
            for test in group["tests"].as_array().unwrap() {
                let message = hex::decode(test["msg"].as_str().unwrap()).unwrap();
                let signature = hex::decode(test["sig"].as_str().unwrap()).unwrap();
                let holds = match (&key, <[u8; 64]>::try_from(signature)) {
                    (Some(key), Ok(signature)) => key.holds(&message, &signature),
                    _ => false,
                };
                assert_eq!(holds, test["result"] == "valid", "test {}: {}", test["tcId"], test["comment"]);
                seen += 1;
            }
        }
        assert_eq!(seen, vectors["numberOfTests"].as_u64().unwrap());
    }
}
