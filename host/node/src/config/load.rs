//! Default, file, environment: in this order, and each value remembers where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::keys::{KEYS, Key, Kind, variable};
use super::{Config, ConfigError};

/// A key in force, for `bulla config show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: &'static str,
    pub value: String,
    /// `default`, `file <path>` or `environment <variable>`.
    pub source: String,
    pub doc: &'static str,
}

#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub settings: Vec<Setting>,
}

/// Variables beside the keys: of the CLI and of the guest builder.
const OTHER_VARIABLES: &[&str] =
    &["BULLA_MASTER_KEY", "BULLA_CONFIG", "BULLA_SERVER", "BULLA_TOKEN", "BULLA_DATA", "BULLA_LOG"];
const OTHER_PREFIXES: &[&str] = &["BULLA_TEST_", "BULLA_GUEST_"];

/// Reads the configuration. `environment` is a parameter so that tests need not change the process's own.
pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
    let written = match file {
        Some(path) => read(path)?,
        None => BTreeMap::new(),
    };
    refuse_unknown(&written, environment)?;
    let mut settings = Vec::with_capacity(KEYS.len());
    let mut document = Table::new();
    for key in KEYS {
        let (value, source) = choose(key, &written, file, environment)?;
        settings.push(Setting { key: key.name, value: shown(key, &value), source, doc: key.doc });
        insert(&mut document, key.name, value.clone());
        check(key, &value)?;
    }
    let config = Config::deserialize_whole(document)?;
    Ok(Loaded { config, settings })
}

impl Config {
    fn deserialize_whole(document: Table) -> Result<Self, ConfigError> {
        document.try_into().map_err(|error: toml::de::Error| {
            let text = error.message().to_owned();
            ConfigError::Value { key: "configuration".into(), value: String::new(), reason: text }
        })
    }
}

fn choose(
    key: &Key,
    written: &BTreeMap<String, Value>,
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Result<(Value, String), ConfigError> {
    let name = variable(key.name);
    if let Some(text) = environment.get(&name) {
        return Ok((parse(key, text)?, format!("environment {name}")));
    }
    if let (Some(value), Some(path)) = (written.get(key.name), file) {
        return Ok((value.clone(), format!("file {}", path.display())));
    }
    Ok((parse(key, key.default)?, "default".into()))
}

fn parse(key: &Key, text: &str) -> Result<Value, ConfigError> {
    let wrong =
        |reason: &str| ConfigError::Value { key: key.name.into(), value: text.into(), reason: reason.into() };
    Ok(match key.kind {
        Kind::Text => Value::String(text.into()),
        Kind::Integer => Value::Integer(text.parse().map_err(|_| wrong("a whole number is wanted"))?),
        Kind::Flag => Value::Boolean(text.parse().map_err(|_| wrong("`true` or `false` is wanted"))?),
    })
}

/// Each key alone, so that the error names it: the document with this one value in an otherwise default configuration.
fn check(key: &Key, value: &Value) -> Result<(), ConfigError> {
    let mut document = Table::new();
    for other in KEYS {
        let default = parse(other, other.default)?;
        insert(&mut document, other.name, if other.name == key.name { value.clone() } else { default });
    }
    document.try_into::<Config>().map(drop).map_err(|error| ConfigError::Value {
        key: key.name.into(),
        value: shown(key, value),
        reason: error.message().to_owned(),
    })
}

fn read(path: &Path) -> Result<BTreeMap<String, Value>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.into(), reason: error.to_string() })?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Toml {
        path: path.into(),
        reason: error.to_string(),
    })?;
    let mut flat = BTreeMap::new();
    for (section, value) in table {
        match value {
            Value::Table(keys) => {
                flat.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)))
            }
            other => drop(flat.insert(section, other)),
        }
    }
    Ok(flat)
}

fn refuse_unknown(
    written: &BTreeMap<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    if let Some(key) = written.keys().find(|name| !KEYS.iter().any(|key| key.name == **name)) {
        return Err(ConfigError::Unknown { key: key.clone() });
    }
    let known = |name: &str| {
        OTHER_VARIABLES.contains(&name)
            || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || KEYS.iter().any(|key| variable(key.name) == name)
    };
    match environment.keys().find(|name| name.starts_with("BULLA_") && !known(name)) {
        Some(name) => Err(ConfigError::UnknownVariable { variable: name.clone() }),
        None => Ok(()),
    }
}

fn insert(document: &mut Table, name: &str, value: Value) {
    let (section, key) = name.split_once('.').unwrap_or((name, ""));
    if let Value::Table(table) = document.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        table.insert(key.into(), value);
    }
}

/// A database URL may hold a password.
fn shown(key: &Key, value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (key.name, text.split_once("://"), text.rsplit_once('@')) {
        ("store.database", Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bulla.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        load(Some(&path), &environment)
    }

    fn setting(loaded: &Loaded, key: &str) -> (String, String) {
        let setting = loaded.settings.iter().find(|setting| setting.key == key).unwrap();
        (setting.value.clone(), setting.source.split(' ').next().unwrap().into())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let loaded =
            from("[server]\nlisten = '127.0.0.1:1'\nbody = '1MiB'\n", &[("BULLA_SERVER_BODY", "2MiB")])
                .unwrap();
        assert_eq!(setting(&loaded, "server.listen"), ("127.0.0.1:1".into(), "file".into()));
        assert_eq!(setting(&loaded, "server.body"), ("2MiB".into(), "environment".into()));
        assert_eq!(setting(&loaded, "jobs.parallel"), ("8".into(), "default".into()));
        assert_eq!(loaded.config.server.body, bulla_base::Bytes(2 << 20));
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_by_its_name() {
        assert!(
            matches!(from("[server]\nport = 1\n", &[]), Err(ConfigError::Unknown { key }) if key == "server.port")
        );
        assert!(matches!(from("", &[("BULLA_SERVER_PORT", "1")]), Err(ConfigError::UnknownVariable { .. })));
        for (text, key) in [
            ("[server]\nbody = '1MB'\n", "server.body"),
            ("[jobs]\nparallel = 'many'\n", "jobs.parallel"),
            ("[store]\ndurability = 'maybe'\n", "store.durability"),
        ] {
            let error = from(text, &[]).unwrap_err();
            assert!(matches!(&error, ConfigError::Value { key: named, .. } if named == key), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let loaded = from("[store]\ndatabase = 'postgres://bulla:geheim@db:5432/bulla'\n", &[]).unwrap();
        assert_eq!(setting(&loaded, "store.database").0, "postgres://…@db:5432/bulla");
    }
}
