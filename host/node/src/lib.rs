//! The composition root: configuration, wiring, dispatch, background loops. Everything meets here, nothing is decided here.
#![forbid(unsafe_code)]

mod asked;
mod background;
mod catalogue;
mod clock_watch;
mod code_cache;
pub mod config;
mod contract;
pub mod dispatch;
mod files;
mod host;
mod initialise;
mod operator;
mod serve;
mod storage;
mod supply;
pub mod trial;
mod trust_entry;

use std::sync::Arc;

use bulla_base::{Coded, Failure, SystemClock};
use bulla_engine::{Engine, EngineConfig};

pub use background::Background;
pub use bulla_engine::{COMPILE, is_free, requested, work};
pub use bulla_kernel::audit::{BundleError, BundleSummary, verify_bundle};
pub use bulla_kernel::grants::Grants;
pub use bulla_server::{Received, Receiver};
pub use bulla_store::DirectoryLock;
pub use contract::Contracts;
pub use host::Host;
pub use initialise::{Initialised, init};
pub use serve::{ServerFile, serve};

/// The contract of one's own build, as JSON: runs the component's `describe` with every import trapping.
pub async fn describe(component: &[u8]) -> Result<Vec<u8>, Failure> {
    let config = EngineConfig { pooling: false, debug_info: true, ..EngineConfig::default() };
    let engine =
        Engine::new(config, None, Arc::new(SystemClock::new()), None).map_err(|error| error.failure())?;
    engine.describe_own_build(component).await.map_err(|error| error.failure())
}

/// What a manifest asks for, in the words of a grant.
pub fn grants_asked(manifest: &bulla_signing::Manifest) -> Grants {
    asked::asked(manifest)
}
