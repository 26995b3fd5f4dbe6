//! Everything that must hold, step by step. The first step that fails ends the run with its own exit code.

use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_base::{Clock, SystemClock};
use bulla_guest_build::Target;
use bulla_tidy::{Severity, Tree};
use clap::ValueEnum;

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::postgres::{self, Binaries, Server};
use crate::progress::seconds;
use crate::{bench, cargo, guests, room, stop};

/// Where the tests find the `bulla` binary.
pub const BINARY: &str = "BULLA_TEST_BINARY";
/// Where they find the one that fails where it is told to.
const FAULTY: &str = "BULLA_TEST_FAULTY";

#[derive(clap::Args)]
pub struct Options {
    /// Only these steps, and those they need
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP")]
    only: Vec<Step>,
}

/// In the order in which they run: what is cheap comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Install what is missing: rustfmt and clippy, the compiler for guests, PostgreSQL
    Install,
    /// Every file is formatted
    Fmt,
    /// The rules of the house (tests/tidy)
    Tidy,
    /// No lint fires, nor in the benchmarks
    Clippy,
    /// The `bulla` binary, and one with failpoints
    Build,
    /// The guests of the tests and the first-party addons
    Guests,
    /// Unit, contract (SQLite and PostgreSQL) and suite
    Tests,
    /// The examples in the documentation of the code
    Doc,
    /// Native tests of the first-party addons
    Addons,
    /// Licences and sources of all dependencies
    Deny,
}

impl Step {
    fn needs(self) -> &'static [Step] {
        match self {
            Self::Guests => &[Self::Build],
            Self::Tests => &[Self::Build, Self::Guests],
            _ => &[],
        }
    }
}

/// What later steps take from earlier ones.
#[derive(Default)]
struct Made {
    bulla: Option<PathBuf>,
    faulty: Option<PathBuf>,
    guests: Option<PathBuf>,
}

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    stop::watch()?;
    let clock = SystemClock::new();
    let mut made = Made::default();
    for step in chosen(&options.only) {
        let start = clock.monotonic();
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        eprintln!("\n━━ {name} ━━");
        let result = stop::check().and_then(|()| run_step(step, root, &mut made));
        let mark = if result.is_ok() { "ok" } else { "failed" };
        eprintln!("━━ {name} {mark} · {}", seconds(clock.monotonic().saturating_sub(start)));
        result?;
    }
    eprintln!("\nall steps passed · {}", seconds(clock.monotonic()));
    Ok(())
}

/// The steps to run in their order.
fn chosen(only: &[Step]) -> Vec<Step> {
    let all = Step::value_variants().iter().copied();
    all.filter(|step| {
        only.is_empty() || only.contains(step) || only.iter().any(|wanted| wanted.needs().contains(step))
    })
    .collect()
}

fn run_step(step: Step, root: &Path, made: &mut Made) -> Result<(), Failure> {
    match step {
        Step::Install => install(root),
        Step::Fmt => fmt(root, true),
        Step::Tidy => tidy(root),
        Step::Clippy => clippy(root),
        Step::Build => {
            // The plain one last: what cargo leaves in its own place is for use.
            made.faulty = Some(cargo::build_faulty(root)?);
            made.bulla = Some(cargo::build_bulla(root)?);
            Ok(())
        }
        Step::Guests => {
            let bulla = made.bulla.as_deref().unwrap_or(Path::new("bulla"));
            made.guests = Some(guests::build(root, bulla)?);
            Ok(())
        }
        Step::Tests => tests(root, made),
        Step::Doc => {
            cargo::run(root, &["test", "--workspace", "--doc", "--locked", "--quiet"], Exit::DocTests)
        }
        Step::Addons => addons(root),
        Step::Deny => deny(root),
    }
}

fn install(root: &Path) -> Result<(), Failure> {
    for component in ["fmt", "clippy"] {
        if !cargo::has(component) {
            let name = if component == "fmt" { "rustfmt" } else { component };
            let add = cargo::succeed(
                Command::new("rustup").args(["component", "add", name]).current_dir(root),
                Exit::ToolchainMissing,
            );
            add.map_err(|error| error.hint(format!("`rustup component add {name}`")))?;
        }
    }
    guests::toolchain(Target::Unknown)?;
    Binaries::find_or_install().map(|_| ())
}

/// The workspace, every guest and the benchmarks; `check` changes nothing.
pub fn fmt(root: &Path, check: bool) -> Result<(), Failure> {
    let mode: &[&str] = if check { &["--check"] } else { &[] };
    cargo::run(root, &[&["fmt", "--all"], mode].concat(), Exit::Fmt)?;
    for folder in [guests::ADDONS, guests::TESTS, bench::PEERS] {
        for dir in guests::crates(root, folder)? {
            cargo::run(&dir, &[&["fmt"], mode].concat(), Exit::Fmt)?;
        }
    }
    // Without `--all`, which would take the host's crates in again.
    let bench = ["fmt", "--package", "bulla-bench", "--package", "bulla-bench-extism"];
    cargo::run(&root.join(bench::DIR), &[&bench, mode].concat(), Exit::Fmt)
}

fn tidy(root: &Path) -> Result<(), Failure> {
    let tree = Tree::read(root).map_err(|error| Failure::new(Exit::Io, error))?;
    let findings = bulla_tidy::check(&tree);
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        errors => Err(Failure::new(Exit::Tidy, format!("{errors} rules of the house are broken"))),
    }
}

fn clippy(root: &Path) -> Result<(), Failure> {
    let args = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    cargo::run(root, &args, Exit::Clippy)?;
    // A workspace of their own, which no other step builds.
    let mut benchmarks = cargo::command(&root.join(bench::DIR));
    benchmarks.args(["clippy", "--package", "bulla-bench", "--locked", "--quiet", "--target-dir"]);
    benchmarks.arg(bench::target_dir(root)?).args(["--", "-D", "warnings"]);
    cargo::succeed(&mut benchmarks, Exit::Clippy)
}

/// All tests of the workspace, with a PostgreSQL of their own that ends with this function, however it ends.
fn tests(root: &Path, made: &Made) -> Result<(), Failure> {
    room::check(&std::env::temp_dir(), room::TESTS)?;
    let server = Server::start(&Binaries::find_or_install()?)?;
    let mut tests = cargo::command(root);
    match cargo::has("nextest") {
        true => tests.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]),
        false => {
            tests.args(["test", "--workspace", "--lib", "--bins", "--tests", "--locked", "--no-fail-fast"])
        }
    };
    tests.env(postgres::VARIABLE, server.url());
    tests.envs(made.bulla.as_ref().map(|bulla| (BINARY, bulla)));
    tests.envs(made.faulty.as_ref().map(|faulty| (FAULTY, faulty)));
    tests.envs(made.guests.as_ref().map(|guests| (guests::VARIABLE, guests)));
    cargo::succeed(&mut tests, Exit::Tests)
}

/// The first-party addons are libraries as well: their logic is tested without WebAssembly.
fn addons(root: &Path) -> Result<(), Failure> {
    let target_dir = root.join(guests::ADDONS).join("target");
    for dir in guests::crates(root, guests::ADDONS)? {
        eprintln!("{}", dir.file_name().unwrap_or_default().to_string_lossy());
        let mut test = cargo::command(&dir);
        test.args(["test", "--locked", "--quiet", "--target-dir"]).arg(&target_dir);
        cargo::succeed(&mut test, Exit::AddonTests)?;
    }
    Ok(())
}

/// Licences, sources and bans depend on this tree only. Advisories change from day to day: they are looked up by `cargo deny check
/// advisories` where a release is made, not here.
fn deny(root: &Path) -> Result<(), Failure> {
    if !cargo::has("deny") {
        eprintln!("not checked: cargo-deny is not installed (`cargo install --locked cargo-deny`)");
        return Ok(());
    }
    cargo::run(root, &["deny", "--all-features", "check", "bans", "licenses", "sources"], Exit::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_brings_what_it_needs_in_order() {
        assert_eq!(chosen(&[Step::Tests]), [Step::Build, Step::Guests, Step::Tests]);
        assert_eq!(chosen(&[Step::Tidy, Step::Fmt]), [Step::Fmt, Step::Tidy]);
        assert_eq!(chosen(&[]), Step::value_variants());
    }

    #[test]
    fn a_step_needs_what_its_needs_need() {
        for step in Step::value_variants() {
            for need in step.needs() {
                assert!(need.needs().iter().all(|deeper| step.needs().contains(deeper)), "{step:?}");
            }
        }
    }
}
