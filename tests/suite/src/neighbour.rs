//! A neighbour: calls that go on in rounds while somebody else sins, and all succeed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::patience::{RaisedOnDrop, timed, until};

/// Between two rounds: the neighbour stays well below its own rate.
const PAUSE: Duration = Duration::from_millis(10);

/// What of the neighbour can be seen from where the sins are committed.
#[derive(Default)]
pub struct Watch {
    rounds: AtomicUsize,
    slowest: Mutex<Duration>,
    stop: AtomicBool,
}

impl Watch {
    /// Rounds that came to their end.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Runs `work`, and on until a round has ended that began after it did. Gives what the slowest round took that ended in
    /// between.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let before = self.rounds();
        *self.slowest.lock().unwrap() = Duration::ZERO;
        let done = work();
        // The one that ran when it began, and one more.
        until("the neighbour's next call", || {
            (self.rounds() >= before + 2 || self.stop.load(Ordering::Relaxed)).then_some(())
        });
        (done, *self.slowest.lock().unwrap())
    }
}

/// Runs `sins`, and beside it `round` after `round`. A round that panics ends the test: after `sins`.
pub fn beside<T>(round: impl Fn() + Sync, sins: impl FnOnce(&Watch) -> T) -> T {
    let watch = Watch::default();
    std::thread::scope(|scope| {
        let rounds = scope.spawn(|| {
            let _stopped = RaisedOnDrop(&watch.stop);
            while !watch.stop.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
                let ((), took) = timed(&round);
                let mut slowest = watch.slowest.lock().unwrap();
                *slowest = took.max(*slowest);
                watch.rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        let raised = RaisedOnDrop(&watch.stop);
        let done = sins(&watch);
        drop(raised);
        if let Err(panicked) = rounds.join() {
            std::panic::resume_unwind(panicked);
        }
        done
    })
}
