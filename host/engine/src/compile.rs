//! Compilation and what comes before it, away from the threads that serve: bounded in threads, in number and in how long anyone waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;

use crate::cache::{self, CacheKey, CodeSource, WASMTIME_VERSION};
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

/// Held while something is compiled or loaded.
type Place = OwnedSemaphorePermit;

/// What it holds, where that is within the static limits.
pub(crate) async fn inspected(engine: &Engine, component: Arc<[u8]>) -> Result<Inspected, LoadError> {
    let inspector = engine.clone();
    placed(engine, async |place| blocking(place, move || inspector.inspect(&component)).await?.0).await
}

/// From the cache, or compiled and put there. `component` has passed the static limits.
pub(crate) async fn cached(
    engine: &Engine,
    component: Arc<[u8]>,
    digest: &[u8; 32],
) -> Result<(Component, CodeSource), LoadError> {
    let key = CacheKey::new(engine.wasmtime(), digest, WASMTIME_VERSION);
    placed(engine, async |place| {
        let (cache, wasmtime, of) = (Arc::clone(engine.cache()), engine.wasmtime().clone(), key.clone());
        let (found, place) = blocking(place, move || cache.get(&wasmtime, &of)).await?;
        if let Some(component) = found {
            return Ok((component, CodeSource::Cached));
        }
        let (code, place) = compile(engine, component, place).await?;
        let (cache, wasmtime) = (Arc::clone(engine.cache()), engine.wasmtime().clone());
        let adopt = move || {
            let component = cache::adopt(&wasmtime, &code)?;
            cache.put(&key, &code);
            Ok(component)
        };
        let component = blocking(place, adopt).await?.0.map_err(LoadError::Compile)?;
        Ok((component, CodeSource::Compiled))
    })
    .await
}

/// Compiled, and not kept.
pub(crate) async fn uncached(engine: &Engine, component: Arc<[u8]>) -> Result<Component, LoadError> {
    placed(engine, async |place| {
        let (code, place) = compile(engine, component, place).await?;
        let wasmtime = engine.wasmtime().clone();
        blocking(place, move || cache::adopt(&wasmtime, &code)).await?.0.map_err(LoadError::Compile)
    })
    .await
}

/// In a process of its own where there is one, else here.
async fn compile(engine: &Engine, component: Arc<[u8]>, place: Place) -> Result<(Vec<u8>, Place), LoadError> {
    if let Some(worker) = &engine.config().worker {
        return Ok((worker.compile(engine.config(), &component).await?, place));
    }
    let (threads, wasmtime) = (Arc::clone(&engine.compiler().threads), engine.wasmtime().clone());
    let precompile = move || threads.install(|| wasmtime.precompile_component(&component));
    let (code, place) = blocking(place, precompile).await?;
    Ok((code.map_err(|error| LoadError::Compile(format!("{error:#}")))?, place))
}

/// Does `work` when a place is free, and waits for both no longer than the deadline.
async fn placed<R, W: Future<Output = Result<R, LoadError>>>(
    engine: &Engine,
    work: impl FnOnce(Place) -> W,
) -> Result<R, LoadError> {
    let Compiler { places, deadline: after, .. } = engine.compiler();
    let all = async {
        let place = Arc::clone(places).acquire_owned().await;
        work(place.map_err(|error| LoadError::Compile(error.to_string()))?).await
    };
    tokio::time::timeout(*after, all).await.map_err(|_| LoadError::CompileTimeout { after: *after })?
}

/// On a blocking thread, which cannot be stopped: it holds the place until it ends, even when nobody waits for it any more.
async fn blocking<R: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<(R, Place), LoadError> {
    let task = tokio::task::spawn_blocking(move || (work(), place));
    task.await.map_err(|error| LoadError::Compile(error.to_string()))
}
