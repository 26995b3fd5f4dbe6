use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_base::Millis;
use bulla_store::{Expect, StoreError, Unit};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::TrustError;
use super::model::{NewTrustedKey, TrustView, TrustedKey, check_reason};
use super::store::{self, TRUST_KEYS, TrustRow};
use crate::Core;
use crate::mirror::MAX_STALENESS;
use crate::origin::Origin;

pub struct Trust {
    core: Core,
    known: ArcSwap<Known>,
    /// Keeps a refresh from putting what it read before a write over what the write left.
    writing: Mutex<()>,
}

struct Known {
    view: Arc<TrustView>,
    /// The monotonic time before which everything is known.
    at: Duration,
}

impl Trust {
    pub async fn load(core: Core) -> Result<Self, TrustError> {
        let known = Known::read(&core).await?;
        Ok(Self { core, known: ArcSwap::from_pointee(known), writing: Mutex::new(()) })
    }

    /// The list in force. No database; the same `Arc` until something changes.
    pub fn view(&self) -> Result<Arc<TrustView>, TrustError> {
        let known = self.known.load();
        let age = self.core.clock.monotonic().saturating_sub(known.at);
        if self.core.db.is_postgres() && age > MAX_STALENESS {
            Err(TrustError::Stale)
        } else {
            Ok(known.view.clone())
        }
    }

    /// Puts a key into the list, also one that was removed before.
    pub async fn add(&self, origin: &Origin, key: &NewTrustedKey) -> Result<TrustedKey, TrustError> {
        key.check()?;
        let row = TrustRow::new(key, origin.subject.as_str(), self.core.now_ms());
        let expect = self.free_place(&key.id).await?;
        let mut unit = Unit::default();
        unit.put(&TRUST_KEYS, &key.id, expect, &row);
        unit.record(entry(origin, "trust.added", &key.id, added_detail(key)));
        self.commit(unit).await?;
        Ok(row.try_into()?)
    }

    /// Takes a key out of the list. To keep the knowledge that it was bad, revoke it instead.
    pub async fn remove(&self, origin: &Origin, id: &str) -> Result<(), TrustError> {
        let mut row = self.trusted(id).await?;
        row.removed_ms = Some(self.core.now_ms());
        self.change(row, entry(origin, "trust.removed", id, json!({}))).await
    }

    /// Withdraws a key for good; it stays in the list, as revoked.
    pub async fn revoke(&self, origin: &Origin, id: &str, reason: &str) -> Result<(), TrustError> {
        check_reason(reason)?;
        let mut row = self.trusted(id).await?;
        if row.revoked_ms.is_some() {
            return Ok(());
        }
        (row.revoked_ms, row.revoked_reason) = (Some(self.core.now_ms()), Some(reason.to_owned()));
        self.change(row, entry(origin, "trust.revoked", id, json!({"reason": reason}))).await
    }

    /// Puts `new` beside `old`: the old key ends `overlap` from now, or when it would have ended anyway. Both or neither.
    pub async fn rotate(
        &self,
        origin: &Origin,
        old: &str,
        new: &NewTrustedKey,
        overlap: Millis,
    ) -> Result<TrustedKey, TrustError> {
        new.check()?;
        let now_ms = self.core.now_ms();
        let mut row = self.trusted(old).await?;
        let end = now_ms.saturating_add(i64::try_from(overlap.get()).unwrap_or(i64::MAX));
        let end = row.not_after_ms.map_or(end, |until| until.min(end));
        let over = row.not_after_ms.is_some_and(|until| now_ms >= until);
        let starts_later = row.not_before_ms.is_some_and(|from| from >= end);
        if row.revoked_ms.is_some() || row.rotated_by.is_some() || over || starts_later {
            return Err(TrustError::NotRotatable { id: old.into() });
        }
        let expect = self.free_place(&new.id).await?;
        (row.not_after_ms, row.rotated_by) = (Some(end), Some(new.id.clone()));
        let successor = TrustRow::new(new, origin.subject.as_str(), now_ms);
        let mut unit = Unit::default();
        unit.put(&TRUST_KEYS, old, Expect::Version(row.version), &row);
        unit.put(&TRUST_KEYS, &new.id, expect, &successor);
        unit.record(entry(origin, "trust.added", &new.id, added_detail(new)));
        unit.record(entry(origin, "trust.rotated", old, json!({"by": new.id, "ends-ms": end})));
        self.commit(unit).await?;
        Ok(successor.try_into()?)
    }

    /// Reads what other nodes changed. To be called every
    /// [`REFRESH_EVERY`](crate::mirror::REFRESH_EVERY); without a change it costs one query.
    pub async fn refresh(&self) -> Result<(), TrustError> {
        let _writing = self.writing.lock().await;
        let at = self.core.clock.monotonic();
        let known = self.known.load();
        let next = if store::mark(&self.core.db).await?.version_sum == known.view.version {
            Known { view: known.view.clone(), at }
        } else {
            Known::read(&self.core).await?
        };
        self.known.store(Arc::new(next));
        Ok(())
    }

    async fn trusted(&self, id: &str) -> Result<TrustRow, TrustError> {
        let row = store::one(&self.core.db, id).await?.filter(|row| row.removed_ms.is_none());
        row.ok_or_else(|| TrustError::NotFound { id: id.chars().take(80).collect() })
    }

    /// What must hold of the row of a key that is not in the list.
    async fn free_place(&self, id: &str) -> Result<Expect, TrustError> {
        match store::one(&self.core.db, id).await? {
            None => Ok(Expect::Absent),
            Some(row) if row.removed_ms.is_some() => Ok(Expect::Version(row.version)),
            Some(_) => Err(TrustError::AlreadyTrusted { id: id.into() }),
        }
    }

    async fn change(&self, row: TrustRow, entry: bulla_store::Entry) -> Result<(), TrustError> {
        let mut unit = Unit::default();
        unit.put(&TRUST_KEYS, &row.id, Expect::Version(row.version), &row);
        unit.record(entry);
        self.commit(unit).await
    }

    /// The list is short: after a change it is read anew. Where that fails the change stands all the same, and the list is
    /// emptied rather than left as it was: nothing is verified until the next refresh.
    async fn commit(&self, unit: Unit) -> Result<(), TrustError> {
        let _writing = self.writing.lock().await;
        self.core.committer.commit(unit).await?;
        let known = match Known::read(&self.core).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "the trust store could not be read after a change");
                Known::nothing(self.core.clock.monotonic())
            }
        };
        self.known.store(Arc::new(known));
        Ok(())
    }
}

/// Trust belongs to the host, not to a tenant.
fn entry(origin: &Origin, event: &str, id: &str, detail: Value) -> bulla_store::Entry {
    Origin { tenant: None, ..origin.clone() }.entry(event, id, detail)
}

/// Without the owner, which may be a person's name.
fn added_detail(key: &NewTrustedKey) -> Value {
    json!({
        "public-key": key.public_key,
        "purposes": key.purposes,
        "names": key.names,
        "not-before-ms": key.not_before_ms,
        "not-after-ms": key.not_after_ms,
    })
}

impl Known {
    /// The mark is read first: a change between the two reads is seen again by the next refresh.
    async fn read(core: &Core) -> Result<Self, StoreError> {
        let at = core.clock.monotonic();
        let version = store::mark(&core.db).await?.version_sum;
        let rows = store::all(&core.db).await?.into_iter().filter(|row| row.removed_ms.is_none());
        let keys = rows.map(TrustedKey::try_from).collect::<Result<_, _>>()?;
        Ok(Self { view: Arc::new(TrustView { version, keys }), at })
    }

    fn nothing(at: Duration) -> Self {
        Self { view: Arc::new(TrustView { version: -1, keys: Vec::new() }), at }
    }
}
