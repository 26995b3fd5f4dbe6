//! What every room is given: the database, the door for writes, time and randomness.

use std::sync::Arc;

use bulla_base::{Clock, Rng};
use bulla_store::{Committer, Db};

#[derive(Clone)]
pub struct Core {
    pub db: Db,
    pub committer: Committer,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

impl Core {
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
