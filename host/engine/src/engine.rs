//! The engine: one `wasmtime::Engine`, its ticker, its compiler, its cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Bytes, Clock, Limits};
use wasmtime::component::Linker;
use wasmtime::{Store, UpdateDeadline};

use crate::cache::{AotKey, Cache, CacheEvents, CacheKey, LogCacheEvents, WASMTIME_VERSION};
use crate::compile::Compiler;
use crate::config::{Allocation, EngineConfig};
use crate::meter::{CallState, DeadlineReached, settle};

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("wasmtime refuses its settings: {0}")]
    Settings(String),
    #[error("cannot start a thread: {0}")]
    Thread(String),
}

impl bulla_base::Coded for EngineError {
    fn code(&self) -> bulla_base::Code {
        match self {
            Self::Settings(_) => bulla_base::codes::CONFIG_INVALID,
            Self::Thread(_) => bulla_base::codes::UNAVAILABLE,
        }
    }
}

/// Compiles, loads and runs addons. Cheap to clone; the last clone stops the ticker.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    wasmtime: wasmtime::Engine,
    config: EngineConfig,
    allocation: Allocation,
    clock: Arc<dyn Clock>,
    cache: Arc<Cache>,
    compiler: Compiler,
}

impl Engine {
    /// `master` and `cache_dir` together switch the cache of compiled code on; events of the cache go to the log.
    pub fn new(
        config: EngineConfig,
        master: Option<AotKey>,
        clock: Arc<dyn Clock>,
        cache_dir: Option<PathBuf>,
    ) -> Result<Self, EngineError> {
        Self::with_events(config, master, clock, cache_dir, Arc::new(LogCacheEvents))
    }

    /// As [`Engine::new`], with somebody who hears of cache events, such as the audit log.
    pub fn with_events(
        config: EngineConfig,
        master: Option<AotKey>,
        clock: Arc<dyn Clock>,
        cache_dir: Option<PathBuf>,
        events: Arc<dyn CacheEvents>,
    ) -> Result<Self, EngineError> {
        let (wasmtime, allocation) = start(&config)?;
        start_ticker(&wasmtime, config.tick)?;
        let compiler = Compiler::new(&config)?;
        let cache = Arc::new(Cache::new(master, cache_dir, events));
        Ok(Self { shared: Arc::new(Shared { wasmtime, config, allocation, clock, cache, compiler }) })
    }

    /// An empty linker. The caller adds the kernel's interfaces, once per WIT major, and gives it to [`Engine::load`].
    pub fn linker<T: CallState>(&self) -> Linker<T> {
        Linker::new(&self.shared.wasmtime)
    }

    /// Whether instances come from the pool. `OnDemand` at a host with too little address space.
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// Whether compiled code is kept between starts.
    pub fn caches(&self) -> bool {
        self.shared.cache.enabled()
    }

    /// Removes the compiled code of components that are not among these digests, once it is older than `age`. It reads a directory: not
    /// for a thread that runs calls. Returns how many files went.
    pub fn sweep_cache(&self, live: &[[u8; 32]], age: Duration) -> usize {
        let keys = live.iter().map(|digest| CacheKey::new(self.wasmtime(), digest, WASMTIME_VERSION));
        self.shared.cache.sweep(&keys.collect(), age)
    }

    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.wasmtime
    }

    pub(crate) fn cache(&self) -> &Arc<Cache> {
        &self.shared.cache
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.shared.compiler
    }

    /// The limits of a call, no wider than a slot of the pool.
    pub(crate) fn within_slots(&self, limits: &Limits) -> Limits {
        let config = &self.shared.config;
        Limits {
            memory: Bytes(limits.memory.0.min(config.memory_slot.0)),
            table_elements: limits.table_elements.min(config.table_slot),
            ..*limits
        }
    }

    /// Sets every limit of a call. The meter in the store's state has been started with the same limits.
    pub(crate) fn arm<T: CallState>(&self, store: &mut Store<T>, limits: &Limits) -> wasmtime::Result<()> {
        store.limiter(|state| state.meter());
        store.call_hook(settle);
        store.set_fuel(limits.fuel.0)?;
        store.set_hostcall_fuel(hostcall_bytes(limits));
        store.set_max_component_handles(limits.handles as usize);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            if store.data_mut().meter().expired() {
                Err(DeadlineReached.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        Ok(())
    }
}

/// wasmtime has one bound for what a host call brings in and what the call's own result brings out, so it gets the widest
/// of them; each is then checked by itself, the arguments in [`crate::Meter::charge`], the result at the end of the call.
fn hostcall_bytes(limits: &Limits) -> usize {
    let widest = limits.host_call.0.max(limits.output.0).max(crate::call::GUEST_ERROR_BYTES);
    usize::try_from(widest.saturating_add(4 << 10)).unwrap_or(usize::MAX)
}

/// With the pool where its address space can be had, without where it cannot.
fn start(config: &EngineConfig) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    if config.pooling {
        match wasmtime::Engine::new(&config.wasmtime(Allocation::Pooled)) {
            Ok(engine) => return Ok((engine, Allocation::Pooled)),
            Err(error) => tracing::warn!("no pool of instances, each call will allocate its own: {error:#}"),
        }
    }
    wasmtime::Engine::new(&config.wasmtime(Allocation::OnDemand))
        .map(|engine| (engine, Allocation::OnDemand))
        .map_err(|error| EngineError::Settings(format!("{error:#}")))
}

/// One OS thread, which no busy runtime can hold up. It ends within a tick of the engine's end.
fn start_ticker(engine: &wasmtime::Engine, tick: Duration) -> Result<(), EngineError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("bulla-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        })
        .map(drop)
        .map_err(|error| EngineError::Thread(error.to_string()))
}
