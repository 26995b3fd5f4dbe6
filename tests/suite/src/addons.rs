//! Packages: the guests and the first-party addons, as they are or with another manifest.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Clock, Entropy, SystemClock};
use bulla_signing::{Package, PublisherKey};
use serde_json::{Value, json};

use crate::cli::{repository, target_dir};

/// Where `cargo xtask test` says the components are: `<name>.wasm`, with their contracts in them.
const VARIABLE: &str = "BULLA_TEST_GUESTS";

/// A component with its contract. Panics with what to run where it was not built.
pub fn guest(name: &str) -> Vec<u8> {
    let dir = std::env::var_os(VARIABLE).map_or_else(|| target_dir().join("guests"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("`{}`: {error}; run `cargo xtask test`, or `cargo xtask guests` and try again", path.display())
    })
}

/// The manifest of a guest of the tests, or of a first-party addon.
pub fn manifest(name: &str) -> String {
    let places = ["tests/guests", "plugins"].map(|dir| repository().join(dir).join(name).join("addon.toml"));
    let found = places.iter().find(|path| path.is_file());
    std::fs::read_to_string(found.unwrap_or_else(|| panic!("no manifest of `{name}`"))).unwrap()
}

/// A manifest with one value set: `limits.fuel`, `jobs.fail.retries`. `None` takes it away.
pub fn edited(manifest: &str, path: &str, value: Option<toml::Value>) -> String {
    let mut document: toml::Table = manifest.parse().unwrap();
    let (sections, field) = path.rsplit_once('.').unwrap();
    let mut table = &mut document;
    for section in sections.split('.') {
        let next = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = next.as_table_mut().unwrap();
    }
    match value {
        Some(value) => table.insert(field.to_owned(), value),
        None => table.remove(field),
    };
    toml::to_string(&document).unwrap()
}

/// The manifest under a version that no other has: one version of an addon is one package.
pub fn of_next_version(manifest: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let version = format!("0.2.{}", NEXT.fetch_add(1, Ordering::Relaxed));
    edited(manifest, "addon.version", Some(version.into()))
}

/// A publisher with its private key.
pub struct Publisher(PublisherKey);

impl Publisher {
    pub fn new() -> Self {
        Self(PublisherKey::generate(&Entropy))
    }

    /// For `POST /v1/trust`.
    pub fn entry(&self) -> Value {
        json!({"public-key": self.0.public(), "owner": "the tests", "purposes": ["addon"]})
    }

    pub fn key_id(&self) -> String {
        self.0.id().to_string()
    }

    /// A guest or addon with its own manifest.
    pub fn package(&self, name: &str) -> Vec<u8> {
        self.seal(&manifest(name), &guest(name))
    }

    /// A package of this manifest and component.
    pub fn seal(&self, manifest: &str, component: &[u8]) -> Vec<u8> {
        self.try_seal(manifest, component).unwrap_or_else(|error| panic!("{error}\n{manifest}"))
    }

    /// The text of the refusal where the two do not fit together.
    pub fn try_seal(&self, manifest: &str, component: &[u8]) -> Result<Vec<u8>, String> {
        let sealed = Package::seal(manifest.as_bytes(), component, &self.0, SystemClock::new().now());
        sealed.map(Package::into_bytes).map_err(|error| error.to_string())
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

/// The body of an installation.
pub fn installation(package: &[u8], grants: Option<&Value>) -> Value {
    let mut body = json!({"package": STANDARD.encode(package)});
    if let Some(grants) = grants {
        body["grants"] = grants.clone();
    }
    body
}

/// All that a manifest asks for, as grants; secrets go to `destination`.
pub fn all_of(manifest: &str, destination: &str) -> Value {
    let manifest: toml::Table = manifest.parse().unwrap();
    let asked = serde_json::to_value(manifest.get("capabilities")).unwrap();
    let mut grants = json!({});
    for field in ["sequences", "approvals", "keys"] {
        if !asked[field].is_null() {
            grants[field] = asked[field].clone();
        }
    }
    for (alias, secret) in asked["secrets"].as_object().into_iter().flatten() {
        grants["secrets"][alias] = json!({"purpose": secret["purpose"], "destinations": [destination]});
    }
    if !asked["wasi"]["imports"].is_null() {
        grants["wasi"] = asked["wasi"]["imports"].clone();
    }
    grants
}
