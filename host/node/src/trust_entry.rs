//! A trusted key as the kernel keeps it, in the words of the signing crate, and back.

use bulla_base::{Coded, Failure, Timestamp, codes};
use bulla_kernel::trust::{NewTrustedKey, TrustedKey};
use bulla_signing::PublicKey;
use bulla_signing::trust::{Revocation, TrustEntry};

/// A row that does not read is corruption: it was checked when it came in.
pub fn read(key: &TrustedKey) -> Result<TrustEntry, Failure> {
    let corrupt = |what: &str| {
        Failure::new(codes::STORE_CORRUPT, codes::STORE_CORRUPT.title)
            .internal(format!("trusted key `{}`: {what}", key.id))
    };
    let time = |ms: Option<i64>| ms.map(Timestamp::from_millisecond).transpose().map_err(|_| corrupt("time"));
    let revoked = time(key.revoked_ms)?
        .map(|at| Revocation { at, reason: key.revoked_reason.clone().unwrap_or_default() });
    Ok(TrustEntry {
        key: key.public_key.parse().map_err(|_| corrupt("public key"))?,
        owner: key.owner.clone(),
        purposes: key.purposes.iter().cloned().collect(),
        names: key
            .names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| corrupt("names"))?,
        not_before: time(key.not_before_ms)?,
        not_after: time(key.not_after_ms)?,
        revoked,
        rotated_by: key
            .rotated_by
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| corrupt("rotated by"))?,
    })
}

/// A key that an operator wants to trust: read and checked before it is kept.
pub fn check(key: &mut NewTrustedKey) -> Result<(), Failure> {
    let public: PublicKey =
        key.public_key.parse().map_err(|error: bulla_signing::KeyError| error.failure())?;
    key.id = public.id().to_string();
    for name in &key.names {
        name.parse::<bulla_signing::trust::NamePattern>()
            .map_err(|error| Failure::new(codes::INVALID, error.to_string()))?;
    }
    Ok(())
}

/// A key to be trusted for any addon, for ever.
pub fn new_key(public: &PublicKey, owner: &str) -> Result<NewTrustedKey, Failure> {
    let purpose = bulla_signing::trust::PURPOSE_ADDON;
    Ok(NewTrustedKey {
        id: public.id().to_string(),
        public_key: public.to_string(),
        owner: owner.into(),
        purposes: vec![purpose.parse().map_err(|_| crate::host::internal("a constant purpose"))?],
        names: Vec::new(),
        not_before_ms: None,
        not_after_ms: None,
    })
}
