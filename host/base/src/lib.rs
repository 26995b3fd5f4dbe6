//! What every room shares: names, time, randomness, quantities, error codes. No I/O.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod clock;
pub mod codes;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod quantity;
pub mod rng;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use codes::Code;
pub use failure::{Coded, Failure};
pub use ids::{
    AddonName, Alias, ApprovalId, CallId, EntryName, JobId, ObjectRef, Purpose, ReservationId, Role, Scope,
    Subject, TenantId, TraceId,
};
pub use limits::{Limits, PartialLimits};
pub use quantity::{Bytes, Fuel, Millis, Rate};
pub use rng::{Entropy, Rng, SeededRng, SystemRng};
