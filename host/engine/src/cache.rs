//! Compiled code on disk. Native code that anybody else could write would run with all our rights, so it is taken only
//! with a MAC under a key that stands outside the data directory.
//!
//! A file is 32 bytes HMAC-SHA256, then what wasmtime serialized. Its name is the hex of the cache key:
//! SHA-256(component digest ‖ wasmtime's version ‖ SHA-256 of wasmtime's compatibility hash). The MAC covers key ‖ code.

use std::collections::HashSet;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use zeroize::ZeroizeOnDrop;

/// wasmtime's full version. Its own compatibility hash knows the major version only. A test compares it with `Cargo.lock`.
pub(crate) const WASMTIME_VERSION: &str = "48.0.8";

const MAC_BYTES: usize = 32;

/// The key of the MAC over cached code: 32 bytes, derived from the host's master key.
#[derive(Clone, ZeroizeOnDrop)]
pub struct AotKey([u8; 32]);

impl AotKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What the cache met. Neither case stops the load: the component is compiled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheEvent {
    /// The MAC of a file was wrong: somebody or something changed it. The file is deleted. To be audited.
    BadMac { file: PathBuf },
    /// The MAC was right, and wasmtime refused the code all the same. The file is deleted.
    Refused { file: PathBuf, error: String },
    /// A file could not be read, written or deleted.
    Io { file: PathBuf, error: String },
}

/// Who hears of cache events. Called on a blocking thread.
pub trait CacheEvents: Send + Sync + 'static {
    fn cache_event(&self, event: &CacheEvent);
}

/// Writes them to the log.
pub struct LogCacheEvents;

impl CacheEvents for LogCacheEvents {
    fn cache_event(&self, event: &CacheEvent) {
        tracing::warn!(?event, "the cache of compiled code");
    }
}

/// Where a loaded component's code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSource {
    Compiled,
    Cached,
}

#[derive(Clone, Hash, PartialEq, Eq)]
pub(crate) struct CacheKey([u8; 32]);

impl CacheKey {
    pub(crate) fn new(engine: &wasmtime::Engine, component_digest: &[u8; 32], version: &str) -> Self {
        let mut compatibility = HashInto(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let key = Sha256::new()
            .chain_update(component_digest)
            .chain_update(version)
            .chain_update(compatibility.0.finalize())
            .finalize();
        Self(key.into())
    }
}

impl CacheKey {
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// SHA-256 where the standard library wants a hasher of 64 bits.
struct HashInto(Sha256);

impl Hasher for HashInto {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the digest is taken from the inside.
    fn finish(&self) -> u64 {
        0
    }
}

/// Without a key or a directory there is no cache.
pub(crate) struct Cache {
    place: Option<(AotKey, PathBuf)>,
    events: Arc<dyn CacheEvents>,
}

impl Cache {
    pub(crate) fn new(key: Option<AotKey>, dir: Option<PathBuf>, events: Arc<dyn CacheEvents>) -> Self {
        let place = key.zip(dir);
        if place.is_none() {
            tracing::warn!(
                "no key or no directory for compiled code: every addon is compiled at every start"
            );
        }
        Self { place, events }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.place.is_some()
    }

    pub(crate) fn get(&self, engine: &wasmtime::Engine, key: &CacheKey) -> Option<Component> {
        let (secret, dir) = self.place.as_ref()?;
        let file = path(dir, key);
        let sealed = match fs::read(&file) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.events.cache_event(&CacheEvent::Io { file, error: error.to_string() });
                return None;
            }
        };
        match open(engine, secret, key, &sealed) {
            Ok(component) => Some(component),
            Err(refusal) => {
                self.discard(file, refusal);
                None
            }
        }
    }

    pub(crate) fn put(&self, key: &CacheKey, code: &[u8]) {
        let Some((secret, dir)) = &self.place else { return };
        let file = path(dir, key);
        if let Err(error) = seal_to(&file, dir, secret, key, code) {
            self.events.cache_event(&CacheEvent::Io { file, error });
        }
    }

    /// Removes files that none of `live` names and that are older than `age`; gives their number. A file is there before its addon is
    /// installed, which is what `age` is for; one that is removed too early costs a compilation.
    pub(crate) fn sweep(&self, live: &HashSet<CacheKey>, age: Duration) -> usize {
        let Some((_, dir)) = &self.place else { return 0 };
        let live: HashSet<PathBuf> = live.iter().map(|key| path(dir, key)).collect();
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let old = entries.filter(|entry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > age));
            old && !live.contains(&entry.path())
        });
        let removed = old.filter(|entry| match fs::remove_file(entry.path()) {
            Ok(()) => true,
            Err(error) => {
                self.events.cache_event(&CacheEvent::Io { file: entry.path(), error: error.to_string() });
                false
            }
        });
        removed.count()
    }

    fn discard(&self, file: PathBuf, refusal: Refusal) {
        if let Err(error) = fs::remove_file(&file) {
            self.events.cache_event(&CacheEvent::Io { file: file.clone(), error: error.to_string() });
        }
        self.events.cache_event(&match refusal {
            Refusal::BadMac => CacheEvent::BadMac { file },
            Refusal::Wasmtime(error) => CacheEvent::Refused { file, error },
        });
    }
}

enum Refusal {
    BadMac,
    Wasmtime(String),
}

/// Checks and loads the same buffer, so that nothing can change between the two.
fn open(
    engine: &wasmtime::Engine,
    secret: &AotKey,
    key: &CacheKey,
    sealed: &[u8],
) -> Result<Component, Refusal> {
    let (tag, code) = sealed.split_at_checked(MAC_BYTES).ok_or(Refusal::BadMac)?;
    let mac = mac(secret, key, code).ok_or(Refusal::BadMac)?;
    mac.verify_slice(tag).map_err(|_| Refusal::BadMac)?;
    deserialize(engine, code).map_err(Refusal::Wasmtime)
}

/// Loads what this host's own compiler made: just now, or checked by [`open`].
#[expect(
    unsafe_code,
    reason = "deserialize runs native code as it is given; this host made it, and nobody else could"
)]
pub(crate) fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> Result<Component, String> {
    // SAFETY: `deserialize` wants bytes that wasmtime's compiler made. They come from it, in this process or over the pipe of
    // another that runs the same program (`compile`); or from a file whose MAC, under a key that only this host has, covers all of
    // them together with the key for this component, this wasmtime and these settings; and this buffer was checked (`open`).
    unsafe { Component::deserialize(engine, code) }.map_err(|error| format!("{error:#}"))
}

fn seal_to(file: &Path, dir: &Path, secret: &AotKey, key: &CacheKey, code: &[u8]) -> Result<(), String> {
    let tag = mac(secret, key, code).ok_or("no MAC")?.finalize().into_bytes();
    write_whole(dir, file, &[&tag, code]).map_err(|error| error.to_string())
}

/// `None` cannot be: HMAC takes keys of every length.
fn mac(secret: &AotKey, key: &CacheKey, code: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).ok()?;
    mac.update(&key.0);
    mac.update(code);
    Some(mac)
}

fn path(dir: &Path, key: &CacheKey) -> PathBuf {
    dir.join(format!("{}.aot", hex::encode(key.0)))
}

/// Readers see the old file, or the whole new one. Not synced: a file that a crash cut short fails its MAC.
fn write_whole(dir: &Path, file: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary = dir.join(format!(".{}-{number}.tmp", std::process::id()));
    create_private(dir)?;
    let written = write_private(&temporary, parts).and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        // The first error is the one to report; a file left over is replaced or ignored.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Always a new file: a link that stands in its place is removed, not followed.
fn write_private(file: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}
