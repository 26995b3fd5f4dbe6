//! Checkpoints as signed notes (`c2sp.org/tlog-checkpoint`, `c2sp.org/signed-note`). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use signed_note::{Note, Signature, VerificationError, Verifier, Verifiers, is_key_name_valid, key_id};
use tlog_tiles::{Checkpoint, Hash};

use super::tree::{Digest, MAX_SIZE};

/// The signature type Ed25519 in key ids and verifier keys (`c2sp.org/signed-note`, section "Signature types").
const ED25519: u8 = 0x01;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("`{0}` is not an Ed25519 verifier key")]
    VerifierKey(String),
    #[error("`{0}` cannot be the origin of a log")]
    Origin(String),
    #[error("the checkpoint is malformed")]
    Malformed,
    #[error("no trusted key signed the checkpoint: {0}")]
    Untrusted(String),
}

/// What a checkpoint says: the log's origin, its size and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointText {
    pub origin: String,
    pub size: u64,
    pub root: [u8; 32],
}

impl CheckpointText {
    fn encode(&self) -> Result<Vec<u8>, NoteError> {
        let text = Checkpoint::new(&self.origin, self.size, Hash(self.root), "")
            .map_err(|_| NoteError::Malformed)?;
        Ok(text.to_bytes())
    }
}

/// Signs a checkpoint. The key's name is the log's origin.
pub(super) fn sign(text: &CheckpointText, key: &SigningKey) -> Result<String, NoteError> {
    let body = text.encode()?;
    let signer = TrustedKey::of(&text.origin, key.verifying_key())?;
    let signature = Signature::new(signer.name, signer.id, key.sign(&body).to_bytes().to_vec());
    let note =
        signature.and_then(|signature| Note::new(&body, &[signature])).map_err(|_| NoteError::Malformed)?;
    String::from_utf8(note.to_bytes()).map_err(|_| NoteError::Malformed)
}

/// Reads a checkpoint that one of these keys signed. Signatures of unknown keys (witnesses) may stand beside it.
pub(super) fn open(note: &str, trusted: &TrustedKeys) -> Result<CheckpointText, NoteError> {
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| NoteError::Malformed)?;
    let (signatures, _) = note.verify(trusted).map_err(|error| NoteError::Untrusted(error.to_string()))?;
    let parsed = Checkpoint::from_bytes(note.text()).map_err(|_| NoteError::Malformed)?;
    let text = CheckpointText { origin: parsed.origin().into(), size: parsed.size(), root: parsed.hash().0 };
    // One text for one meaning: no extension lines, no other spelling.
    if text.encode()? != note.text() || text.size > MAX_SIZE {
        return Err(NoteError::Malformed);
    }
    match signatures.iter().any(|signature| signature.name() == text.origin) {
        true => Ok(text),
        false => Err(NoteError::Untrusted("the key belongs to another log".into())),
    }
}

/// A public key under the name of one log.
pub(super) struct TrustedKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl TrustedKey {
    pub fn of(origin: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        if !is_key_name_valid(origin) || origin.chars().any(char::is_control) {
            return Err(NoteError::Origin(origin.into()));
        }
        let id = key_id(origin, &typed(&key));
        Ok(Self { name: origin.into(), id, key })
    }

    /// Reads `<origin>+<key id>+<type and key>`, as [`TrustedKey::vkey`] writes it.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let refused = || NoteError::VerifierKey(vkey.chars().take(200).collect());
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(_), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused());
        };
        let data = STANDARD.decode(data).map_err(|_| refused())?;
        let Some((&ED25519, bytes)) = data.split_first() else { return Err(refused()) };
        let bytes: &Digest = bytes.try_into().map_err(|_| refused())?;
        let key = Self::of(name, VerifyingKey::from_bytes(bytes).map_err(|_| refused())?)?;
        // The written form has one spelling, and its key id must be the key's own.
        if key.vkey() == vkey { Ok(key) } else { Err(refused()) }
    }

    pub fn vkey(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id, STANDARD.encode(typed(&self.key)))
    }
}

fn typed(key: &VerifyingKey) -> Vec<u8> {
    [&[ED25519], key.as_bytes().as_slice()].concat()
}

impl Verifier for TrustedKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

/// The keys that may sign for a log: the newest and those before it.
pub(super) struct TrustedKeys(pub Vec<TrustedKey>);

impl TrustedKeys {
    pub fn parse(vkeys: &[impl AsRef<str>]) -> Result<Self, NoteError> {
        vkeys.iter().map(|vkey| TrustedKey::parse(vkey.as_ref())).collect::<Result<_, _>>().map(Self)
    }
}

impl Verifiers for TrustedKeys {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let found = self.0.iter().find(|key| key.name == name && key.id == id);
        found
            .map(|key| key as &dyn Verifier)
            .ok_or_else(|| VerificationError::UnknownKey { name: name.into(), id })
    }
}
