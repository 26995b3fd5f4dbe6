//! `bulla init`: a data directory with a master key, the default policies and an operator's token.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bulla_base::{Coded, Failure, codes};
use bulla_kernel::master::MasterKey;
use bulla_kernel::tokens::NewToken;

use crate::config::Config;
use crate::host::{DATABASE, Host};

/// What was made.
#[derive(Debug)]
pub struct Initialised {
    /// Also in `operator.token` of the data directory, mode 0600; the command does not print it.
    pub operator_token: String,
    pub created: Vec<PathBuf>,
}

/// Makes what is missing and touches nothing that is there: a repeat is refused once there is an operator's token.
pub async fn init(config: &Config) -> Result<Initialised, Failure> {
    let directory = &config.data.directory;
    let token_file = directory.join("operator.token");
    if token_file.exists() {
        let text = format!("`{}` is initialised already", directory.display());
        return Err(Failure::new(codes::CONFLICT, text)
            .hint("`bulla serve` starts it; `bulla token create` makes further tokens"));
    }
    let mut created = Vec::new();
    if !directory.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| refused(directory, &error))?;
        created.push(directory.clone());
    }
    let key = config.master_key_file();
    let from_environment = std::env::var_os(&config.master_key.variable).is_some();
    let makes_key = !key.exists() && !from_environment;
    if makes_key && directory.join(DATABASE).exists() {
        let text = format!("`{}` holds a database, and its master key is not there", directory.display());
        return Err(Failure::new(codes::MASTER_KEY_MISSING, text)
            .hint("give the key that belongs to this data; a new one opens nothing of it"));
    }
    if makes_key {
        MasterKey::create_file(&key).map_err(|error| error.failure())?;
        created.push(key.clone());
    }
    let policies = config.below_data(&config.policy.directory);
    if !policies.exists() {
        bulla_policy::write_defaults(&policies).map_err(|error| error.failure())?;
        created.push(policies);
    }
    let host = Host::start(config.clone(), None).await.inspect_err(|failure| {
        // A database elsewhere is sealed under another key: one that belongs to nothing must not stay.
        if makes_key && failure.code == codes::MASTER_KEY_WRONG {
            let _gone = fs::remove_file(&key);
        }
    })?;
    let new = NewToken {
        subject: "operator".parse().map_err(|_| crate::host::internal("a constant subject"))?,
        tenant: None,
        roles: vec!["operator".parse().map_err(|_| crate::host::internal("a constant role"))?],
        expires_ms: None,
    };
    let (_, text) = host.tokens.create(&host.origin(), &new).await.map_err(|error| error.failure())?;
    write_private(&token_file, text.reveal().as_bytes())?;
    created.push(token_file);
    host.core.db.close().await;
    Ok(Initialised { operator_token: text.reveal().to_owned(), created })
}

/// Readable by its owner only, from its first byte on: always a new file, so that neither the mode of an old one nor the end
/// of a link counts.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let removed = fs::remove_file(path).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    let open = || fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    removed.and_then(|()| open()?.write_all(bytes)).map_err(|error| refused(path, &error))
}

pub(crate) fn refused(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("cannot write `{}`: {}", path.display(), error.kind());
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => codes::STORE_FULL,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => codes::STORE_UNWRITABLE,
        _ => codes::UNAVAILABLE,
    };
    Failure::new(code, text).internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_file_is_new_and_follows_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("token"), directory.path().join("other"));
        fs::write(&other, "kept").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        write_private(&path, b"first").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"kept");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
