//! The sandbox: verified components become code, code runs under limits, and whatever happens has a name. Knows no room.
//!
//! | file | what stands there |
//! |---|---|
//! | `engine` | [`Engine`]: settings, ticker, the limits of a store |
//! | `load` | [`Engine::load`], the one way in |
//! | `call` | [`run`]: one call, from a fresh instance to its end |
//! | `describe` | [`Engine::describe_own_build`]: the contract of one's own build |
//! | `meter` | [`Meter`]: what a call may use and has used |
//! | `schedule` | fuel schedule `v1`: the price of each instruction and host function |
//! | `outcome`, `trace` | how a call ended, and the guest's stack |
//! | `inspect`, `requested` | what a component holds and imports, before it is compiled |
//! | `outline`, `unfold`, `signatures` | what its instantiations and types come to, once all are written out |
//! | `compile`, `worker`, `cache` | compilation, in a process of its own, and compiled code on disk under a MAC |
//! | `wasi` | WASI, one interface at a time |
//!
//! One `unsafe` stands in this crate, in `cache`, with its reason.

mod cache;
mod call;
mod compile;
mod config;
mod describe;
mod engine;
mod inspect;
mod load;
mod meter;
mod outcome;
mod outline;
mod requested;
pub mod schedule;
mod signatures;
mod trace;
mod unfold;
pub mod wasi;
mod worker;

#[cfg(test)]
mod tests;

pub use cache::{AotKey, CacheEvent, CacheEvents, CodeSource, LogCacheEvents};
pub use call::{Entry, run};
pub use config::{Allocation, EngineConfig};
pub use describe::DescribeError;
pub use engine::{Engine, EngineError};
pub use inspect::{InspectError, StaticLimits};
pub use load::{DeniedBy, Granted, LoadError, Loaded};
pub use meter::{CallState, DeadlineReached, LimitFired, LogVerdict, Meter, Usage, race_deadline};
pub use outcome::{CallFailure, FailureKind, GuestError, Outcome};
pub use requested::{is_free, requested};
pub use schedule::{HostPrice, SCHEDULE_VERSION};
pub use trace::Frame;
pub use wasi::{WasiCallState, WasiState};
pub use worker::{COMPILE, Worker, work};
