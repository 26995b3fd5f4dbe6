//! What rows and entries say, brought together: facts about the same thing stand side by side, however far apart they were
//! read. It lies in a temporary file that has no name and is gone with the scan.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use crate::ScanError;

/// Facts that are written at a time.
const BATCH: usize = 1_000;
/// Between the parts of a key: in no name.
const SEPARATOR: char = '\u{1f}';

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$own:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name { $($(#[$own])* $variant),* }

        impl $name {
            const ALL: &[Self] = &[$(Self::$variant),*];

            fn read(number: i64) -> Option<Self> {
                usize::try_from(number).ok().and_then(|number| Self::ALL.get(number)).copied()
            }
        }
    };
}

numbered! {
    /// What a fact is about. Judged in this order.
    Topic {
        Sequence, NumberText, Reservation, NumberValue, Committed, Voided, Binding,
        Job, SweptJobs, UniqueKey, Schedule, Circuit,
        Approval, ApprovalEnd, ApprovalOpen, Continuation, ApprovalRules,
        IdempotencyKey, IdempotencyCall, IdempotencyUse,
        Secret, SecretValue, TenantKey, PublicKey, CheckpointKey,
        Tenant, Token, RevokedToken, TrustedKey, Usage, Migration,
        Package, PackageReference, Installation, InstalledVersion,
    }
}

numbered! {
    /// What a fact says of it.
    Mark {
        /// There is a row; its weight is how many entries it must have.
        Row,
        /// There is an entry; its weight is how many rows it stands for.
        Entry,
        /// There is a row that refers to it.
        Reference,
        /// A value that PostgreSQL keeps to issue again.
        Free,
        /// A value that a running call holds.
        Held,
        /// A value of a gapless series without a row.
        Hole,
        RowAttempts, RowSucceeded, RowCancelled, RowDead,
        Attempted, Succeeded, Cancelled, CancelledDead, Dead, Retried,
    }
}

/// One thing that a row or an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub topic: Topic,
    /// The tenant, or `system`; empty where the topic has no log of its own.
    pub log: String,
    pub key: String,
    pub mark: Mark,
    pub weight: i64,
    /// How long it holds, in epoch milliseconds; its weight is then when it began.
    pub until_ms: i64,
    /// The row's id, or `<log>/<index>` of the entry.
    pub id: String,
}

impl Fact {
    pub fn new(topic: Topic, log: &str, key: &[&str], mark: Mark, id: &str) -> Self {
        let key = key.join(&SEPARATOR.to_string());
        Self { topic, log: log.into(), key, mark, weight: 1, until_ms: 0, id: id.into() }
    }

    pub fn weight(self, weight: i64) -> Self {
        Self { weight, ..self }
    }

    /// It holds for this time, in epoch milliseconds.
    pub fn during(self, from_ms: i64, until_ms: i64) -> Self {
        Self { weight: from_ms, until_ms, ..self }
    }
}

/// All facts about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub topic: Topic,
    pub log: String,
    key: String,
    marks: BTreeMap<Mark, (i64, String)>,
}

impl Group {
    pub fn sum(&self, mark: Mark) -> i64 {
        self.marks.get(&mark).map_or(0, |(sum, _)| *sum)
    }

    pub fn has(&self, mark: Mark) -> bool {
        self.sum(mark) > 0
    }

    /// A row's id or an entry's place; of several the first.
    pub fn id(&self, mark: Mark) -> &str {
        self.marks.get(&mark).map_or("", |(_, id)| id.as_str())
    }

    pub fn parts(&self) -> Vec<&str> {
        self.key.split(SEPARATOR).collect()
    }

    /// For people.
    pub fn name(&self) -> String {
        self.key.replace(SEPARATOR, " ")
    }
}

/// One fact of a topic whose facts are judged in their order.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Use {
    pub log: String,
    pub key: String,
    mark: i64,
    #[sqlx(rename = "weight")]
    pub from_ms: i64,
    pub until_ms: i64,
    pub id: String,
}

impl Use {
    pub fn is_row(&self) -> bool {
        Mark::read(self.mark) == Some(Mark::Row)
    }
}

pub(crate) struct Ledger {
    connection: SqliteConnection,
}

#[derive(sqlx::FromRow)]
struct SumRow {
    topic: i64,
    log: String,
    key: String,
    mark: i64,
    weight: i64,
    id: String,
}

impl Ledger {
    pub async fn open() -> Result<Self, ScanError> {
        // SQLite keeps a database without a name in a temporary file of its own, https://www.sqlite.org/inmemorydb.html.
        let options = SqliteConnectOptions::new()
            .filename("")
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("temp_store", "FILE");
        let mut connection = options.connect().await.map_err(ScanError::ledger)?;
        let table = "CREATE TABLE fact (topic INTEGER, log TEXT, key TEXT, mark INTEGER, weight INTEGER, until_ms INTEGER, \
                     id TEXT) STRICT";
        sqlx::query(table).execute(&mut connection).await.map_err(ScanError::ledger)?;
        Ok(Self { connection })
    }

    /// Writes what has come together once it is worth a statement.
    pub async fn take(&mut self, facts: &mut Vec<Fact>) -> Result<(), ScanError> {
        if facts.len() >= BATCH { self.write(facts).await } else { Ok(()) }
    }

    pub async fn write(&mut self, facts: &mut Vec<Fact>) -> Result<(), ScanError> {
        if facts.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = facts
            .drain(..)
            .map(|fact| {
                let Fact { topic, log, key, mark, weight, until_ms, id } = fact;
                json!([topic as i64, log, key, mark as i64, weight, until_ms, id])
            })
            .collect();
        let insert = "INSERT INTO fact SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, \
                      value->>6 \
                      FROM json_each($1)";
        let rows = serde_json::Value::from(rows).to_string();
        sqlx::query(insert).bind(rows).execute(&mut self.connection).await.map_err(ScanError::ledger)?;
        Ok(())
    }

    /// The facts about each use of a topic: rows first, then entries in order of time.
    pub async fn uses(&mut self, topic: Topic, mut judge: impl FnMut(&[Use])) -> Result<(), ScanError> {
        let all = "SELECT log, key, mark, weight, until_ms, id FROM fact WHERE topic = $1 \
                   ORDER BY log, key, mark, weight, id";
        let mut rows = sqlx::query_as::<_, Use>(all).bind(topic as i64).fetch(&mut self.connection);
        let mut group: Vec<Use> = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(ScanError::ledger)? {
            if group.first().is_some_and(|first| first.log != row.log || first.key != row.key) {
                judge(&group);
                group.clear();
            }
            group.push(row);
        }
        if !group.is_empty() {
            judge(&group);
        }
        Ok(())
    }

    /// Every group, by topic, log and key.
    pub async fn each(&mut self, mut judge: impl FnMut(&Group)) -> Result<(), ScanError> {
        let sums = "SELECT topic, log, key, mark, SUM(weight) AS weight, MIN(id) AS id FROM fact \
                    GROUP BY topic, log, key, mark ORDER BY topic, log, key, mark";
        let mut rows = sqlx::query_as::<_, SumRow>(sums).fetch(&mut self.connection);
        let mut group: Option<Group> = None;
        while let Some(row) = rows.try_next().await.map_err(ScanError::ledger)? {
            let (Some(topic), Some(mark)) = (Topic::read(row.topic), Mark::read(row.mark)) else { continue };
            let same =
                group.take_if(|group| group.topic == topic && group.log == row.log && group.key == row.key);
            if let Some(before) = group.take() {
                judge(&before);
            }
            let mut now = same.unwrap_or(Group { topic, log: row.log, key: row.key, marks: BTreeMap::new() });
            now.marks.insert(mark, (row.weight, row.id));
            group = Some(now);
        }
        if let Some(last) = group {
            judge(&last);
        }
        Ok(())
    }
}
