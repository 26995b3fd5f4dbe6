//! What every line is given, and what it gives back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::drive::{Caller, Driven, drive};
use crate::finding::Finding;
use crate::house::{Addon, Database, House, Place};

/// The settings of a run.
pub struct Bench {
    /// Where data directories are made: the file system that the figures are about.
    pub data: PathBuf,
    /// Built guests.
    pub guests: PathBuf,
    /// Built peers: programs, and components for them.
    pub peers: PathBuf,
    /// An empty PostgreSQL server that may be written to.
    pub postgres: Option<String>,
    /// A tenth of the rounds: to see that everything works.
    pub quick: bool,
}

/// What a line found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub curves: Vec<Point>,
    /// Further tables, in Markdown, each with its title as the first line.
    pub tables: Vec<String>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// One point of a latency curve, in nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Point {
    /// The picture it belongs to.
    pub chart: String,
    pub series: String,
    pub concurrency: usize,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl Point {
    pub fn of(chart: &str, series: &str, concurrency: usize, driven: &Driven) -> Self {
        Self {
            chart: chart.into(),
            series: series.into(),
            concurrency,
            p50: driven.quantile(0.5),
            p95: driven.quantile(0.95),
            p99: driven.quantile(0.99),
        }
    }
}

impl Bench {
    /// How many rounds to run.
    pub fn rounds(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(10).max(3) } else { full }
    }

    /// A host on SQLite with the metronome in it.
    pub async fn house(&self) -> Result<House> {
        self.house_on(&Database::Sqlite).await
    }

    pub async fn house_on(&self, database: &Database) -> Result<House> {
        let house = House::start(Place::new(&self.data, database).await?).await?;
        house.install(&self.metronome()?).await?;
        Ok(house)
    }

    pub fn metronome(&self) -> Result<Addon> {
        Addon::metronome(&self.guests)
    }
}

/// The rounds of two callers that take turns: round by round, ours first in even rounds, the other first in odd ones.
pub struct Turns {
    pub ours: Vec<Driven>,
    pub other: Vec<Driven>,
}

impl Turns {
    /// After a round each that is not counted.
    pub async fn take<A: Caller, B: Caller>(
        ours: &A,
        other: &B,
        concurrency: usize,
        slice: Duration,
        rounds: usize,
    ) -> Result<Self> {
        drive(ours, concurrency, slice * 2).await?.whole()?;
        drive(other, concurrency, slice * 2).await?.whole()?;
        let mut turns = Self { ours: Vec::new(), other: Vec::new() };
        for round in 0..rounds {
            if round % 2 == 0 {
                turns.ours.push(drive(ours, concurrency, slice).await?.whole()?);
                turns.other.push(drive(other, concurrency, slice).await?.whole()?);
            } else {
                turns.other.push(drive(other, concurrency, slice).await?.whole()?);
                turns.ours.push(drive(ours, concurrency, slice).await?.whole()?);
            }
        }
        Ok(turns)
    }
}

/// A figure of each round.
pub fn each(rounds: &[Driven], figure: impl Fn(&Driven) -> f64) -> Vec<f64> {
    rounds.iter().map(figure).collect()
}

/// All rounds as one.
pub fn all(rounds: Vec<Driven>) -> Result<Driven> {
    let mut rounds = rounds.into_iter();
    let first = rounds.next().ok_or_else(|| anyhow::anyhow!("no rounds"))?;
    rounds.try_fold(first, |all, next| all.and(&next))
}
