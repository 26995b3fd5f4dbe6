//! Embeds the page of each error code, so that `bulla explain` needs neither network nor files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let pages = root.join("../../docs/src/errors");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?).join("error_pages.rs");
    println_cargo(&format!("rerun-if-changed={}", pages.display()))?;
    fs::write(out, table(&pages)?)
}

/// A Rust expression: code and page, sorted by code.
fn table(pages: &Path) -> io::Result<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(pages)? {
        let path = entry?.path().canonicalize()?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        match stem {
            Some(code) if path.extension().is_some_and(|extension| extension == "md") && code != "index" => {
                println_cargo(&format!("rerun-if-changed={}", path.display()))?;
                found.push(format!("({code:?}, include_str!({:?})),\n", path.display().to_string()));
            }
            _ => {}
        }
    }
    found.sort();
    Ok(format!("&[\n{}]", found.concat()))
}

fn println_cargo(instruction: &str) -> io::Result<()> {
    writeln!(io::stdout(), "cargo:{instruction}")
}
