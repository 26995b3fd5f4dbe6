//! The `Idempotency-Key` of what a job sends.

use bulla_base::JobId;
use sha2::{Digest, Sha256};

use super::model::GuestRequest;

/// `bulla-<job id>`, the same on each attempt. A second request of the same attempt is another order: it carries a digest of what
/// it asks for, so that the receiver does not take it for a repeat of the first.
pub(super) fn key(job: &JobId, first: bool, request: &GuestRequest) -> String {
    if first {
        return format!("bulla-{job}");
    }
    let mut digest = Sha256::new();
    for part in [request.method.as_bytes(), request.url.as_bytes(), request.body.as_slice()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    format!("bulla-{job}-{}", hex::encode(&digest.finalize()[..8]))
}
