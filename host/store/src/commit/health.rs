//! Whether what was to be written could be written: one word of the committer, for whoever asks about the host's health.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bulla_base::{Code, Coded, codes};

use crate::error::StoreError;

/// The codes that stop every write, by their place; 0 stands for none.
const STOPPED: [Code; 3] = [codes::STORE_FULL, codes::STORE_UNWRITABLE, codes::STORE_CORRUPT];

/// What stops writing, from the first unit that met it to the next one that was committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    now: AtomicU8,
    /// What it was last, until somebody has taken note of its end.
    last: AtomicU8,
}

impl Health {
    pub(super) fn trouble(&self) -> Option<Code> {
        code(self.0.now.load(Ordering::Acquire))
    }

    /// What stopped every write until a moment ago, once.
    pub(super) fn recovered(&self) -> Option<Code> {
        match self.trouble() {
            None => code(self.0.last.swap(0, Ordering::AcqRel)),
            Some(_) => None,
        }
    }

    /// One commit proves that writing works. A unit that lost a race or broke a rule says nothing about it.
    pub(super) fn learn(&self, outcomes: &[Result<(), StoreError>]) {
        let stopping = |error: &StoreError| {
            let code = error.code();
            STOPPED.iter().zip(1..).find(|(known, _)| **known == code).map(|(_, place)| place)
        };
        let stopped = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find_map(stopping);
        match (outcomes.iter().any(Result::is_ok), stopped) {
            (true, _) => self.0.now.store(0, Ordering::Release),
            (false, Some(place)) => {
                self.0.last.store(place, Ordering::Release);
                self.0.now.store(place, Ordering::Release);
            }
            (false, None) => {}
        }
    }
}

fn code(place: u8) -> Option<Code> {
    usize::from(place).checked_sub(1).and_then(|place| STOPPED.get(place)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_until_the_next_commit() {
        let health = Health::default();
        let conflict = || Err(StoreError::Conflict { table: "thing", id: "a".into() });
        health.learn(&[conflict()]);
        assert_eq!(health.trouble(), None);
        health.learn(&[conflict(), Err(StoreError::Full("x".into()))]);
        assert_eq!(health.trouble(), Some(codes::STORE_FULL));
        health.learn(&[conflict(), Err(StoreError::Unavailable("x".into()))]);
        assert_eq!(health.trouble(), Some(codes::STORE_FULL));
        health.learn(&[Err(StoreError::Unwritable("x".into()))]);
        assert_eq!(health.trouble(), Some(codes::STORE_UNWRITABLE));
        assert_eq!(health.recovered(), None);
        health.learn(&[conflict(), Ok(())]);
        assert_eq!(health.trouble(), None);
        assert_eq!((health.recovered(), health.recovered()), (Some(codes::STORE_UNWRITABLE), None));
    }
}
