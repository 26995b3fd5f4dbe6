//! Between the guest and the kernel: for each WIT interface one file that bounds sizes, takes the price, converts, and
//! calls the room's service. No decision is made here.
#![forbid(unsafe_code)]

mod approvals;
mod audit;
mod context;
mod convert;
mod jobs;
mod keys;
mod log;
mod secrets;
mod sequences;
mod state;
mod world;

pub use state::{HostState, LogLine, Rooms};

use bulla_engine::Engine;
use wasmtime::component::{HasSelf, Linker};

/// The linker of `bulla:kernel@0.1`.
pub type HostLinker = Linker<HostState>;

/// A linker with every room of the kernel in it. Which of them a component may import is decided at load.
pub fn linker(engine: &Engine) -> wasmtime::Result<HostLinker> {
    let mut linker = engine.linker::<HostState>();
    world::Imports::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl world::bulla::kernel::types::Host for HostState {}
