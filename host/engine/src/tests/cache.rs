//! Compiled code on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;
use crate::cache::{CacheKey, WASMTIME_VERSION};

#[derive(Default)]
struct Heard(Mutex<Vec<CacheEvent>>);

impl CacheEvents for Heard {
    fn cache_event(&self, event: &CacheEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

fn start(dir: &Path, key: u8) -> (Engine, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let key = Some(AotKey::new([key; 32]));
    let engine = Engine::with_events(small(), key, clock(), Some(dir.to_owned()), heard.clone()).unwrap();
    (engine, heard)
}

fn guest() -> Vec<u8> {
    Guest { body: "(call $done)", ..Guest::default() }.component()
}

async fn load_from(engine: &Engine, component: &[u8]) -> CodeSource {
    let addon = verified(component, "");
    let loaded = engine.load(&addon, &linker(engine), &Granted::new()).await.unwrap();
    assert_eq!(call(engine, &loaded, &limits()).await.output(), b"{}");
    loaded.source()
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test]
async fn the_second_start_compiles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let guest = guest();
    assert_eq!(load_from(&start(dir.path(), 1).0, &guest).await, CodeSource::Compiled);
    let (engine, heard) = start(dir.path(), 1);
    assert!(engine.caches());
    assert_eq!(load_from(&engine, &guest).await, CodeSource::Cached);
    assert!(heard.0.lock().unwrap().is_empty());

    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(only_file(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_directory_that_it_makes_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("data/code");
    load_from(&start(&code, 1).0, &guest()).await;
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(&code).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_changed_file_is_deleted_told_and_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let guest = guest();
    load_from(&start(dir.path(), 1).0, &guest).await;
    let file = only_file(dir.path());
    let good = fs::read(&file).unwrap();
    // In the MAC, in the code, at its end; cut short; something appended; nothing left.
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let wrong = [
        flipped(0),
        flipped(40),
        flipped(good.len() - 1),
        good[..good.len() - 1].to_vec(),
        [good.as_slice(), b"x"].concat(),
        vec![],
    ];
    for bytes in wrong {
        fs::write(&file, &bytes).unwrap();
        let (engine, heard) = start(dir.path(), 1);
        assert_eq!(load_from(&engine, &guest).await, CodeSource::Compiled);
        assert_eq!(*heard.0.lock().unwrap(), [CacheEvent::BadMac { file: file.clone() }]);
        assert_eq!(load_from(&engine, &guest).await, CodeSource::Cached);
    }
}

#[tokio::test]
async fn another_hosts_key_does_not_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let guest = guest();
    load_from(&start(dir.path(), 1).0, &guest).await;
    let (engine, heard) = start(dir.path(), 2);
    assert_eq!(load_from(&engine, &guest).await, CodeSource::Compiled);
    assert_eq!(heard.0.lock().unwrap().len(), 1);
}

/// Well sealed code of one component must not pass for another's.
#[tokio::test]
async fn a_file_under_another_name_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, heard) = start(dir.path(), 1);
    load_from(&engine, &guest()).await;
    let first = only_file(dir.path());
    let sealed = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    let other = Guest { body: "(nop) (call $done)", ..Guest::default() }.component();
    load_from(&engine, &other).await;
    let second = only_file(dir.path());
    fs::write(&second, sealed).unwrap();
    assert_eq!(load_from(&engine, &other).await, CodeSource::Compiled);
    assert_eq!(*heard.0.lock().unwrap(), [CacheEvent::BadMac { file: second }]);
}

#[tokio::test]
async fn code_that_nobody_has_installed_goes_once_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = start(dir.path(), 1);
    let (kept, left) = (guest(), Guest { body: "(nop) (call $done)", ..Guest::default() }.component());
    for component in [&kept, &left] {
        load_from(&engine, component).await;
    }
    let live = [*verified(&kept, "").component_digest().as_bytes()];
    assert_eq!(engine.sweep_cache(&live, Duration::from_secs(3_600)), 0);
    assert_eq!(engine.sweep_cache(&live, Duration::ZERO), 1);
    assert_eq!(load_from(&engine, &kept).await, CodeSource::Cached);
    assert_eq!(load_from(&engine, &left).await, CodeSource::Compiled);
}

#[test]
fn the_key_knows_component_version_and_settings() {
    let engine = engine();
    let key = |engine: &Engine, digest, version| {
        hex::encode(CacheKey::new(engine.wasmtime(), &digest, version).bytes())
    };
    let base = key(&engine, [1; 32], WASMTIME_VERSION);
    assert_eq!(base, key(&engine, [1; 32], WASMTIME_VERSION));
    assert_ne!(base, key(&engine, [2; 32], WASMTIME_VERSION));
    assert_ne!(base, key(&engine, [1; 32], "48.0.9"));
    // Without the pool the same component compiles to the same code; with another guard it does not.
    let mut other = small().wasmtime(Allocation::Pooled);
    other.memory_guard_size(0);
    let other = wasmtime::Engine::new(&other).unwrap();
    assert_ne!(base, hex::encode(CacheKey::new(&other, &[1; 32], WASMTIME_VERSION).bytes()));
}

#[test]
fn the_version_is_the_one_in_use() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"")));
}

#[tokio::test]
async fn without_a_key_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(small(), None, clock(), Some(dir.path().to_owned())).unwrap();
    assert!(!engine.caches());
    assert_eq!(load_from(&engine, &guest()).await, CodeSource::Compiled);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_told_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, "").unwrap();
    let (engine, heard) = start(&blocked.join("cache"), 1);
    assert_eq!(load_from(&engine, &guest()).await, CodeSource::Compiled);
    assert!(matches!(heard.0.lock().unwrap().last(), Some(CacheEvent::Io { .. })));
}
