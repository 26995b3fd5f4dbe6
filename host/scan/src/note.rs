//! Checkpoints: signed notes (`c2sp.org/signed-note`) that hold a tree's size and root (`c2sp.org/tlog-checkpoint`). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::merkle::Digest;

/// The signature type Ed25519 (`c2sp.org/signed-note`, section "Signature types").
const ED25519: u8 = 0x01;

/// What a checkpoint says, once a key vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub origin: String,
    pub size: u64,
    pub root: Digest,
}

/// Reads a note that this key signed; else says what is wrong with it.
pub(crate) fn open(note: &str, key: &VerifyingKey) -> Result<Signed, String> {
    let malformed = |what: &str| format!("the note is malformed: {what}");
    let (body, signatures) = note.split_once("\n\n").ok_or_else(|| malformed("no blank line"))?;
    let signed = read_body(body).ok_or_else(|| malformed("not an origin, a size and a root"))?;
    let message = format!("{body}\n");
    let vouched = signatures
        .lines()
        .filter_map(|line| signature_of(line, &signed.origin, key))
        .any(|signature| key.verify_strict(message.as_bytes(), &signature).is_ok());
    if vouched { Ok(signed) } else { Err("the stored key did not sign it".into()) }
}

/// Three lines and nothing else, each in its one spelling.
fn read_body(body: &str) -> Option<Signed> {
    let mut lines = body.split('\n');
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let parsed: u64 = size.parse().ok()?;
    let bytes: Digest = STANDARD.decode(root).ok()?.try_into().ok()?;
    let is_plain = !origin.is_empty() && parsed.to_string() == size && STANDARD.encode(bytes) == root;
    (is_plain && lines.next().is_none()).then(|| Signed { origin: origin.into(), size: parsed, root: bytes })
}

/// `— <name> <Base64 of key id and signature>`, where name and key id are those of the key.
fn signature_of(line: &str, origin: &str, key: &VerifyingKey) -> Option<Signature> {
    let (name, data) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let data = STANDARD.decode(data).ok()?;
    let (id, signature) = data.split_at_checked(4)?;
    let is_ours = name == origin && id == key_id(origin, key);
    is_ours.then(|| Signature::from_slice(signature).ok()).flatten()
}

/// The first four bytes of SHA-256 over name, newline, type and key.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest: Digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    fn note(key: &SigningKey, name: &str, body: &str) -> String {
        let mut data = key_id(name, &key.verifying_key()).to_vec();
        data.extend(key.sign(format!("{body}\n").as_bytes()).to_bytes());
        format!("{body}\n\n\u{2014} {name} {}\n", STANDARD.encode(data))
    }

    #[test]
    fn only_what_the_key_signed_opens() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let body = format!("bulla.dev/log/acme\n3\n{}", STANDARD.encode([9; 32]));
        let good = note(&key, "bulla.dev/log/acme", &body);
        let signed = open(&good, &key.verifying_key()).unwrap();
        assert_eq!((signed.size, signed.root), (3, [9; 32]));
        assert!(open(&good.replace("\n3\n", "\n4\n"), &key.verifying_key()).is_err());
        assert!(open(&good, &SigningKey::from_bytes(&[8; 32]).verifying_key()).is_err());
        assert!(
            open(&note(&key, "other", &body), &key.verifying_key()).is_err(),
            "a key is bound to its log"
        );
        for wrong in ["a\n03\n", "a\n3\n", "a\n3", ""] {
            assert!(open(&note(&key, "a", wrong), &key.verifying_key()).is_err(), "{wrong:?}");
        }
    }
}
