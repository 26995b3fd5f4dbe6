//! Finds the server's programs, or installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
use crate::exit_codes::Exit;
use crate::failure::Failure;

/// Where distributions and the source build put them; the version's folder stands at `*`.
const PLACES: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/usr/local/pgsql", "bin"),
    ("/opt/homebrew/opt", "bin"),
];

const INSTALL: &[&[&str]] = &[&["update"], &["install", "-y", "--no-install-recommends", "postgresql"]];

/// `initdb` and `postgres` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let by_path = std::env::split_paths(&path).filter_map(|dir| {
            // Distributions put links to single programs into the path: their neighbours stand beside the real one.
            std::fs::canonicalize(dir.join("initdb")).ok()?.parent().map(Path::to_owned)
        });
        let by_place = PLACES.iter().flat_map(|(place, below)| versions(Path::new(place), below));
        by_path.chain(by_place).find(|dir| is_complete(dir)).map(|dir| Self { dir })
    }

    /// Installs PostgreSQL where it is missing and this is root on Debian or its kin; elsewhere says what to run.
    pub fn find_or_install() -> Result<Self, Failure> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let command = "apt-get update && apt-get install -y --no-install-recommends postgresql";
        let missing = |reason: &str| {
            Failure::new(Exit::PostgresMissing, format!("no PostgreSQL server was found ({reason})"))
                .hint(format!("run as root `{command}`, or put the folder of `initdb` into PATH"))
        };
        if !rustix::process::geteuid().is_root() {
            return Err(missing("and this user may not install one"));
        }
        for args in INSTALL {
            let mut apt_get = Command::new("apt-get");
            apt_get.args(*args).env("DEBIAN_FRONTEND", "noninteractive");
            cargo::succeed(&mut apt_get, Exit::PostgresMissing)
                .map_err(|error| missing(&error.to_string()))?;
        }
        Self::find().ok_or_else(|| missing("also after its installation"))
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The program folders of the versions at a place, the newest first, then the one without a version.
fn versions(place: &Path, below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut dirs: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let digits = name
                .trim_start_matches("postgresql")
                .trim_start_matches(['@', '-'])
                .trim_start_matches("pgsql-");
            let version = digits.split('.').map(str::parse::<u32>).collect::<Result<Vec<_>, _>>().ok()?;
            Some((version, entry.path().join(below)))
        })
        .collect();
    dirs.sort_unstable_by(|a, b| b.cmp(a));
    dirs.into_iter().map(|(_, dir)| dir).chain([place.join(below)]).collect()
}

fn is_complete(dir: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let place = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "16", "pgsql-17", "postgresql@14", "common"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        let found: Vec<_> = versions(place.path(), "bin")
            .iter()
            .map(|dir| dir.strip_prefix(place.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(found, ["pgsql-17/bin", "16/bin", "15/bin", "postgresql@14/bin", "9.6/bin", "bin"]);
    }

    #[test]
    fn a_folder_without_the_server_is_no_installation() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("initdb"), "").unwrap();
        assert!(!is_complete(dir.path()));
        std::fs::write(dir.path().join("postgres"), "").unwrap();
        assert!(is_complete(dir.path()));
    }
}
