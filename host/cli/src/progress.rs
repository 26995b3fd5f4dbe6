//! What a long step tells: a spinner on a terminal, lines elsewhere. Always on stderr.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A running step. Dropping it takes the spinner away.
pub struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        let bar = (!output.quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { output, bar }
    }

    /// A step begins.
    pub fn step(&self, text: impl Into<String>) {
        let text = text.into();
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.output.say(text),
        }
    }

    /// A line that another program wrote.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.say(text)),
            None => self.output.say(text),
        }
    }

    /// Writes something else while the spinner stands aside.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// For the guest builder.
    pub fn report(&self, progress: bulla_guest_build::Progress<'_>) {
        match progress {
            bulla_guest_build::Progress::Step(text) => self.step(text),
            bulla_guest_build::Progress::Output(line) => self.line(line),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
