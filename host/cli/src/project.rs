//! An addon's project directory: its manifest, its component, and whether the two fit together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bulla_base::{Coded, codes};
use bulla_node::{is_free, requested};
use bulla_signing::{Contract, Manifest};

use crate::error::CliError;

const MANIFEST_FILE: &str = "addon.toml";

pub struct Project {
    pub dir: PathBuf,
    /// The manifest as it is, for the package signs its bytes.
    pub manifest_bytes: Vec<u8>,
    pub manifest: Manifest,
}

/// Something that does not fit, with the code under which it is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    pub code: &'static str,
    pub message: String,
}

impl Project {
    pub fn open(dir: &Path) -> Result<Self, CliError> {
        let path = dir.join(MANIFEST_FILE);
        let manifest_bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CliError::Usage {
                    message: format!("`{}` has no `{MANIFEST_FILE}`", dir.display()),
                    hint: Some("`bulla new NAME` writes a project".into()),
                });
            }
            read => read.map_err(CliError::file("read", &path))?,
        };
        let manifest = Manifest::parse_bytes(&manifest_bytes).map_err(CliError::coded)?;
        Ok(Self { dir: dir.to_owned(), manifest_bytes, manifest })
    }

    /// A path in the project; in the current directory without a `./` before it.
    pub fn within(&self, path: impl AsRef<Path>) -> PathBuf {
        if self.dir == Path::new(".") { path.as_ref().to_owned() } else { self.dir.join(path) }
    }

    /// Where `bulla build` puts the component and the other commands look for it.
    pub fn component_path(&self) -> PathBuf {
        self.within("target/bulla").join(format!("{}.wasm", self.manifest.name()))
    }

    /// The built component. `stale` tells whether a source is newer than it.
    pub fn component(&self) -> Result<Vec<u8>, CliError> {
        let path = self.component_path();
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(CliError::Usage {
                message: format!("`{}` was not built", self.manifest.name()),
                hint: Some("run `bulla build` first".into()),
            }),
            read => read.map_err(CliError::file("read", &path)),
        }
    }

    /// A source that changed after the component was built.
    pub fn changed_since_build(&self) -> Option<PathBuf> {
        let built = modified(&self.component_path())?;
        let mut sources = vec![self.within("Cargo.toml"), self.within("Cargo.lock")];
        collect(&self.within("src"), &mut sources);
        sources.into_iter().find(|source| modified(source).is_some_and(|time| time > built))
    }

    /// Everything that does not fit between manifest and component.
    pub fn misfits(&self, component: &[u8]) -> Vec<Misfit> {
        let mut all = Vec::new();
        let mut add =
            |error: &dyn Coded| all.push(Misfit { code: error.code().name, message: error.to_string() });
        match Contract::read(component) {
            Ok(contract) => {
                if let Err(error) = contract.fits(&self.manifest) {
                    add(&error);
                }
            }
            Err(error) => add(&error),
        }
        match bulla_guest_build::imports_and_exports(component) {
            Ok((imports, _)) => {
                let requested = requested(&self.manifest);
                let beyond = imports.iter().filter(|import| !is_allowed(import, &requested));
                all.extend(beyond.map(|import| Misfit {
                    code: codes::DENIED.name,
                    message: format!("the component imports `{import}`, which the manifest does not ask for"),
                }));
            }
            Err(reason) => all.push(Misfit { code: codes::INCOMPATIBLE.name, message: reason }),
        }
        all
    }
}

fn is_allowed(import: &str, requested: &BTreeSet<String>) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    is_free(interface) || requested.contains(interface)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => collect(&path, files),
            path => files.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders");
        bulla_guest_build::write_project(&path, "orders").unwrap();
        let project = Project::open(&path).unwrap();
        (dir, project)
    }

    #[test]
    fn a_new_project_says_what_to_do_first() {
        let (_dir, project) = project();
        let error = project.component().unwrap_err();
        assert_eq!(error.hint().unwrap(), "run `bulla build` first");
        let empty = tempfile::tempdir().unwrap();
        assert!(Project::open(empty.path()).err().unwrap().hint().unwrap().contains("bulla new"));
    }

    #[test]
    fn a_source_that_changed_after_the_build_is_found() {
        let (_dir, project) = project();
        let component = project.component_path();
        fs::create_dir_all(component.parent().unwrap()).unwrap();
        fs::write(&component, b"x").unwrap();
        assert_eq!(project.changed_since_build(), None);
        let source = project.dir.join("src/lib.rs");
        let later = modified(&component).unwrap() + std::time::Duration::from_secs(2);
        fs::File::options().write(true).open(&source).unwrap().set_modified(later).unwrap();
        assert_eq!(project.changed_since_build(), Some(source));
    }

    #[test]
    fn imports_beyond_the_manifest_are_named() {
        let (_dir, project) = project();
        let requested = requested(&project.manifest);
        for (import, allowed) in [
            ("bulla:kernel/log@0.1.0", true),
            ("bulla:kernel/sequences@0.1.0", true),
            ("bulla:kernel/keys@0.1.0", false),
            ("wasi:clocks/wall-clock@0.2.6", false),
        ] {
            assert_eq!(is_allowed(import, &requested), allowed, "{import}");
        }
    }

    #[test]
    fn what_is_no_component_does_not_fit() {
        let (_dir, project) = project();
        let codes: Vec<_> = project.misfits(b"no wasm").into_iter().map(|misfit| misfit.code).collect();
        assert_eq!(codes, ["package-invalid", "incompatible"]);
    }
}
