//! Compilation and what comes before it, away from the threads that serve: bounded in threads, in number and in how long anyone waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;

use crate::cache::{self, CacheKey, CodeSource, WASMTIME_VERSION};
use crate::config::EngineConfig;
use crate::engine::{Engine, EngineError};
use crate::inspect::Inspected;
use crate::load::LoadError;
use crate::worker::Worker;

pub(crate) struct Compiler {
    places: Arc<Semaphore>,
    by: By,
    deadline: Duration,
}

/// Who compiles: a process of its own, or this one.
enum By {
    Worker(Worker),
    Threads(Arc<ThreadPool>),
}

impl Compiler {
    pub(crate) fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let by = match &config.worker {
            Some(worker) => By::Worker(worker.clone()),
            None => {
                let threads = threads(config.compile_threads);
                By::Threads(Arc::new(threads.map_err(|error| EngineError::Thread(error.to_string()))?))
            }
        };
        let places = Arc::new(Semaphore::new(config.compile_at_once.max(1)));
        Ok(Self { places, by, deadline: config.compile_deadline })
    }
}

/// Threads that compile, at least one.
pub(crate) fn threads(number: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let named = ThreadPoolBuilder::new().thread_name(|number| format!("bulla-compile-{number}"));
    named.num_threads(number.max(1)).build()
}

/// Held while something is compiled or loaded.
type Place = OwnedSemaphorePermit;

/// Inspected, allowed, and then taken from the cache, or compiled and put there: all in one place, and within one deadline.
pub(crate) async fn cached(
    engine: &Engine,
    component: Arc<[u8]>,
    digest: &[u8; 32],
    allow: impl FnOnce(&Inspected) -> Result<(), LoadError>,
) -> Result<(Component, CodeSource, Inspected), LoadError> {
    let key = CacheKey::new(engine.wasmtime(), digest, WASMTIME_VERSION);
    placed(engine, async |place| {
        let (inspected, place) = inspect(engine, &component, place).await?;
        allow(&inspected)?;
        let (cache, wasmtime, of) = (Arc::clone(engine.cache()), engine.wasmtime().clone(), key.clone());
        let (found, place) = blocking(place, move || cache.get(&wasmtime, &of)).await?;
        if let Some(component) = found {
            return Ok((component, CodeSource::Cached, inspected));
        }
        let (code, place) = compile(engine, component, place).await?;
        let (cache, wasmtime) = (Arc::clone(engine.cache()), engine.wasmtime().clone());
        let load = move || {
            let component = cache::deserialize(&wasmtime, &code)?;
            cache.put(&key, &code);
            Ok(component)
        };
        let component = blocking(place, load).await?.0.map_err(LoadError::Compile)?;
        Ok((component, CodeSource::Compiled, inspected))
    })
    .await
}

/// Inspected and compiled, and not kept.
pub(crate) async fn uncached(engine: &Engine, component: Arc<[u8]>) -> Result<Component, LoadError> {
    placed(engine, async |place| {
        let (_, place) = inspect(engine, &component, place).await?;
        let (code, place) = compile(engine, component, place).await?;
        let wasmtime = engine.wasmtime().clone();
        blocking(place, move || cache::deserialize(&wasmtime, &code)).await?.0.map_err(LoadError::Compile)
    })
    .await
}

/// What it holds, where that is within the static limits.
async fn inspect(
    engine: &Engine,
    component: &Arc<[u8]>,
    place: Place,
) -> Result<(Inspected, Place), LoadError> {
    let (inspector, component) = (engine.clone(), Arc::clone(component));
    let (inspected, place) = blocking(place, move || inspector.inspect(&component)).await?;
    Ok((inspected?, place))
}

async fn compile(engine: &Engine, component: Arc<[u8]>, place: Place) -> Result<(Vec<u8>, Place), LoadError> {
    let threads = match &engine.compiler().by {
        By::Worker(worker) => return Ok((worker.compile(engine.config(), &component).await?, place)),
        By::Threads(threads) => Arc::clone(threads),
    };
    let wasmtime = engine.wasmtime().clone();
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
