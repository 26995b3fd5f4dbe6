//! The benchmarks: builds them, the guest they call and their peers, and runs them. A peer that cannot be built is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_guest_build::Target;

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::postgres::{self, Binaries, Server};
use crate::{cargo, guests, stop};

/// The workspace of the benchmarks.
pub const DIR: &str = "tests/bench";
/// Further workspaces below it.
pub const PEERS: &str = "tests/bench/peers";

/// `wasmtime serve`, in the version that the host has.
const WASMTIME: &str = "48.0.8";
const WASMTIME_FEATURES: &str =
    "run,serve,component-model-async,cranelift,component-model,pooling-allocator,parallel-compilation";

#[derive(clap::Args)]
pub struct Options {
    /// Only these lines: call, http, extism, capability, durable, load, fuel, engine, memory, startup, profile
    #[arg(long, value_delimiter = ',', value_name = "LINE")]
    only: Vec<String>,
    /// A tenth of the rounds: to see that everything works
    #[arg(long)]
    quick: bool,
    /// All results as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Write tests/bench/RESULTS.md and the latency curves
    #[arg(long)]
    write: bool,
    /// Write a profile with function names instead of measuring: call, call-64, durable, bare
    #[arg(long, value_name = "WHAT")]
    profile: Option<String>,
    /// Where data directories are made: the file system that is measured; below the build directory by default
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Options {
    fn wants(&self, line: &str) -> bool {
        self.profile.is_none() && (self.only.is_empty() || self.only.iter().any(|only| only == line))
    }
}

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    stop::watch()?;
    let place = Place::new(root)?;
    let bulla = cargo::build_bulla(root)?;
    guests::toolchain(Target::Unknown)?;
    guests::one(&bulla, &root.join(guests::TESTS).join("metronome"), &place.guests)?;
    place.build("bulla-bench")?;
    if options.wants("extism") {
        left_out("extism", place.extism())?;
    }
    if options.wants("http") {
        left_out("wasmtime serve", place.wasmtime_serve())?;
    }
    let postgres = match options.wants("durable") && std::env::var_os(postgres::VARIABLE).is_none() {
        true => left_out("PostgreSQL", Binaries::find_or_install().and_then(|found| Server::start(&found)))?,
        false => None,
    };
    let mut bench = Command::new(place.target.join("release/bulla-bench"));
    bench.env(guests::VARIABLE, &place.guests);
    bench.envs(postgres.as_ref().map(|server| (postgres::VARIABLE, server.url())));
    bench.arg("--data").arg(options.data.as_ref().unwrap_or(&place.data)).arg("--peers").arg(&place.peers);
    if !options.only.is_empty() {
        bench.arg("--only").arg(options.only.join(","));
    }
    bench.args(options.quick.then_some("--quick")).args(options.json.then_some("--json"));
    if options.write {
        bench.arg("--write").arg(root.join(DIR));
    }
    if let Some(what) = &options.profile {
        bench.arg("--profile").arg(what);
    }
    cargo::succeed(&mut bench, Exit::Bench)
}

/// Says so and goes on; a signal ends the task all the same.
fn left_out<T>(peer: &str, made: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(failure) if failure.exit == Exit::Interrupted => Err(failure),
        Err(failure) => {
            eprintln!("{failure}\n{peer} is left out");
            Ok(None)
        }
    }
}

/// Where the benchmarks are built, beside the host.
pub fn target_dir(root: &Path) -> Result<PathBuf, Failure> {
    Ok(cargo::target_dir(root)?.join("bench"))
}

/// Where everything of the benchmarks lies.
struct Place {
    bench: PathBuf,
    target: PathBuf,
    guests: PathBuf,
    peers: PathBuf,
    data: PathBuf,
}

impl Place {
    fn new(root: &Path) -> Result<Self, Failure> {
        let target = target_dir(root)?;
        let place = Self {
            bench: root.join(DIR),
            guests: target.join("guests"),
            peers: target.join("peers"),
            data: target.join("data"),
            target,
        };
        for dir in [&place.guests, &place.peers, &place.data] {
            fs::create_dir_all(dir).map_err(Failure::io(format!("create `{}`", dir.display())))?;
        }
        Ok(place)
    }

    /// Builds a package as `bulla` is released.
    fn build(&self, package: &str) -> Result<(), Failure> {
        let mut build = cargo::command(&self.bench);
        build
            .args(["build", "--release", "--locked", "--package", package, "--target-dir"])
            .arg(&self.target);
        cargo::succeed(&mut build, Exit::Build)
    }

    fn extism(&self) -> Result<(), Failure> {
        let name = "bulla-bench-extism";
        self.build(name)?;
        copy(&self.target.join("release").join(name), &self.peers.join(name))?;
        self.peer("extism-plugin", Target::Unknown)
    }

    /// The server from crates.io, and the component that it serves.
    fn wasmtime_serve(&self) -> Result<(), Failure> {
        let program = self.peers.join("bin/wasmtime");
        let version = Command::new(&program).arg("--version").output();
        let there = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(WASMTIME));
        if !there {
            let mut install = cargo::command(&self.bench);
            install.args([
                "install",
                "wasmtime-cli",
                "--version",
                &format!("={WASMTIME}"),
                "--locked",
                "--force",
            ]);
            install
                .args(["--no-default-features", "--features", WASMTIME_FEATURES, "--root"])
                .arg(&self.peers);
            install.arg("--target-dir").arg(self.target.join("wasmtime-cli"));
            cargo::succeed(&mut install, Exit::Build)?;
        }
        self.peer("hello-http", Target::Wasip2)
    }

    /// A guest of a peer, where cargo itself can build it.
    fn peer(&self, name: &str, target: Target) -> Result<(), Failure> {
        guests::toolchain(target)?;
        let mut build = cargo::command(&self.bench.join("peers").join(name));
        build.args(["build", "--release", "--locked", "--target", target.triple(), "--target-dir"]);
        cargo::succeed(build.arg(&self.target), Exit::Build)?;
        let built = self.target.join(target.triple()).join("release").join(name.replace('-', "_"));
        copy(&built.with_extension("wasm"), &self.peers.join(name).with_extension("wasm"))
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(drop).map_err(Failure::io(format!("copy `{}`", from.display())))
}
