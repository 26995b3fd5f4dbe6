//! Sequences: every number as its definition wants it, and what is missing between them.

use std::collections::HashMap;

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::number::{Definition, Gaps, Pattern};
use crate::report::{Kind, Reporter};

/// Values of one gap that are looked at one by one. A host leaves no more free than its calls can hold at a time.
const MAX_GAP: i64 = 100_000;

/// The definitions by tenant and key. Operators write them, so they are few.
pub(crate) struct Definitions(HashMap<(String, String), Defined>);

pub(crate) struct Defined {
    /// `None`: the format cannot be read, which is a finding of its own.
    pub pattern: Option<Pattern>,
    pub gaps: Gaps,
}

impl Definitions {
    pub fn get(&self, tenant: &str, key: &str) -> Option<&Defined> {
        self.0.get(&(tenant.to_owned(), key.to_owned()))
    }
}

#[derive(sqlx::FromRow)]
struct DefinitionRow {
    id: String,
    version: i64,
    tenant: String,
    series_key: String,
    definition: String,
}

#[derive(sqlx::FromRow)]
struct NumberRow {
    id: String,
    tenant: String,
    series_key: String,
    period: String,
    value: i64,
    number: String,
    state: String,
    reservation: String,
    object: Option<String>,
    reason: Option<String>,
    expires_ms: i64,
}

#[derive(sqlx::FromRow)]
struct BindingRow {
    id: String,
    tenant: String,
    series_key: String,
    object: String,
    number: String,
}

#[derive(sqlx::FromRow)]
struct SharedRow {
    id: String,
    series: String,
    value: i64,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    series: String,
    head: i64,
}

#[derive(sqlx::FromRow)]
struct MaxRow {
    value: i64,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<Definitions, ScanError> {
    let definitions = definitions(desk).await?;
    numbers(desk, &definitions).await?;
    bindings(desk).await?;
    if desk.source.is_postgres() {
        shared(desk, &definitions).await?;
        heads(desk, &definitions).await?;
    }
    Ok(definitions)
}

async fn definitions(desk: &mut Desk<'_>) -> Result<Definitions, ScanError> {
    const ALL: &str = "SELECT id, version, tenant, series_key, definition FROM sequence ORDER BY id";
    let mut all = HashMap::new();
    let reporter = &mut *desk.reporter;
    let read = |row: DefinitionRow, facts: &mut Vec<Fact>| {
        reporter.count_row("sequence");
        let definition: Option<Definition> = serde_json::from_str(&row.definition).ok();
        let pattern = definition.as_ref().and_then(Pattern::new);
        if pattern.is_none() || row.id != format!("{}/{}", row.tenant, row.series_key) {
            reporter.add(
                Kind::Malformed,
                "sequence",
                &row.id,
                "its definition is not one that the host takes",
            );
        }
        facts.push(Fact::new(Topic::Sequence, "", &[&row.id], Mark::Row, &row.id).weight(row.version));
        let gaps = definition.map_or(Gaps::Gapless, |definition| definition.gaps);
        all.insert((row.tenant, row.series_key), Defined { pattern, gaps });
    };
    desk.source.each(ALL, desk.ledger, read).await?;
    Ok(Definitions(all))
}

async fn numbers(desk: &mut Desk<'_>, definitions: &Definitions) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, series_key, period, value, number, state, reservation, object, reason, expires_ms \
                       FROM sequence_number ORDER BY tenant, series_key, period, value, id";
    let (reporter, now_ms) = (&mut *desk.reporter, desk.now_ms);
    let mut series = (String::new(), String::new(), String::new());
    let mut last = 0;
    let read = |row: NumberRow, facts: &mut Vec<Fact>| {
        reporter.count_row("sequence_number");
        if (&series.0, &series.1, &series.2) != (&row.tenant, &row.series_key, &row.period) {
            series = (row.tenant.clone(), row.series_key.clone(), row.period.clone());
            last = 0;
        }
        let Some(defined) = definitions.get(&row.tenant, &row.series_key) else {
            reporter.add(
                Kind::DanglingReference,
                "sequence_number",
                &row.id,
                "there is no definition of its sequence",
            );
            return;
        };
        check(&row, defined, now_ms, reporter);
        if defined.gaps == Gaps::Gapless {
            let place = Place::new(&row.tenant, &row.series_key, &row.period, defined);
            place.holes(last + 1, row.value - 1, facts, reporter);
        }
        last = row.value;
        claim(&row, defined, facts);
    };
    desk.source.each(ALL, desk.ledger, read).await
}

/// What a number's row shows by itself.
fn check(row: &NumberRow, defined: &Defined, now_ms: i64, reporter: &mut Reporter) {
    let mut wrong = |what: String| reporter.add(Kind::Number, "sequence_number", &row.id, what);
    if row.id != format!("{}/{}/{}/{:019}", row.tenant, row.series_key, row.period, row.value) {
        wrong("its id is not that of its series and value".into());
    }
    if let Some(pattern) = &defined.pattern {
        match pattern.read(&row.number) {
            None => wrong(format!("`{}` is not a number of its format", row.number)),
            Some(read) if read.value != row.value || read.period != pattern.told(&row.period) => {
                wrong(format!(
                    "`{}` does not say the value {} of the period `{}`",
                    row.number, row.value, row.period
                ));
            }
            Some(_) => {}
        }
    }
    let is_whole = match row.state.as_str() {
        "reserved" => row.object.is_none() && row.reason.is_none(),
        "committed" => row.object.is_some() && row.reason.is_none(),
        "void" => row.reason.as_ref().is_some_and(|reason| !reason.is_empty()),
        _ => false,
    };
    if !is_whole {
        wrong(format!(
            "it is `{}` without what belongs to it: an object when committed, a reason when void",
            row.state
        ));
    }
    if row.state == "reserved" && row.expires_ms <= now_ms {
        let text =
            format!("`{}` was reserved until {} ms: the sweeper makes it void", row.number, row.expires_ms);
        reporter.add(Kind::ExpiredReservation, "sequence_number", &row.id, text);
    }
}

fn claim(row: &NumberRow, defined: &Defined, facts: &mut Vec<Fact>) {
    let (key, number) = (row.series_key.as_str(), row.number.as_str());
    let mut fact =
        |topic, parts: &[&str]| facts.push(Fact::new(topic, &row.tenant, parts, Mark::Row, &row.id));
    fact(Topic::NumberText, &[key, number]);
    fact(Topic::Reservation, &[&row.reservation]);
    let place = Place::new(&row.tenant, key, &row.period, defined);
    fact(Topic::NumberValue, &[key, place.told, &row.value.to_string()]);
    match (row.state.as_str(), &row.object) {
        ("committed", Some(object)) => {
            fact(Topic::Committed, &[key, number, object]);
            fact(Topic::Binding, &[key, object, number]);
        }
        ("void", _) => fact(Topic::Voided, &[key, number]),
        _ => {}
    }
}

/// A series as the ledger knows it.
struct Place<'a> {
    tenant: &'a str,
    key: &'a str,
    period: &'a str,
    told: &'a str,
}

impl<'a> Place<'a> {
    fn new(tenant: &'a str, key: &'a str, period: &'a str, defined: &Defined) -> Self {
        let told = defined.pattern.as_ref().map_or(period, |pattern| pattern.told(period));
        Self { tenant, key, period, told }
    }

    fn fact(&self, value: i64, mark: Mark, id: &str) -> Fact {
        Fact::new(Topic::NumberValue, self.tenant, &[self.key, self.told, &value.to_string()], mark, id)
    }

    /// Values without a row, from the first to the last.
    fn holes(&self, first: i64, last: i64, facts: &mut Vec<Fact>, reporter: &mut Reporter) {
        let id = format!("{}/{}/{}", self.tenant, self.key, self.period);
        if last - first >= MAX_GAP {
            let text = format!("the values {first} to {last} have no row");
            reporter.add(Kind::Gap, "sequence_number", &id, text);
            return;
        }
        facts.extend((first..=last).map(|value| self.fact(value, Mark::Hole, &format!("{id}/{value:019}"))));
    }
}

async fn bindings(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, series_key, object, number FROM sequence_binding ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: BindingRow, facts: &mut Vec<Fact>| {
        reporter.count_row("sequence_binding");
        if row.id != format!("{}/{}/{}", row.tenant, row.series_key, row.object) {
            reporter.add(Kind::Number, "sequence_binding", &row.id, "its id is not that of its object");
        }
        let key = [row.series_key.as_str(), &row.object, &row.number];
        facts.push(Fact::new(Topic::Binding, &row.tenant, &key, Mark::Reference, &row.id));
    };
    desk.source.each(ALL, desk.ledger, read).await
}

/// PostgreSQL: the values that are free, and those that running calls hold.
async fn shared(desk: &mut Desk<'_>, definitions: &Definitions) -> Result<(), ScanError> {
    const FREE: &str = "SELECT id, series, value FROM sequence_free ORDER BY id";
    const HELD: &str = "SELECT id, series, value FROM sequence_hold ORDER BY id";
    for (table, sql, mark) in [("sequence_free", FREE, Mark::Free), ("sequence_hold", HELD, Mark::Held)] {
        let reporter = &mut *desk.reporter;
        let read = |row: SharedRow, facts: &mut Vec<Fact>| {
            reporter.count_row(table);
            let place = split(&row.series).and_then(|(tenant, key, period)| {
                definitions.get(tenant, key).map(|defined| Place::new(tenant, key, period, defined))
            });
            match place {
                Some(place) if row.id == format!("{}/{:019}", row.series, row.value) => {
                    facts.push(place.fact(row.value, mark, &row.id));
                }
                _ => reporter.add(Kind::DanglingReference, table, &row.id, "it belongs to no series"),
            }
        };
        desk.source.each(sql, desk.ledger, read).await?;
    }
    Ok(())
}

/// PostgreSQL: what was given out above the last number, and heads below it.
async fn heads(desk: &mut Desk<'_>, definitions: &Definitions) -> Result<(), ScanError> {
    const HEADS: &str = "SELECT series, head FROM sequence_head ORDER BY series";
    const MAX: &str = "SELECT COALESCE(MAX(value), 0) AS value FROM sequence_number \
                       WHERE tenant = $1 AND series_key = $2 AND period = $3";
    for HeadRow { series, head } in desk.source.page(HEADS, &[]).await? {
        desk.reporter.count_row("sequence_head");
        let known = split(&series).and_then(|parts| Some((parts, definitions.get(parts.0, parts.1)?)));
        let Some(((tenant, key, period), defined)) = known else {
            desk.reporter.add(Kind::DanglingReference, "sequence_head", &series, "there is no such sequence");
            continue;
        };
        let max: Vec<MaxRow> = desk.source.page(MAX, &[tenant, key, period]).await?;
        let max = max.first().map_or(0, |row| row.value);
        if max > head {
            let text =
                format!("its head is {head} and its highest number {max}: the next ones can be issued twice");
            desk.reporter.add(Kind::DuplicateNumber, "sequence_head", &series, text);
        }
        if defined.gaps == Gaps::Gapless {
            let mut facts = Vec::new();
            Place::new(tenant, key, period, defined).holes(max + 1, head, &mut facts, desk.reporter);
            desk.ledger.write(&mut facts).await?;
        }
    }
    Ok(())
}

/// `<tenant>/<key>/<period>`.
fn split(series: &str) -> Option<(&str, &str, &str)> {
    let (tenant, rest) = series.split_once('/')?;
    let (key, period) = rest.split_once('/')?;
    Some((tenant, key, period))
}
