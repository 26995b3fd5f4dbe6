//! How long calls took, window by window.

use std::fmt;
use std::time::Duration;

#[derive(Default)]
pub struct Latency(Vec<Duration>);

/// Percentiles of one window, or the medians of several.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub calls: usize,
    pub p50: Duration,
    pub p99: Duration,
}

impl Latency {
    pub fn add(&mut self, one: Duration) {
        self.0.push(one);
    }

    pub fn window(mut self) -> Window {
        self.0.sort();
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share).round() as usize];
        Window { calls: self.0.len(), p50: at(0.5), p99: at(0.99) }
    }
}

/// The median of each figure: one window in which the machine did something else decides nothing.
pub fn of_windows(windows: &[Window]) -> Window {
    let median = |of: fn(&Window) -> Duration| {
        let mut values: Vec<_> = windows.iter().map(of).collect();
        values.sort();
        values[values.len() / 2]
    };
    let calls = windows.iter().map(|window| window.calls).sum();
    Window { calls, p50: median(|window| window.p50), p99: median(|window| window.p99) }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        write!(f, "{} calls, p50 {:.2} ms, p99 {:.2} ms", self.calls, ms(self.p50), ms(self.p99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_window_of_five_decides_nothing() {
        let window = |slowest: u64| {
            let mut latency = Latency::default();
            (0..98).for_each(|_| latency.add(Duration::from_millis(1)));
            (0..2).for_each(|_| latency.add(Duration::from_millis(slowest)));
            latency.window()
        };
        assert_eq!(window(50).p99, Duration::from_millis(50));
        let of = |slowest: [u64; 5]| of_windows(&slowest.map(window)).p99;
        assert_eq!(of([2, 2, 900, 2, 3]), Duration::from_millis(2));
        assert_eq!(of([2, 60, 50, 2, 70]), Duration::from_millis(50));
    }
}
