//! How many bytes of requests the server holds at a time, and whose they are.
//!
//! A tenant may hold as much as is free besides: one alone comes to half of all, the next one to a third, and who asks for little always
//! finds room. These are dynamic thresholds with α = 1, as in switches with shared memory: Choudhury and Hahne, IEEE/ACM Transactions on
//! Networking 6(2), 1998.

use std::collections::HashMap;
use std::sync::Arc;

use bulla_base::{Bytes, Failure, TenantId, codes};
use parking_lot::Mutex;

/// Whose a request is; `None` stands for the host as a whole.
type Owner = Option<TenantId>;

pub(crate) struct Intake {
    total: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: u64,
    by_owner: HashMap<Owner, u64>,
}

impl Intake {
    pub(crate) fn new(total: Bytes) -> Arc<Self> {
        Arc::new(Self { total: total.get(), held: Mutex::default() })
    }

    /// Nothing yet.
    pub(crate) fn share(self: &Arc<Self>, owner: Owner) -> Share {
        Share { intake: self.clone(), owner, bytes: 0 }
    }
}

/// What one request holds, until it is dropped.
pub(crate) struct Share {
    intake: Arc<Intake>,
    owner: Owner,
    bytes: u64,
}

impl Share {
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), Failure> {
        if bytes == 0 {
            return Ok(());
        }
        let mut held = self.intake.held.lock();
        let own = held.by_owner.get(&self.owner).copied().unwrap_or(0).saturating_add(bytes);
        let all = held.all.saturating_add(bytes);
        if self.intake.total.checked_sub(all).is_none_or(|free| own > free) {
            return Err(Failure::new(codes::BUSY, "the server holds as much of such requests as it may"));
        }
        held.all = all;
        held.by_owner.insert(self.owner.clone(), own);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.intake.held.lock();
        held.all -= self.bytes;
        if let Some(own) = held.by_owner.get_mut(&self.owner) {
            *own -= self.bytes;
            if *own == 0 {
                held.by_owner.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> Owner {
        Some(TenantId::new(id).unwrap())
    }

    #[test]
    fn one_comes_to_half_and_the_next_still_finds_room() {
        let intake = Intake::new(Bytes(120));
        let mut hog = intake.share(tenant("hog"));
        hog.grow(60).unwrap();
        assert_eq!(hog.grow(1).unwrap_err().code, codes::BUSY);
        let mut again = intake.share(tenant("hog"));
        assert_eq!(again.grow(1).unwrap_err().code, codes::BUSY);

        let mut second = intake.share(tenant("second"));
        second.grow(30).unwrap();
        assert!(second.grow(1).is_err());
        let mut host = intake.share(None);
        host.grow(15).unwrap();

        drop((hog, again));
        second.grow(22).unwrap();
        assert!(second.grow(1).is_err());
    }

    #[test]
    fn what_is_dropped_is_free_again() {
        let intake = Intake::new(Bytes(100));
        for _ in 0..3 {
            let mut shares = [intake.share(tenant("a")), intake.share(tenant("a")), intake.share(None)];
            for share in &mut shares {
                share.grow(20).unwrap();
                // What is refused is not held.
                assert!(share.grow(u64::MAX).is_err());
            }
            drop(shares);
            let held = intake.held.lock();
            assert_eq!((held.all, held.by_owner.len()), (0, 0));
        }
    }
}
