//! Room on the disk. A full one fails whichever tests happen to write, each for a reason of its own.

use std::path::Path;

use crate::exit_codes::Exit;
use crate::failure::Failure;

/// What the tests have in the temporary folder at a time, in bytes: measured 2 GiB, most of it PostgreSQL's, and half as much again.
pub const TESTS: u64 = 3 << 30;

/// Refuses when an unprivileged user may write fewer than `needed` bytes in `dir`.
pub fn check(dir: &Path, needed: u64) -> Result<(), Failure> {
    let told = rustix::fs::statvfs(dir).map_err(Failure::io(format!("look at `{}`", dir.display())))?;
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    let message =
        format!("`{}` has {} MiB free, and {} MiB are needed", dir.display(), mib(free), mib(needed));
    Err(Failure::new(Exit::NoRoom, message).hint("make room, or name another folder in `TMPDIR`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_refused() {
        let dir = std::env::temp_dir();
        assert!(check(&dir, 0).is_ok());
        assert!(check(&dir, u64::MAX).unwrap_err().to_string().starts_with("error[no-room]"));
    }
}
