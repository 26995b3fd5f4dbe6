//! Compilation and what comes before it, away from the threads that serve: bounded in threads, in number and in how long anyone waits.

use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use crate::cache::{CacheKey, CodeSource, WASMTIME_VERSION};
use crate::config::EngineConfig;
use crate::engine::{Engine, EngineError};
use crate::inspect::Inspected;
use crate::load::LoadError;

pub(crate) struct Compiler {
    places: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
    deadline: Duration,
}

impl Compiler {
    pub(crate) fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(config.compile_threads.max(1))
            .thread_name(|number| format!("bulla-compile-{number}"))
            .build()
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        Ok(Self {
            places: Arc::new(Semaphore::new(config.compile_at_once.max(1))),
            threads: Arc::new(threads),
            deadline: config.compile_deadline,
        })
    }
}

/// What it holds, where that is within the static limits.
pub(crate) async fn inspected(engine: &Engine, component: Arc<[u8]>) -> Result<Inspected, LoadError> {
    let inspector = engine.clone();
    bounded(engine.compiler(), move || inspector.inspect(&component)).await
}

/// From the cache, or compiled and put there. `component` has passed the static limits.
pub(crate) async fn cached(
    engine: &Engine,
    component: Arc<[u8]>,
    digest: &[u8; 32],
) -> Result<(Component, CodeSource), LoadError> {
    let (cache, wasmtime) = (Arc::clone(engine.cache()), engine.wasmtime().clone());
    let key = CacheKey::new(&wasmtime, digest, WASMTIME_VERSION);
    let threads = Arc::clone(&engine.compiler().threads);
    bounded(engine.compiler(), move || {
        if let Some(component) = cache.get(&wasmtime, &key) {
            return Ok((component, CodeSource::Cached));
        }
        let compiled = compile(&threads, &wasmtime, &component)?;
        cache.put(&key, &compiled);
        Ok((compiled, CodeSource::Compiled))
    })
    .await
}

/// Compiled, and not kept.
pub(crate) async fn uncached(engine: &Engine, component: Arc<[u8]>) -> Result<Component, LoadError> {
    let (threads, wasmtime) = (Arc::clone(&engine.compiler().threads), engine.wasmtime().clone());
    bounded(engine.compiler(), move || compile(&threads, &wasmtime, &component)).await
}

fn compile(threads: &ThreadPool, engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    threads
        .install(|| Component::from_binary(engine, bytes))
        .map_err(|error| LoadError::Compile(format!("{error:#}")))
}

/// Runs `work` on a blocking thread when a place is free, and waits for both no longer than the deadline.
async fn bounded<R: Send + 'static>(
    compiler: &Compiler,
    work: impl FnOnce() -> Result<R, LoadError> + Send + 'static,
) -> Result<R, LoadError> {
    let places = Arc::clone(&compiler.places);
    let placed = async move {
        let place = places.acquire_owned().await.map_err(|error| LoadError::Compile(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even when nobody waits for it any more.
            let _place = place;
            work()
        });
        task.await.map_err(|error| LoadError::Compile(error.to_string()))?
    };
    let after = compiler.deadline;
    tokio::time::timeout(after, placed).await.map_err(|_| LoadError::CompileTimeout { after })?
}
