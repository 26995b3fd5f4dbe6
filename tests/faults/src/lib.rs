//! What the fault tests share: the real server under kills, broken disks and floods, and a client's own ledger of what was acknowledged.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub mod company;
pub mod database;
pub mod disk;
pub mod faulty;
pub mod latency;
pub mod ledger;
pub mod load;
pub mod process;
pub mod scan;

pub use company::Company;
pub use database::Database;
pub use ledger::{Call, Ledger, Tried};
pub use load::Load;
