//! How long a failed job waits.

use bulla_base::{Millis, Rng};

/// No wait is longer.
pub(super) const LONGEST: Millis = Millis(3_600_000);

/// `first` doubled with each attempt, at most an hour; of that a random part from half to all, so that jobs that failed
/// together do not come back together.
pub(super) fn delay(first: Millis, attempt: u32, rng: &dyn Rng) -> Millis {
    let doubled = 1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
    let full = first.get().saturating_mul(doubled).min(LONGEST.get());
    let half = full / 2;
    Millis(half + rng.below(full - half + 1))
}

#[cfg(test)]
mod tests {
    use bulla_base::SeededRng;

    use super::*;

    #[test]
    fn the_delay_doubles_up_to_an_hour_and_jitters_by_half() {
        let rng = SeededRng::new(1);
        for (attempt, full) in
            [(1, 1_000), (2, 2_000), (5, 16_000), (12, 2_048_000), (13, 3_600_000), (200, 3_600_000)]
        {
            let drawn: Vec<u64> = (0..50).map(|_| delay(Millis(1_000), attempt, &rng).get()).collect();
            assert!(drawn.iter().all(|delay| (full / 2..=full).contains(delay)), "{attempt}: {drawn:?}");
            assert!(drawn.iter().any(|delay| *delay != drawn[0]), "{attempt}: no jitter");
        }
        assert_eq!(delay(Millis(0), 9, &rng), Millis(0));
    }
}
