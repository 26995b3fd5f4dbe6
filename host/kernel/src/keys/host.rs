//! Keys of the host itself. There is one: it signs the checkpoints of the audit logs.

use std::fmt;
use std::sync::Arc;

use bulla_store::{Expect, StoreError, Unit};
use ed25519_dalek::{Signer, SigningKey};
use serde::Serialize;
use serde_json::json;

use super::error::KeysError;
use super::model::{self, MAX_VERSIONS};
use super::store::{self, HOST_KEY, HostKeyRow};
use crate::core::Core;
use crate::master::{Label, MasterKey, MasterKeyError};
use crate::origin::Origin;

const CHECKPOINT: &str = "checkpoint";

pub struct HostKeys {
    core: Core,
    master: Option<Arc<MasterKey>>,
}

/// A key of the host, opened. Wiped when dropped.
pub struct HostKey {
    version: u32,
    key: SigningKey,
}

/// What is told of a version of a host key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostKeyInfo {
    pub version: i64,
    /// 64 lower-case hex digits.
    pub public_key: String,
    pub created_ms: i64,
    pub retired_ms: Option<i64>,
}

impl HostKeys {
    pub fn new(core: &Core, master: Option<Arc<MasterKey>>) -> Self {
        Self { core: core.clone(), master }
    }

    /// The key that signs audit checkpoints; made at the first call. Nodes that race for it end up with the same one.
    pub async fn checkpoint(&self, origin: &Origin) -> Result<HostKey, KeysError> {
        let master = self.master()?;
        if let Some(row) = self.current().await? {
            return open(master, &row);
        }
        match self.add(origin, "host-key.created", None).await {
            Err(KeysError::Store(StoreError::Conflict { .. })) => {
                let lost = || StoreError::Corrupt("another node's checkpoint key is not there".into());
                open(master, &self.current().await?.ok_or_else(lost)?)
            }
            made => made,
        }
    }

    /// Makes the next version, and wipes the seed of the present one. Running nodes take it over when they ask for it again.
    pub async fn rotate_checkpoint(&self, origin: &Origin) -> Result<HostKey, KeysError> {
        let old = self.current().await?;
        self.add(origin, "host-key.rotated", old).await
    }

    /// Every version with its public key, from the first: what a verifier of old checkpoints needs. Wants no master key.
    pub async fn checkpoint_keys(&self) -> Result<Vec<HostKeyInfo>, KeysError> {
        let rows = store::host_keys(&self.core.db, CHECKPOINT).await?;
        let told = |row: HostKeyRow| HostKeyInfo {
            version: row.key_version,
            public_key: row.public_key,
            created_ms: row.created_ms,
            retired_ms: row.retired_ms,
        };
        Ok(rows.into_iter().map(told).collect())
    }

    async fn current(&self) -> Result<Option<HostKeyRow>, StoreError> {
        Ok(store::host_keys(&self.core.db, CHECKPOINT).await?.pop())
    }

    async fn add(&self, origin: &Origin, event: &str, old: Option<HostKeyRow>) -> Result<HostKey, KeysError> {
        let master = self.master()?;
        let number = old.as_ref().map_or(1, |old| old.key_version + 1);
        let version = u32::try_from(number).ok().filter(|version| *version as usize <= MAX_VERSIONS);
        let version = version.ok_or(KeysError::TooManyVersions(MAX_VERSIONS))?;
        let now_ms = self.core.now_ms();
        let key = model::draw();
        let id = format!("{CHECKPOINT}/{version}");
        let row = HostKeyRow {
            sealed: master.seal(Label::Checkpoint, &place(&id), key.as_bytes()),
            id,
            version: 1,
            purpose: CHECKPOINT.into(),
            key_version: number,
            public_key: model::public_hex(&key),
            created_ms: now_ms,
            retired_ms: None,
        };
        let mut unit = Unit::default();
        unit.put(&HOST_KEY, &row.id, Expect::Absent, &row);
        if let Some(old) = old {
            let expect = Expect::Version(old.version);
            let retired = HostKeyRow { sealed: String::new(), retired_ms: Some(now_ms), ..old };
            unit.put(&HOST_KEY, &retired.id, expect, &retired);
        }
        // The key belongs to no tenant, whoever asked for it.
        let origin = Origin { tenant: None, ..origin.clone() };
        let detail = json!({"version": number, "public-key": row.public_key});
        unit.record(origin.entry(event, CHECKPOINT, detail));
        self.core.committer.commit(unit).await?;
        Ok(HostKey { version, key })
    }

    fn master(&self) -> Result<&MasterKey, MasterKeyError> {
        self.master.as_deref().ok_or(MasterKeyError::Missing)
    }
}

impl HostKey {
    /// From 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn public_key(&self) -> [u8; 32] {
        *self.key.verifying_key().as_bytes()
    }

    /// An Ed25519 signature (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({}, {})", self.version, model::public_hex(&self.key))
    }
}

fn open(master: &MasterKey, row: &HostKeyRow) -> Result<HostKey, KeysError> {
    let place = place(&row.id);
    let seed = master.open(Label::Checkpoint, &place, &row.sealed)?;
    let damaged = || KeysError::Master(MasterKeyError::Damaged(place.clone()));
    let key = model::from_seed(&seed, &row.public_key).ok_or_else(damaged)?;
    let version = u32::try_from(row.key_version).map_err(|_| damaged())?;
    Ok(HostKey { version, key })
}

fn place(id: &str) -> String {
    format!("host_key/{id}")
}
