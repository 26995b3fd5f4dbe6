//! `bulla init`: a data directory with a master key, the default policies and an operator's token.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bulla_base::{Coded, Failure, codes};
use bulla_kernel::master::MasterKey;
use bulla_kernel::tokens::NewToken;

use crate::config::Config;
use crate::host::Host;

/// What was made.
#[derive(Debug)]
pub struct Initialised {
    /// Shown once; also in `operator.token` of the data directory, mode 0600.
    pub operator_token: String,
    pub created: Vec<PathBuf>,
}

/// Makes what is missing and touches nothing that is there: a repeat is refused once there is an operator's token.
pub async fn init(config: &Config) -> Result<Initialised, Failure> {
    let directory = &config.data.directory;
    let token_file = directory.join("operator.token");
    if token_file.exists() {
        let text = format!("`{}` is initialised already", directory.display());
        return Err(Failure::new(codes::CONFLICT, text).hint("`bulla serve` starts it; `bulla token create` makes further tokens"));
    }
    let mut created = Vec::new();
    if !directory.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| refused(directory, &error))?;
        created.push(directory.clone());
    }
    let key = config.master_key_file();
    let from_environment = std::env::var_os(&config.master_key.variable).is_some();
    if !key.exists() && !from_environment {
        MasterKey::create_file(&key).map_err(|error| error.failure())?;
        created.push(key);
    }
    let policies = config.below_data(&config.policy.directory);
    if !policies.exists() {
        bulla_policy::write_defaults(&policies).map_err(|error| error.failure())?;
        created.push(policies);
    }
    let host = Host::start(config.clone()).await?;
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

/// Readable by its owner only, from its first byte on.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|error| refused(path, &error))
}

pub(crate) fn refused(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("cannot write `{}`: {}", path.display(), error.kind());
    Failure::new(codes::UNAVAILABLE, text).internal(error.to_string())
}
