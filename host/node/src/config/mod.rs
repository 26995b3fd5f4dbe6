//! The host's configuration: one TOML file, environment variables over it, a documented default under it.
//!
//! A key `server.listen` is overridden by `BULLA_SERVER_LISTEN` (upper case, dots and dashes as underscores). Unknown keys
//! and unknown `BULLA_…` variables are refused: a mistyped limit would otherwise not be there.

mod keys;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;

use bulla_base::{Bytes, Coded, Millis, codes};
use serde::{Deserialize, Serialize};

pub use keys::{KEYS, Key};
pub use load::{Loaded, Setting, load};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    pub data: Data,
    pub server: Server,
    pub store: Store,
    pub master_key: MasterKey,
    pub engine: Engine,
    pub jobs: Jobs,
    pub idempotency: Idempotency,
    pub audit: Audit,
    pub policy: Policy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Data {
    pub directory: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub body: Bytes,
    pub package_body: Bytes,
    pub body_memory: Bytes,
    pub headers: Bytes,
    pub header_timeout: Millis,
    pub body_timeout: Millis,
    pub package_timeout: Millis,
    pub idle_timeout: Millis,
    pub connections: u32,
    pub drain: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Store {
    pub database: String,
    pub durability: Durability,
    pub connections: u32,
    pub batch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    Durable,
    Relaxed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MasterKey {
    pub file: String,
    pub variable: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Engine {
    pub instances: u32,
    pub memory_slot: Bytes,
    pub stack: Bytes,
    pub compile_deadline: Millis,
    pub compile_memory: Bytes,
    pub pooling: bool,
    pub debug_info: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Jobs {
    pub parallel: u32,
    pub lease: Millis,
    pub poll: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Idempotency {
    pub ttl: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Audit {
    pub origin: String,
    pub unpublished: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    pub directory: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read `{path}`: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error("`{path}` is not TOML: {reason}")]
    Toml { path: PathBuf, reason: String },
    #[error("`{key}` is not a key of the configuration")]
    Unknown { key: String },
    #[error("`{variable}` names no key of the configuration")]
    UnknownVariable { variable: String },
    #[error("`{key}` cannot be `{value}`: {reason}")]
    Value { key: String, value: String, reason: String },
}

impl Coded for ConfigError {
    fn code(&self) -> bulla_base::Code {
        codes::CONFIG_INVALID
    }
}

impl Config {
    /// A path of the configuration: relative ones are below the data directory.
    pub fn below_data(&self, path: &std::path::Path) -> PathBuf {
        self.data.directory.join(path)
    }

    /// Where the master key's file is, with `{data}` replaced.
    pub fn master_key_file(&self) -> PathBuf {
        let data = self.data.directory.display().to_string();
        PathBuf::from(self.master_key.file.replace("{data}", data.trim_end_matches('/')))
    }

    pub fn is_postgres(&self) -> bool {
        self.store.database != "sqlite"
    }
}
