//! What becomes of a call's numbers when it ends, well or not.

use bulla_base::CallId;
use bulla_store::StoreError;

use super::service::Sequences;
use super::store;
use crate::call::Call;

impl Sequences {
    /// The call committed: its numbers are taken.
    pub fn settle(&self, call: &mut Call) {
        for (series, hold) in call.sequences.drain_fresh() {
            self.allocator.settle(&series, hold);
        }
    }

    /// The call failed. `lost`: what its commit said, where it came to one.
    pub async fn release(&self, call: &mut Call, lost: Option<&StoreError>) {
        let held = call.sequences.drain_fresh();
        if !call.sequences.has_drawn() {
            return;
        }
        let in_doubt = match lost {
            None => false,
            // A conflict is certain, and says nothing about numbers unless it is about one.
            Some(StoreError::Conflict { table, .. }) => *table == store::NUMBERS.name,
            Some(_) => true,
        };
        if let Err(error) = self.allocator.release(&call.id, &held, in_doubt).await {
            // The sweeper frees them once their time is over.
            tracing::warn!(%error, call = %call.id, numbers = held.len(), "numbers could not be given back");
        }
    }

    /// The call came to no end that anybody saw: it panicked, and its [`Call`] is gone.
    pub async fn abandon(&self, call: &CallId) {
        if let Err(error) = self.allocator.abandon(call).await {
            tracing::warn!(%error, %call, "the numbers of a call that panicked could not be given back");
        }
    }
}
