//! Files that hold a secret: readable by their owner only.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::error::CliError;

/// Reads a secret's file. One that others can read is refused: the secret is no longer one.
pub fn read(path: &Path) -> Result<String, CliError> {
    if let Some(mode) = open_to_others(path) {
        return Err(CliError::OpenSecret { path: path.to_owned(), mode });
    }
    fs::read_to_string(path).map_err(CliError::file("read", path))
}

/// The mode of a file that its group or others can reach.
#[cfg(unix)]
pub fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// Writes a new file with mode 0600, never over one that is there.
pub fn create(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(CliError::file("create", parent))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(CliError::file("create", path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(CliError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_created_is_private_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/key.pem");
        create(&path, "one").unwrap();
        assert_eq!(read(&path).unwrap(), "one");
        assert!(matches!(create(&path, "two"), Err(CliError::File { .. })));
        assert_eq!(read(&path).unwrap(), "one");
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        create(&path, "bulla_x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(CliError::OpenSecret { mode: 0o640, .. })));
    }
}
