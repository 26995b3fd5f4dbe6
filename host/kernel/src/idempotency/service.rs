use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bulla_base::{Bytes, CallId, Millis, TenantId, TraceId};
use bulla_store::{Entry, Expect, StoreError, Unit};
use moka::sync::Cache;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::error::IdempotencyError;
use super::lookup::Lookup;
use super::model::{Begun, DEFAULT_TTL, Key, KeyHash, RequestHash, Stored};
use super::store::{self, NewRecord, RECORDS};
use crate::Core;
use crate::origin::Origin;

/// Records that one commit of the sweeper removes at most.
const SWEEP_BATCH: i64 = 500;

/// What a record takes in memory beside its response: hash, ids, and the cache's own nodes.
const OF_A_RECORD: usize = 640;

#[derive(Debug, Clone, Copy)]
pub struct IdempotencyConfig {
    /// How long a response is kept.
    pub ttl: Millis,
    /// What this node keeps of recent responses in memory.
    pub cache: Bytes,
}

impl Default for IdempotencyConfig {
    fn default() -> Self {
        Self { ttl: DEFAULT_TTL, cache: Bytes(32 << 20) }
    }
}

#[derive(Clone)]
pub struct Idempotency {
    core: Core,
    lookup: Lookup,
    ttl: Millis,
    /// A record never changes until it expires, so nothing here can be old.
    recent: Cache<KeyHash, Recent>,
    in_flight: Arc<Mutex<HashMap<KeyHash, RequestHash>>>,
}

#[derive(Clone)]
struct Recent {
    request_hash: String,
    stored: Stored,
}

impl Idempotency {
    /// Starts the task that looks for records.
    pub fn new(core: Core, config: IdempotencyConfig) -> Self {
        let weigh = |_: &KeyHash, one: &Recent| {
            u32::try_from(one.stored.response.len() + OF_A_RECORD).unwrap_or(u32::MAX)
        };
        let recent = Cache::builder()
            .max_capacity(config.cache.get())
            .weigher(weigh)
            // What has expired is not answered from; it need not be held either.
            .time_to_live(config.ttl.duration())
            .build();
        let lookup = Lookup::start(core.db.clone());
        Self { core, lookup, ttl: config.ttl, recent, in_flight: Arc::default() }
    }

    /// Looks for the response to a request; where there is none the key is taken until the [`Running`] is dropped.
    pub async fn begin(&self, key: Key, hash: RequestHash) -> Result<Begun, IdempotencyError> {
        // The key is taken before anything is read: of two calls that arrive together one finds it taken.
        let taken = Taken::take(&self.in_flight, key.id, hash)?;
        let known = self.recent.get(&key.id).filter(|one| one.stored.expires_ms > self.core.now_ms());
        if let Some(one) = known {
            return one.answer(hash).map(Begun::Replay);
        }
        let expect = match self.lookup.one(&key).await? {
            None => Expect::Absent,
            Some(row) if row.expires_ms <= self.core.now_ms() => Expect::Version(row.version),
            Some(row) => return self.remember(&key, &row)?.answer(hash).map(Begun::Replay),
        };
        Ok(Begun::First(Running { key, hash, expect, ttl: self.ttl, _taken: taken }))
    }

    /// After the commit: the response is known on this node without a look into the database.
    pub fn committed(&self, running: Running, stored: Stored) {
        self.recent.insert(running.key.id, Recent { request_hash: running.hash.to_hex(), stored });
    }

    /// After a commit that was lost to another node: its response. `None`: the call lost for another reason, and may run
    /// again; it is then staged against the record as it is now, which a sweep may have taken away.
    pub async fn winner(&self, running: &mut Running) -> Result<Option<Stored>, IdempotencyError> {
        running.expect = match self.lookup.one(&running.key).await? {
            None => Expect::Absent,
            Some(row) if row.expires_ms <= self.core.now_ms() => Expect::Version(row.version),
            Some(row) => return self.remember(&running.key, &row)?.answer(running.hash).map(Some),
        };
        Ok(None)
    }

    /// Removes records whose time is up, in batches, until none is left; gives their number. Each batch leaves one entry in
    /// the `system` log. A batch that another node swept, or in which a key came into use again, is left to the next sweep.
    pub async fn sweep(&self, origin: &Origin) -> Result<u64, IdempotencyError> {
        let system = Origin { tenant: None, ..origin.clone() };
        let mut swept = 0;
        loop {
            let rows = store::expired(&self.core.db, self.core.now_ms(), SWEEP_BATCH).await?;
            if rows.is_empty() {
                return Ok(swept);
            }
            let mut unit = Unit::default();
            for row in &rows {
                unit.remove(&RECORDS, &row.id, row.version);
            }
            unit.record(system.entry("idempotency.swept", "idempotency", json!({"count": rows.len()})));
            match self.core.committer.commit(unit).await {
                Ok(()) => swept += rows.len() as u64,
                Err(StoreError::Conflict { .. }) => return Ok(swept),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What each tenant keeps here, as it counts against its storage.
    pub async fn kept(&self) -> Result<BTreeMap<TenantId, Bytes>, IdempotencyError> {
        Ok(store::sizes(&self.core.db).await?)
    }

    fn remember(&self, key: &Key, row: &store::RecordRow) -> Result<Recent, StoreError> {
        let one = Recent { request_hash: row.request_hash.clone(), stored: row.stored()? };
        self.recent.insert(key.id, one.clone());
        Ok(one)
    }
}

impl Recent {
    fn answer(self, hash: RequestHash) -> Result<Stored, IdempotencyError> {
        if self.request_hash == hash.to_hex() { Ok(self.stored) } else { Err(IdempotencyError::Mismatch) }
    }
}

/// A call that has taken its key. Dropping it gives the key back.
#[derive(Debug)]
pub struct Running {
    key: Key,
    hash: RequestHash,
    expect: Expect,
    ttl: Millis,
    _taken: Taken,
}

impl Running {
    /// What the record of this response counts against the tenant's storage, in bytes.
    pub fn size(&self, response: &[u8]) -> usize {
        store::size(&self.key, response.len())
    }

    /// Puts the response into the call's unit, beside its effects and its audit entries, the first of which names the record. The commit conflicts where another
    /// node's call with this key came first; [`Idempotency::winner`] then has its response.
    #[must_use = "after the commit it goes to `committed`"]
    pub fn stage(
        &self,
        unit: &mut Unit,
        call: &CallId,
        trace: &TraceId,
        response: &[u8],
        now_ms: i64,
    ) -> Stored {
        let ttl = i64::try_from(self.ttl.get()).unwrap_or(i64::MAX);
        let stored = Stored {
            response: response.into(),
            call: call.clone(),
            trace: trace.clone(),
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(ttl),
        };
        let id = self.key.id.to_hex();
        unit.put(&RECORDS, &id, self.expect, &NewRecord::new(&self.key, self.hash, &stored));
        if let Some(entry) = unit.journal.first_mut() {
            mark(entry, &id, stored.expires_ms);
        }
        stored
    }
}

/// Says in an entry of the call which record it left and how long that stands: the record is gone one day, the log is not, and
/// by the log alone anybody can tell that no key ran twice in its time.
fn mark(entry: &mut Entry, record: &str, until_ms: i64) {
    if let Some(call) = entry.body.get_mut("call").and_then(Value::as_object_mut) {
        call.insert("idempotency".into(), json!({"record": record, "until-ms": until_ms}));
    }
}

/// A key's place in the list of running calls.
#[derive(Debug)]
struct Taken {
    in_flight: Arc<Mutex<HashMap<KeyHash, RequestHash>>>,
    id: KeyHash,
}

impl Taken {
    fn take(
        in_flight: &Arc<Mutex<HashMap<KeyHash, RequestHash>>>,
        id: KeyHash,
        hash: RequestHash,
    ) -> Result<Self, IdempotencyError> {
        let mut running = in_flight.lock();
        match running.get(&id) {
            Some(other) if *other != hash => Err(IdempotencyError::Mismatch),
            Some(_) => Err(IdempotencyError::InFlight),
            None => {
                running.insert(id, hash);
                Ok(Self { in_flight: in_flight.clone(), id })
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.id);
    }
}
