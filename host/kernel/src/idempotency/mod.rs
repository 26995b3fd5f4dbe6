//! (idempotency)
