//! What can be seen without a server: configuration, files, toolchain.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_guest_build::{Target, Toolchain, ToolchainError};
use bulla_node::config::Config;

use super::{Check, Level};
use crate::context::{Context, TOKEN_FILE};
use crate::private_file;

const MASTER_KEY_BYTES: usize = 32;

pub fn checks(context: &Context) -> Vec<Check> {
    let mut all = Vec::new();
    match context.config() {
        Err(error) => all.push(Check::of_error("configuration", &error)),
        Ok(loaded) => {
            let set = loaded.settings.iter().filter(|setting| setting.source != "default").count();
            all.push(Check::new(
                "configuration",
                Level::Ok,
                format!("valid, {set} keys differ from their defaults"),
            ));
            all.extend(data_directory(&loaded.config));
        }
    }
    all.push(toolchain());
    all
}

fn data_directory(config: &Config) -> Vec<Check> {
    let directory = &config.data.directory;
    if !directory.is_dir() {
        let missing = format!("`{}` is not there", directory.display());
        return vec![Check::new("data directory", Level::Finding, missing).hint("`bulla init` creates it")];
    }
    let mut all = vec![match private_file::open_to_others(directory) {
        Some(mode) => {
            let open = format!("`{}` is open to others (mode {mode:o})", directory.display());
            Check::new("data directory", Level::Warning, open)
                .hint(format!("run `chmod 700 {}`", directory.display()))
        }
        None => Check::new("data directory", Level::Ok, directory.display().to_string()),
    }];
    all.push(master_key(config));
    let token = directory.join(TOKEN_FILE);
    all.push(match token.is_file() {
        true => private("operator token", &token),
        false => Check::new("operator token", Level::Note, format!("there is no `{}`", token.display()))
            .hint("give a token in `BULLA_TOKEN` or with `--token-file FILE`"),
    });
    all
}

fn master_key(config: &Config) -> Check {
    const NAME: &str = "master key";
    let variable = &config.master_key.variable;
    if let Ok(text) = std::env::var(variable) {
        return match is_master_key(&text) {
            true => Check::new(NAME, Level::Ok, format!("in the variable `{variable}`")),
            false => Check::new(NAME, Level::Finding, format!("the variable `{variable}` holds no key"))
                .hint("it must be 32 bytes in hex or Base64"),
        };
    }
    let path = config.master_key_file();
    if !path.is_file() {
        let missing = format!(
            "there is no `{}`: no secrets, no signing keys, no cache of compiled code",
            path.display()
        );
        return Check::new(NAME, Level::Finding, missing)
            .hint("`bulla init` creates one; a restored host needs its old one");
    }
    let check = private(NAME, &path);
    match std::fs::read_to_string(&path) {
        Ok(text) if !is_master_key(&text) => {
            Check::new(NAME, Level::Finding, format!("`{}` holds no key", path.display()))
                .hint("it must be 32 bytes in hex or Base64")
        }
        Err(error) => Check::new(NAME, Level::Finding, format!("cannot read `{}`: {error}", path.display())),
        Ok(_) => check,
    }
}

fn is_master_key(text: &str) -> bool {
    let text = text.trim();
    hex::decode(text).is_ok_and(|key| key.len() == MASTER_KEY_BYTES)
        || STANDARD.decode(text).is_ok_and(|key| key.len() == MASTER_KEY_BYTES)
}

fn private(name: &'static str, path: &Path) -> Check {
    match private_file::open_to_others(path) {
        Some(mode) => Check::new(
            name,
            Level::Finding,
            format!("`{}` is open to others (mode {mode:o})", path.display()),
        )
        .hint(format!("run `chmod 600 {}`", path.display())),
        None => Check::new(name, Level::Ok, path.display().to_string()),
    }
}

/// Only a warning: who runs a server needs none.
fn toolchain() -> Check {
    const NAME: &str = "guest toolchain";
    match Toolchain::find(Target::Unknown) {
        Ok(toolchain) => Check::new(NAME, Level::Ok, toolchain.describe()),
        Err(ToolchainError::Missing { target, command }) => {
            let missing = format!("none for `{target}`: `bulla build` will install one, or tell how");
            Check::new(NAME, Level::Warning, missing).hint(format!("run `{command}`"))
        }
        Err(error) => Check::new(NAME, Level::Warning, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;

    fn checks_of(data: &Path) -> Vec<Check> {
        let global = Global { data: Some(data.to_owned()), ..Global::default() };
        data_directory(&Context::new(global).config().unwrap().config)
    }

    fn level(checks: &[Check], name: &str) -> Level {
        checks.iter().find(|check| check.name == name).unwrap().level
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_finding() {
        let dir = tempfile::tempdir().unwrap();
        let checks = checks_of(&dir.path().join("absent"));
        assert_eq!(level(&checks, "data directory"), Level::Finding);
        assert!(checks[0].hint.as_ref().unwrap().contains("bulla init"));
    }

    #[test]
    fn keys_that_are_missing_malformed_or_open_are_findings() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, key) = (parent.path().join("data"), parent.path().join("data.key"));
        std::fs::create_dir(&dir).unwrap();
        assert_eq!(level(&checks_of(&dir), "master key"), Level::Finding);
        private_file::create(&key, "too short").unwrap();
        assert_eq!(level(&checks_of(&dir), "master key"), Level::Finding);
        std::fs::remove_file(&key).unwrap();
        private_file::create(&key, &format!("{}\n", "a1".repeat(32))).unwrap();
        private_file::create(&dir.join(TOKEN_FILE), "bulla_x").unwrap();
        let checks = checks_of(&dir);
        assert_eq!((level(&checks, "master key"), level(&checks, "operator token")), (Level::Ok, Level::Ok));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(level(&checks_of(&dir), "master key"), Level::Finding);
        }
    }

    #[test]
    fn a_master_key_has_32_bytes_in_hex_or_base64() {
        assert!(is_master_key(&"0f".repeat(32)) && is_master_key(&STANDARD.encode([7u8; 32])));
        assert!(
            !is_master_key(&"0f".repeat(31))
                && !is_master_key("")
                && !is_master_key(&STANDARD.encode([7u8; 16]))
        );
    }
}
