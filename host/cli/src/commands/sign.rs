//! `bulla sign`: manifest and component in one signed file.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_base::{Clock as _, Entropy, SystemClock};
use bulla_signing::{Package, PublisherKey};
use serde_json::json;

use super::check::refuse;
use crate::context::Context;
use crate::error::CliError;
use crate::private_file;
use crate::project::Project;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The addon's project.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The publisher's private key (PKCS#8 PEM, Ed25519). Unset: `bulla/publisher.pem` in the user's configuration directory,
    /// created where it is missing.
    #[arg(long, value_name = "FILE", conflicts_with = "new_key")]
    key: Option<PathBuf>,
    /// Create a key in this file, which must not exist, and sign with it.
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    /// Where to write the package. Unset: `<name>-<version>.bulla` in the project.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let project = Project::open(&args.dir)?;
    let component = project.component()?;
    if let Some(source) = project.changed_since_build() {
        return Err(CliError::Usage {
            message: format!("`{}` is newer than the component", source.display()),
            hint: Some("run `bulla build` and `bulla test` first".into()),
        });
    }
    refuse(&project.misfits(&component))?;
    let (key, key_file) = publisher_key(args, context)?;
    let now = SystemClock::new().now();
    let package = Package::seal(&project.manifest_bytes, &component, &key, now).map_err(CliError::coded)?;
    let file = format!("{}-{}.bulla", project.manifest.name(), project.manifest.version());
    let path = args.out.clone().unwrap_or_else(|| project.within(file));
    fs::write(&path, package.bytes()).map_err(CliError::file("write", &path))?;
    context.output.record(&json!({
        "package": path,
        "bytes": package.bytes().len(),
        "sha256": package.digest(),
        "key-file": key_file,
        "key": key.id(),
        "public-key": key.public(),
    }))
}

fn publisher_key(args: &Args, context: &Context) -> Result<(PublisherKey, PathBuf), CliError> {
    match (&args.key, &args.new_key) {
        (Some(path), _) => Ok((read(path)?, path.clone())),
        (None, Some(path)) => Ok((create(path, context)?, path.clone())),
        (None, None) => {
            let path = default_key_file()?;
            let key = if path.exists() { read(&path)? } else { create(&path, context)? };
            Ok((key, path))
        }
    }
}

pub fn read(path: &Path) -> Result<PublisherKey, CliError> {
    PublisherKey::from_pem(&private_file::read(path)?).map_err(CliError::coded)
}

fn create(path: &Path, context: &Context) -> Result<PublisherKey, CliError> {
    let key = PublisherKey::generate(&Entropy);
    private_file::create(path, &key.to_pem().map_err(CliError::coded)?)?;
    context.output.say(format!(
        "created the publisher key `{}` in `{}`: keep it safe",
        key.id(),
        path.display()
    ));
    context
        .output
        .say(format!("hint: an operator trusts it with `bulla trust add {} --owner NAME`", key.public()));
    Ok(key)
}

/// Where the XDG base directory specification puts a user's configuration.
fn default_key_file() -> Result<PathBuf, CliError> {
    let directory = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = directory("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    config
        .or_else(|| Some(directory("HOME")?.join(".config")))
        .map(|config| config.join("bulla/publisher.pem"))
        .ok_or_else(|| CliError::Usage {
            message: "there is no home directory for a publisher key".into(),
            hint: Some("name one with `--key FILE` or `--new-key FILE`".into()),
        })
}
