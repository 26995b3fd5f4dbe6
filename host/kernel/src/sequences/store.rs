//! The rows of sequences, numbers, their bindings and (on PostgreSQL) the holds of running calls.

use bulla_base::{Alias, ObjectRef, ReservationId, TenantId};
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;

use super::error::SequenceError;
use super::model::{Number, NumberState, Sequence, Series};

bulla_store::table! {
    pub(super) SEQUENCES = "sequence" { tenant: text, series_key: text, definition: text, created_ms: bigint }
}
bulla_store::table! {
    pub(super) NUMBERS = "sequence_number" {
        tenant: text, series_key: text, period: text, value: bigint, number: text, state: text, reservation: text,
        object: text, reason: text, reserved_ms: bigint, expires_ms: bigint
    }
}
bulla_store::table! {
    /// An object has at most one number of a sequence.
    pub(super) BINDINGS = "sequence_binding" { tenant: text, series_key: text, object: text, number: text }
}
bulla_store::table! {
    /// PostgreSQL only: a number held by a running call; `version` is the fencing token.
    pub(super) HOLDS = "sequence_hold" {
        series: text, value: bigint, call: text, again: bigint, until_ms: bigint
    }
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct SequenceRow {
    pub tenant: String,
    pub series_key: String,
    pub definition: String,
    pub created_ms: i64,
    #[serde(skip)]
    pub version: i64,
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct NumberRow {
    pub tenant: String,
    pub series_key: String,
    pub period: String,
    pub value: i64,
    pub number: String,
    pub state: String,
    pub reservation: String,
    pub object: Option<String>,
    pub reason: Option<String>,
    pub reserved_ms: i64,
    pub expires_ms: i64,
    #[serde(skip)]
    pub version: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct BindingRow {
    tenant: String,
    series_key: String,
    object: Option<String>,
    number: String,
}

const COLUMNS_SEQUENCES: Sql =
    Sql::both("SELECT tenant, series_key, definition, created_ms, version FROM sequence ORDER BY id");
const BY_RESERVATION: Sql = Sql::both(
    "SELECT tenant, series_key, period, value, number, state, reservation, object, reason, reserved_ms, expires_ms, version \
     FROM sequence_number WHERE tenant = $1 AND reservation = $2",
);
const LATEST: Sql = Sql::both(
    "SELECT tenant, series_key, period, value, number, state, reservation, object, reason, reserved_ms, expires_ms, version \
     FROM sequence_number WHERE tenant = $1 AND series_key = $2 ORDER BY id DESC LIMIT $3",
);
const EXPIRED: Sql = Sql::both(
    "SELECT tenant, series_key, period, value, number, state, reservation, object, reason, reserved_ms, expires_ms, version \
     FROM sequence_number WHERE state = 'reserved' AND expires_ms <= $1 ORDER BY expires_ms LIMIT $2",
);
const EXTENT: Sql = Sql::both(
    "SELECT COUNT(*) AS count, COALESCE(MAX(value), 0) AS head FROM sequence_number \
     WHERE tenant = $1 AND series_key = $2 AND period = $3",
);
const VALUES: Sql = Sql::both(
    "SELECT value FROM sequence_number WHERE tenant = $1 AND series_key = $2 AND period = $3 ORDER BY value",
);
const BOUND: Sql = Sql::both("SELECT number FROM sequence_binding WHERE tenant = $1 AND id = $2");
const DRAWN: Sql =
    Sql::both("SELECT COUNT(*) AS count FROM sequence_number WHERE tenant = $1 AND series_key = $2");

#[derive(sqlx::FromRow)]
pub(super) struct Extent {
    pub count: i64,
    pub head: i64,
}

#[derive(sqlx::FromRow)]
struct Bound {
    number: String,
}

#[derive(sqlx::FromRow)]
struct Value {
    value: i64,
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

impl NumberRow {
    pub fn of(series: &Series, number: &Number) -> Self {
        Self {
            tenant: series.tenant.to_string(),
            series_key: series.key.to_string(),
            period: series.period.clone(),
            value: number.value,
            number: number.text.clone(),
            state: number.state.as_str().into(),
            reservation: number.reservation.to_string(),
            object: number.object.as_ref().map(ToString::to_string),
            reason: number.reason.clone(),
            reserved_ms: number.reserved_ms,
            expires_ms: number.expires_ms,
            version: 0,
        }
    }

    /// The row as the model sees it; what does not fit the model is corruption, not a guest's mistake.
    pub fn read(self) -> Result<(Number, i64), StoreError> {
        let corrupt =
            |what: &str| StoreError::Corrupt(format!("sequence_number `{}`: {what}", self.reservation));
        let state = match self.state.as_str() {
            "reserved" => NumberState::Reserved,
            "committed" => NumberState::Committed,
            "void" => NumberState::Void,
            _ => return Err(corrupt("state")),
        };
        let number = Number {
            reservation: ReservationId::new(&self.reservation).map_err(|_| corrupt("reservation"))?,
            key: Alias::new(&self.series_key).map_err(|_| corrupt("series_key"))?,
            object: self.object.as_deref().map(ObjectRef::new).transpose().map_err(|_| corrupt("object"))?,
            period: self.period,
            value: self.value,
            text: self.number,
            state,
            reason: self.reason,
            reserved_ms: self.reserved_ms,
            expires_ms: self.expires_ms,
        };
        Ok((number, self.version))
    }
}

impl BindingRow {
    pub fn of(series: &Series, number: &Number) -> Self {
        Self {
            tenant: series.tenant.to_string(),
            series_key: series.key.to_string(),
            object: number.object.as_ref().map(ToString::to_string),
            number: number.text.clone(),
        }
    }
}

pub(super) fn binding_id(tenant: &TenantId, key: &Alias, object: &ObjectRef) -> String {
    format!("{tenant}/{key}/{object}")
}

/// The number that the object has in this sequence.
pub(super) async fn bound(
    db: &Db,
    tenant: &TenantId,
    key: &Alias,
    object: &ObjectRef,
) -> Result<Option<String>, StoreError> {
    let id = binding_id(tenant, key, object);
    let row: Option<Bound> = db.fetch_one(&BOUND, &[tenant.as_str().into(), (&id).into()]).await?;
    Ok(row.map(|row| row.number))
}

pub(super) fn sequence_id(tenant: &TenantId, key: &Alias) -> String {
    format!("{tenant}/{key}")
}

/// All definitions, with the versions of their rows.
pub(super) async fn sequences(db: &Db) -> Result<Vec<(Sequence, i64)>, SequenceError> {
    let rows: Vec<SequenceRow> = db.fetch(&COLUMNS_SEQUENCES, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |what: &str| {
                StoreError::Corrupt(format!("sequence `{}/{}`: {what}", row.tenant, row.series_key))
            };
            let tenant = TenantId::new(&row.tenant).map_err(|_| corrupt("tenant"))?;
            let key = Alias::new(&row.series_key).map_err(|_| corrupt("key"))?;
            let definition = serde_json::from_str(&row.definition).map_err(|_| corrupt("definition"))?;
            Ok((Sequence::new(tenant, key, definition)?, row.version))
        })
        .collect()
}

pub(super) async fn by_reservation(
    db: &Db,
    tenant: &TenantId,
    id: &ReservationId,
) -> Result<Option<(Number, i64)>, StoreError> {
    let row: Option<NumberRow> =
        db.fetch_one(&BY_RESERVATION, &[tenant.as_str().into(), id.as_str().into()]).await?;
    row.map(NumberRow::read).transpose()
}

pub(super) async fn latest(
    db: &Db,
    tenant: &TenantId,
    key: &Alias,
    limit: u32,
) -> Result<Vec<Number>, StoreError> {
    let args = [tenant.as_str().into(), key.as_str().into(), i64::from(limit).into()];
    let rows: Vec<NumberRow> = db.fetch(&LATEST, &args).await?;
    rows.into_iter().map(|row| row.read().map(|(number, _)| number)).collect()
}

/// Reserved numbers whose time is over, each with its tenant and the version of its row.
pub(super) async fn expired(
    db: &Db,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<(TenantId, Number, i64)>, StoreError> {
    let rows: Vec<NumberRow> = db.fetch(&EXPIRED, &[now_ms.into(), limit.into()]).await?;
    rows.into_iter()
        .map(|row| {
            let tenant =
                TenantId::new(&row.tenant).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let (number, version) = row.read()?;
            Ok((tenant, number, version))
        })
        .collect()
}

/// How many numbers a series has, and its highest.
pub(super) async fn extent(db: &Db, series: &Series) -> Result<Extent, StoreError> {
    let args = [series.tenant.as_str().into(), series.key.as_str().into(), (&series.period).into()];
    let extent = db.fetch_one(&EXTENT, &args).await?;
    Ok(extent.unwrap_or(Extent { count: 0, head: 0 }))
}

pub(super) async fn values(db: &Db, series: &Series) -> Result<Vec<i64>, StoreError> {
    let args = [series.tenant.as_str().into(), series.key.as_str().into(), (&series.period).into()];
    let rows: Vec<Value> = db.fetch(&VALUES, &args).await?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

pub(super) async fn has_numbers(db: &Db, tenant: &TenantId, key: &Alias) -> Result<bool, StoreError> {
    let row: Option<Count> = db.fetch_one(&DRAWN, &[tenant.as_str().into(), key.as_str().into()]).await?;
    Ok(row.is_some_and(|row| row.count > 0))
}
