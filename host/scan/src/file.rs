//! SQLite's file from outside, before SQLite reads it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::ScanError;

/// A file without a log beside it is as long as its header says (<https://www.sqlite.org/fileformat2.html>, section 1.3). SQLite reads what
/// is missing at its end as empty, and says nothing.
pub(crate) fn is_whole(path: &Path) -> Result<(), ScanError> {
    let shown = path.display();
    let refused =
        |error: std::io::Error| ScanError::Open { path: shown.to_string(), reason: error.to_string() };
    let has_log = fs::metadata(format!("{shown}-wal")).is_ok_and(|log| log.len() > 0);
    let length = fs::metadata(path).map_err(refused)?.len();
    if has_log || length == 0 {
        return Ok(());
    }
    let mut header = [0; 32];
    let short = |_| ScanError::Corrupt(format!("`{shown}` ends within its header"));
    File::open(path).map_err(refused)?.read_exact(&mut header).map_err(short)?;
    // A size of 65,536 is written as 1.
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let expected = page * u64::from(pages);
    if length < expected {
        return Err(ScanError::Corrupt(format!("`{shown}` has {length} bytes of {expected}")));
    }
    Ok(())
}
