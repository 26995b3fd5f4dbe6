//! What a long step shows: a bar or a spinner on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use bulla_base::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};

/// How much of a program's output is kept to be shown when it fails.
const KEPT_LINES: usize = 200;

/// One step with its time.
pub struct Progress {
    name: String,
    clock: SystemClock,
    bar: ProgressBar,
    output: RefCell<VecDeque<String>>,
}

impl Progress {
    /// A step of unknown length.
    pub fn start(name: &str) -> Self {
        Self::shown(name, ProgressBar::new_spinner(), "{spinner} {prefix} [{elapsed}] {wide_msg}")
    }

    /// A step of `total` parts.
    pub fn of(name: &str, total: u64) -> Self {
        Self::shown(
            name,
            ProgressBar::new(total),
            "{spinner} {prefix} {bar:24} {pos}/{len} [{elapsed}] {wide_msg}",
        )
    }

    fn shown(name: &str, bar: ProgressBar, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        match std::io::stderr().is_terminal() {
            true => bar.enable_steady_tick(Duration::from_millis(120)),
            false => eprintln!("{name}…"),
        }
        Self { name: name.to_owned(), clock: SystemClock::new(), bar, output: RefCell::default() }
    }

    /// A line of the program's output: shown while it is the last one, and kept.
    pub fn line(&self, line: &str) {
        self.bar.set_message(line.trim().to_owned());
        let mut output = self.output.borrow_mut();
        if output.len() == KEPT_LINES {
            output.pop_front();
        }
        output.push_back(line.to_owned());
    }

    /// One more part is done.
    pub fn advance(&self, part: &str) {
        self.bar.inc(1);
        self.bar.set_message(part.to_owned());
    }

    pub fn done(self) {
        self.bar.finish_and_clear();
        eprintln!("{} ✓ {}", self.name, seconds(self.clock.monotonic()));
    }

    /// Shows what the program wrote.
    pub fn failed(self) {
        self.bar.finish_and_clear();
        for line in self.output.borrow().iter() {
            eprintln!("{line}");
        }
        eprintln!("{} ✗ {}", self.name, seconds(self.clock.monotonic()));
    }
}

/// `0.4 s`, `12.0 s`, `3 min 5 s`.
pub fn seconds(elapsed: Duration) -> String {
    let whole = elapsed.as_secs();
    match whole {
        0..120 => format!("{:.1} s", elapsed.as_secs_f64()),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}
