//! What the server holds, looked at again and again, and whether it grows.

use std::fmt;
use std::fs;
use std::time::Duration;

use bulla_faults::process::Process;
use bulla_suite::Bench;

/// What the server's memory may grow in a minute once it is warm, by the straight line through the samples (least squares). Some 105
/// versions are installed in a minute: a leak of 2.5 KiB for each is this much.
const SLOPE_KIB_PER_MINUTE: f64 = 256.0;
/// How far the last third's median may lie above the first warm third's, whatever the line says: an allocator does not give back at once.
const RISE_MIB: f64 = 24.0;
/// A run shorter than this has no line to speak of: its samples are held to [`RISE_SHORT_MIB`] alone.
const SHORT_MINUTES: f64 = 10.0;
const RISE_SHORT_MIB: f64 = 96.0;
/// Descriptors come and go with connections and readers of the database.
const DESCRIPTORS: f64 = 16.0;
const THREADS: f64 = 4.0;
const ROWS: usize = 15;

/// One look.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    seconds: f64,
    memory_mib: f64,
    descriptors: f64,
    threads: f64,
    running: f64,
    addons_loaded: f64,
    series: f64,
    database_mib: f64,
}

impl Sample {
    pub fn of(bench: &Bench, at: Duration) -> Self {
        let server = Process::of(bench.server.pid());
        let told = bench.operator.get("/diagz").data();
        let metrics = bench.operator.get("/metrics").text;
        let running = metrics.lines().find_map(|line| line.strip_prefix("bulla_calls_running "));
        let database = ["bulla.db", "bulla.db-wal"]
            .map(|name| fs::metadata(bench.server.data().path().join(name)).map_or(0, |file| file.len()));
        Self {
            seconds: at.as_secs_f64(),
            memory_mib: server.resident_kib() as f64 / 1024.0,
            descriptors: server.descriptors() as f64,
            threads: server.threads() as f64,
            running: running.unwrap().parse().unwrap(),
            addons_loaded: told["engine"]["addons-loaded"].as_f64().unwrap(),
            series: metrics.lines().filter(|line| !line.starts_with('#')).count() as f64,
            database_mib: database.iter().sum::<u64>() as f64 / f64::from(1 << 20),
        }
    }
}

#[derive(Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    pub fn take(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Who waits half an hour sees how far it is.
    pub fn tell_each_minute(&self, of: f64) {
        let minute = |sample: &Sample| (sample.seconds / 60.0).floor();
        if let [.., before, last] = self.0.as_slice()
            && minute(before) < minute(last)
        {
            eprintln!(
                "{:.0} of {of} min · {:.0} MiB of memory, {:.0} MiB of database",
                minute(last),
                last.memory_mib,
                last.database_mib
            );
        }
    }

    /// The first third warms up; over the rest nothing grows.
    pub fn are_flat(&self, minutes: f64) {
        let third = self.0.len() / 3;
        assert!(third >= 5, "{} samples say nothing", self.0.len());
        let (warm, last) = (&self.0[third..2 * third], &self.0[2 * third..]);
        let rise = |of: fn(&Sample) -> f64| median(last, of) - median(warm, of);
        let slope = slope(&self.0[third..], |sample| sample.memory_mib * 1024.0) * 60.0;
        let risen = rise(|sample| sample.memory_mib);
        eprintln!("memory: {slope:.0} KiB a minute, {risen:.1} MiB between the thirds");
        let (most, line) = if minutes < SHORT_MINUTES {
            (RISE_SHORT_MIB, f64::MAX)
        } else {
            (RISE_MIB, SLOPE_KIB_PER_MINUTE)
        };
        assert!(
            risen <= most && slope <= line,
            "memory grows: {slope:.0} KiB a minute, {risen:.1} MiB\n{self}"
        );
        for (name, of, bound) in [
            ("descriptors", (|sample| sample.descriptors) as fn(&Sample) -> f64, DESCRIPTORS),
            ("threads", |sample| sample.threads, THREADS),
            ("loaded addons", |sample| sample.addons_loaded, 4.0),
            ("metric series", |sample| sample.series, 200.0),
        ] {
            assert!(rise(of) <= bound, "{name} grow by {}\n{self}", rise(of));
        }
    }
}

fn median(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Of the least-squares line, by second.
fn slope(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|sample| sample.seconds), mean(&of));
    let (mut over, mut under) = (0.0, 0.0);
    for sample in samples {
        over += (sample.seconds - x) * (of(sample) - y);
        under += (sample.seconds - x).powi(2);
    }
    over / under
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| s | memory MiB | descriptors | threads | calls running | addons loaded | series | database MiB |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for sample in self.0.iter().step_by((self.0.len() / ROWS).max(1)) {
            let Sample { seconds, memory_mib, descriptors, threads, .. } = sample;
            let Sample { running, addons_loaded, series, database_mib, .. } = sample;
            writeln!(
                f,
                "| {seconds:.0} | {memory_mib:.1} | {descriptors} | {threads} | {running} | {addons_loaded} | {series} | {database_mib:.1} |"
            )?;
        }
        Ok(())
    }
}

#[test]
fn a_line_that_rises_is_told_from_one_that_does_not() {
    let sample = |at: u32, memory_mib: f64| Sample {
        seconds: f64::from(at),
        memory_mib,
        descriptors: 1.0,
        threads: 1.0,
        running: 0.0,
        addons_loaded: 1.0,
        series: 1.0,
        database_mib: f64::from(at),
    };
    let noise = |at: u32| f64::from(at * 7_919 % 13);
    let run = |grows: f64| {
        Samples((0..360).map(|at| sample(at * 5, 100.0 + noise(at) + grows * f64::from(at))).collect())
    };
    // MiB a minute, which is twelve samples: just below the bound, just above it, and far from it.
    for grows in [0.0, 0.24] {
        run(grows / 12.0).are_flat(30.0);
    }
    for grows in [0.26, 0.5, 1.0] {
        assert!(std::panic::catch_unwind(|| run(grows / 12.0).are_flat(30.0)).is_err(), "{grows}");
    }
}
