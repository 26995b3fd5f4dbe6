//! A guest of another toolchain's kind: a WASI program that exports `bulla:addon/actions`. What it imports of WASI is denied
//! until manifest and operator both name it.

use std::fs;
use std::time::{Duration, SystemTime};

use bulla::prelude::*;

/// A file below its directory.
#[data]
struct File {
    path: String,
}

/// A text for a file.
#[data]
struct Text {
    path: String,
    text: String,
}

/// The file's text. Outside its directory, or without one: the addon's code `io`.
#[action]
fn read(_call: &Call, file: File) -> Result<String> {
    fs::read_to_string(file.path).or_refuse("io")
}

/// Writes the file. Where the grant is read-only: the addon's code `io`.
#[action]
fn write(_call: &Call, text: Text) -> Result<()> {
    fs::write(text.path, text.text).or_refuse("io")
}

/// Milliseconds since 1970, by WASI's clock.
#[action]
fn now(_call: &Call) -> Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).or_refuse("clock")?;
    Ok(since.as_millis() as u64)
}

/// Sleeps for so many seconds inside the host: `deadline`.
#[action]
fn sleep(_call: &Call, seconds: u32) -> Result<()> {
    std::thread::sleep(Duration::from_secs(seconds.into()));
    Ok(())
}

fn main() {}

bulla::addon!(read, write, now, sleep);
