//! Values from the command line, from files and from stdin.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::CliError;

/// `@file` and `-` (stdin) name where the text is; anything else is the text.
pub fn text(argument: &str) -> Result<String, CliError> {
    match (argument, argument.strip_prefix('@')) {
        ("-", _) => stdin(),
        (_, Some(path)) => fs::read_to_string(path).map_err(CliError::file("read", Path::new(path))),
        _ => Ok(argument.to_owned()),
    }
}

pub fn stdin() -> Result<String, CliError> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(CliError::file("read", Path::new("-")))?;
    Ok(text)
}

/// A secret's value: from a file, else from a pipe. Never from the command line, which other users can list, and never typed,
/// which would show it. One line break at the end is not part of it.
pub fn secret(file: Option<&Path>) -> Result<String, CliError> {
    let mut text = match file {
        Some(path) => fs::read_to_string(path).map_err(CliError::file("read", path))?,
        None if io::stdin().is_terminal() => {
            return Err(CliError::Usage {
                message: "the value comes from a pipe or from `--file`".into(),
                hint: Some("for example `printf %s \"$VALUE\" | bulla secret set …`".into()),
            });
        }
        None => stdin()?,
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// An action's input, with files put into it as Base64. What is not touched keeps its spelling: `1.10` stays `1.10`.
pub fn action_input(text: &str, files: &[FieldFile]) -> Result<String, CliError> {
    let malformed = |error: serde_json::Error| CliError::usage(format!("the input is not JSON: {error}"));
    if files.is_empty() {
        serde_json::from_str::<&RawValue>(text).map_err(malformed)?;
        return Ok(text.to_owned());
    }
    let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(|error| {
        CliError::usage(format!("the input must be a JSON object to put files into it: {error}"))
    })?;
    for file in files {
        let bytes = fs::read(&file.path).map_err(CliError::file("read", &file.path))?;
        let value = serde_json::value::to_raw_value(&STANDARD.encode(bytes)).map_err(malformed)?;
        if object.insert(file.field.clone(), value).is_some() {
            return Err(CliError::usage(format!("the input has `{}` already", file.field)));
        }
    }
    serde_json::to_string(&object).map_err(malformed)
}

/// `field=@file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFile {
    pub field: String,
    pub path: PathBuf,
}

impl std::str::FromStr for FieldFile {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("=@") {
            Some((field, path)) if !field.is_empty() && !path.is_empty() => {
                Ok(Self { field: field.into(), path: path.into() })
            }
            _ => Err("it is written `field=@file`"),
        }
    }
}

/// A document in TOML, or in JSON where the file's name ends in `.json`.
pub fn document(path: &Path) -> Result<Value, CliError> {
    let text = fs::read_to_string(path).map_err(CliError::file("read", path))?;
    let malformed = |reason: String| CliError::usage(format!("`{}`: {reason}", path.display()));
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| malformed(error.to_string()));
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| malformed(error.to_string()))?;
    Ok(json_of(toml::Value::Table(table)))
}

/// Dates become texts: JSON has no others.
fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn files_go_into_the_input_and_numbers_keep_their_spelling() {
        let (_dir, path) = file("a.xml", b"<a/>");
        let files = [FieldFile { field: "document".into(), path }];
        let input = action_input(r#"{"total": 1.10}"#, &files).unwrap();
        assert_eq!(input, r#"{"document":"PGEvPg==","total":1.10}"#);
        assert!(action_input(r#"{"document": "x"}"#, &files).is_err());
        assert!(action_input("[]", &files).is_err());
        assert_eq!(action_input("[ 1.0 ]", &[]).unwrap(), "[ 1.0 ]");
        assert!(action_input("{", &[]).is_err());
    }

    #[test]
    fn a_field_file_has_both_parts() {
        let parsed: FieldFile = "document=@a=@b".parse().unwrap();
        assert_eq!((parsed.field.as_str(), parsed.path.to_str().unwrap()), ("document", "a=@b"));
        for wrong in ["document", "=@a", "a=@", "a=b"] {
            assert!(wrong.parse::<FieldFile>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_loses_one_line_break() {
        for (bytes, value) in [("abc\n", "abc"), ("abc\r\n", "abc"), ("abc\n\n", "abc\n"), ("abc", "abc")] {
            let (_dir, path) = file("secret", bytes.as_bytes());
            assert_eq!(secret(Some(&path)).unwrap(), value);
        }
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let (_a, toml) =
            file("rules.toml", b"scope = 's'\n[[rule]]\nname = 'large'\neffective-from = 2026-01-01\n");
        let (_b, json) = file(
            "rules.json",
            br#"{"scope": "s", "rule": [{"name": "large", "effective-from": "2026-01-01"}]}"#,
        );
        assert_eq!(document(&toml).unwrap(), document(&json).unwrap());
        assert_eq!(document(&toml).unwrap()["rule"][0]["effective-from"], json!("2026-01-01"));
        let (_c, wrong) = file("wrong.toml", b"= 1");
        assert!(document(&wrong).is_err());
    }
}
