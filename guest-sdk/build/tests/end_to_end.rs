//! Real guests, with this machine's toolchain: what is built, and what it imports.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use bulla_guest_build::{
    BuildError, Options, Target, Toolchain, build, build_all, build_wasip2, imports_and_exports,
    write_project,
};

fn repository() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Shared with `cargo xtask`, so that dependencies are compiled once.
fn target_dir() -> PathBuf {
    repository().join("plugins/target")
}

fn toolchain() -> Toolchain {
    Toolchain::find_or_install(Target::Unknown, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// An empty directory for a guest, in the repository: there its dependencies are compiled with the flags of all the others.
fn directory(name: &str) -> PathBuf {
    let dir = target_dir().join("guests-of-tests").join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A crate whose `src/lib.rs` is this.
fn guest(name: &str, kind: &str, source: &str) -> PathBuf {
    let dir = directory(name);
    let sdk = repository().join("guest-sdk/rust");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"{kind}\"]\n\
         [workspace]\n[dependencies]\nbulla = {{ path = \"{}\" }}\n[profile.release]\nopt-level = 3\nlto = true\n\
         codegen-units = 1\npanic = \"abort\"\ndebug = \"line-tables-only\"\n[profile.release.package.\"*\"]\ndebug = false\n",
        sdk.display()
    );
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::copy(repository().join("plugins/Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    fs::write(dir.join("src/lib.rs"), source).unwrap();
    dir
}

#[test]
fn an_addon_imports_only_what_it_uses() {
    let target = target_dir();
    let options = Options { target_dir: Some(&target), ..Options::default() };
    let plugins = ["hello", "einvoice", "hello"].map(|name| repository().join("plugins").join(name));
    let built = build_all(&toolchain(), &plugins, &options).unwrap();
    assert_eq!(built[0].component, built[2].component, "the same source, the same bytes");
    let (imports, exports) = imports_and_exports(&built[0].component).unwrap();
    let expected = names(&[
        "bulla:addon/types@0.1.0",
        "bulla:kernel/audit@0.1.0",
        "bulla:kernel/log@0.1.0",
        "bulla:kernel/sequences@0.1.0",
        "bulla:kernel/types@0.1.0",
    ]);
    let mut imports = imports;
    imports.sort();
    assert_eq!(imports, expected);
    assert_eq!(exports, ["bulla:addon/actions@0.1.0"]);
    assert!(built[0].component.len() < 2 << 20, "{} bytes", built[0].component.len());
}

const EVERYTHING: &str = r#"
use std::time::Duration;
use bulla::prelude::*;

/// All the rooms.
#[action]
fn all(call: &Call) -> Result<Approval> {
    let number = call.sequence("a")?.reserve_on(call.today())?;
    call.info(format_args!("drew {}", number.text()));
    let signature = call.key("k", "p")?.sign(b"x")?;
    call.enqueue_with("deliver", &signature, JobOptions::new().delay(Duration::from_secs(1)))?;
    call.audit("done", "a/1", &[])?;
    let facts = facts! { total: Decimal("1.00"), express: true };
    call.approvals("s")?.request(facts, Subject::of("a/1", b"x"), then("all", &()))
}

/// Sends it.
#[job]
fn deliver(call: &Call, payload: bulla::Signature) -> Result<()> {
    let response = call.secret("t", "p")?.send(Request::post("https://a.example").json(&payload))?;
    response.error_for_status().map(drop)
}

bulla::addon!(all; jobs: deliver);
"#;

#[test]
fn an_addon_with_jobs_exports_both_and_can_use_every_room() {
    let dir = guest("everything", "cdylib", EVERYTHING);
    let target = target_dir();
    let options = Options { target_dir: Some(&target), ..Options::default() };
    let built = build(&toolchain(), &dir, &options).unwrap();
    let (mut imports, mut exports) = imports_and_exports(&built.component).unwrap();
    imports.sort();
    exports.sort();
    let rooms = ["approvals", "audit", "context", "jobs", "keys", "log", "secrets", "sequences", "types"];
    let rooms = rooms.iter().map(|room| format!("bulla:kernel/{room}@0.1.0"));
    assert_eq!(imports, ["bulla:addon/types@0.1.0".to_owned()].into_iter().chain(rooms).collect::<Vec<_>>());
    assert_eq!(exports, ["bulla:addon/actions@0.1.0", "bulla:addon/jobs@0.1.0"]);
}

#[test]
fn a_new_project_builds_without_an_edit() {
    let project = directory("orders");
    write_project(&project, "orders").unwrap();
    let lock = fs::read_to_string(project.join("Cargo.lock")).unwrap();
    let target = target_dir();
    let options = Options { target_dir: Some(&target), offline: true, locked: true, ..Options::default() };
    let built = build(&toolchain(), &project, &options).unwrap();
    assert_eq!(built.package, "orders");
    let (_, exports) = imports_and_exports(&built.component).unwrap();
    assert_eq!(exports, ["bulla:addon/actions@0.1.0"]);
    assert_eq!(fs::read_to_string(project.join("Cargo.lock")).unwrap(), lock);
    let place = repository().display().to_string();
    let found = built.component.windows(place.len()).any(|bytes| bytes == place.as_bytes());
    assert!(!found, "the component names the directory it was built in");
}

#[test]
fn a_project_that_does_not_compile_is_told_with_the_compilers_words() {
    let dir = guest("broken", "cdylib", "fn f() -> u8 { \"text\" }");
    let (target, lines) = (target_dir(), std::cell::RefCell::new(String::new()));
    let progress =
        |progress: bulla_guest_build::Progress<'_>| lines.borrow_mut().push_str(&format!("{progress:?}\n"));
    let options = Options { target_dir: Some(&target), progress: &progress, ..Options::default() };
    let error = build(&toolchain(), &dir, &options).unwrap_err();
    assert!(matches!(error, BuildError::Cargo { .. }), "{error}");
    assert!(lines.borrow().contains("mismatched types"), "{}", lines.borrow());
}

#[test]
fn a_library_without_cdylib_is_told() {
    let dir = guest("plain", "rlib", "");
    let target = target_dir();
    let options = Options { target_dir: Some(&target), ..Options::default() };
    let error = build(&toolchain(), &dir, &options).unwrap_err();
    assert!(matches!(error, BuildError::NoModule { .. }), "{error}");
}

#[test]
fn a_wasip2_program_imports_wasi() {
    let dir = directory("wasi-hello");
    let manifest = "[package]\nname = \"wasi-hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    let source =
        "fn main() { println!(\"{:?} {:?}\", std::time::SystemTime::now(), std::fs::read(\"/data/x\")); }";
    fs::write(dir.join("src/main.rs"), source).unwrap();
    let target = target_dir();
    let options = Options { target_dir: Some(&target), ..Options::default() };
    let built = build_wasip2(&dir, &options).unwrap_or_else(|error| panic!("{error}"));
    let (imports, exports) = imports_and_exports(&built.component).unwrap();
    let has = |list: &[String], name: &str| list.iter().any(|item| item.starts_with(name));
    for name in ["wasi:clocks/wall-clock@0.2", "wasi:filesystem/types@0.2", "wasi:cli/stdout@0.2"] {
        assert!(has(&imports, name), "{name} is not among {imports:?}");
    }
    assert!(has(&exports, "wasi:cli/run@0.2"), "{exports:?}");
}
