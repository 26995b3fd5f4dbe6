//! Compilation and what comes before it, away from the threads that serve: bounded in threads, in number and in how long anyone waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::Component;

use crate::cache::{self, CacheKey, CodeSource, WASMTIME_VERSION};
use crate::config::EngineConfig;
use crate::engine::{Engine, EngineError};
use crate::inspect::Inspected;
use crate::load::LoadError;
use crate::worker::Worker;

/// How long a load waits for a place before it is `unavailable`.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Compiler {
    /// For what takes as long as its size and no longer: counting what a component holds, and taking code that is there already. None
    /// of it waits behind a compilation.
    readers: Arc<Semaphore>,
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
        let places = || Arc::new(Semaphore::new(config.compile_at_once.max(1)));
        Ok(Self { readers: places(), places: places(), by, deadline: config.compile_deadline })
    }
}

/// Threads that compile, at least one.
pub(crate) fn threads(number: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let named = ThreadPoolBuilder::new().thread_name(|number| format!("bulla-compile-{number}"));
    named.num_threads(number.max(1)).build()
}

/// Held while something is compiled or loaded.
type Place = OwnedSemaphorePermit;

/// Inspected, allowed, and then taken from the cache, or compiled and put there.
pub(crate) async fn cached(
    engine: &Engine,
    component: Arc<[u8]>,
    digest: &[u8; 32],
    allow: impl FnOnce(&Inspected) -> Result<(), LoadError>,
) -> Result<(Component, CodeSource, Inspected), LoadError> {
    let key = CacheKey::new(engine.wasmtime(), digest, WASMTIME_VERSION);
    let Compiler { readers, places, .. } = engine.compiler();
    let (inspected, found) = placed(engine, readers, async |place| {
        let (inspected, place) = inspect(engine, &component, place).await?;
        allow(&inspected)?;
        Ok((inspected, kept(engine, &key, place).await?.0))
    })
    .await?;
    if let Some(component) = found {
        return Ok((component, CodeSource::Cached, inspected));
    }
    let (component, source) = placed(engine, places, async |place| {
        // Whoever had the place before may have compiled the same.
        let (found, place) = kept(engine, &key, place).await?;
        match found {
            Some(component) => Ok((component, CodeSource::Cached)),
            None => Ok((compiled(engine, component, key, place).await?, CodeSource::Compiled)),
        }
    })
    .await?;
    Ok((component, source, inspected))
}

/// What the cache has under this key.
async fn kept(
    engine: &Engine,
    key: &CacheKey,
    place: Place,
) -> Result<(Option<Component>, Place), LoadError> {
    let (cache, wasmtime, key) = (Arc::clone(engine.cache()), engine.wasmtime().clone(), key.clone());
    blocking(place, move || cache.get(&wasmtime, &key)).await
}

/// Compiled, and kept under this key.
async fn compiled(
    engine: &Engine,
    component: Arc<[u8]>,
    key: CacheKey,
    place: Place,
) -> Result<Component, LoadError> {
    let (code, place) = compile(engine, component, place).await?;
    let (cache, wasmtime) = (Arc::clone(engine.cache()), engine.wasmtime().clone());
    let load = move || {
        let component = cache::deserialize(&wasmtime, &code)?;
        cache.put(&key, &code);
        Ok(component)
    };
    blocking(place, load).await?.0.map_err(LoadError::Compile)
}

/// Inspected and compiled, and not kept.
pub(crate) async fn uncached(engine: &Engine, component: Arc<[u8]>) -> Result<Component, LoadError> {
    placed(engine, &engine.compiler().places, async |place| {
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

/// Does `work` within the deadline, in a place. That none came free says nothing about the component.
async fn placed<R, W: Future<Output = Result<R, LoadError>>>(
    engine: &Engine,
    places: &Arc<Semaphore>,
    work: impl FnOnce(Place) -> W,
) -> Result<R, LoadError> {
    let place = timeout(PATIENCE, Arc::clone(places).acquire_owned()).await;
    let place = place.map_err(|_| LoadError::NoPlace { after: PATIENCE })?;
    let work = work(place.map_err(|error| LoadError::Compile(error.to_string()))?);
    let after = engine.compiler().deadline;
    timeout(after, work).await.map_err(|_| LoadError::CompileTimeout { after })?
}

/// On a blocking thread, which cannot be stopped: it holds the place until it ends, even when nobody waits for it any more.
async fn blocking<R: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<(R, Place), LoadError> {
    let task = tokio::task::spawn_blocking(move || (work(), place));
    task.await.map_err(|error| LoadError::Compile(error.to_string()))
}
