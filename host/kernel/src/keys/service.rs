use std::sync::Arc;

use bulla_base::{Alias, Purpose, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::error::KeysError;
use super::model::{
    self, ALGORITHM, KeyInfo, KeyVersion, MAX_PAYLOAD_BYTES, MAX_PER_TENANT, MAX_VERSIONS, Signature,
};
use super::store::{self, KeyEntry, KeyRow, TENANT_KEY};
use crate::call::Call;
use crate::core::Core;
use crate::grants::Capability;
use crate::guest_error::GuestError;
use crate::master::{Label, MasterKey, MasterKeyError};
use crate::mirror::{Mirror, Mirrored};
use crate::origin::Origin;

/// The room. One for the whole node.
pub struct Keys {
    core: Core,
    master: Option<Arc<MasterKey>>,
    entries: Mirror<KeyEntry>,
}

/// The operator's side.
impl Keys {
    pub async fn load(core: &Core, master: Option<Arc<MasterKey>>) -> Result<Self, StoreError> {
        Ok(Self { core: core.clone(), master, entries: Mirror::load(core).await? })
    }

    /// Takes over what other nodes changed; see [`crate::mirror`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.entries.refresh().await
    }

    /// Makes a key and its first version.
    pub async fn create(&self, origin: &Origin, alias: &Alias) -> Result<KeyInfo, KeysError> {
        let tenant = origin.tenant.as_ref().ok_or(KeysError::NoTenant)?;
        let master = self.master()?;
        if store::find(&self.core.db, tenant, alias).await?.is_some() {
            return Err(KeysError::Exists(alias.clone()));
        }
        if self.entries.count(|entry| entry.row.tenant == tenant.as_str()) >= MAX_PER_TENANT {
            return Err(KeysError::TooMany(MAX_PER_TENANT));
        }
        let now_ms = self.core.now_ms();
        let (versions, sealed) = next_version(master, tenant, alias, Vec::new(), now_ms);
        let row = KeyRow {
            id: store::id(tenant, alias),
            version: 1,
            tenant: tenant.as_str().into(),
            alias: alias.as_str().into(),
            versions: written(&versions),
            sealed,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        self.commit(origin, "key.created", Expect::Absent, row, &versions).await
    }

    /// Makes the next version; the seed of the old one is wiped, and the old version verifies only.
    pub async fn rotate(&self, origin: &Origin, alias: &Alias) -> Result<KeyInfo, KeysError> {
        let tenant = origin.tenant.as_ref().ok_or(KeysError::NoTenant)?;
        let master = self.master()?;
        let old = store::find(&self.core.db, tenant, alias).await?;
        let old = old.ok_or_else(|| KeysError::NotFound(alias.clone()))?;
        let mut versions = old.versions()?;
        if versions.len() >= MAX_VERSIONS {
            return Err(KeysError::TooManyVersions(MAX_VERSIONS));
        }
        let now_ms = self.core.now_ms();
        if let Some(retired) = versions.last_mut() {
            retired.retired_ms = Some(now_ms);
        }
        let (versions, sealed) = next_version(master, tenant, alias, versions, now_ms);
        let expect = Expect::Version(old.version);
        let row = KeyRow {
            version: old.version + 1,
            versions: written(&versions),
            sealed,
            updated_ms: now_ms,
            ..old
        };
        self.commit(origin, "key.rotated", expect, row, &versions).await
    }

    /// The tenant's keys by alias, with the public key of every version.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<KeyInfo>, KeysError> {
        let rows = store::list(&self.core.db, tenant).await?;
        Ok(rows.iter().map(KeyRow::info).collect::<Result<_, _>>()?)
    }

    /// How many keys of all tenants are sealed under another master key than the present one, for `doctor`.
    pub fn sealed_elsewhere(&self) -> usize {
        let present = self.master.as_ref().map(|master| master.id());
        self.entries.count(|entry| crate::master::sealed_by(&entry.row.sealed) != present)
    }

    async fn commit(
        &self,
        origin: &Origin,
        event: &str,
        expect: Expect,
        row: KeyRow,
        versions: &[KeyVersion],
    ) -> Result<KeyInfo, KeysError> {
        let current = versions.last();
        let detail = json!({
            "version": current.map(|version| version.version),
            "public-key": current.map(|version| version.public_key.as_str()),
        });
        let mut unit = Unit::default();
        unit.put(&TENANT_KEY, &row.id, expect, &row);
        unit.record(origin.entry(event, &row.alias, detail));
        self.core.committer.commit(unit).await?;
        let info = row.info()?;
        self.entries.show(KeyEntry::from_row(row)).await;
        Ok(info)
    }

    fn master(&self) -> Result<&MasterKey, MasterKeyError> {
        self.master.as_deref().ok_or(MasterKeyError::Missing)
    }
}

/// The guest's side. Everything here is synchronous and reads no database.
impl Keys {
    /// Checks that the guest may use the key, and that there is one.
    pub fn open(&self, call: &mut Call, alias: &Alias, purpose: &Purpose) -> Result<(), GuestError> {
        self.granted(call, alias, purpose).map(drop)
    }

    /// Signs with the current version, and observes it.
    pub fn sign(
        &self,
        call: &mut Call,
        alias: &Alias,
        purpose: &Purpose,
        payload: &[u8],
    ) -> Result<Signature, GuestError> {
        let entry = self.granted(call, alias, purpose)?;
        fits(call, payload)?;
        let (version, _) = entry.current().ok_or_else(damaged)?;
        let bytes = self.signing_key(&entry, version, &call.tenant)?.sign(payload).to_bytes().to_vec();
        call.observe(
            "key.signed",
            alias.as_str(),
            json!({
                "purpose": purpose.as_str(),
                "version": version.version,
                "sha256": hex::encode(Sha256::digest(payload)),
            }),
        );
        Ok(Signature { bytes, algorithm: ALGORITHM.into(), key_version: version.version })
    }

    /// True where this key, in the version that the signature names, made it. A signature of another algorithm or length is not its.
    pub fn verify(
        &self,
        call: &mut Call,
        alias: &Alias,
        purpose: &Purpose,
        payload: &[u8],
        signature: &Signature,
    ) -> Result<bool, GuestError> {
        let entry = self.granted(call, alias, purpose)?;
        let named = entry.versions.iter().find(|(version, _)| version.version == signature.key_version);
        let (_, public) = named.ok_or(GuestError::NotFound)?;
        fits(call, payload)?;
        if signature.algorithm != ALGORITHM {
            return Ok(false);
        }
        let parsed = ed25519_dalek::Signature::from_slice(&signature.bytes);
        Ok(parsed.is_ok_and(|signature| public.verify_strict(payload, &signature).is_ok()))
    }

    /// The public key of the current version.
    pub fn public_key(
        &self,
        call: &mut Call,
        alias: &Alias,
        purpose: &Purpose,
    ) -> Result<[u8; 32], GuestError> {
        let entry = self.granted(call, alias, purpose)?;
        let (_, public) = entry.current().ok_or_else(damaged)?;
        Ok(*public.as_bytes())
    }

    fn granted(
        &self,
        call: &mut Call,
        alias: &Alias,
        purpose: &Purpose,
    ) -> Result<Arc<KeyEntry>, GuestError> {
        call.require(Capability::Key(alias, purpose))?;
        if !self.entries.is_fresh() {
            return Err(GuestError::Unavailable { retry_after_ms: 1_000 });
        }
        self.entries.get(&store::id(&call.tenant, alias)).ok_or(GuestError::NotFound)
    }

    /// Opens the seed at the first use; later uses find the key in the entry.
    fn signing_key<'a>(
        &self,
        entry: &'a KeyEntry,
        version: &KeyVersion,
        tenant: &TenantId,
    ) -> Result<&'a SigningKey, MasterKeyError> {
        if let Some(key) = entry.signing.get() {
            return Ok(key);
        }
        let place = store::place(&entry.row.id, version.version);
        let seed = self.master()?.open(Label::Key(tenant), &place, &entry.row.sealed)?;
        let key = model::from_seed(&seed, &version.public_key).ok_or(MasterKeyError::Damaged(place))?;
        Ok(entry.signing.get_or_init(|| key))
    }
}

/// `versions` with a new one at the end, and its sealed seed.
fn next_version(
    master: &MasterKey,
    tenant: &TenantId,
    alias: &Alias,
    mut versions: Vec<KeyVersion>,
    now_ms: i64,
) -> (Vec<KeyVersion>, String) {
    let key = model::draw();
    let version = versions.last().map_or(1, |last| last.version + 1);
    let place = store::place(&store::id(tenant, alias), version);
    let sealed = master.seal(Label::Key(tenant), &place, key.as_bytes());
    versions.push(KeyVersion {
        version,
        public_key: model::public_hex(&key),
        created_ms: now_ms,
        retired_ms: None,
    });
    (versions, sealed)
}

fn written(versions: &[KeyVersion]) -> String {
    serde_json::to_string(versions).unwrap_or_default()
}

fn fits(call: &mut Call, payload: &[u8]) -> Result<(), GuestError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(call.limit_hit("payload"));
    }
    Ok(())
}

/// The row was reported when it was read.
fn damaged() -> GuestError {
    GuestError::Unavailable { retry_after_ms: 60_000 }
}
