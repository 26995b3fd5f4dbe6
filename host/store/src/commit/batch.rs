//! One batch inside its transaction: check all preconditions, drop the losers, then one statement a table.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::commit::Journal;
use crate::error::StoreError;
use crate::failpoint::{Step, failpoint};
use crate::sql::Sql;
use crate::table::Table;
use crate::tx::Tx;
use crate::unit::{Draft, Expect, Ready, Write};

type Outcome = Result<(), StoreError>;

/// Writes what can be written. An `Err` means that the batch broke as a whole and nothing of it may stay.
pub(super) async fn write(
    tx: &mut Tx<'_>,
    journal: &dyn Journal,
    units: &[Ready],
) -> Result<Vec<Outcome>, StoreError> {
    let stored = stored_versions(tx, units).await?;
    let outcomes = decide(&stored, units);
    let winners = || units.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(unit, _)| unit);
    for statement in Statements::of(winners().flat_map(|unit| &unit.writes)).0.into_values() {
        statement.run(tx).await?;
    }
    failpoint(Step::CommitWritten)?;
    let drafts: Vec<&Draft> = winners().flat_map(|unit| &unit.journal).collect();
    if !drafts.is_empty() {
        journal.append(tx, &drafts).await?;
    }
    failpoint(Step::CommitRecorded)?;
    Ok(outcomes)
}

/// Each unit under a savepoint: one that breaks is rolled back alone.
pub(super) async fn write_each(
    tx: &mut Tx<'_>,
    journal: &dyn Journal,
    units: &[Ready],
) -> Result<Vec<Outcome>, StoreError> {
    const SAVE: Sql = Sql::both("SAVEPOINT unit");
    const BACK: Sql = Sql::both("ROLLBACK TO SAVEPOINT unit");
    const RELEASE: Sql = Sql::both("RELEASE SAVEPOINT unit");
    let mut outcomes = Vec::with_capacity(units.len());
    for unit in units {
        tx.execute(&SAVE, &[]).await?;
        let outcome = write(tx, journal, std::slice::from_ref(unit))
            .await
            .and_then(|mut one| one.pop().unwrap_or(Ok(())));
        if outcome.is_err() {
            tx.execute(&BACK, &[]).await?;
        }
        tx.execute(&RELEASE, &[]).await?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

type Key<'a> = (&'static str, &'a str);

#[derive(sqlx::FromRow)]
struct VersionRow {
    id: String,
    version: i64,
}

/// The versions of all rows that some unit has an expectation of; one query a table, tables in order of name.
async fn stored_versions(
    tx: &mut Tx<'_>,
    units: &[Ready],
) -> Result<HashMap<(&'static str, String), i64>, StoreError> {
    let mut wanted: BTreeMap<&'static str, (&'static Table, HashSet<&str>)> = BTreeMap::new();
    for write in units.iter().flat_map(|unit| &unit.writes).filter(|write| write.expect != Expect::Fresh) {
        wanted.entry(write.table.name).or_insert_with(|| (write.table, HashSet::new())).1.insert(&write.id);
    }
    let mut stored = HashMap::new();
    for (name, (table, ids)) in wanted {
        let ids = Value::from(ids.into_iter().collect::<Vec<_>>()).to_string();
        for row in tx.fetch::<VersionRow>(&table.versions, &[(&ids).into()]).await? {
            stored.insert((name, row.id), row.version);
        }
    }
    Ok(stored)
}

/// In order of arrival: a unit wins when each of its rows is as it expects and no winner before it touched them. A unit that
/// writes a row twice contradicts itself and loses.
fn decide(stored: &HashMap<(&'static str, String), i64>, units: &[Ready]) -> Vec<Outcome> {
    let mut taken: HashSet<Key<'_>> = HashSet::new();
    units
        .iter()
        .map(|unit| {
            let mut own: HashSet<Key<'_>> = HashSet::new();
            for write in &unit.writes {
                let version = stored.get(&(write.table.name, write.id.clone())).copied();
                let holds = match write.expect {
                    Expect::Fresh => true,
                    Expect::Absent => version.is_none(),
                    Expect::Version(expected) => version == Some(expected),
                };
                let key = (write.table.name, write.id.as_str());
                if !holds || taken.contains(&key) || !own.insert(key) {
                    return Err(StoreError::Conflict { table: write.table.name, id: write.id.clone() });
                }
            }
            taken.extend(own);
            Ok(())
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Remove,
    Insert,
    Upsert,
}

struct Statement<'a> {
    table: &'static Table,
    verb: Verb,
    writes: Vec<&'a Write>,
}

/// The statements of a batch, in order of table and verb, so that two nodes take locks in the same order.
struct Statements<'a>(BTreeMap<(&'static str, Verb), Statement<'a>>);

impl<'a> Statements<'a> {
    fn of(writes: impl Iterator<Item = &'a Write>) -> Self {
        let mut all: BTreeMap<(&'static str, Verb), Statement<'a>> = BTreeMap::new();
        for write in writes {
            let verb = match (&write.row, write.expect) {
                (None, _) => Verb::Remove,
                (Some(_), Expect::Fresh | Expect::Absent) => Verb::Insert,
                (Some(_), Expect::Version(_)) => Verb::Upsert,
            };
            all.entry((write.table.name, verb))
                .or_insert_with(|| Statement { table: write.table, verb, writes: Vec::new() })
                .writes
                .push(write);
        }
        Self(all)
    }
}

impl Statement<'_> {
    async fn run(mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // In order of id, so that two nodes that insert the same rows wait for each other in the same order.
        self.writes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let (sql, rows) = match self.verb {
            Verb::Remove => (
                &self.table.remove,
                Value::from(self.writes.iter().map(|write| write.id.as_str()).collect::<Vec<_>>())
                    .to_string(),
            ),
            Verb::Insert => (&self.table.insert, self.rows()),
            Verb::Upsert => (&self.table.upsert, self.rows()),
        };
        let touched = tx.execute(sql, &[(&rows).into()]).await.map_err(|error| self.blame(error))?;
        // Fewer rows than asked for: another node changed one between the check and the write.
        if touched == self.writes.len() as u64 { Ok(()) } else { Err(self.conflict()) }
    }

    /// A JSON array of the rows.
    fn rows(&self) -> String {
        let rows: Vec<&str> = self.writes.iter().filter_map(|write| write.row.as_deref()).collect();
        format!("[{}]", rows.join(","))
    }

    fn blame(&self, error: StoreError) -> StoreError {
        match error {
            // The databases' words for a broken primary key or unique index.
            StoreError::Unavailable(text)
                if text.contains("UNIQUE constraint failed") || text.contains("duplicate key value") =>
            {
                tracing::debug!(table = self.table.name, text, "unique constraint");
                self.conflict()
            }
            other => other,
        }
    }

    fn conflict(&self) -> StoreError {
        let id = self.writes.first().map(|write| write.id.clone()).unwrap_or_default();
        StoreError::Conflict { table: self.table.name, id }
    }
}
