//! One server per data directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::StoreError;

/// Holds the directory until it is dropped, or the process ends however it ends: the lock is the operating system's.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who has it.
    pub fn acquire(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        let open = |error: std::io::Error| StoreError::of_file(&path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(open)?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(open)?;
            return Err(StoreError::Locked {
                path: directory.display().to_string(),
                holder: holder.trim().to_owned(),
            });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(open)?;
        writeln!(file, "{}", std::process::id()).and_then(|()| file.flush()).map_err(open)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_server_is_refused_and_told_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirectoryLock::acquire(dir.path()).unwrap();
        let refused = DirectoryLock::acquire(dir.path()).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Locked { holder, .. } if *holder == std::process::id().to_string()),
            "{refused}"
        );
        drop(first);
        DirectoryLock::acquire(dir.path()).unwrap();
    }
}
